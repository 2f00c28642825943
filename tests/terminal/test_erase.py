"""Erasing at the card office: shown, asked, journaled, finished wherever it was cut; and whose card is left alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members

from hardware.cards.blank import is_blank
from hardware.cards.issue import personalise
from hardware.cards.keys import CardKeys
from hardware.simulated.tearing import Moment, Tear
from protocol.authorise import Listed
from protocol.card_bodies import CardErased, Erased
from protocol.entries import Kind
from protocol.ids import Counter, Generation, LoadSeq
from terminal.clerk import Rights
from terminal.ports import JournalBroken
from terminal.views import Choice, Tone
from tests.hardware.card_bench import KEYS, NEXT_KEYS, OFFICE, Bench, Card, issued
from tests.hardware.card_bench import Kind as Chip
from tests.hardware.tag_bench import tag, ultralight
from tests.hardware.test_erase import EMPTY, MAKES, Make, every, restore, used
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store
from tests.terminal.test_batch import laid_on, number_on

each = pytest.mark.parametrize("make", [MAKES["ev2"], MAKES["1k, 4"]], ids=["desfire", "classic"])


async def opened(directory: Path) -> CounterBench:
    """A card office that knows what is on this disk, and no more."""
    bench = CounterBench(await open_store(directory), CardKeys([KEYS]))
    await bench.shell.start()
    return bench


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A card office."""
    bench = await opened(tmp_path)
    yield bench
    await bench.journal.close()


def told(counter: CounterBench) -> list[Erased]:
    """What the journal says of cards that are erased."""
    return [body.outcome for row in counter.entries if isinstance(body := row.entry.body, CardErased)]


def blank_now(card: Card) -> bool:
    """Whether the card says so itself."""
    return is_blank(laid_on(card), OFFICE)


async def left_alone(counter: CounterBench, card: Card) -> str:
    """Put a card on the reader that nobody is asked about; why, and it is as it was."""
    before, entries = card.snapshot(), len(told(counter))
    shown = await counter.taps(card)
    assert (shown.phase, shown.tone, shown.choices) == ("erase_failed", Tone.REFUSED, (Choice.CANCEL,))
    assert (await counter.types("confirm")).phase == "erase_failed"
    assert card.snapshot() == before and len(told(counter)) == entries
    await counter.takes_off()
    return shown.lines[0]


@every
async def test_card_after_card_is_shown_and_erased_when_somebody_says_so(counter: CounterBench, make: Make) -> None:
    """A stack of returned cards; each is at once a blank for the next batch."""
    shown = await counter.types("erase")
    assert (shown.phase, shown.tone, shown.lines) == ("erase", Tone.WAITING, ())
    bench = used(make)
    read = bench.tap(OFFICE).read()
    assert read.purse is not None
    asked = await counter.taps(bench.card)
    assert (asked.phase, asked.tone, asked.amount_cents) == ("erase_asked", Tone.ASKING, 0)
    assert (asked.lines, asked.choices) == (("card 7, generation 1, student",), (Choice.CONFIRM, Choice.CANCEL))
    assert told(counter) == [] and number_on(bench.card) == 7
    done = await counter.types("confirm")
    assert (done.phase, done.tone, done.lines) == ("erase_done", Tone.APPROVED, ("card 7", "erased so far: 1"))
    begun = CardErased(read.id, bench.card.uid.hex(), Erased.BEGUN, 1, read.purse.counter)
    bodies = [row.entry.body for row in counter.entries if row.entry.kind is Kind.CARD_ERASED]
    assert bodies == [begun, with_members(begun, outcome=Erased.DONE)]
    assert blank_now(bench.card)
    await counter.takes_off()
    await counter.taps(used(make).card)
    assert (await counter.types("confirm")).lines[-1] == "erased so far: 2"
    await counter.takes_off()
    assert (await counter.types("cancel")).phase == "ringing"
    await counter.types("batch 21 21 student")
    assert (await counter.taps(bench.card)).phase == "batch_done"
    assert number_on(bench.card) == 21


