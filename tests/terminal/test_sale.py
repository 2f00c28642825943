"""The sale machine on its own: events in, phases and effects out. Ports and cards are tested elsewhere."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.authorise import House, Listed, Refusal, Refused, Standing
from protocol.basket import Basket
from protocol.entries import Kind, Operation, RefundStep, SaleRefused, SaleStep, TopUpStep, TopUpTo
from protocol.ids import CardNo, ChannelId, Counter, Generation, LoadSeq, MerchantId, Seq, Tno
from protocol.instants import BusinessDay, ClockSource, MonoMs, Now, UtcMs
from protocol.limits import NO_LIMITS, ClassLimits, LimitRules, When
from protocol.money import Cents
from protocol.price_list import PriceList
from protocol.purse import (
    NO_MARK,
    CardClass,
    CardRead,
    Identity,
    LoadRecord,
    Mark,
    Outcome,
    Purse,
    SeenStep,
    SignedLoad,
    Technology,
)
from terminal.desk import (
    AppendEntry,
    AwaitingCard,
    BasketChanged,
    Cancelled,
    CardFirm,
    CardLost,
    CardRemoved,
    CardTapped,
    CardWritten,
    ComparePin,
    Confirmed,
    Desk,
    Done,
    Effect,
    EntryStored,
    Event,
    Firming,
    HandOver,
    MakeFirm,
    NotDone,
    PaidEarlier,
    PayPressed,
    PinCompared,
    PinEntered,
    PinEntry,
    ReadCard,
    Receipt,
    RepeatAsked,
    Ringing,
    TapAgain,
    Ticked,
    WriteCard,
)
from terminal.load import Load
from terminal.purchase import Facts
from terminal.refund import Refund, Sold
from terminal.sale import step
from terminal.step_draft import Open
from terminal.topup import TopUp
from terminal.wake import Unfinished, wake

TNO = Tno(7)
PRICES = PriceList(1, "CNY", ())
CARD, OTHER = (CardNo(12), Generation(1)), (CardNo(13), Generation(1))
FACTS = Facts(Standing(), House(NO_LIMITS, 0), When(BusinessDay(20_000), BusinessDay(20_001), 720, ClockSource.NTP))


def now(ms: int = 0, clock: ClockSource = ClockSource.NTP) -> Now:
    """Some instant, `ms` after the first one."""
    return Now(UtcMs(1_790_000_000_000 + ms), MonoMs(5_000_000 + ms), clock)


def read_of(
    card: tuple[CardNo, Generation] = CARD,
    main: int = 5_000,
    counter: int = 4,
    mark: Mark = NO_MARK,
    technology: Technology = Technology.DESFIRE,
    pin: bytes = b"",
    tries: int = 0,
) -> CardRead:
    """What a tap shows."""
    purse = Purse(Counter(counter), Cents(main), mark=mark, pin_tries=tries)
    last = (SeenStep(1, mark.tno, mark.seq, Counter(counter)),)
    return CardRead(technology, b"\x04" * 7, 1, Identity(*card, CardClass.STUDENT, pin), purse, last)


class Till:
    """A counter under test: the journal numbers entries, the card does as the test says."""

    def __init__(self) -> None:
        self.desk = Desk(TNO, MerchantId("m1"), PRICES, Ringing(Basket(PRICES)))
        self.entries: list[AppendEntry] = []
        self.effects: list[Effect] = []
        self.at = 0

    def does(self, event: Event) -> "Till":
        """Take an event; entries are stored at once, other effects are left for the test to look at."""
        self.desk, effects = step(self.desk, event)
        self._carry(effects)
        return self

    def wakes(self, opens: list[Open], last: Receipt | None, at: Now) -> "Till":
        """Start again after a stop."""
        self.desk, effects = wake(self.desk, Unfinished(tuple(opens), last), at)
        self._carry(effects)
        return self

    def rings(self, cents: int = 1_200) -> "Till":
        """A free amount, and pay."""
        basket = Basket(PRICES).add_amount(Cents(cents))
        assert isinstance(basket, Basket)
        return self.does(BasketChanged(basket)).does(PayPressed())

    def taps(self, read: CardRead | None = None, facts: Facts = FACTS, load: Load | None = None) -> "Till":
        """A card comes."""
        return self.does(CardTapped(read or read_of(), facts, self.now, load))

    def pays(self, read: CardRead | None = None) -> "Till":
        """A card comes and is written."""
        return self.taps(read).does(CardWritten(read or read_of(), self.now))

    def waits(self, ms: int) -> "Till":
        """Time passes."""
        self.at += ms
        return self.does(Ticked(self.now))

    def _carry(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, AppendEntry):
                self.entries.append(effect)
                self.does(EntryStored(effect.kind, Seq(len(self.entries)), self.now))
            else:
                self.effects.append(effect)

    @property
    def now(self) -> Now:
        """The counter's time."""
        return now(self.at)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of all entries written so far."""
        return [entry.kind for entry in self.entries]

    def asked(self, effect: Effect) -> bool:
        """Whether this is what the machine asked for last, entries apart."""
        return self.effects[-1] == effect

    @property
    def handed_over(self) -> int:
        """How often goods went over the counter."""
        return sum(isinstance(effect, HandOver) for effect in self.effects)


@pytest.fixture
def desk() -> Till:
    """An idle counter."""
    return Till()


def test_a_sale_is_written_down_before_the_card_and_again_before_ok(desk: Till) -> None:
    desk.rings().taps()
    assert desk.kinds == [Kind.SALE_PREPARED]
    written = desk.effects[-1]
    assert isinstance(written, WriteCard)
    assert (written.change.after.counter, written.change.after.main_cents) == (5, 3_800)
    assert written.change.after.mark == Mark(TNO, Seq(1))
    assert desk.handed_over == 0
    desk.does(CardWritten(read_of(), desk.now))
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]
    assert desk.handed_over == 1
    assert isinstance(desk.desk.phase, Done)
    assert desk.desk.opens == ()


def test_a_card_taken_away_too_early_is_charged_once(desk: Till) -> None:
    """The customer must tap again; the counter on the card says whether the first write went through."""
    desk.rings().taps().does(CardLost(desk.now)).does(CardRemoved(desk.now))
    assert isinstance(desk.desk.phase, TapAgain)
    desk.taps()
    assert desk.asked(MakeFirm(Mark(TNO, Seq(1)), Counter(5)))
    desk.does(CardFirm(Outcome.WRITTEN, read_of(main=3_800, counter=5), desk.now))
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]
    assert desk.handed_over == 1


def test_a_write_that_never_happened_is_voided_and_tried_again(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).taps().does(CardFirm(Outcome.NOT_WRITTEN, read_of(), desk.now))
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_VOIDED]
    assert desk.asked(ReadCard())
    desk.pays()
    assert desk.kinds[2:] == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_a_card_that_no_longer_remembers_makes_the_sale_torn(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).taps().does(CardFirm(Outcome.UNKNOWN, read_of(), desk.now))
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_TORN]
    assert desk.handed_over == 0


def test_another_card_does_not_answer_for_a_torn_one(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now))
    before = desk.desk.phase
    assert desk.taps(read_of(OTHER)).desk.phase == before


def test_a_torn_step_waits_behind_the_next_customers(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).does(Cancelled())
    desk.rings(300).pays(read_of(OTHER))
    assert desk.handed_over == 1
    assert [found.card for found in desk.desk.opens] == [CARD]


def test_a_recovery_tap_with_a_rung_basket_charges_nothing_else(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).does(Cancelled())
    desk.rings(1_500).taps().does(CardFirm(Outcome.WRITTEN, read_of(counter=5), desk.now))
    phase = desk.desk.phase
    assert isinstance(phase, PaidEarlier)
    assert desk.handed_over == 0
    desk.does(Confirmed())
    assert desk.handed_over == 1
    assert isinstance(desk.desk.phase, Ringing)
    assert desk.desk.phase.basket.items == ()
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_a_new_purchase_after_a_recovery_needs_a_new_tap(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).does(Cancelled())
    desk.rings(1_500).taps().does(CardFirm(Outcome.WRITTEN, read_of(counter=5), desk.now)).does(Cancelled())
    assert isinstance(desk.desk.phase, AwaitingCard)
    desk.taps(read_of(counter=5))
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]
    desk.does(CardRemoved(desk.now)).waits(11_000).pays(read_of(counter=5))
    assert desk.kinds[2:] == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_after_ten_minutes_nothing_is_handed_over(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).waits(10 * 60_000 + 1)
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_TORN]
    assert isinstance(desk.desk.phase, Ringing)
    assert desk.desk.opens == ()


def test_a_card_that_speaks_too_late_is_not_believed_here(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).taps()
    desk.at += 10 * 60_000 + 1
    desk.does(CardFirm(Outcome.WRITTEN, read_of(counter=5), desk.now))
    assert desk.kinds[-1] is Kind.SALE_TORN


def test_a_card_lost_while_it_is_made_definite_is_asked_for_again(desk: Till) -> None:
    desk.rings().taps().does(CardLost(desk.now)).taps()
    assert isinstance(desk.desk.phase, Firming)
    assert isinstance(desk.does(CardLost(desk.now)).desk.phase, TapAgain)


def test_a_lingering_card_pays_once(desk: Till) -> None:
    desk.rings().pays().rings()
    assert desk.asked(ReadCard())
    desk.taps()
    assert desk.kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_a_flickering_card_never_left(desk: Till) -> None:
    desk.rings().pays().does(CardRemoved(desk.now))
    desk.at += 400
    desk.taps().rings()
    desk.at += 20_000
    assert desk.taps().kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_the_same_card_soon_again_is_the_cashiers_decision(desk: Till) -> None:
    desk.rings().pays().does(CardRemoved(desk.now))
    desk.at += 3_000
    desk.rings().taps()
    assert isinstance(desk.desk.phase, RepeatAsked)
    desk.does(Confirmed())
    assert desk.asked(ReadCard())
    assert desk.pays().kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED] * 2


def test_a_card_in_between_does_not_make_a_quick_second_charge(desk: Till) -> None:
    desk.rings().pays().does(CardRemoved(desk.now))
    desk.at += 1_000
    desk.rings().pays(read_of(OTHER)).does(CardRemoved(desk.now))
    desk.at += 1_000
    assert isinstance(desk.rings().taps().desk.phase, RepeatAsked)


def test_a_refusal_keeps_the_order_for_another_card(desk: Till) -> None:
    desk.rings().taps(read_of(main=100))
    phase = desk.desk.phase
    assert isinstance(phase, NotDone)
    assert phase.reason == Refused(Refusal.BALANCE_TOO_LOW, 100)
    assert desk.pays(read_of(OTHER)).kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


def test_equal_refusals_within_a_minute_are_one_entry(desk: Till) -> None:
    blocked = replace(FACTS, standing=Standing(Listed.BLOCKED))
    desk.rings().taps(facts=blocked).taps(facts=blocked).taps(facts=blocked).taps(read_of(OTHER), blocked)
    assert desk.kinds == []
    desk.waits(60_000)
    assert desk.kinds == [Kind.SALE_REFUSED, Kind.SALE_REFUSED]
    first = desk.entries[0].body
    assert isinstance(first, SaleRefused)
    assert (first.reason, first.count, first.counter) == (Refusal.CARD_BLOCKED, 3, 4)


def test_a_strangers_card_is_refused(desk: Till) -> None:
    desk.does(BasketChanged(Basket(PRICES)))
    desk.rings().does(CardTapped(None, FACTS, desk.now))
    assert isinstance(desk.desk.phase, NotDone)


def test_a_refusal_says_how_much_was_asked_for(desk: Till) -> None:
    desk.rings(6_000).taps().waits(60_000)
    body = desk.entries[0].body
    assert isinstance(body, SaleRefused)
    assert (body.reason, body.amount, body.main) == (Refusal.BALANCE_TOO_LOW, 6_000, 5_000)


@pytest.mark.parametrize("house", [House(NO_LIMITS, 0, revoked=True), House(NO_LIMITS, 0, journal_low=True)])
@pytest.mark.parametrize("order", [None, Load(None)])
def test_what_no_card_can_change_is_told_before_one_is_asked_for(desk: Till, house: House, order: Load | None) -> None:
    desk.rings().does(Cancelled())
    basket = Basket(PRICES).add_amount(Cents(300))
    assert isinstance(basket, Basket)
    desk.does(BasketChanged(basket)).does(PayPressed(order, house))
    assert isinstance(desk.desk.phase, NotDone)
    assert desk.kinds == []


def test_a_terminal_that_was_revoked_gives_nothing_back(desk: Till) -> None:
    revoked = House(NO_LIMITS, 0, revoked=True)
    desk.does(PayPressed(Refund(sold(Technology.CLASSIC), Cents(500)), revoked))
    assert desk.kinds == []


def test_below_the_disk_reserve_nothing_is_prepared_or_noted(desk: Till) -> None:
    low = replace(FACTS, house=House(NO_LIMITS, 0, journal_low=True))
    desk.rings().taps(facts=low).waits(60_000)
    assert desk.kinds == []


PIN_FACTS = replace(FACTS, house=House(LimitRules((ClassLimits(1, pin_above=Cents(1_000)),)), 0))


def test_a_pin_try_is_on_the_card_before_the_pin_is_compared(desk: Till) -> None:
    read = read_of(pin=b"verifier")
    desk.rings().taps(read, PIN_FACTS)
    assert isinstance(desk.desk.phase, PinEntry)
    desk.does(PinEntered("1234"))
    assert desk.asked(ReadCard())
    desk.taps(read, PIN_FACTS)
    assert desk.kinds == [Kind.PIN_TRIED]
    tried = desk.effects[-1]
    assert isinstance(tried, WriteCard)
    assert (tried.change.after.pin_tries, tried.change.after.main_cents) == (1, 5_000)
    after = read_of(pin=b"verifier", counter=5, tries=1)
    desk.does(CardWritten(after, desk.now))
    assert desk.asked(ComparePin("1234"))
    desk.does(PinCompared(True, desk.now))
    paid = desk.effects[-1]
    assert isinstance(paid, WriteCard)
    assert (paid.change.after.pin_tries, paid.change.after.counter) == (0, 6)
    assert "1234" not in repr(desk.desk)


@pytest.mark.parametrize("change", [{"counter": 5}, {"main": 4_000}, {"uid": b"\x05" * 7}])
def test_a_card_that_changed_while_its_pin_was_typed_starts_over(desk: Till, change: dict[str, Any]) -> None:
    desk.rings().taps(read_of(pin=b"verifier"), PIN_FACTS).does(PinEntered("1234"))
    uid = change.pop("uid", None)
    changed = read_of(pin=b"verifier", **change)
    desk.taps(replace(changed, uid=uid) if uid else changed, PIN_FACTS)
    phase = desk.desk.phase
    assert isinstance(phase, PinEntry)
    assert (phase.pin, desk.kinds) == ("", [])


def test_a_wrong_pin_is_refused_and_stays_counted(desk: Till) -> None:
    read = read_of(pin=b"verifier")
    desk.rings().taps(read, PIN_FACTS).does(PinEntered("9999")).taps(read, PIN_FACTS)
    desk.does(CardWritten(read_of(pin=b"verifier", counter=5, tries=1), desk.now)).does(PinCompared(False, desk.now))
    phase = desk.desk.phase
    assert isinstance(phase, NotDone)
    assert isinstance(phase.reason, Refused)
    assert (phase.reason.reason, phase.reason.figure) == (Refusal.PIN_WRONG, 2)
    assert desk.kinds == [Kind.PIN_TRIED]


def sold(technology: Technology = Technology.DESFIRE) -> Sold:
    """A sale of 12.00 that entry 99 prepared."""
    return Sold(Seq(99), read_of(technology=technology).id, MerchantId("m1"), BusinessDay(1), Cents(1_200), Cents(0))


def test_a_refund_goes_onto_the_card_whose_last_step_is_that_sale(desk: Till) -> None:
    order = Refund(sold(), Cents(500))
    desk.does(PayPressed(order)).pays(read_of(mark=Mark(TNO, Seq(99)), counter=5, main=3_800))
    assert desk.kinds == [Kind.REFUND_PREPARED, Kind.REFUND_SETTLED]


@pytest.mark.parametrize("mark", [NO_MARK, Mark(Tno(8), Seq(99)), Mark(TNO, Seq(100))])
def test_any_other_refund_is_pending_credit(desk: Till, mark: Mark) -> None:
    desk.does(PayPressed(Refund(sold(), Cents(500)))).taps(read_of(mark=mark))
    assert desk.kinds == [Kind.REFUND_SETTLED]
    body = desk.entries[0].body
    assert isinstance(body, RefundStep)
    assert not body.touches_card


@pytest.mark.parametrize(
    "standing", [Standing(Listed.BLOCKED), Standing(Listed.CLOSED), Standing(counter_floor=Counter(6))]
)
def test_a_refund_does_not_go_onto_a_card_that_may_not_pay(desk: Till, standing: Standing) -> None:
    read, order = read_of(mark=Mark(TNO, Seq(99)), counter=5), Refund(sold(), Cents(500))
    desk.does(PayPressed(order)).taps(read, replace(FACTS, standing=standing))
    assert desk.kinds == [Kind.REFUND_SETTLED]


def test_a_refund_of_a_classic_sale_asks_for_no_card(desk: Till) -> None:
    desk.does(PayPressed(Refund(sold(Technology.CLASSIC), Cents(500))))
    assert desk.kinds == [Kind.REFUND_SETTLED]


def test_a_torn_refund_that_never_reached_the_card_is_not_tried_again(desk: Till) -> None:
    """The voided entry already makes it pending credit: paying it once more in another form would pay it twice."""
    read = read_of(mark=Mark(TNO, Seq(99)), counter=5)
    desk.does(PayPressed(Refund(sold(), Cents(500)))).taps(read).does(CardLost(desk.now)).taps(read)
    desk.does(CardFirm(Outcome.NOT_WRITTEN, read, desk.now))
    assert desk.kinds == [Kind.REFUND_PREPARED, Kind.REFUND_VOIDED]
    assert desk.effects[-1] != ReadCard()


def signed(total: int, load_seq: int, card: tuple[CardNo, Generation] = CARD) -> Load:
    """The list's record for a card."""
    return Load(SignedLoad(LoadRecord(*card, LoadSeq(load_seq), Cents(total)), bytes(64)))


