"""A PN532's frames, and the chip behind them as a host on the serial line meets it."""

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.simulated.pn532 import WAKING_BYTES, FakePn532
from hardware.simulated.pn532_frames import ACK, ERROR, NACK, TO_CHIP, FrameReader, Heard, Signal, framed
from hardware.simulated.tearing import CardTorn, Field
from tests.hardware.card_bench import Kind, blank

DESFIRE_ATR = bytes.fromhex("3B8180018080")
PREAMBLE = bytes(WAKING_BYTES)
SAM, FIRMWARE = b"\x14\x01\x00", b"\x02"
FIRMWARE_ANSWER = bytes.fromhex("0332010607")
"""UM0701-02 section 7.2.2."""


class EchoCard:
    """A card with ISO-DEP that answers with what it was told."""

    def __init__(self, uid: bytes = bytes(range(7)), atr: bytes = DESFIRE_ATR) -> None:
        self.uid, self.atr, self.field = uid, atr, Field()

    def reset(self) -> None:
        pass

    def process(self, apdu: bytes) -> bytes:
        if not self.field.present:
            raise CardTorn
        return apdu


class Host:
    """Whoever holds the other end of the line."""

    def __init__(self, path: Path) -> None:
        self._line = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)
        self._pending = b""

    def send(self, raw: bytes) -> None:
        os.write(self._line, raw)

    def receive(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._pending += os.read(self._line, 512)
        found, self._pending = self._pending[:size], self._pending[size:]
        return found

    def ask(self, body: bytes, answer: bytes) -> None:
        """A command, and the answer that must come."""
        self.send(framed(body, TO_CHIP))
        assert self.receive(len(ACK)) == ACK
        expected = framed(answer)
        assert self.receive(len(expected)).hex() == expected.hex()

    def close(self) -> None:
        os.close(self._line)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePn532]:
    with FakePn532(tmp_path / "pn532") as fake:
        yield fake


@pytest.fixture
def host(fake: FakePn532) -> Iterator[Host]:
    """Awake, and configured as a reader that looks for a card a few times only."""
    host = Host(fake.path)
    host.send(PREAMBLE)
    host.ask(SAM, b"\x15")
    host.ask(b"\x32\x05\x01\x00\x02", b"\x33")
    yield host
    host.close()


def test_known_frames() -> None:
    """GetFirmwareVersion and its answer as the manual has them."""
    assert framed(FIRMWARE, TO_CHIP).hex() == "0000ff02fed4022a00"
    assert framed(FIRMWARE_ANSWER).hex() == "0000ff06fad50332010607e800"


@pytest.mark.parametrize("size", [1, 2, 253, 254, 255, 264])
def test_a_frame_is_read_as_it_was_written_however_it_arrives(size: int) -> None:
    body = bytes((7 * at) & 0xFF for at in range(size))
    raw = framed(body, TO_CHIP)
    assert (raw[3:5] == b"\xff\xff") is (size > 254), "longer ones are extended frames"
    assert FrameReader().feed(raw) == [Heard(body, 1)]
    reader = FrameReader()
    assert [heard for byte in raw for heard in reader.feed(bytes((byte,)))] == [Heard(body, 1)]
    assert reader.feed(PREAMBLE + raw + ACK) == [Heard(body, 2 + WAKING_BYTES), Heard(Signal.ACK, 2)]


def test_more_than_a_frame_holds_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="more than a frame holds"):
        framed(bytes(265))


@pytest.mark.parametrize("body", [FIRMWARE, bytes(260)])
def test_every_wrong_bit_is_noticed(body: bytes) -> None:
    raw = framed(body, TO_CHIP)
    for at in range(3, len(raw) - 1):
        damaged = raw[:at] + bytes((raw[at] ^ 0x10,)) + raw[at + 1 :]
        assert Heard(body, 1) not in FrameReader().feed(damaged)


def test_a_sleeping_chip_hears_only_a_long_preamble(fake: FakePn532) -> None:
    host = Host(fake.path)
    host.send(framed(FIRMWARE, TO_CHIP))
    host.send(PREAMBLE + framed(FIRMWARE, TO_CHIP))
    assert host.receive(6) == ACK
    assert host.receive(13) == framed(FIRMWARE_ANSWER)
    assert fake.heard == [0x02], "the first one was slept through"
    host.close()


def test_it_finds_no_card_before_it_is_configured(fake: FakePn532) -> None:
    host = Host(fake.path)
    host.send(PREAMBLE + framed(b"\x4a\x01\x00", TO_CHIP))
    assert host.receive(14) == ACK + ERROR
    host.close()


def test_what_it_does_not_understand(host: Host) -> None:
    for nonsense in (b"\x77", b"\x4a", b"\x4a\x03\x00", b"\x12"):
        host.send(framed(nonsense, TO_CHIP))
        assert host.receive(14) == ACK + ERROR
    host.send(framed(FIRMWARE, TO_CHIP)[:-2] + b"\x00\x00")
    assert host.receive(6) == NACK


def test_an_answer_that_was_lost_is_sent_again(host: Host) -> None:
    host.ask(FIRMWARE, FIRMWARE_ANSWER)
    host.send(NACK)
    assert host.receive(13) == framed(FIRMWARE_ANSWER)


