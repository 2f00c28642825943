"""What travels on the card binds two tills that have never been online together, nor one of them at all.

Two whole tills (journal, shell, card drivers), virtual cards of each kind, no server, no network. Whatever one till
knows of the other it has read off the card.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from hardware.cards.open_card import open_card
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import CardStep, Kind, SaleRefused
from protocol.ids import TerminalId, Tno
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, CampusTime
from protocol.limits import ClassLimits, LimitRules, Meal
from protocol.messages import sign
from protocol.purse import PIN_TRIES_MAX, CardClass, CardRead, Purse, SeenStep
from protocol.signing import to_base64url
from terminal.card_port import CardPort
from terminal.cards_command import OK, main
from terminal.identity import Identity
from terminal.views import View
from tests.hardware import card_bench
from tests.hardware.card_bench import KEYS, KINDS, TILL, Card, loaded
from tests.protocol.samples import GRANT, KEY, NOON, SERVER_KEY
from tests.terminal.counter import CounterBench
from tests.terminal.journals import TRUST, begun, settings_in

TODAY, LUNCHTIME = CampusTime().business_day(NOON), CampusTime().minute_of_day(NOON)
LUNCH = Meal(1, LUNCHTIME - 60, LUNCHTIME + 60, 3)
DINNER = Meal(2, LUNCHTIME + 240, LUNCHTIME + 360, 3)
PIN, WRONG = "4711", "1111"

every_kind = pytest.mark.parametrize("kind", KINDS)


@dataclass
class Tills:
    """X and Y, which have nothing in common but who walks from one to the other."""

    x: CounterBench
    y: CounterBench

    async def obey(self, rules: LimitRules) -> None:
        """Both had the same list once."""
        for till in (self.x, self.y):
            await till.till.turn(lambda shell: shell.apply_lists(replace(shell.lists, rules=rules)))

    def later(self, ms: int) -> None:
        """Time passes at both."""
        self.x.at_ms += ms
        self.y.at_ms += ms


async def open_till(directory: Path, tid: str, tno: int) -> CounterBench:
    """A till that has never heard of a server since it was granted its number."""
    grant = structs.replace(GRANT, tid=TerminalId(tid), tno=Tno(tno))
    journal = await begun(settings_in(directory), Identity(grant, sign(grant, SERVER_KEY), KEY, TRUST))
    bench = CounterBench(journal, TILL, grant=grant)
    await bench.shell.start()
    return bench


@pytest.fixture
async def tills(tmp_path: Path) -> AsyncIterator[Tills]:
    for name in "xy":
        (tmp_path / name).mkdir()
    tills = Tills(await open_till(tmp_path / "x", "till-x", 51), await open_till(tmp_path / "y", "till-y", 52))
    yield tills
    await tills.x.journal.close()
    await tills.y.journal.close()


async def pays(till: CounterBench, card: Card, amount: str, *pins: str) -> View:
    """Ring, tap, type what the till asks for, take the card away; what was shown before that."""
    await till.types("cancel", "clear", f"ring {amount}", "pay")
    view = await till.taps(card)
    for pin in pins:
        assert view.phase == "pin_entry", view
        view = await till.types(f"pin {pin}")
    await till.takes_off()
    till.at_ms += MINUTE_MS
    return view


def read_of(card: Card) -> CardRead:
    """What the card says now."""
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return open_card(channel, TILL).read()


def purse_of(card: Card) -> Purse:
    """What is in force on it."""
    purse = read_of(card).purse
    assert purse is not None
    return purse


def student(**limits: int) -> ClassLimits:
    """Limits of a student's card."""
    return ClassLimits(CardClass.STUDENT, **limits)  # type: ignore[arg-type]


@every_kind
async def test_day_and_month_are_counted_over_tills_that_never_met(tills: Tills, kind: card_bench.Kind) -> None:
    x, y, card = tills.x, tills.y, loaded(kind, 9_000).card
    await tills.obey(LimitRules((student(day=2_000, month=3_000),)))
    tills.later(DAY_MS)  # to the first of a month
    assert (await pays(x, card, "12.50")).title == "Paid"
    assert (await pays(y, card, "7.51")).lines == ("This card may spend ¥20.00 a day.",)
    assert (await pays(y, card, "7.50")).title == "Paid"
    assert (await pays(x, card, "0.01")).lines == ("This card may spend ¥20.00 a day.",)
    tills.later(DAY_MS)
    assert (await pays(y, card, "9.00")).title == "Paid"
    assert (await pays(x, card, "1.01")).lines == ("This card may spend ¥30.00 a month.",)
    assert (await pays(x, card, "1.00")).title == "Paid"
    assert (await pays(y, card, "0.01")).lines == ("This card may spend ¥30.00 a month.",)
    tills.later(31 * DAY_MS)
    assert (await pays(y, card, "20.00")).title == "Paid"
    assert purse_of(card).spent.month_cents == 2_000


