"""A card is handed in: asked, taken off exactly once, paid out of the drawer or owed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import CloseStep, CloseTo, Kind
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Purse, Technology
from terminal.clerk import Rights
from terminal.views import Choice, Tone
from tests.hardware.card_bench import KEYS, OFFICE, STATION, TECHNOLOGIES, WHO, Bench, blank, issued, load
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

DESFIRE, CLASSIC = Technology.DESFIRE, Technology.CLASSIC


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A card office with a shift and 100 yuan in the drawer."""
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, CardKeys([KEYS]))
    await bench.shell.start()
    await bench.types("shift open wang 100")
    yield bench
    await journal.close()


def loaded(technology: Technology) -> Bench:
    """A card of ours with 50.00, which on Classic a record of the server has brought."""
    if technology is DESFIRE:
        return issued(technology)
    bench = Bench(blank(technology), SimulatedReader())
    bench.reader.place(bench.card)
    personalise(bench.channel(), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(0))))
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 5_000))
    return bench


def purse_of(bench: Bench) -> tuple[int, int]:
    """Main and subsidy, from the card itself."""
    purse = bench.tap(OFFICE).read().purse
    assert purse is not None
    return purse.main_cents, purse.counter


def closes(counter: CounterBench) -> list[tuple[Kind, int, CloseTo]]:
    """What the journal says of cards that were handed in."""
    bodies = [(row.entry.kind, row.entry.body) for row in counter.entries]
    return [(kind, body.main - body.main_after, body.to) for kind, body in bodies if isinstance(body, CloseStep)]


@pytest.mark.parametrize("technology", TECHNOLOGIES)
@pytest.mark.parametrize("command", ["close", "close owed"])
async def test_a_card_that_is_handed_in_is_empty_and_paid_or_owed(
    counter: CounterBench, technology: Technology, command: str
) -> None:
    """The balance is shown, and nothing is written before somebody says yes. Cash is for DESFire only."""
    bench = loaded(technology)
    held, steps = purse_of(bench)
    before = len(counter.entries)
    assert (await counter.types(command)).title == "Hand in: tap the card"
    asked = await counter.taps(bench.card)
    assert (asked.phase, asked.amount_cents, asked.choices) == ("close_asked", held, (Choice.CONFIRM, Choice.CANCEL))
    assert len(counter.entries) == before
    done = await counter.types("confirm")
    to = CloseTo.CASH if (technology, command) == (DESFIRE, "close") else CloseTo.PENDING
    title = "Pay this out in cash" if to is CloseTo.CASH else "Taken off, to be paid by the office"
    assert (done.tone, done.title, done.amount_cents) == (Tone.APPROVED, title, held)
    assert closes(counter) == [(Kind.CLOSE_PREPARED, held, to), (Kind.CLOSE_SETTLED, held, to)]
    assert counter.shell.derived.shift.expected_cents == 10_000 - (held if to is CloseTo.CASH else 0)
    assert counter.handed_over == 1
    await counter.takes_off()
    assert purse_of(bench) == (0, steps + 1)


@pytest.mark.parametrize("technology", TECHNOLOGIES)
async def test_a_close_that_is_torn_anywhere_takes_it_off_once(counter: CounterBench, technology: Technology) -> None:
    """Before, while and after the card is written: the same card again, and it ends as if nothing had happened."""
    for at in range(1, 90):
        bench = loaded(technology)
        held, steps = purse_of(bench)
        counter.entries.clear()
        counter.shell.derived.floors.clear()  # each is another plastic of the same number
        await counter.types("close owed")
        await counter.taps(bench.card)
        bench.card.arm(Tear(at, Moment.AFTER))
        shown = await counter.types("confirm")
        was_torn = shown.phase != "done"
        if was_torn:
            await counter.takes_off()
            bench.card.arm(None)
            shown = await counter.taps(bench.card)
        if shown.phase == "close_asked":
            shown = await counter.types("confirm")
        assert (shown.phase, shown.tone) == ("done", Tone.APPROVED), at
        settled = [found for found in closes(counter) if found[0] is Kind.CLOSE_SETTLED]
        assert [cents for _, cents, _ in settled] == [held]
        await counter.types("cancel")
        await counter.takes_off()
        bench.card.arm(None)
        assert purse_of(bench)[0] == 0 and purse_of(bench)[1] == steps + 1
        if not was_torn:
            assert at > 3
            return
    raise AssertionError("it is torn however many exchanges it is given")


async def test_no_cash_leaves_a_drawer_that_nobody_counts(tmp_path: Path) -> None:
    journal = await open_store(tmp_path)
    counter = CounterBench(journal, CardKeys([KEYS]))
    await counter.shell.start()
    assert "shift" in await counter.answer("close")
    bench = issued(DESFIRE)
    await counter.types("close owed")
    await counter.taps(bench.card)
    assert (await counter.types("confirm")).phase == "done"
    await journal.close()


async def test_what_the_drawer_does_not_hold_is_owed(counter: CounterBench) -> None:
    bench = issued(DESFIRE)
    held, _ = purse_of(bench)
    counter.shell.derived.shift.drawer_cents = Cents(held - 1)
    await counter.types("close")
    assert "no cash" in " ".join((await counter.taps(bench.card)).lines)


async def test_cancel_leaves_the_card_alone(counter: CounterBench) -> None:
    bench = issued(DESFIRE)
    held = purse_of(bench)
    await counter.types("close")
    await counter.taps(bench.card)
    assert (await counter.types("cancel")).phase == "ringing"
    await counter.takes_off()
    assert purse_of(bench) == held and closes(counter) == []


async def test_only_a_card_office_takes_cards_in(tmp_path: Path) -> None:
    journal = await open_store(tmp_path)
    counter = CounterBench(journal, CardKeys([KEYS.for_a_till()]), Rights(load=True, topup=True))
    await counter.shell.start()
    assert "office" in await counter.answer("close owed")
    await journal.close()


async def test_a_card_below_its_floor_is_not_taken_in(counter: CounterBench) -> None:
    """It may be a copy that was set back."""
    bench = issued(DESFIRE)
    read = bench.tap(OFFICE).read()
    assert read.purse is not None
    await counter.types("close owed")
    counter.shell.derived._floor(read.id.key, Counter(read.purse.counter + 1), read.purse.load_seq)
    refused = await counter.taps(bench.card)
    assert (refused.phase, refused.tone) == ("not_done", Tone.REFUSED) and closes(counter) == []