def test_small_commands(host: Host) -> None:
    host.ask(b"\x00\x00line", b"\x01\x00line")
    host.ask(b"\x00\x02", b"\x01\x00")
    host.ask(b"\x08\x63\x02\x80\x63\x03\x81", b"\x09")
    host.ask(b"\x06\x63\x02\x63\x03\x63\x04", b"\x07\x80\x81\x00")
    host.ask(b"\x10\x08", b"\x11")
    host.ask(b"\x04", b"\x05\x00\x01\x00\x80")
    host.ask(b"\x16\x20", b"\x17\x00")
    host.send(framed(FIRMWARE, TO_CHIP))
    host.send(PREAMBLE)
    host.ask(FIRMWARE, FIRMWARE_ANSWER)


def test_it_waits_for_a_card_until_one_comes(fake: FakePn532, host: Host) -> None:
    host.ask(b"\x32\x05\x01\x00\xff", b"\x33")
    host.send(framed(b"\x4a\x01\x00", TO_CHIP))
    assert host.receive(6) == ACK
    fake.insert(EchoCard())
    answer = framed(bytes.fromhex("4b010103442007000102030405060675778102" + "80"))
    assert host.receive(len(answer)).hex() == answer.hex()


def test_waiting_is_called_off_by_an_ack(fake: FakePn532, host: Host) -> None:
    host.ask(b"\x32\x05\x01\x00\xff", b"\x33")
    host.send(framed(b"\x4a\x01\x00", TO_CHIP))
    assert host.receive(6) == ACK
    host.send(ACK)
    host.ask(FIRMWARE, FIRMWARE_ANSWER)
    fake.insert(EchoCard())
    host.ask(FIRMWARE, FIRMWARE_ANSWER)


def test_long_exchanges_go_in_pieces_both_ways(fake: FakePn532, host: Host) -> None:
    fake.insert(EchoCard(b"1234"))
    host.ask(b"\x4a\x01\x00", bytes.fromhex("4b01010304200431323334067577810280"))
    host.ask(b"\x40\x41" + b"a" * 200, b"\x41\x00")
    host.ask(b"\x40\x01" + b"b" * 100, b"\x41\x40" + b"a" * 200 + b"b" * 62)
    host.ask(b"\x40\x01", b"\x41\x00" + b"b" * 38)


def test_two_cards(fake: FakePn532, host: Host) -> None:
    fake.insert(EchoCard(b"1234"), EchoCard(b"5678"), EchoCard(b"9abc"))
    host.ask(b"\x12\x00", b"\x13")
    host.ask(b"\x4a\x02\x00", bytes.fromhex("4b02") + b"\x01\x03\x04\x20\x041234" + b"\x02\x03\x04\x20\x045678")
    host.ask(b"\x04", b"\x05\x00\x01\x02\x01\x00\x00\x10\x02\x00\x00\x10\x80")
    host.ask(b"\x40\x02hello", b"\x41\x00hello")
    host.ask(b"\x44\x02", b"\x45\x00")
    host.ask(b"\x40\x02hello", b"\x41\x01")
    host.ask(b"\x54\x02", b"\x55\x00")
    host.ask(b"\x40\x02hello", b"\x41\x00hello")
    host.ask(b"\x52\x02", b"\x53\x00")
    host.ask(b"\x40\x02hello", b"\x41\x27")
    host.ask(b"\x4a\x01\x00" + b"5678", bytes.fromhex("4b01") + b"\x01\x03\x04\x20\x045678")
    host.ask(b"\x4a\x01\x01", b"\x4b\x00")


def test_presence_of_a_card_with_iso_dep(fake: FakePn532, host: Host) -> None:
    card = EchoCard(b"1234")
    fake.insert(card)
    host.ask(b"\x00\x06", b"\x01\x01")
    host.ask(b"\x4a\x01\x00", bytes.fromhex("4b01010304200431323334067577810280"))
    host.ask(b"\x00\x06", b"\x01\x00")
    host.ask(b"\x42\xe0\x50", b"\x43\x00" + bytes.fromhex("067577810280"))
    card.field.take_away()
    host.ask(b"\x00\x06", b"\x01\x01")
    host.ask(b"\x40\x01hello", b"\x41\x01")


def test_a_classic_that_has_refused_is_silent_until_it_is_selected_anew(fake: FakePn532, host: Host) -> None:
    fake.insert(blank(Kind.CLASSIC, b"\x01\x02\x03\x04"))
    select = b"\x4a\x01\x00", bytes.fromhex("4b0101000408" + "0401020304")
    opened = b"\x60\x04" + b"\xff" * 6 + b"\x01\x02\x03\x04"
    host.ask(*select)
    host.ask(b"\x40\x01" + opened, b"\x41\x00")
    host.ask(b"\x40\x01\x30\x04", b"\x41\x00" + bytes(16))
    host.ask(b"\x40\x01\xa0\x05" + b"sixteen bytes ..", b"\x41\x00")
    host.ask(b"\x40\x01\x30\x05", b"\x41\x00" + b"sixteen bytes ..")
    for refused, status in (
        (b"\x60\x04" + bytes(6) + b"\x01\x02\x03\x04", b"\x14"),
        (b"\x60\x04" + b"\xff" * 6 + b"\x01\x02\x03\x05", b"\x14"),
        (b"\x30\x08", b"\x13"),
        (b"\xc0\x04" + bytes(4), b"\x13"),
        (b"\x50\x00", b"\x01"),
    ):
        host.ask(b"\x40\x01" + refused, b"\x41" + status)
        host.ask(b"\x40\x01" + opened, b"\x41\x01")
        host.ask(*select)
        host.ask(b"\x40\x01" + opened, b"\x41\x00")
