"""Cards torn at every exchange and terminals cut at every effect: charged once or not at all, nothing without settled.

One campus for each test, a fresh card for each tear. What a card really holds is read from its memory; what the
terminals and the server say must come to the same, to the cent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.entries import RefundStep, TopUpStep
from protocol.instants import MINUTE_MS, SECOND_MS
from protocol.purse import PURSES, Technology
from server.ledger.accounts import Account, merchant, pending, purse
from tests.simulation.campus import Campus
from tests.simulation.disk import DiskFault
from tests.simulation.plastic import Plastic
from tests.simulation.till import Till

pytestmark = pytest.mark.seeds

BALANCE, LUNCH, TEA, CASH = 5_000, 1_200, 300, 2_500
TOO_LATE_MS = 11 * MINUTE_MS
both = pytest.mark.parametrize("technology", list(PURSES))


@dataclass
class Scene:
    """A campus with two tills and two stations, and what has been handed over."""

    campus: Campus

    @classmethod
    def set(cls) -> "Scene":
        return cls(Campus(1, tills=2, stations=2))

    @property
    def till(self) -> Till:
        return self.campus.tills[0]

    @property
    def other(self) -> Till:
        return self.campus.tills[1]

    @property
    def station(self) -> Till:
        return self.campus.stations[0]

    def goods_of(self, card: Plastic, till: Till) -> list[int]:
        """What a till has handed over to a card's holder."""
        given = self.campus.truth.goods
        return [goods.cents for goods in given if (goods.till, goods.card) == (till.name, card.key)]

    def ledger(self) -> dict[Account, int]:
        """What every account comes to."""
        self.campus.sync()
        totals: dict[Account, int] = {}
        for posted in self.campus.server.book.posted.values():
            for leg in posted.postings:
                totals[leg.account] = totals.get(leg.account, 0) + leg.cents
        return totals


def cents_on(card: Plastic) -> int:
    held = card.holding()
    assert held is not None, "the card has no whole purse any more"
    return held.cents


def exchanges_of(card: Plastic, act: Callable[[], object]) -> int:
    before = card.exchanges
    act()
    return card.exchanges - before


def tears_at(exchange: int, technology: Technology) -> Iterator[Tear]:
    """Before and after the card applied a command; on MIFARE Classic also in the middle of its sixteen bytes."""
    yield Tear(exchange, Moment.BEFORE)
    yield Tear(exchange, Moment.AFTER)
    if technology is Technology.CLASSIC:
        for rest, cut in zip(Rest, (0, 7, 15), strict=True):
            yield Tear(exchange, Moment.DURING, cut, 0xFF, rest)
        yield Tear(exchange, Moment.DURING, 15, 0x01)


def all_tears(scene: Scene, technology: Technology, act: Callable[[Scene, Plastic, Tear | None], None]) -> list[Tear]:
    """Every tear of one undisturbed run."""
    card = scene.campus.card(technology, BALANCE)
    count = exchanges_of(card, lambda: act(scene, card, None))
    for till in scene.campus.all_tills:
        till.lift()
    return [tear for exchange in range(1, count + 1) for tear in tears_at(exchange, technology)]


def lunch(scene: Scene, card: Plastic, tear: Tear | None = None) -> None:
    """Ring, ask, tap, and a second later the customer holds on."""
    scene.till.ring(LUNCH)
    scene.till.pay()
    scene.till.tap(card, tear)
    scene.campus.pass_time(SECOND_MS)


# Torn cards ------------------------------------------------------------------------------------------------------


@both
def test_a_sale_torn_anywhere_and_tapped_again_is_charged_once(technology: Technology) -> None:
    scene = Scene.set()
    cards = []
    for tear in all_tears(scene, technology, lunch):
        card = scene.campus.card(technology, BALANCE)
        lunch(scene, card, tear)
        debited = cents_on(card) == BALANCE - LUNCH
        assert debited or not scene.goods_of(card, scene.till), f"{tear}: goods without a debit"
        scene.till.tap(card)
        scene.till.lift()
        assert cents_on(card) == BALANCE - LUNCH, tear
        assert scene.goods_of(card, scene.till) == [LUNCH], tear
        assert not scene.till.shell.desk.opens
        cards.append(card)
        scene.campus.pass_time(MINUTE_MS)
    ledger = scene.ledger()
    assert all(ledger[purse(card.key)] == BALANCE - LUNCH for card in cards)
    assert ledger[merchant(scene.till.merchant)] == LUNCH * (len(cards) + 1)
    assert scene.campus.reconcile() == []