def loaded(total: int, load_seq: int) -> CardRead:
    """A card that collected a load before."""
    read = read_of()
    assert read.purse is not None
    record = LoadRecord(*CARD, LoadSeq(load_seq), Cents(total))
    return replace(read, purse=replace(read.purse, load_seq=LoadSeq(load_seq)), loaded=record)


def test_a_load_brings_the_difference_of_two_totals(desk: Till) -> None:
    desk.does(PayPressed(Load(None))).taps(loaded(2_000, 3), load=signed(5_000, 4))
    written = desk.effects[-1]
    assert isinstance(written, WriteCard)
    assert (written.change.amount_cents, written.change.after.load_seq) == (3_000, 4)


def test_a_load_is_never_collected_twice(desk: Till) -> None:
    desk.does(PayPressed(Load(None))).taps(loaded(5_000, 4), load=signed(5_000, 4))
    assert desk.kinds == []


def test_more_than_one_entry_can_tell_is_not_collected(desk: Till) -> None:
    desk.does(PayPressed(Load(None))).taps(loaded(5_000, 4), load=signed(100_005_000, 5))
    assert desk.kinds == []


@pytest.mark.parametrize(("total", "load_seq"), [(3_000, 2), (5_000, 3), (6_000, 4), (6_000, 3), (3_000, 5)])
def test_a_card_that_contradicts_the_list_is_told_to_the_server(desk: Till, total: int, load_seq: int) -> None:
    desk.does(PayPressed(Load(None))).taps(loaded(5_000, 4), load=signed(total, load_seq))
    assert desk.kinds == [Kind.LOAD_VOIDED]
    assert not any(isinstance(effect, WriteCard) for effect in desk.effects)


