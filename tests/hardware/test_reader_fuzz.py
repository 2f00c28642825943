"""Cards that answer nonsense behind both reader stacks: only the ports' errors come out, and the next card works.

pcsc     pyscard, libpcsclite, a real pcscd; answers that are random, cut, too long, or of the command before
pn532    nfcpy's driver, a pseudo-terminal, a virtual PN532; the same
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hardware.cards.open_card import open_card
from hardware.cards.tokens import read_token
from hardware.ports import CardError, CardNotOurs, CardReader, ReaderUnplugged
from hardware.readers.pcsc import PcscReader
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import CardInField
from hardware.simulated.ultralight_aes import VirtualUltralightAes
from hardware.simulated.vpcd import VirtualSlot
from tests.hardware.card_bench import KINDS, TILL, issued, sale
from tests.hardware.tag_bench import tag, ultralight

pytestmark = pytest.mark.integration

ROUNDS, TAPS = 3, 16
PURSES = {kind.value: kind for kind in KINDS}
TAGS: dict[str, Callable[[], CardInField]] = {"sun": tag, "ultralight": ultralight}


class Garbling:
    """A card whose answers are sometimes others than it gave."""

    def __init__(self, card: CardInField, dice: random.Random) -> None:
        self.card, self.uid, self.atr, self.field = card, card.uid, card.atr, card.field
        self._dice, self._before = dice, b"\x90\x00"
        # A reader wraps what an Ultralight says: only that is the tag's to garble.
        self._wrapped = isinstance(card, VirtualUltralightAes)
        self.garbled = 0

    def reset(self) -> None:
        self.card.reset()

    def process(self, apdu: bytes) -> bytes:
        answer = self.card.process(apdu)
        said, self._before = self._before, answer
        if self._dice.random() < 0.8:
            return answer
        self.garbled += 1
        if self._wrapped:
            return answer[:3] + self._bent(answer[3:-2], said[3:-2]) + answer[-2:]
        return self._bent(answer, said)

    def _bent(self, answer: bytes, before: bytes) -> bytes:
        dice = self._dice
        match dice.randrange(5):
            case 0:
                return dice.randbytes(dice.randrange(1, 40)) + dice.choice((b"", b"\x90\x00", b"\x91\x00", b"\x91\xaf"))
            case 1:
                return answer[: max(1, dice.randrange(len(answer) + 1))]
            case 2:
                return dice.randbytes(dice.choice((1, 60, 200))) + answer
            case 3:
                return before
            case _:
                return b"\x90"


class Stack:
    """A reader, and what is put before it."""

    def __init__(self, slot: VirtualSlot | FakePn532, reader: CardReader) -> None:
        self._slot, self.reader = slot, reader

    def shows(self, card: CardInField) -> None:
        """Take away what lies there, and put this down."""
        self._slot.remove()
        assert self.reader.wait_until_absent(5)
        self._slot.insert(card)


@pytest.fixture(params=["pcsc", "pn532"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    if request.param == "pn532":
        with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
            yield Stack(fake, reader)
    else:
        pcscd: PrivatePcscd = request.getfixturevalue("pcscd")
        with VirtualSlot(pcscd.ports[0]) as slot, PcscReader(pcscd.reader_names[0]) as reader:
            yield Stack(slot, reader)


@pytest.mark.parametrize("name", [*PURSES, *TAGS])
def test_a_card_that_garbles_its_answers_crashes_nothing(stack: Stack, name: str) -> None:
    dice = random.Random(name)
    card: CardInField = issued(PURSES[name]).card if name in PURSES else TAGS[name]()
    garbling = Garbling(card, dice)
    for seq in range(1, ROUNDS + 1):
        stack.shows(garbling)
        for _ in range(TAPS):
            with suppress(CardError, ReaderUnplugged):
                one_tap(stack.reader, seq)
    assert garbling.garbled > TAPS
    stack.shows(card)
    channel = stack.reader.wait_for_card(5)
    assert channel is not None
    if name in PURSES:
        read = open_card(channel, TILL).read()
        assert read.purse is not None and read.purse.main_cents == 5000 - 20 * read.purse.counter
    elif not (name == "ultralight" and isinstance(stack.reader, PcscReader)):
        token = read_token(channel, TILL)
        assert token is not None and token.genuine


def one_tap(reader: CardReader, seq: int) -> None:
    """What a till does with a card: read and debit it, or let it prove who it is."""
    channel = reader.wait_for_card(2)
    if channel is None:
        return
    try:
        driver = open_card(channel, TILL)
        read = driver.read()
        if read.purse is not None:
            driver.write(sale(read, seq))
    except CardNotOurs:
        read_token(channel, TILL)