@every
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_a_card_torn_at_any_exchange_is_finished_when_it_is_put_back(
    counter: CounterBench, make: Make, moment: Moment
) -> None:
    """Behind the first entry nobody is asked twice; before it the card is as it was, and is asked about once more."""
    bench, at, asked_again = used(make), 0, 0
    start = bench.card.snapshot()
    await counter.types("erase")
    while True:
        at += 1
        restore(bench.card, start)
        counter.entries.clear()
        assert (await counter.taps(bench.card)).phase == "erase_asked"
        bench.card.arm(Tear(at, moment))
        shown = await counter.types("confirm")
        bench.card.arm(None)
        if shown.phase == "erase_done":
            break
        assert (shown.phase, shown.lines[0]) == ("erase_failed", "The card went away before it was finished."), at
        begun = told(counter)
        await counter.takes_off()
        shown = await counter.taps(bench.card)
        if shown.phase == "erase_asked":
            assert begun == [] and bench.card.snapshot() == start
            asked_again += 1
            shown = await counter.types("confirm")
            assert told(counter) == [Erased.BEGUN, Erased.DONE]
        else:
            assert begun == [Erased.BEGUN, Erased.FAILED]
            assert told(counter) == [*begun, Erased.DONE]
        assert shown.phase == "erase_done" and blank_now(bench.card), at
        assert not counter.shell.derived.erasing
        await counter.takes_off()
    assert 0 < asked_again < at - 20


@each
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_a_power_cut_anywhere_is_made_up_for_from_the_journal(tmp_path: Path, make: Make, moment: Moment) -> None:
    """Nothing is left but the journal and the card: the next start finishes what was begun."""
    bench = used(make)
    start, at = bench.card.snapshot(), 1
    while True:
        restore(bench.card, start)
        (tmp_path / f"{at}").mkdir()
        counter = await opened(tmp_path / f"{at}")
        await counter.types("erase")
        await counter.taps(bench.card)
        bench.card.arm(Tear(at, moment))
        was_torn = (await counter.types("confirm")).phase != "erase_done"
        bench.card.arm(None)
        await counter.journal.close()
        counter = await opened(tmp_path / f"{at}")
        await counter.types("erase")
        shown = await counter.taps(bench.card)
        if shown.phase == "erase_asked":
            assert was_torn and not counter.shell.derived.erasing
            shown = await counter.types("confirm")
        assert shown.phase == ("erase_done" if was_torn else "erase_failed"), at
        assert blank_now(bench.card)
        await counter.journal.close()
        if not was_torn:
            assert shown.lines[0] == "This card is blank already." and at > 30
            return
        at += 7


@each
async def test_a_disk_that_fails_before_or_behind_the_card_loses_nothing(counter: CounterBench, make: Make) -> None:
    """Without the first entry nothing is erased; without the last one the blank is named when it comes back."""
    bench, append = used(make), counter.shell.append
    before = bench.card.snapshot()

    async def no_room(kind: Kind, body: Any) -> object:
        if isinstance(body, CardErased) and body.outcome is failing:
            raise JournalBroken("no room")
        return await append(kind, body)

    await counter.types("erase")
    counter.shell.append = no_room  # type: ignore[method-assign, assignment]
    failing = Erased.BEGUN
    await counter.taps(bench.card)
    await counter.types("confirm")
    assert bench.card.snapshot() == before and told(counter) == []
    await counter.takes_off()
    failing = Erased.DONE
    await counter.taps(bench.card)
    await counter.types("confirm")
    assert blank_now(bench.card) and told(counter) == [Erased.BEGUN]
    counter.shell.append = append  # type: ignore[method-assign]
    await counter.takes_off()
    assert (await counter.taps(bench.card)).phase == "erase_done"
    assert told(counter) == [Erased.BEGUN, Erased.DONE]