@pytest.mark.parametrize(
    ("total", "load_seq", "granted", "kinds"),
    [
        (5_000, 4, 200, []),
        (5_000, 4, 300, [Kind.LOAD_VOIDED]),
        (5_000, 5, 100, [Kind.LOAD_VOIDED]),
        (5_300, 5, 100, [Kind.LOAD_VOIDED]),
        (5_000, 5, 200, []),
        (5_000, 5, 300, [Kind.LOAD_PREPARED]),
    ],
)
def test_a_subsidy_that_falls_within_its_period_is_told_to_the_server(
    desk: Till, total: int, load_seq: int, granted: int, kinds: list[Kind]
) -> None:
    """More main money does not make up for it: the card has more than the list ever gave."""
    read, order = loaded(5_000, 4), signed(total, load_seq)
    assert read.purse is not None and read.loaded is not None and order.record is not None
    read = replace(
        read,
        purse=replace(read.purse, period=1),
        loaded=replace(read.loaded, period=1, subsidy_total_cents=Cents(200)),
    )
    record = replace(order.record.record, period=1, subsidy_total_cents=Cents(granted))
    desk.does(PayPressed(Load(None))).taps(read, load=Load(SignedLoad(record, bytes(64))))
    assert desk.kinds == kinds


def test_cash_goes_onto_desfire_now_and_onto_classic_by_a_load(desk: Till) -> None:
    order = TopUp(Cents(2_000), ChannelId("cash"))
    desk.does(PayPressed(order)).pays()
    assert desk.kinds == [Kind.TOPUP_PREPARED, Kind.TOPUP_SETTLED]
    empty = read_of(OTHER, main=0, technology=Technology.CLASSIC)
    desk.does(PayPressed(order)).taps(empty)
    assert desk.kinds[2:] == [Kind.TOPUP_PREPARED]
    assert isinstance(desk.desk.phase, Done)