@both
def test_a_sale_torn_anywhere_and_then_another_at_another_till(technology: Technology) -> None:
    """The first till gives up after ten minutes; the other till's sale proves what became of the first."""
    scene = Scene.set()
    after: dict[Plastic, int] = {}
    for tear in all_tears(scene, technology, lunch):
        card = scene.campus.card(technology, BALANCE)
        lunch(scene, card, tear)
        scene.till.lift()
        scene.till.clear()
        assert scene.other.sell(card, TEA) == "Done", tear
        after[card] = cents_on(card)
    scene.campus.pass_time(TOO_LATE_MS)
    ledger = scene.ledger()
    for card, cents in after.items():
        done = scene.goods_of(card, scene.till)
        assert cents in (BALANCE - TEA, BALANCE - TEA - LUNCH)
        assert ledger[purse(card.key)] == cents
        assert ledger.get(pending(card.key[0]), 0) == (0 if done else BALANCE - TEA - cents)
    paid = sum(cents for card in after for cents in scene.goods_of(card, scene.till))
    assert ledger[merchant(scene.till.merchant)] == paid + LUNCH
    assert {str(finding.cls) for finding in scene.campus.reconcile()} <= {"debited_not_delivered"}


@both
def test_a_sale_torn_anywhere_and_the_recovery_torn_anywhere(technology: Technology) -> None:
    """However often the card is torn away, one run goes through, and it is charged once."""
    scene = Scene.set()
    firsts = [tear for tear in all_tears(scene, technology, lunch) if tear.exchange > 13 or tear.moment is Moment.AFTER]
    card = scene.campus.card(technology, BALANCE)
    lunch(scene, card, Tear(14, Moment.AFTER))
    seconds = exchanges_of(card, lambda: scene.till.tap(card))
    scene.till.lift()
    for number, first in enumerate(firsts):
        exchange = 1 + number % seconds
        for second in list(tears_at(exchange, technology))[number % 2 :: 2]:
            card = scene.campus.card(technology, BALANCE)
            lunch(scene, card, first)
            scene.till.tap(card, second)
            scene.campus.pass_time(SECOND_MS)
            scene.till.tap(card)
            scene.till.lift()
            assert cents_on(card) == BALANCE - LUNCH, (first, second)
            assert scene.goods_of(card, scene.till) == [LUNCH], (first, second)
            scene.campus.pass_time(MINUTE_MS)
    scene.ledger()
    assert scene.campus.reconcile() == []


def collected(scene: Scene, card: Plastic, tear: Tear | None = None) -> None:
    """Cash at the desk, collected at the station."""
    scene.campus.server.load(card, CASH)
    scene.campus.pass_time(0)
    scene.station.load_mode()
    scene.station.tap(card, tear)
    scene.campus.pass_time(SECOND_MS)


@both
def test_a_load_torn_anywhere_is_collected_once(technology: Technology) -> None:
    """At the same station or at another one; the next purchase proves it to the server."""
    scene = Scene.set()
    cards = []
    for number, tear in enumerate(all_tears(scene, technology, collected)):
        card = scene.campus.card(technology, BALANCE)
        collected(scene, card, tear)
        scene.station.lift()
        scene.station.clear()
        where = scene.campus.stations[number % 2]
        where.collect(card)
        where.collect(card)
        assert cents_on(card) == BALANCE + CASH, tear
        assert scene.other.sell(card, TEA) == "Done"
        cards.append(card)
    scene.campus.pass_time(TOO_LATE_MS)
    ledger = scene.ledger()
    for card in cards:
        assert (ledger[purse(card.key)], ledger.get(pending(card.key[0]), 0)) == (BALANCE + CASH - TEA, 0)
    assert scene.campus.reconcile() == []


