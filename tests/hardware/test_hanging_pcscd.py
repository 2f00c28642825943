"""pcscd hangs while a till's card thread works on a card: what was said to have failed comes to nothing more."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from hardware.cards.open_card import open_card
from hardware.ports import GET_UID, CardChannel, CardLeftField, Signal
from hardware.readers.pcsc import PcscReader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.reader import AnsweringCard
from hardware.simulated.vpcd import VirtualSlot
from terminal.card_thread import CardThread
from tests.hardware.card_bench import KINDS, TILL, Kind, issued, sale
from tests.hardware.test_pcsc_readers import Freezing, hanging

pytestmark = pytest.mark.integration

FREEZES_AT = 3
"""In the middle of a write, for each kind of card."""


class Heard(Freezing):
    """Keeps what it was sent."""

    def __init__(self, card: AnsweringCard, freeze: Callable[[], None]) -> None:
        super().__init__(card, freeze)
        self.heard: list[bytes] = []

    def process(self, apdu: bytes) -> bytes:
        self.heard.append(apdu)
        return super().process(apdu)


async def found(thread: CardThread, reader: PcscReader) -> CardChannel:
    """The card on the reader, looked for until the daemon answers."""
    while True:
        try:
            channel = await thread.run(lambda: reader.wait_for_card(2))
        except CardLeftField:
            continue
        if channel is not None:
            return channel


@pytest.mark.parametrize("kind", KINDS)
async def test_a_write_that_was_said_to_have_failed_is_not_gone_on_with(pcscd: PrivatePcscd, kind: Kind) -> None:
    """The next that the card hears after the command that hung is the look for it, and it is made definite as ever."""
    card = Heard(issued(kind).card, pcscd.pause)
    with PcscReader(pcscd.reader_names[0]) as reader, VirtualSlot(pcscd.ports[0]) as field:
        thread = CardThread(reader)
        field.insert(card)
        channel = await found(thread, reader)
        driver = await thread.run(lambda: open_card(channel, TILL))
        change = sale(await thread.run(driver.read), 2)
        del card.heard[:]
        card.count, card.freezes_at = 0, FREEZES_AT
        try:
            with pytest.raises(CardLeftField, match="does not answer"):
                await thread.run(lambda: driver.write(change))
            began_s = time.monotonic()
            with pytest.raises(CardLeftField, match="does not answer"):
                await thread.run(lambda: driver.make_definite(change.after.mark, change.after.counter, change))
            thread.signal(Signal.TAP_AGAIN)
            assert time.monotonic() - began_s < 1, "nobody waits again for what is known to hang"
        finally:
            pcscd.resume()
        again = await found(thread, reader)
        assert len(card.heard) > FREEZES_AT and card.heard[FREEZES_AT] == GET_UID
        opened = await thread.run(lambda: open_card(again, TILL))
        shown = await thread.run(lambda: opened.make_definite(change.after.mark, change.after.counter, change))
        assert shown.purse in (change.purse_before, change.after)
        thread.close()


def test_a_program_ends_while_the_daemon_hangs(pcscd: PrivatePcscd) -> None:
    script = """
import asyncio, sys
from hardware.ports import CardLeftField
from hardware.readers.pcsc import PcscReader
from terminal.card_thread import CardThread

async def main():
    with PcscReader(sys.argv[1]) as reader:
        thread = CardThread(reader)
        try:
            await thread.run(lambda: reader.wait_for_card(0.1))
        except CardLeftField as error:
            print(error)
        thread.close()

asyncio.run(main())
"""
    with hanging(pcscd):
        ended = subprocess.run(
            [sys.executable, "-c", script, pcscd.reader_names[0]],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert "does not answer" in ended.stdout and not ended.stderr