@pytest.mark.parametrize(
    ("limit", "cents", "at_once"), [(2_000, 2_000, True), (2_000, 2_001, False), (0, 99_999, True)]
)
def test_more_cash_than_a_station_may_put_on_at_once_waits_for_the_server(
    desk: Till, limit: int, cents: int, at_once: bool
) -> None:
    """So a station that nobody hears of can have given a card no more than that with each step."""
    facts = replace(FACTS, house=House(LimitRules(topup=Cents(limit)), 0))
    desk.does(PayPressed(TopUp(Cents(cents), ChannelId("cash")))).taps(facts=facts)
    entry = desk.entries[-1]
    assert isinstance(entry.body, TopUpStep)
    assert (entry.kind, entry.body.to) == (Kind.TOPUP_PREPARED, TopUpTo.CARD if at_once else TopUpTo.LOAD)
    assert isinstance(desk.desk.phase, Done) is not at_once


def opened(ms: int = 0, clock: ClockSource = ClockSource.NTP) -> Open:
    """A prepared sale of an earlier start."""
    body = SaleStep(
        read_of().id,
        Cents(1_200),
        counter=Counter(4),
        counter_after=Counter(5),
        main=Cents(5_000),
        main_after=Cents(3_800),
        merchant=MerchantId("m1"),
    )
    return Open(Seq(1), Operation.SALE, body, now(ms, clock))


