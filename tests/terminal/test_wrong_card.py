"""Another card comes where one was expected: it is refused with the reason, and nothing is written to it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.ports import CardChannel, Signal
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import Kind as Entry
from protocol.ids import CardNo, Counter
from protocol.money import Cents
from protocol.purse import Identity, Purse
from terminal.texts.en import SENTENCES
from terminal.views import Tone
from tests.hardware.card_bench import KINDS, OFFICE, STATION, UID, WHO, Bench, Card, Kind, blank, load
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    store = await open_store(tmp_path)
    bench = CounterBench(store, OFFICE)
    await bench.shell.start()
    await bench.types("ring 12.50", "pay")
    yield bench
    await store.close()


def loaded(kind: Kind) -> Bench:
    """A card whose money the server has signed for."""
    bench = made(kind, UID, WHO)
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 5000))
    return bench


def somebody_else_s(kind: Kind) -> Bench:
    """A card of ours of another number."""
    return made(kind, b"\x04other.", replace(WHO, card=CardNo(8)))


def made(kind: Kind, uid: bytes, who: Identity) -> Bench:
    """A card that is issued and empty."""
    bench = Bench(blank(kind, uid), SimulatedReader())
    bench.reader.place(bench.card)
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(0))))
    return bench


@pytest.mark.parametrize("kind", KINDS)
async def test_another_card_at_tap_again_is_told_so_and_left_alone(counter: CounterBench, kind: Kind) -> None:
    bench, other = loaded(kind), somebody_else_s(kind).card
    first, reading = bench.card, bench.exchanges(bench.tap().read)
    first.arm(Tear(reading + 2, Moment.AFTER))
    shown = await counter.taps(first)
    assert (shown.tone, shown.lines) == (Tone.TAP_AGAIN, ())
    await counter.takes_off()
    before = other.snapshot()
    shown = await counter.taps(other)
    assert (shown.tone, shown.lines) == (Tone.TAP_AGAIN, (SENTENCES["line.other_card"],))
    assert counter.indicator.signals[-2:] == [Signal.TAP_AGAIN] * 2, "heard again"
    assert other.snapshot() == before
    await counter.takes_off()
    assert counter.face.views[-1].lines == ()
    shown = await counter.taps(first)
    await counter.takes_off()
    if shown.phase != "done":
        shown = await counter.taps(first)
    assert (shown.phase, counter.handed_over) == ("done", 1)
    assert counter.kinds().count(Entry.SALE_SETTLED) == 1
    assert other.snapshot() == before


class Exchanged:
    """A channel whose card is taken for another one, in the field, before an exchange; the reader notices nothing."""

    def __init__(self, channel: CardChannel, other: Card, at: int) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._other, self._left = channel, other, at

    def transmit(self, apdu: bytes) -> bytes:
        self._left -= 1
        return self._channel.transmit(apdu) if self._left > 0 else self._other.process(apdu)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_card_exchanged_under_the_reader_s_nose_is_never_charged(tmp_path: Path, kind: Kind) -> None:
    """At every exchange of the tap: the first card may have paid, or must be tapped again, and the other one never."""
    other = somebody_else_s(kind).card
    before, seen = other.snapshot(), set[str]()
    for at in range(1, 50):
        directory = tmp_path / str(at)
        directory.mkdir()
        store = await open_store(directory)
        try:
            counter = CounterBench(store, OFFICE)
            await counter.shell.start()
            await counter.types("ring 12.50", "pay")
            bench = loaded(kind)
            bench.reader.place(bench.card)
            other.put_back()
            await counter.till.card_arrived(Exchanged(bench.channel(), other, at))
            await counter.till.card_left()
        finally:
            await store.close()
        assert other.snapshot() == before, at
        seen.add(phase := counter.face.views[-1].phase)
        assert phase != "tap_again" or counter.kinds()[-1] is Entry.SALE_PREPARED, "what may be owed is written down"
        if counter.handed_over:
            break
    assert {"tap_again", "done"} <= seen
