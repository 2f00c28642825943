"""pyscard, libpcsclite, pcscd and vpcd for real; only the card is ours."""

import inspect
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.cards.open_card import open_card
from hardware.ports import CardError, CardLeftField, CardReader, ReaderUnplugged
from hardware.readers.answers_to_reset import technology_of
from hardware.readers.pcsc import PcscReader
from hardware.simulated.pcscd import PcscdFailed, PrivatePcscd
from hardware.simulated.plain_card import VirtualFelica, VirtualTypeB
from hardware.simulated.tearing import CardTorn
from hardware.simulated.vpcd import VirtualSlot
from protocol.purse import Technology
from tests.hardware.card_bench import TILL

pytestmark = pytest.mark.integration

CLASSIC_1K_ATR = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
CLASSIC_4K_ATR = bytes.fromhex("3B8F8001804F0CA0000003060300020000000069")
DESFIRE_ATR = bytes.fromhex("3B8180018080")
ULTRALIGHT_ATR = bytes.fromhex("3B8F8001804F0CA0000003060300030000000068")
TEAR = b"tear"


class EchoCard:
    """Answers each APDU with itself; leaves the field when asked to."""

    def __init__(self, uid: bytes = bytes(4), atr: bytes = CLASSIC_1K_ATR) -> None:
        self.uid = uid
        self.atr = atr
        self.reset_count = 0

    def reset(self) -> None:
        self.reset_count += 1

    def process(self, apdu: bytes) -> bytes:
        if apdu == TEAR:
            raise CardTorn
        return (self.uid if apdu.startswith(b"\xff\xca") else apdu) + b"\x90\x00"


@pytest.fixture
def slot(pcscd: PrivatePcscd) -> Iterator[VirtualSlot]:
    with VirtualSlot(pcscd.ports[0]) as slot:
        yield slot


@pytest.fixture
def reader(pcscd: PrivatePcscd) -> Iterator[PcscReader]:
    with PcscReader(pcscd.reader_names[0]) as reader:
        assert reader.wait_until_absent(2)
        yield reader


def test_it_is_a_card_reader_as_the_port_has_it(reader: PcscReader) -> None:
    port: CardReader = reader
    assert port.wait_for_card(0) is None


@pytest.mark.parametrize("uid", ["04A1B2C3", "04A1B2C3D4E5F6"])
def test_a_card_is_seen_with_its_uid_and_exchanges_apdus(slot: VirtualSlot, reader: PcscReader, uid: str) -> None:
    card = EchoCard(bytes.fromhex(uid), DESFIRE_ATR)
    slot.insert(card)
    channel = reader.wait_for_card(2)
    assert channel is not None
    assert (channel.uid, channel.technology) == (card.uid, Technology.DESFIRE)
    long_apdu = bytes(range(200))
    assert channel.transmit(b"\x90\x60\x00\x00\x00") == b"\x90\x60\x00\x00\x00\x90\x00"
    assert channel.transmit(long_apdu) == long_apdu + b"\x90\x00"
    assert not reader.wait_until_absent(0)


def test_a_card_that_comes_later_ends_the_wait(slot: VirtualSlot, reader: PcscReader) -> None:
    timer = threading.Timer(0.2, slot.insert, [EchoCard()])
    timer.start()
    assert reader.wait_for_card(5) is not None
    timer.join()


def test_a_lingering_card_is_handed_out_again(slot: VirtualSlot, reader: PcscReader) -> None:
    slot.insert(EchoCard())
    first, second = reader.wait_for_card(2), reader.wait_for_card(2)
    assert first is not None and second is not None and first is not second
    assert second.transmit(b"again") == b"again\x90\x00"


def test_waiting_costs_no_processor_time(reader: PcscReader) -> None:
    before = time.thread_time()
    assert reader.wait_for_card(0.5) is None
    assert time.thread_time() - before < 0.1 * 0.5


def test_a_card_that_leaves_in_the_middle_leaves_the_outcome_unknown(slot: VirtualSlot, reader: PcscReader) -> None:
    slot.insert(EchoCard())
    channel = reader.wait_for_card(2)
    assert channel is not None
    with pytest.raises(CardLeftField):
        channel.transmit(TEAR)
    assert reader.wait_until_absent(2)
    assert not slot.occupied
    slot.insert(EchoCard(b"\x01\x02\x03\x04"))
    again = reader.wait_for_card(2)
    assert again is not None and again.uid == b"\x01\x02\x03\x04"


def test_a_card_taken_away_between_two_commands(slot: VirtualSlot, reader: PcscReader) -> None:
    slot.insert(EchoCard())
    channel = reader.wait_for_card(2)
    assert channel is not None
    slot.remove()
    with pytest.raises(CardLeftField):
        channel.transmit(b"gone")
    assert reader.wait_until_absent(2)


def test_two_readers_have_two_fields(pcscd: PrivatePcscd, slot: VirtualSlot, reader: PcscReader) -> None:
    with VirtualSlot(pcscd.ports[1]) as other_slot, PcscReader(pcscd.reader_names[1]) as other_reader:
        slot.insert(EchoCard(b"left"))
        other_slot.insert(EchoCard(b"rght"))
        left, right = reader.wait_for_card(2), other_reader.wait_for_card(2)
        assert left is not None and right is not None
        assert (left.uid, right.uid) == (b"left", b"rght")
        other_slot.remove()
        assert other_reader.wait_until_absent(2)
        assert left.transmit(b"here") == b"here\x90\x00"


