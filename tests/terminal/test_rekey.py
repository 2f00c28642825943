"""New keys at the card office: cards come by one after the other, typed and tapped."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.pin import pin_verifier
from hardware.ports import CardNotOurs
from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Purse, Technology
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


async def test_cards_come_by_and_get_the_newest_keys(counter: CounterBench) -> None:
    """One after the other, until somebody cancels; the journal hears nothing of it, and the card pays as before."""
    bench = made(Kind.EV2, "")
    purse = bench.tap(OFFICE).read().purse
    before = len(counter.entries)
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
    assert len(counter.entries) == before
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
