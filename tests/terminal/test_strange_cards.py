"""Whatever lies on the reader is answered in words, and no card in use is mistaken for a blank."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, Signal
from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.reader import SimulatedReader
from protocol.entries import Kind
from protocol.ids import CardNo, Generation
from protocol.purse import CardClass, CardRead, Technology
from terminal.derived import Derived
from terminal.office import CardOffice
from terminal.replace import Failed, Issued, IssueOrder
from terminal.texts.en import SENTENCES
from tests.hardware.card_bench import OFFICE, TECHNOLOGIES, TILL, UID, Garbled, blank, issued
from tests.terminal.counter import CounterBench, inline
from tests.terminal.journals import open_store

MAD_SECTOR_TRAILER = bytes.fromhex("a0a1a2a3a4a5ff078069ffffffffffff")


@dataclass
class Says:
    """A chip that answers every command with the same words."""

    technology: Technology | None
    answer: bytes
    uid: bytes = UID

    def transmit(self, apdu: bytes) -> bytes:
        """The words."""
        return self.answer


def classic(change: Callable[[list[bytes]], None], *, new: bool = False) -> CardChannel:
    """A Classic card of ours (or a new one) with other blocks than it had."""
    card = blank(Technology.CLASSIC) if new else issued(Technology.CLASSIC).card
    assert isinstance(card, VirtualClassic)
    state = card.snapshot()
    change(state.blocks)
    card.restore(state)
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return channel


def put(changes: dict[int, bytes]) -> Callable[[list[bytes]], None]:
    """Blocks by number."""

    def change(blocks: list[bytes]) -> None:
        for number, block in changes.items():
            blocks[number] = block

    return change


def _cut_trailer(blocks: list[bytes]) -> None:
    blocks[15] = blocks[15][:6] + bytes(10)


STRANGERS: dict[str, CardChannel] = {
    "a phone": Says(Technology.DESFIRE, b"\x6d\x00"),
    "a DESFire chip that wants another length": Says(Technology.DESFIRE, b"\x91\x7e"),
    "a DESFire card without our application": Says(Technology.DESFIRE, b"\x91\xa0"),
    "nobody knows what": Says(None, b"\x90\x00"),
    "a Classic card of another system": classic(put({3: MAD_SECTOR_TRAILER, 1: b"\x01" + bytes(15)}), new=True),
    "a Classic card with a forged identity": classic(put({5: bytes(16)})),
}
BROKEN: dict[str, CardChannel] = {
    "a sector that does not open any more": classic(_cut_trailer),
    "no valid slot": classic(put({8: bytes(16), 12: bytes(16)})),
    "an answer that is not the card's": Garbled(issued(Technology.DESFIRE).channel(), 7),
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A till that waits for a card."""
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, TILL)
    await bench.shell.start()
    await bench.types("ring 12.50", "pay")
    yield bench
    await journal.close()


@pytest.mark.parametrize("channel", STRANGERS.values(), ids=STRANGERS)
async def test_a_strange_card_is_refused_in_words(bench: CounterBench, channel: CardChannel) -> None:
    await bench.till.card_arrived(channel)
    await bench.till.card_arrived(channel)
    assert bench.indicator.signals == [Signal.WAITING, Signal.REFUSED, Signal.REFUSED], "heard at each tap"
    assert SENTENCES["refused.card_not_ours"] in _shown(bench)


@pytest.mark.parametrize("channel", BROKEN.values(), ids=BROKEN)
async def test_a_broken_card_of_ours_is_told_from_a_strange_one(bench: CounterBench, channel: CardChannel) -> None:
    await bench.till.card_arrived(channel)
    assert SENTENCES["refused.purse_unreadable"] in _shown(bench)


def _shown(bench: CounterBench) -> str:
    view = bench.face.views[-1]
    assert view.phase == "not_done"
    return f"{view.title} {view.lines}"


@pytest.mark.parametrize("technology", TECHNOLOGIES)
@pytest.mark.parametrize("at", [None, *range(1, 12)])
async def test_one_wrong_answer_never_makes_a_blank_of_a_card_with_money(
    technology: Technology, at: int | None
) -> None:
    card = issued(technology)
    office = CardOffice(OFFICE, 1, inline)
    office.begin(IssueOrder(CardNo(99), Generation(1), CardClass.STUDENT), "")
    channel = card.channel() if at is None else Garbled(card.channel(), at)
    await office.card_arrived(channel, _nothing_to_write, Derived())
    assert isinstance(office.phase, Failed)
    read = _look(card.channel())
    assert read.identity.card == 7 and read.purse is not None and read.purse.main_cents == 5000


@pytest.mark.parametrize("technology", TECHNOLOGIES)
async def test_a_blank_becomes_the_card_that_was_ordered(technology: Technology) -> None:
    reader, entries = SimulatedReader(), []
    reader.place(blank(technology))
    channel = reader.wait_for_card(0)
    assert channel is not None

    async def append(*entry: object) -> None:
        entries.append(entry)

    office = CardOffice(OFFICE, 1, inline)
    office.begin(IssueOrder(CardNo(99), Generation(1), CardClass.STUDENT), "")
    await office.card_arrived(channel, append, Derived())
    assert isinstance(office.phase, Issued) and [kind for kind, _ in entries] == [Kind.CARD_BEGUN, Kind.CARD_ISSUED]
    assert _look(channel).identity.card == 99


async def _nothing_to_write(*entry: object) -> None:
    raise AssertionError(f"no card was made, and yet: {entry}")


def _look(channel: CardChannel) -> CardRead:
    return open_card(channel, TILL).read()


async def test_a_garbled_read_of_a_card_that_lies_there_costs_nobody_the_next_tap(bench: CounterBench) -> None:
    """Who paid and took the card away pays again at the next tap, whatever was read in between."""
    card = issued(Technology.DESFIRE).card
    assert (await bench.taps(card)).phase == "done"
    channel = bench.reader.wait_for_card(0)
    assert channel is not None
    await bench.till.card_arrived(Garbled(channel, 2))
    await bench.takes_off()
    bench.at_ms += 3_600_000
    await bench.types("ring 1.00", "pay")
    assert (await bench.taps(card)).phase == "done"
    assert bench.handed_over == 2