@every_kind
async def test_meals_are_counted_over_tills_and_by_class(tills: Tills, kind: card_bench.Kind) -> None:
    x, y, card = tills.x, tills.y, loaded(kind, 9_000).card
    no_more = "This card has had its {} for this meal."
    await tills.obey(LimitRules((student(meal=1),), (LUNCH, DINNER)))
    assert (await pays(x, card, "6.00")).title == "Paid"
    for till in (y, x):
        assert (await pays(till, card, "6.00")).lines == (no_more.format(1),)
    tills.later(2 * HOUR_MS)
    assert (await pays(y, card, "1.00")).title == "Paid", "between meals nothing is counted"
    tills.later(2 * HOUR_MS)
    assert (await pays(y, card, "6.00")).title == "Paid", "dinner"
    assert (await pays(x, card, "6.00")).lines == (no_more.format(1),)
    tills.later(DAY_MS - 4 * HOUR_MS - 10 * MINUTE_MS)
    await tills.obey(LimitRules((student(),), (LUNCH, DINNER)))
    for till in (x, y, x):
        assert (await pays(till, card, "6.00")).title == "Paid", "as the meal says"
    assert (await pays(y, card, "6.00")).lines == (no_more.format(3),)


@every_kind
async def test_a_subsidy_ends_at_a_till_that_has_heard_of_nothing(tills: Tills, kind: card_bench.Kind) -> None:
    """Its last day was in the list that both have. Y's clock then lags behind; the card tells it what day it is."""
    x, y, card = tills.x, tills.y, loaded(kind, 9_000, subsidy=700, period=6).card
    await tills.obey(LimitRules(subsidy_period=6, subsidy_until=TODAY))
    assert (await pays(x, card, "2.00")).title == "Paid"
    assert (await pays(y, card, "1.00")).title == "Paid"
    assert (purse_of(card).main_cents, purse_of(card).subsidy_cents) == (9_000, 400)
    x.at_ms += DAY_MS
    assert (await pays(x, card, "2.00")).title == "Paid"
    assert (await pays(y, card, "1.00")).title == "Paid"
    assert (purse_of(card).main_cents, purse_of(card).subsidy_cents) == (8_700, 400)
    body = y.entries[-1].entry.body
    assert isinstance(body, CardStep) and (body.main, body.main_after) == (8_800, 8_700)


@every_kind
async def test_three_wrong_pins_are_three_wherever_they_are_typed(tills: Tills, kind: card_bench.Kind) -> None:
    x, y, card = tills.x, tills.y, loaded(kind, 9_000, pin=PIN).card
    await tills.obey(LimitRules((student(pin_above=1_000),)))
    wrong = "That was not the card's PIN. Tries left: {}."
    assert (await pays(x, card, "20.00", WRONG)).lines == (wrong.format(2),)
    assert (await pays(y, card, "20.00", WRONG)).lines == (wrong.format(1),)
    assert (await pays(x, card, "20.00", PIN)).title == "Paid"
    assert purse_of(card).pin_tries == 0, "a right one sets them back"
    for left, till in ((2, y), (1, x)):
        assert (await pays(till, card, "20.00", WRONG)).lines == (wrong.format(left),)
    for till, pins in ((y, (WRONG,)), (x, ()), (y, ())):
        assert (await pays(till, card, "20.00", *pins)).lines == ("The PIN was wrong too often.",)
    assert purse_of(card).pin_tries == PIN_TRIES_MAX
    assert (await pays(x, card, "10.00")).title == "Paid", "small amounts need none"
    assert x.kinds().count(Kind.PIN_TRIED) == 3 and y.kinds().count(Kind.PIN_TRIED) == 3