def test_a_prepared_sale_is_open_again_after_a_power_cut(desk: Till) -> None:
    desk.wakes([opened()], None, replace(now(60_000), mono_ms=MonoMs(700_000)))
    assert [found.card for found in desk.desk.opens] == [CARD]
    desk.at = -4_299_000
    desk.rings().taps().does(CardFirm(Outcome.WRITTEN, read_of(counter=5), desk.now))
    assert isinstance(desk.desk.phase, PaidEarlier)


@pytest.mark.parametrize("clock", [ClockSource.NONE, ClockSource.RTC])
def test_a_sale_whose_ten_minutes_cannot_be_measured_is_torn_at_once(desk: Till, clock: ClockSource) -> None:
    woken = now(60_000, ClockSource.NONE) if clock is ClockSource.RTC else now(60_000)
    desk.wakes([opened(clock=clock)], None, woken)
    assert desk.kinds == [Kind.SALE_TORN]
    assert desk.desk.opens == ()


def test_what_was_paid_before_a_stop_is_perhaps_not_handed_over(desk: Till) -> None:
    receipt = Receipt(Mark(TNO, Seq(1)), Kind.SALE_SETTLED, opened().body, now())
    desk.wakes([], receipt, now(30_000))
    desk.rings().taps()
    phase = desk.desk.phase
    assert isinstance(phase, PaidEarlier)
    assert phase.receipt == receipt
    desk.does(Confirmed())
    assert desk.handed_over == 1
    assert desk.kinds == []


def test_what_was_paid_long_before_a_stop_is_over(desk: Till) -> None:
    receipt = Receipt(Mark(TNO, Seq(1)), Kind.SALE_SETTLED, opened().body, now())
    assert desk.wakes([], receipt, now(11 * 60_000)).desk.unconfirmed is None