def cash_in(scene: Scene, card: Plastic, tear: Tear | None = None) -> None:
    """Cash onto the card at the station."""
    scene.station.topup(CASH)
    scene.station.tap(card, tear)
    scene.campus.pass_time(SECOND_MS)


def given_back(scene: Scene, card: Plastic, tear: Tear | None = None) -> None:
    """A sale, and all of it given back."""
    lunch(scene, card)
    receipt = scene.till.receipt
    assert receipt is not None
    scene.till.lift()
    scene.campus.pass_time(SECOND_MS)
    assert scene.till.refund(receipt, LUNCH) is None
    scene.till.tap(card, tear)
    scene.campus.pass_time(SECOND_MS)


def has_begun_a_credit(scene: Scene, card: Plastic) -> bool:
    """Whether it was written down; before that the cash goes back over the counter, and the sale stands."""
    bodies = (row.entry.body for row in scene.campus.truth.rows)
    return any(isinstance(body, TopUpStep | RefundStep) and body.card.key == card.key for body in bodies)


@pytest.mark.parametrize("comes_back", [True, False], ids=["tapped again", "paid elsewhere"])
@pytest.mark.parametrize(("act", "cents"), [(cash_in, CASH), (given_back, 0)], ids=["cash", "refund"])
def test_a_credit_torn_anywhere_is_on_the_card_or_owed(
    act: Callable[[Scene, Plastic, Tear | None], None], cents: int, comes_back: bool
) -> None:
    """Credits offline are DESFire's; whatever the tear, card and pending credit together have it once."""
    scene = Scene.set()
    cards = []
    for tear in all_tears(scene, Technology.DESFIRE, act):
        card = scene.campus.card(Technology.DESFIRE, BALANCE)
        act(scene, card, tear)
        for till in (scene.station, scene.till):
            if comes_back:
                till.tap(card)
            till.lift()
            till.clear()
        if not comes_back:
            assert scene.other.sell(card, TEA) == "Done"
        cards.append(card)
        scene.campus.pass_time(MINUTE_MS)
    scene.campus.pass_time(TOO_LATE_MS)
    ledger, spent = scene.ledger(), 0 if comes_back else TEA
    for card in cards:
        begun = BALANCE + cents if has_begun_a_credit(scene, card) else BALANCE - (LUNCH if act is given_back else 0)
        assert ledger[purse(card.key)] == cents_on(card)
        assert cents_on(card) + ledger.get(pending(card.key[0]), 0) == begun - spent
    assert scene.campus.reconcile() == []


# Power cuts ------------------------------------------------------------------------------------------------------


def cuts_of(till: Till, act: Callable[[], object]) -> int:
    """How many points an undisturbed run passes: before and after every entry, command and hand-over."""
    before = till.power.passed.total()
    act()
    return till.power.passed.total() - before


def start_again(till: Till) -> None:
    """Power is back, if it was lost; the customer stands there with the card."""
    till.power.forget_plan()
    till.lift()
    if not till.is_on:
        till.boot()
    till.clear()


@both
def test_a_till_cut_at_any_point_of_a_sale_charges_once(technology: Technology) -> None:
    """The cashier rings the same basket again and hands over what was paid and is not handed over yet."""
    scene = Scene.set()
    till, cards = scene.till, []
    points = cuts_of(till, lambda: lunch(scene, scene.campus.card(technology, BALANCE)))
    till.lift()
    for point in range(1, points + 1):
        card = scene.campus.card(technology, BALANCE)
        till.ring(LUNCH)
        till.pay()
        till.cut_power(point)
        till.tap(card)
        start_again(till)
        given = scene.goods_of(card, till)
        lunch(scene, card)
        if till.shows == "PaidEarlier":
            (till.cancel if given else till.confirm)()
        till.lift()
        till.clear()
        assert scene.goods_of(card, till) == [LUNCH], point
        assert cents_on(card) == BALANCE - LUNCH, point
        cards.append(card)
        scene.campus.pass_time(TOO_LATE_MS)
    ledger = scene.ledger()
    assert all(ledger[purse(card.key)] == BALANCE - LUNCH for card in cards)
    assert ledger[merchant(till.merchant)] == LUNCH * (len(cards) + 1)
    assert scene.campus.reconcile() == []