@every_kind
async def test_no_pin_is_compared_that_is_not_counted_wherever_the_card_is_torn(
    tills: Tills, kind: card_bench.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each exchange from the PIN on. What the other till sees is what was compared, or one more."""
    x, y, compared = tills.x, tills.y, list[str]()
    await tills.obey(LimitRules((student(pin_above=1_000),)))
    assert isinstance(x.till.cards, CardPort)
    compare = x.till.cards.pin_is_right

    async def counted(read: CardRead, pin: str) -> bool:
        compared.append(pin)
        return await compare(read, pin)

    monkeypatch.setattr(x.till.cards, "pin_is_right", counted)
    outcomes, at = set[tuple[int, int]](), 0
    while True:
        at += 1
        card = loaded(kind, 9_000, pin=PIN, uid=bytes((4, at, 1, 2, 3, 4, 5))).card
        await x.types("cancel", "clear", "ring 20.00", "pay")
        await x.taps(card)
        compared.clear()
        card.arm(Tear(at, Moment.AFTER))
        await x.types(f"pin {WRONG}")
        torn = not card.field.present
        card.arm(None)
        await x.takes_off()
        card.put_back()
        tries = purse_of(card).pin_tries
        assert len(compared) <= tries <= 1, at
        outcomes.add((len(compared), tries))
        assert (await pays(y, card, "20.00")).phase == "pin_entry"
        x.at_ms += MINUTE_MS
        if not torn:
            break
    assert outcomes == {(0, 0), (0, 1), (1, 1)}, "lost before it was counted, counted and not compared, and compared"


class PowerCut(BaseException):
    """The till stops where it is."""


@every_kind
async def test_a_try_counts_where_the_power_fails_before_the_comparison(
    tills: Tills, kind: card_bench.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, card = tills.x, tills.y, loaded(kind, 9_000, pin=PIN).card
    rules = LimitRules((student(pin_above=1_000),))
    await tills.obey(rules)

    async def cut(_: CardRead, __: str) -> bool:
        raise PowerCut

    monkeypatch.setattr(x.till.cards, "pin_is_right", cut)
    await x.types("ring 20.00", "pay")
    await x.taps(card)
    with pytest.raises(PowerCut):
        await x.types(f"pin {PIN}")
    await x.journal.close()
    assert x.kinds()[-1] is Kind.PIN_TRIED and purse_of(card).pin_tries == 1
    tills.x = again = await open_till(tmp_path / "x", "till-x", 51)
    again.at_ms = x.at_ms + MINUTE_MS
    await tills.obey(rules)
    wrong = "That was not the card's PIN. Tries left: {}."
    assert (await pays(again, card, "20.00", WRONG)).lines == (wrong.format(1),)
    assert (await pays(y, card, "20.00", PIN)).title == "Paid"


@every_kind
async def test_every_tap_s_entry_says_what_the_card_showed_and_a_desk_reads_the_same(
    tills: Tills, kind: card_bench.Kind, tmp_path: Path
) -> None:
    """Whatever Y writes down of a card, a refusal too, is a witness of what X had done with it."""
    x, y, bench = tills.x, tills.y, loaded(kind, 9_000, pin=PIN)
    card = bench.card
    await tills.obey(LimitRules((student(day=5_000, pin_above=1_000),)))
    await pays(x, card, "6.00")
    made = next(sealed for sealed in x.entries if sealed.entry.kind is Kind.SALE_PREPARED)
    assert _shown_by(y, await pays(y, card, "60.00")) == (51, made.seq, 2)
    await pays(y, card, "20.00", WRONG)
    tried = next(sealed for sealed in y.entries if sealed.entry.kind is Kind.PIN_TRIED)
    assert isinstance(tried.entry.body, CardStep)
    assert _newest(tried.entry.body.card_last) == (51, made.seq, 2)
    await pays(x, card, "7.00")
    prepared, settled = (sealed.entry.body for sealed in x.entries[-2:])
    assert isinstance(prepared, CardStep) and isinstance(settled, CardStep)
    assert _newest(prepared.card_last) == _newest(settled.card_last) == (52, tried.seq, 3)

    reader = SimulatedReader()
    reader.place(card)
    said: list[str] = []
    asked = ["read", "--config", str(_desk(tmp_path)), "--wait", "0"]
    assert main(asked, said.append, list[str]().append, reader) == OK
    shown = [said.index(line) for seq in (x.entries[-2].seq,) for line in said if f"51-{seq}" in line]
    assert shown and any(f"52-{tried.seq}" in line for line in said)
    assert (kind is card_bench.Kind.CLASSIC) is not any(f"51-{made.seq}" in line for line in said), (
        "two, or all of them"
    )


def _newest(seen: tuple[SeenStep, ...]) -> tuple[int, int, int]:
    newest = max((step for step in seen if step.ok), key=lambda step: step.counter)
    return newest.tno, newest.seq, newest.counter


def _shown_by(till: CounterBench, refused: View) -> tuple[int, int, int]:
    assert refused.phase == "not_done"
    body = till.shell.desk.refusals[-1].body
    assert isinstance(body, SaleRefused)
    return _newest(body.card_last)


def _desk(tmp_path: Path) -> Path:
    config = tmp_path / "desk.toml"
    keys = f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n'
    config.write_text(f'directory = "data"\nmerchant = "m1"\nlanguage = "en"\n{keys}')
    config.chmod(0o600)
    return config