def test_an_unplugged_reader_is_said_and_comes_back(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.stop()
    with pytest.raises(ReaderUnplugged):
        reader.wait_for_card(1)
    with pytest.raises(ReaderUnplugged):
        reader.wait_for_card(1)
    pcscd.start()
    with VirtualSlot(pcscd.ports[0]) as slot:
        slot.insert(EchoCard())
        assert reader.wait_for_card(2) is not None
        channel = reader.wait_for_card(2)
        pcscd.stop()
        assert channel is not None
        with pytest.raises(ReaderUnplugged):
            channel.transmit(b"lost")
    pcscd.start()


def test_a_reader_that_is_not_there(pcscd: PrivatePcscd) -> None:
    with PcscReader("no such reader") as reader, pytest.raises(ReaderUnplugged):
        reader.wait_for_card(0)


def test_a_failure_of_the_card_itself_is_not_swallowed(slot: VirtualSlot, reader: PcscReader) -> None:
    class BrokenCard(EchoCard):
        def process(self, apdu: bytes) -> bytes:
            raise ZeroDivisionError

    slot.insert(BrokenCard())
    assert reader.wait_for_card(1) is None
    with pytest.raises(ZeroDivisionError):
        slot.remove()


@pytest.mark.parametrize(
    ("atr", "technology"),
    [
        (CLASSIC_1K_ATR, Technology.CLASSIC),
        (CLASSIC_4K_ATR, Technology.CLASSIC),
        (DESFIRE_ATR, Technology.DESFIRE),
        (ULTRALIGHT_ATR, None),
        (bytes.fromhex("3B8F8001804F0CA00000030611003B0000000042"), Technology.TOKEN),
        (bytes.fromhex("3B8F8001804F0CA00000030603F011000000008A"), Technology.TOKEN),
        (bytes.fromhex("3B8880011C2D9411F7718500BE"), Technology.TOKEN),
        (bytes.fromhex("3B8880011C2D9411F7718501BF"), None),
        (b"", None),
    ],
)
def test_the_atr_names_the_technology(atr: bytes, technology: Technology | None) -> None:
    assert technology_of(atr) is technology


TOKENS = {
    "FeliCa": VirtualFelica(bytes.fromhex("012e4cd4544d451a")),
    "type B": VirtualTypeB(bytes.fromhex("1a2b3c4d")),
}


@pytest.mark.parametrize("name", TOKENS)
def test_felica_and_type_b_are_known_by_their_atr_and_tell_their_uid(
    slot: VirtualSlot, reader: PcscReader, name: str
) -> None:
    card = TOKENS[name]
    slot.insert(card)
    channel = reader.wait_for_card(2)
    assert channel is not None and (channel.uid, channel.technology) == (card.uid, Technology.TOKEN)
    assert not reader.wait_until_absent(0.5), "asking a card of type B twice takes it from nobody"
    slot.remove()
    assert reader.wait_until_absent(2)


def test_a_pupi_that_changes_when_the_card_is_powered_anew_is_no_uid(slot: VirtualSlot, reader: PcscReader) -> None:
    slot.insert(VirtualTypeB(*(bytes((1, 2, 3, count)) for count in range(200))))
    channel = reader.wait_for_card(2)
    assert channel is not None and (channel.uid, channel.technology) == (b"", Technology.TOKEN)


@pytest.mark.parametrize("size", [1, 5, 11, 40])
def test_what_no_card_has_for_a_uid_is_none(slot: VirtualSlot, reader: PcscReader, size: int) -> None:
    """A chip with contacts may answer the reader's own command with whatever it likes."""
    slot.insert(EchoCard(bytes(range(size)), bytes.fromhex("3b00")))
    channel = reader.wait_for_card(2)
    assert channel is not None and channel.uid == b""
    with pytest.raises(CardError):
        open_card(channel, TILL).read()


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 100)
    directory.mkdir()
    with pytest.raises(PcscdFailed, match="so long a path"):
        PrivatePcscd(directory).start()


@pytest.mark.parametrize("namespaces", ["pcscd._namespaces_allowed()", "False"])
@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_can_run_it_too(namespaces: str) -> None:
    """Without namespaces somebody must have made /run/pcscd; else the reason is said."""
    home = Path("/var/tmp") / f"fanka-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        # The checkout may lie where only root may read.
        shutil.copyfile(inspect.getfile(PrivatePcscd), home / "pcscd.py")
        os.chown(home, 65534, 65534)
        script = (
            f"import sys; sys.path.insert(0, {str(home)!r})\n"
            "import pcscd; from pathlib import Path\n"
            f"allowed = {namespaces}; pcscd._namespaces_allowed = lambda: allowed\n"
            f"with pcscd.PrivatePcscd(Path({str(home)!r})) as daemon: print(daemon.socket_path.is_socket())"
        )
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            script,
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert "True" in done.stdout or "/run/pcscd" in done.stderr, done.stderr
    finally:
        shutil.rmtree(home)