@both
def test_a_till_cut_twice_charges_once(technology: Technology) -> None:
    """A second cut at any entry or hand-over of the recovery."""
    scene = Scene.set()
    till = scene.till
    firsts = ("after sale_prepared", "before sale_settled", "after sale_settled", "before hand over")
    seconds = ("before sale_voided", "after sale_voided", "before sale_prepared", "before apdu", "after apdu", *firsts)
    for first in firsts:
        for second in seconds:
            card = scene.campus.card(technology, BALANCE)
            till.ring(LUNCH)
            till.pay()
            till.cut_power(first)
            till.tap(card)
            start_again(till)
            till.cut_power(second)
            lunch(scene, card)
            if till.shows == "PaidEarlier":
                till.confirm()
            start_again(till)
            if not scene.goods_of(card, till):
                lunch(scene, card)
                if till.shows == "PaidEarlier":
                    till.confirm()
            till.lift()
            till.clear()
            assert scene.goods_of(card, till) == [LUNCH], (first, second)
            assert cents_on(card) == BALANCE - LUNCH, (first, second)
            scene.campus.pass_time(TOO_LATE_MS)
    scene.ledger()
    assert scene.campus.reconcile() == []


@both
def test_a_station_cut_at_any_point_of_a_load_brings_it_once(technology: Technology) -> None:
    scene = Scene.set()
    station, cards = scene.station, []
    points = cuts_of(station, lambda: collected(scene, scene.campus.card(technology, BALANCE)))
    station.lift()
    for point in range(1, points + 1):
        card = scene.campus.card(technology, BALANCE)
        scene.campus.server.load(card, CASH)
        scene.campus.pass_time(0)
        station.load_mode()
        station.cut_power(point)
        station.tap(card)
        start_again(station)
        station.collect(card)
        station.collect(card)
        assert cents_on(card) == BALANCE + CASH, point
        cards.append(card)
        scene.campus.pass_time(TOO_LATE_MS)
    ledger = scene.ledger()
    for card in cards:
        assert (ledger[purse(card.key)], ledger.get(pending(card.key[0]), 0)) == (BALANCE + CASH, 0)
    assert scene.campus.reconcile() == []


@both
def test_a_station_cut_at_any_point_keeps_the_cash_and_the_credit_equal(technology: Technology) -> None:
    """Before the first entry the cash goes back over the counter; from then on it is on the card or owed, once."""
    scene = Scene.set()
    station, cards = scene.station, []
    points = cuts_of(station, lambda: cash_in(scene, scene.campus.card(technology, BALANCE)))
    station.lift()
    for point in range(1, points + 1):
        card = scene.campus.card(technology, BALANCE)
        station.topup(CASH)
        station.cut_power(point)
        station.tap(card)
        start_again(station)
        station.tap(card)
        station.lift()
        station.clear()
        cards.append(card)
        scene.campus.pass_time(TOO_LATE_MS)
    ledger = scene.ledger()
    for card in cards:
        cash = CASH if has_begun_a_credit(scene, card) else 0
        assert ledger[purse(card.key)] == cents_on(card)
        assert cents_on(card) + ledger.get(pending(card.key[0]), 0) == BALANCE + cash
    assert scene.campus.reconcile() == []


