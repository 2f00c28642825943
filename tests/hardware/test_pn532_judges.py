"""Programs that others wrote judge the virtual PN532 and the virtual cards: Debian's libnfc-bin and libfreefare-bin.

Their way to the reader is a serial line like any other; no code of ours is between them and the fake.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.cards.classic_sectors import PUBLIC_KEY_A
from hardware.simulated.classic_card import BLOCK_BYTES, BLOCKS_4K, VirtualClassic, blank_classic
from hardware.simulated.plain_card import VirtualFelica, VirtualPlain, VirtualTypeB
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import CardInField
from protocol.purse_classic import IDENTITY_BLOCKS, SLOT_BLOCKS
from tests.hardware.card_bench import KEYS, UID, Kind, blank, issued
from tests.hardware.tag_bench import ultralight
from tests.hardware.test_erase import MAKES, used, wipe

pytestmark = pytest.mark.integration


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePn532]:
    with FakePn532(tmp_path / "pn532") as fake:
        yield fake


def run(fake: FakePn532, *command: str) -> subprocess.CompletedProcess[str]:
    """A program with this reader as its only one."""
    environment = {**os.environ, "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{fake.path}", "LIBNFC_AUTO_SCAN": "false"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def said(fake: FakePn532, *command: str) -> str:
    """What it said, without the blanks between words; it must have ended well."""
    done = run(fake, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def blocks_of(dump: bytes) -> list[bytes]:
    """A whole card in its blocks."""
    return [dump[at : at + BLOCK_BYTES] for at in range(0, len(dump), BLOCK_BYTES)]


def data_blocks(blocks: list[bytes]) -> list[bytes]:
    """All but the trailers: into their keys the program puts what it knows and what it does not."""
    return [block for no, block in enumerate(blocks) if no % 4 != 3]


CARDS: dict[str, tuple[CardInField, str]] = {
    "classic 1k": (blank(Kind.CLASSIC, b"\x01\x02\x03\x04"), "00 04 UID (NFCID1): 01 02 03 04 SAK (SEL_RES): 08"),
    "classic 4k": (
        VirtualClassic(blank_classic(UID, blocks=BLOCKS_4K)),
        "00 42 UID (NFCID1): 04 a1 b2 c3 d4 e5 f6 SAK (SEL_RES): 18",
    ),
    "desfire": (
        blank(Kind.EV1),
        "03 44 UID (NFCID1): 04 a1 b2 c3 d4 e5 f6 SAK (SEL_RES): 20 ATS: 75 77 81 02 80",
    ),
    "ultralight": (ultralight(), "00 44 UID (NFCID1): 04 a1 b2 c3 d4 e5 f6 SAK (SEL_RES): 00"),
    "plain": (VirtualPlain(b"\x11\x22\x33\x44"), "03 04 UID (NFCID1): 11 22 33 44 SAK (SEL_RES): 20 ATS: 78 80 70 02"),
}


FELICA_SAID = "FeliCa ({0} kbps) target: ID (NFCID2): 01 2e 4c d4 54 4d 45 1a Parameter (PAD): 10 0b 4b 42 84 85 d0 ff"
TYPE_B_SAID = (
    "ISO/IEC 14443-4B (106 kbps) target: PUPI: 1a 2b 3c 4d Application Data: 1c 2d 94 11 Protocol Info: f7 71 85"
)
OTHERS: dict[str, tuple[CardInField, list[str]]] = {
    "felica": (
        VirtualFelica(bytes.fromhex("012e4cd4544d451a")),
        [FELICA_SAID.format(speed) + " System Code (SC): 00 03" for speed in (212, 424)],
    ),
    "type b": (VirtualTypeB(bytes.fromhex("1a2b3c4d")), [TYPE_B_SAID]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_libnfc_sees_cards_of_other_types(fake: FakePn532, name: str) -> None:
    card, introductions = OTHERS[name]
    fake.insert(card)
    for _ in range(2):
        list_of_all = said(fake, "nfc-list")
        assert all(introduction in list_of_all for introduction in introductions)
        assert list_of_all.count("found") == len(introductions)
    fake.remove()
    assert "found" not in said(fake, "nfc-list")


def test_a_pupi_may_be_another_each_time(fake: FakePn532) -> None:
    fake.insert(VirtualTypeB(*(bytes((1, 2, 3, count)) for count in range(200))))
    first, second = (said(fake, "nfc-list").split("PUPI: ")[1][:11] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("name", CARDS)
def test_libnfc_sees_the_card(fake: FakePn532, name: str) -> None:
    assert "found" not in said(fake, "nfc-list")
    card, introduction = CARDS[name]
    fake.insert(card)
    for _ in range(2):
        assert (
            f"1 ISO14443A passive target(s) found: ISO/IEC 14443A (106 kbps) target: ATQA (SENS_RES): {introduction}"
            in (said(fake, "nfc-list"))
        )
    fake.remove()
    assert "found" not in said(fake, "nfc-list")


def test_nfc_mfclassic_reads_what_is_on_a_card(fake: FakePn532, tmp_path: Path) -> None:
    """A fresh card with transport keys, and what somebody wrote on it."""
    state = blank_classic(b"\x01\x02\x03\x04")
    state.blocks[5] = b"sixteen bytes .."
    fake.insert(VirtualClassic(state))
    dump = tmp_path / "dump.mfd"
    assert "64 of 64 blocks read" in said(fake, "nfc-mfclassic", "r", "a", "u", str(dump))
    assert data_blocks(blocks_of(dump.read_bytes())) == data_blocks(state.blocks)


def test_nfc_mfclassic_reads_a_card_of_ours_with_a_till_s_keys(fake: FakePn532, tmp_path: Path) -> None:
    """Every sector opens under its key A, and nothing but the keys themselves is hidden."""
    card = issued(Kind.CLASSIC).card
    assert isinstance(card, VirtualClassic)
    blocks = card.snapshot().blocks
    keys, dump = tmp_path / "keys.mfd", tmp_path / "dump.mfd"
    keys.write_bytes(b"".join(blocks))
    fake.insert(card)
    assert "64 of 64 blocks read" in said(fake, "nfc-mfclassic", "r", "a", "u", str(dump), str(keys))
    read = blocks_of(dump.read_bytes())
    assert data_blocks(read) == data_blocks(blocks)
    assert read[IDENTITY_BLOCKS[0]] != bytes(BLOCK_BYTES) and read[SLOT_BLOCKS[0][0]] != bytes(BLOCK_BYTES)


def test_nfc_mfclassic_cannot_read_with_wrong_keys(fake: FakePn532, tmp_path: Path) -> None:
    """Only what is open to everybody opens; the chip says so and the program selects the card anew each time."""
    fake.insert(issued(Kind.CLASSIC).card)
    keys, dump = tmp_path / "keys.mfd", tmp_path / "dump.mfd"
    keys.write_bytes((bytes(48) + PUBLIC_KEY_A + bytes(10)) * 16)
    done = run(fake, "nfc-mfclassic", "r", "a", "u", str(dump), str(keys), "f")
    assert "authentication failed" in done.stdout.lower() + done.stderr.lower()
    assert KEYS.debit not in (dump.read_bytes() if dump.exists() else b"")


def test_nfc_mfclassic_writes_a_card(fake: FakePn532, tmp_path: Path) -> None:
    card = VirtualClassic(blank_classic(b"\x01\x02\x03\x04"))
    fake.insert(card)
    blocks = card.snapshot().blocks
    blocks[20] = b"written by other"
    image = tmp_path / "image.mfd"
    image.write_bytes(b"".join(blocks))
    said(fake, "nfc-mfclassic", "w", "a", "u", str(image), str(image))
    assert card.snapshot().blocks == blocks


def test_libfreefare_formats_a_classic(fake: FakePn532) -> None:
    state = blank_classic(UID)
    state.blocks[5] = b"sixteen bytes .."
    card = VirtualClassic(state)
    fake.insert(card)
    assert "Formatting 16 sectors" in said(fake, "mifare-classic-format", "-y")
    assert card.snapshot().blocks[5] == bytes(BLOCK_BYTES)


@pytest.mark.parametrize(("kind", "software"), [(Kind.EV1, "Version: 1.4"), (Kind.EV2, "Version: 2.1")])
def test_libfreefare_knows_a_desfire(fake: FakePn532, kind: Kind, software: str) -> None:
    fake.insert(blank(kind))
    info = said(fake, "mifare-desfire-info")
    assert "Version information for tag 04a1b2c3d4e5f6" in info and software in info
    assert "Storage size: 0x1a (=8192 bytes)" in info


def test_libfreefare_finds_a_card_of_ours_with_its_settings(fake: FakePn532) -> None:
    fake.insert(issued(Kind.EV1).card)
    info = said(fake, "mifare-desfire-info")
    assert "Master Key version: 1" in info, "the key set, which anybody may read"


@pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])
def test_libfreefare_takes_an_erased_card_for_one_from_the_factory(fake: FakePn532, kind: Kind) -> None:
    """Its version, what it lists, its settings and its master key are said in the same words."""
    fake.insert(blank(kind))
    of_factory = said(fake, "mifare-desfire-info")
    fake.remove()
    bench = used(MAKES[kind.value])
    wipe(bench)
    fake.insert(bench.card)
    assert "Master Key version: 0" in of_factory
    assert said(fake, "mifare-desfire-info") == of_factory


def test_nfc_mfclassic_opens_an_erased_card_with_the_factory_s_keys(fake: FakePn532, tmp_path: Path) -> None:
    """All sectors but the frozen ones, whose keys are given to it; and it finds nothing in any."""
    bench = used(MAKES["1k, 4"])
    assert isinstance(bench.card, VirtualClassic)
    frozen = bench.card.snapshot().blocks
    wipe(bench)
    factory = blank_classic(bench.card.uid)
    keys, dump = tmp_path / "keys.mfd", tmp_path / "dump.mfd"
    keys.write_bytes(b"".join([*factory.blocks[:16], *frozen[16:32], *factory.blocks[32:]]))
    fake.insert(bench.card)
    assert "64 of 64 blocks read" in said(fake, "nfc-mfclassic", "r", "a", "u", str(dump), str(keys))
    assert data_blocks(blocks_of(dump.read_bytes())) == data_blocks(factory.blocks)


def test_libfreefare_leaves_other_cards_alone(fake: FakePn532) -> None:
    fake.insert(VirtualPlain(b"\x11\x22\x33\x44"))
    assert said(fake, "mifare-desfire-info") == ""


def test_libnfc_reads_an_ultralight(fake: FakePn532, tmp_path: Path) -> None:
    card, dump = ultralight(), tmp_path / "ultralight.mfd"
    fake.insert(card)
    assert "16 of 16 pages read (0 pages failed)" in said(fake, "nfc-mfultralight", "r", str(dump))
    pages = dump.read_bytes()
    assert pages[:3] + pages[4:8] == UID and pages[16:64] == card.snapshot().memory[16:64]