@each
async def test_cancel_and_a_card_that_is_taken_away_leave_it_as_it_is(counter: CounterBench, make: Make) -> None:
    bench = used(make)
    before = bench.card.snapshot()
    await counter.types("erase")
    await counter.taps(bench.card)
    assert (await counter.types("cancel")).phase == "erase"
    assert (await counter.types("confirm")).phase == "erase"
    await counter.takes_off()
    assert (await counter.taps(bench.card)).phase == "erase_asked"
    await counter.takes_off()
    assert (await counter.types("confirm")).phase == "erase", "who says yes means what lies there"
    assert bench.card.snapshot() == before and told(counter) == []
    assert (await counter.types("cancel")).phase == "ringing"


@each
async def test_a_card_that_is_swapped_or_changed_before_the_confirmation_is_not_erased(
    counter: CounterBench, make: Make
) -> None:
    """The reader has not noticed anything: another plastic with the same UID lies there, or this one was used."""
    bench, full = used(make), used(make, left=100)
    another = used(make, who=replace(EMPTY, identity=replace(EMPTY.identity, generation=Generation(2))))
    later = used(make, sales=3)
    await counter.types("erase")
    for swapped in (full, another, later):
        before, start = swapped.card.snapshot(), bench.card.snapshot()
        assert (await counter.taps(bench.card)).phase == "erase_asked"
        restore(bench.card, before)
        shown = await counter.types("confirm")
        assert (shown.phase, shown.lines[0][:32]) == ("erase_failed", "This is not the card that was sh")
        assert bench.card.snapshot() == before and told(counter) == []
        restore(bench.card, start)
        await counter.takes_off()


@each
async def test_a_card_with_money_is_to_be_closed_first(counter: CounterBench, make: Make) -> None:
    """Also one that was begun, and came back with money on it."""
    bench = used(make)
    await counter.types("erase")
    assert "card 7 with money on it. Close it first" in await left_alone(counter, used(make, left=1).card)
    await counter.taps(bench.card)
    bench.card.arm(Tear(60 if make is MAKES["1k, 4"] else 15, Moment.BEFORE))
    await counter.types("confirm")
    bench.card.arm(None)
    assert told(counter) == [Erased.BEGUN, Erased.FAILED] and number_on(bench.card) == 7
    await counter.takes_off()
    assert "Close it first" in await left_alone(counter, used(make, left=1).card)


@each
async def test_what_was_closed_at_the_counter_is_erased_next(counter: CounterBench, make: Make) -> None:
    bench = issued(Chip.EV2 if make is MAKES["ev2"] else Chip.CLASSIC)
    if make is MAKES["ev2"]:
        await counter.types("close owed")
        await counter.taps(bench.card)
        assert (await counter.types("confirm")).phase == "done"
        await counter.takes_off()
        await counter.types("cancel", "erase")
        await counter.taps(bench.card)
        assert (await counter.types("confirm")).phase == "erase_done" and blank_now(bench.card)
        return
    await counter.types("erase")
    assert "not confirmed" in await left_alone(counter, bench.card), "its money is covered by no record"


@each
async def test_strangers_blanks_and_what_nobody_knows_stay_as_they_are(counter: CounterBench, make: Make) -> None:
    """A card of another installation, a blank, one that another office left half way, and one that was begun here."""
    stranger = Bench(make(), used(make).reader)
    personalise(laid_on(stranger.card), CardKeys([NEXT_KEYS]), replace(EMPTY, key_set=2))
    await counter.types("replace 17 1 student")
    half_made = make()
    half_made.arm(Tear(25, Moment.AFTER))
    await counter.taps(half_made)
    half_made.arm(None)
    await counter.takes_off()
    await counter.types("cancel", "erase")
    assert "takes no key of this terminal" in await left_alone(counter, stranger.card)
    assert "blank already" in await left_alone(counter, make())
    assert "does not say which card" in await left_alone(counter, half_made)
    counter.shell.derived.begun.clear()
    assert "does not say which card" in await left_alone(counter, half_made)


async def test_a_tag_stays_one(counter: CounterBench) -> None:
    await counter.types("erase")
    for card in (tag(), ultralight()):
        before = card.snapshot()
        assert (await counter.taps(card)).lines == (
            "This is a tag, and it stays one. Its number is closed at the server.",
        )
        assert card.snapshot() == before and told(counter) == []
        await counter.takes_off()


