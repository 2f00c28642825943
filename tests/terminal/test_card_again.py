"""A card that could not be read is asked again: it lies on the reader, and nobody takes it off to help a program."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hardware.ports import CardChannel, CardLeftField
from hardware.simulated.plain_card import VirtualPlain
from hardware.simulated.reader import SimulatedReader
from protocol.purse import Technology
from terminal.card_port import CardPort
from terminal.card_thread import CardThread
from tests.hardware.card_bench import OFFICE, issued
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store


class BlinkingReader(SimulatedReader):
    """Loses each card once, at a command; the card itself stays where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.blinks = 0

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:  # type: ignore[override]
        channel = super().wait_for_card(timeout_s)
        if channel is None or self.blinks == 0:
            return channel
        self.blinks -= 1
        return Blinking(channel)


class Blinking:
    """A channel that is of no use."""

    def __init__(self, channel: CardChannel) -> None:
        self.uid, self.technology = channel.uid, channel.technology

    def transmit(self, apdu: bytes) -> bytes:
        raise CardLeftField("the field broke down")


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    store = await open_store(tmp_path)
    yield CounterBench(store, OFFICE)
    await store.close()


@pytest.mark.parametrize("lies_there", ["before pay is pressed", "and is lost when it comes"])
async def test_a_card_that_is_lost_while_it_is_read_is_asked_again(counter: CounterBench, lies_there: str) -> None:
    reader = BlinkingReader()
    thread = CardThread(reader)
    counter.till.cards = counter.shell._cards = CardPort(OFFICE, thread.run, os.urandom)
    await counter.shell.start()
    watch = asyncio.create_task(thread.watch(counter.till))
    try:
        reader.blinks = 2
        await counter.types("ring 12.50")
        if lies_there == "before pay is pressed":
            reader.place(issued(Technology.DESFIRE).card)
            await counter.types("pay")
        else:
            await counter.types("pay")
            reader.place(issued(Technology.DESFIRE).card)
        async with asyncio.timeout(20):
            while counter.face.views[-1].title != "Paid":  # noqa: ASYNC110  the test only looks
                await asyncio.sleep(0.01)
        assert counter.handed_over == 1 and reader.blinks == 0
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        thread.close()


async def test_a_card_nobody_could_read_is_asked_again_when_pay_is_pressed(counter: CounterBench) -> None:
    """It lay there first; whoever waits for a decision gets one."""
    await counter.shell.start()
    await counter.types("ring 12.50")
    await counter.taps(VirtualPlain(b"\x04" * 7))
    assert (await counter.types("pay")).title == "Not sold"


async def test_to_ask_an_empty_reader_is_no_lost_card() -> None:
    """The watch believes of a card lost in a command that it must look again; here nothing was spoken to."""
    asked = list[object]()

    async def run(work: object) -> None:
        asked.append(work)

    with pytest.raises(CardLeftField):
        await CardPort(OFFICE, run, os.urandom).read(lambda _: None)  # type: ignore[arg-type]
    assert not asked
