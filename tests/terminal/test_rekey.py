"""New keys at the card office: cards come by one after the other, typed and tapped."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.pin import pin_verifier
from hardware.cards.rekey import change_key_set, read_before_change
from hardware.ports import CardLeftField, CardNotOurs
from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.card_bodies import CardRekeyed, Rekeyed
from protocol.ids import CardNo, Counter, Generation
from protocol.money import Cents
from protocol.purse import PURSES, CardId, Purse, Technology
from terminal.ports import JournalBroken
from terminal.views import Tone
from tests.hardware.card_bench import KEYS, NEXT_KEYS, OFFICE, UID, WHO, Bench, Kind, blank, issued
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

TILLS = CardKeys([NEXT_KEYS.for_a_till(), KEYS.for_a_till()])


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A counter with every right; the newest set is the second."""
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, CardKeys([NEXT_KEYS, KEYS]), key_set=NEXT_KEYS.key_set)
    await bench.shell.start()
    yield bench
    await journal.close()


def made(kind: Kind, pin: str) -> Bench:
    """A card of the first set, with or without a PIN."""
    bench = Bench(blank(kind), SimulatedReader())
    bench.reader.place(bench.card)
    who = replace(WHO, pin_verifier=pin_verifier(OFFICE, UID, 1, pin) if pin else b"")
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(5000))))
    return bench


def exchange_that_leaves_a_classic_unreadable() -> int:
    """The first one, of reading the card and changing its keys, behind which it cannot be read any more."""
    both = CardKeys([NEXT_KEYS, KEYS])
    for at in range(1, 300):
        bench = made(Kind.CLASSIC, "")
        bench.card.arm(Tear(at, Moment.AFTER))
        with suppress(CardLeftField):
            channel = bench.channel()
            read_before_change(channel, both, 2)
            change_key_set(channel, both, 2)
        bench.card.arm(None)
        bench.reader.place(bench.card)
        if read_before_change(bench.channel(), both, 2) is None:
            return at
    raise AssertionError("it can be read all the time")


async def test_cards_come_by_and_get_the_newest_keys(counter: CounterBench) -> None:
    """One after the other, until somebody cancels; the journal says so beforehand, and each card pays as before."""
    bench = made(Kind.EV2, "")
    purse = bench.tap(OFFICE).read().purse
    told = len(counter.entries)
    shown = await counter.types("rekey")
    assert (shown.phase, shown.tone) == ("rekey", Tone.WAITING)
    bench.card.arm(Tear(20, Moment.AFTER))
    torn = await counter.taps(bench.card)
    assert (torn.phase, torn.lines) == ("rekey_failed", ("The card went away before it was finished.",))
    await counter.takes_off()
    done = await counter.taps(bench.card)
    assert (done.phase, done.lines) == ("rekey_done", ("card 7, key set 2",))
    await counter.takes_off()
    classic = made(Kind.CLASSIC, "")
    done = await counter.taps(classic.card)
    assert (done.phase, done.lines) == ("rekey_done", ("card 7, key set 2",))
    await counter.takes_off()
    assert "no blank, or a stranger's" in (await counter.taps(blank(Technology.DESFIRE))).lines[0]
    await counter.takes_off()
    assert (await counter.types("cancel")).phase == "ringing"
    desfire, old_classic = (CardId(CardNo(7), Generation(1), technology, 1) for technology in reversed(PURSES))
    assert [entry.entry.body for entry in counter.entries[told:]] == [
        CardRekeyed(desfire, 2, Rekeyed.BEGUN, 1),
        CardRekeyed(desfire, 2, Rekeyed.FAILED, 1),
        CardRekeyed(desfire, 2, Rekeyed.BEGUN, 1),
        CardRekeyed(desfire, 2, Rekeyed.DONE, 1),
        CardRekeyed(old_classic, 2, Rekeyed.BEGUN, 1),
        CardRekeyed(old_classic, 2, Rekeyed.DONE, 1),
    ]
    with pytest.raises(CardNotOurs):
        bench.tap(OFFICE).read()
    for card in (bench, classic):
        assert card.tap(TILLS).read().purse == purse


async def test_a_card_whose_sector_is_gone_is_told_from_one_that_went_away(counter: CounterBench) -> None:
    """No second try helps it: somebody must be told to make a new card."""
    bench = issued(Technology.CLASSIC)
    assert isinstance(bench.card, VirtualClassic)
    state = bench.card.snapshot()
    state.blocks[15] = state.blocks[15][:6] + bytes(10)
    bench.card.restore(state)
    await counter.types("rekey")
    shown = await counter.taps(bench.card)
    assert shown.phase == "rekey_failed" and "sector 3 opens under no key held here" in shown.lines[0]


@pytest.mark.parametrize("kind", [Kind.EV1, Kind.CLASSIC])
async def test_new_keys_for_a_card_with_a_pin_need_it_typed(counter: CounterBench, kind: Kind) -> None:
    """The PIN is for one card: the next one's holder types his own."""
    bench = made(kind, "4711")
    for line, phase in (("rekey", "rekey_failed"), ("rekey 1111", "rekey_failed"), ("rekey 4711", "rekey_done")):
        await counter.types(line)
        shown = await counter.taps(bench.card)
        assert shown.phase == phase and (phase == "rekey_done" or "has a PIN" in shown.lines[0])
        await counter.takes_off()
        await counter.types("cancel")
    assert "4711" not in repr(counter.face.__dict__)
    rekeyed = [entry.entry.body for entry in counter.entries if isinstance(entry.entry.body, CardRekeyed)]
    assert [body.outcome for body in rekeyed] == [Rekeyed.BEGUN, Rekeyed.DONE], "nothing was begun under a wrong PIN"


async def test_a_torn_classic_card_is_finished_and_a_card_that_is_done_makes_no_entry(counter: CounterBench) -> None:
    """Cut in the middle a till cannot read it; from which set it came is not known then."""
    bench = made(Kind.CLASSIC, "")
    await counter.types("rekey")
    bench.card.arm(Tear(exchange_that_leaves_a_classic_unreadable(), Moment.AFTER))
    assert (await counter.taps(bench.card)).phase == "rekey_failed"
    await counter.takes_off()
    for _ in range(2):
        assert (await counter.taps(bench.card)).phase == "rekey_done"
        await counter.takes_off()
    rekeyed = [entry.entry.body for entry in counter.entries if isinstance(entry.entry.body, CardRekeyed)]
    assert [(body.outcome, body.was) for body in rekeyed] == [
        (Rekeyed.BEGUN, 1), (Rekeyed.FAILED, 1), (Rekeyed.DONE, 0)
    ]  # fmt: skip


async def test_no_key_is_changed_before_the_entry_is_on_disk(counter: CounterBench) -> None:
    bench = made(Kind.EV2, "")
    await counter.types("rekey")
    before = bench.card.snapshot()

    async def disk_full(*_: object) -> None:
        raise JournalBroken("no room")

    office = counter.till.clerk.office
    assert office is not None
    bench.reader.place(bench.card)
    with pytest.raises(JournalBroken):
        await office.card_arrived(bench.channel(), disk_full, counter.shell.derived)
    assert bench.card.snapshot() == before