@each
async def test_a_whole_card_that_was_begun_here_is_made_first(counter: CounterBench, make: Make) -> None:
    """It is whole, and the journal does not know: erased, its number would wait for a plastic that is blank."""
    bench = used(make)
    counter.shell.derived.begun[bench.card.uid.hex()] = bench.tap(OFFICE).read().id
    await counter.types("erase")
    assert "card 7 was begun. Make that one of it" in await left_alone(counter, bench.card)


@each
async def test_a_blocked_card_and_one_below_its_floor_are_evidence_and_a_closed_one_goes(
    counter: CounterBench, make: Make
) -> None:
    bench, known = used(make), counter.shell.derived
    read = bench.tap(OFFICE).read()
    key, standing = read.id.key, type(counter.shell.lists.book).standing
    assert read.purse is not None
    await counter.types("erase")
    listed = {"status": Listed.BLOCKED}

    def as_listed(book: Any, card: Any) -> Any:
        return replace(standing(book, card), listed=listed["status"])

    counter.till.clerk.office.eraser._standing = lambda card: known.standing(  # type: ignore[union-attr]
        card, as_listed(counter.shell.lists.book, card)
    )
    assert "This card is blocked" in await left_alone(counter, bench.card)
    listed["status"] = Listed.CLOSED
    assert "closed at the server, but money is on it" in await left_alone(counter, used(make, left=5).card)
    known._floor(key, Counter(read.purse.counter + 1), LoadSeq(0))
    assert "older state" in await left_alone(counter, bench.card)
    known.floors.clear()
    await counter.taps(bench.card)
    assert (await counter.types("confirm")).phase == "erase_done"


async def test_a_card_with_an_open_step_stays_so_that_it_can_say_what_became_of_it(counter: CounterBench) -> None:
    """Its last sale took all there was, and this terminal does not know it yet."""
    bench = used(MAKES["ev2"], left=100)
    await counter.types("ring 1.00", "pay")
    bench.card.arm(Tear(14, Moment.AFTER))
    assert (await counter.taps(bench.card)).phase == "tap_again"
    bench.card.arm(None)
    await counter.takes_off()
    purse = bench.tap(OFFICE).read().purse
    assert purse is not None and purse.main_cents == 0
    await counter.types("cancel")
    assert (await counter.types("erase")).phase == "erase"
    assert "A step of card 7 is not finished here" in await left_alone(counter, bench.card)
    await counter.types("cancel")
    assert (await counter.taps(bench.card)).phase == "paid_earlier"
    await counter.takes_off()
    await counter.types("cancel", "erase")
    assert (await counter.taps(bench.card)).phase == "erase_asked"


async def test_a_half_erased_plastic_that_became_a_card_is_that_card(counter: CounterBench) -> None:
    """What was begun is over when the plastic is given a new number: it is asked about, and erased as what it is."""
    bench = used(MAKES["ev2"])
    await counter.types("erase")
    await counter.taps(bench.card)
    bench.card.arm(Tear(31, Moment.AFTER))
    assert (await counter.types("confirm")).phase == "erase_failed"
    bench.card.arm(None)
    await counter.takes_off()
    await counter.types("cancel", "replace 18 1 staff")
    assert (await counter.taps(bench.card)).phase == "office_done"
    assert not counter.shell.derived.erasing, "or it would go without a question when it cannot be read one day"
    await counter.takes_off()
    await counter.types("cancel", "erase")
    assert (await counter.taps(bench.card)).lines == ("card 18, generation 1, staff",)
    await counter.types("confirm")
    last = counter.entries[-1].entry.body
    assert isinstance(last, CardErased) and (last.card.no, last.outcome) == (18, Erased.DONE)


async def test_only_a_card_office_erases(tmp_path: Path) -> None:
    journal = await open_store(tmp_path)
    counter = CounterBench(journal, CardKeys([KEYS.for_a_till()]), Rights(load=True, topup=True))
    await counter.shell.start()
    assert "office" in await counter.answer("erase")
    await journal.close()