@both
def test_a_till_cut_at_any_point_of_a_refund_gives_back_once(technology: Technology) -> None:
    """The cashier tries again with the same receipt; the journal knows what has been given back."""
    scene = Scene.set()
    till, cards = scene.till, []
    points = cuts_of(till, lambda: given_back(scene, scene.campus.card(technology, BALANCE)))
    till.lift()
    for point in range(1, points + 1):
        card = scene.campus.card(technology, BALANCE)
        lunch(scene, card)
        receipt = till.receipt
        assert receipt is not None
        till.lift()
        scene.campus.pass_time(MINUTE_MS)
        till.cut_power(point)
        till.refund(receipt, LUNCH)
        if till.is_on:
            till.tap(card)
        start_again(till)
        till.refund(receipt, LUNCH)
        if till.tap(card) == "PaidEarlier":  # that was handed over, and is what is given back
            till.cancel()
            till.lift()
            scene.campus.pass_time(SECOND_MS)
            till.tap(card)
        till.lift()
        till.clear()
        cards.append(card)
        scene.campus.pass_time(MINUTE_MS)
    ledger = scene.ledger()
    for card in cards:
        assert ledger[purse(card.key)] == cents_on(card)
        assert cents_on(card) + ledger.get(pending(card.key[0]), 0) == BALANCE
    assert ledger.get(merchant(till.merchant), 0) == 0
    assert scene.campus.reconcile() == []


@pytest.mark.parametrize("at", ["before commit", "after commit"])
def test_a_server_that_crashes_around_every_commit_posts_everything_once(at: str) -> None:
    """The terminal sends again what has no signed ack; what was committed is known and changes nothing."""
    told = []
    for crashing in (False, True):
        scene = Scene.set()
        for technology in PURSES:
            card = scene.campus.card(technology, BALANCE)
            for till in (scene.till, scene.other, scene.till):
                if crashing:
                    scene.campus.server.crash_next(at)
                lunch_at(scene, till, card)
        told.append(scene.ledger())
        assert scene.campus.reconcile() == []
    assert told[0] == told[1]


def lunch_at(scene: Scene, till: Till, card: Plastic) -> None:
    assert till.sell(card, LUNCH) == "Done"
    scene.campus.pass_time(MINUTE_MS)


# Failing disks ---------------------------------------------------------------------------------------------------


def fail_at(till: Till, kind: str, fault: DiskFault) -> None:
    """The disk reports an error at the next entry of this kind; the entry may be on it all the same."""
    pass_point = till.power.point

    def point(name: str) -> None:
        if name == f"before {kind}":
            till.power.point = pass_point  # type: ignore[method-assign]
            till.disk.fault = fault
        pass_point(name)

    till.power.point = point  # type: ignore[method-assign]


@both
@pytest.mark.parametrize("fault", list(DiskFault))
@pytest.mark.parametrize("kind", ["sale_prepared", "sale_settled"])
def test_a_disk_that_fails_in_a_sale_charges_once(kind: str, fault: DiskFault, technology: Technology) -> None:
    """The journal is reopened; only what is on it counts, and the counter wakes up from that."""
    scene = Scene.set()
    till, card = scene.till, scene.campus.card(technology, BALANCE)
    till.ring(LUNCH)
    till.pay()
    fail_at(till, kind, fault)
    assert till.tap(card) == "Ringing"
    assert not scene.goods_of(card, till)
    till.lift()
    lunch(scene, card)
    if till.shows == "PaidEarlier":
        till.confirm()
    till.lift()
    assert scene.goods_of(card, till) == [LUNCH]
    assert cents_on(card) == BALANCE - LUNCH
    assert scene.ledger()[purse(card.key)] == BALANCE - LUNCH
    assert scene.campus.reconcile() == []


def test_a_full_disk_refuses_and_forgets_nothing() -> None:
    """The reserve is for what has begun: a new sale is refused, the torn one before it is finished."""
    scene = Scene.set()
    till, first, second = scene.till, *(scene.campus.card(Technology.CLASSIC, BALANCE) for _ in range(2))
    till.ring(2 * BALANCE)
    till.pay()
    assert (till.tap(second), till.reason) == ("NotDone", "balance_too_low")
    till.lift()
    till.ring(LUNCH)
    till.pay()
    assert till.tap(first, write_tear=Tear(1, Moment.BEFORE)) == "TapAgain"
    till.disk.room = 0
    scene.campus.pass_time(2 * MINUTE_MS)
    assert till.shows == "TapAgain", "the refusal that could not be noted must not hide it"
    assert (till.tap(first), till.reason) == ("NotDone", "journal_low")
    till.lift()
    till.disk.room = None
    assert till.tap(first) == "Done"
    assert cents_on(first) == BALANCE - LUNCH
