"""The virtual MIFARE Classic obeys its datasheet: keys, access bits, refusals, tears, weak bits, clones."""

from itertools import cycle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.simulated.access_bits import TRANSPORT_BYTES, sector_rules
from hardware.simulated.classic_card import (
    BLOCKS_4K,
    ClassicState,
    VirtualClassic,
    blank_classic,
    sector_of,
    trailer_of,
)
from hardware.simulated.tearing import CardTorn, Moment, Rest, Tear

UID = bytes.fromhex("04a1b2c3d4e5f6")
FACTORY = b"\xff" * 6
OTHER = b"\x11" * 6
OK, FAILED, NOT_ALLOWED = b"\x90\x00", b"\x63\x00", b"\x69\x82"


def card(blocks: int = 64) -> VirtualClassic:
    return VirtualClassic(blank_classic(UID, blocks=blocks))


def load_key(to: VirtualClassic, key: bytes, slot: int = 0) -> bytes:
    return to.process(b"\xff\x82\x00" + bytes((slot, 6)) + key)


def authenticate(to: VirtualClassic, block: int, kind: int = 0x60, slot: int = 0) -> bytes:
    return to.process(b"\xff\x86\x00\x00\x05\x01\x00" + bytes((block, kind, slot)))


def open_with(to: VirtualClassic, block: int, key: bytes = FACTORY, kind: int = 0x60) -> bytes:
    assert load_key(to, key) == OK
    return authenticate(to, block, kind)


def read(to: VirtualClassic, block: int) -> bytes:
    return to.process(bytes((0xFF, 0xB0, 0, block, 16)))


def update(to: VirtualClassic, block: int, data: bytes) -> bytes:
    return to.process(bytes((0xFF, 0xD6, 0, block, 16)) + data)


def test_the_uid_is_the_readers_answer_and_costs_no_exchange() -> None:
    new = card()
    assert new.process(bytes.fromhex("ffca000000")) == UID + OK
    assert new.process(bytes.fromhex("ffca010000")) == b"\x6a\x81"
    assert load_key(new, FACTORY) == OK
    assert new.field.exchange_count == 0


@pytest.mark.parametrize(
    ("blocks", "atr"),
    [(64, "3B8F8001804F0CA000000306030001000000006A"), (256, "3B8F8001804F0CA0000003060300020000000069")],
)
def test_the_atr_is_the_one_readers_report(blocks: int, atr: str) -> None:
    """The two ATRs of PC/SC part 3 for MIFARE Standard 1K and 4K."""
    assert card(blocks).atr == bytes.fromhex(atr)


def test_a_block_is_read_and_written_after_authentication() -> None:
    new = card()
    assert open_with(new, 4) == OK
    assert update(new, 5, bytes(range(16))) == OK
    assert read(new, 5) == bytes(range(16)) + OK
    assert read(new, 4) == bytes(16) + OK


def test_authentication_opens_one_sector_only() -> None:
    new = card()
    assert read(new, 4) == NOT_ALLOWED
    assert open_with(new, 4) == OK
    assert read(new, 8) == NOT_ALLOWED
    assert read(new, 4) == NOT_ALLOWED, "a failure closed the sector that was open"


def test_a_wrong_key_closes_what_was_open() -> None:
    new = card()
    assert open_with(new, 4) == OK
    assert open_with(new, 4, OTHER) == FAILED
    assert read(new, 4) == NOT_ALLOWED


def test_a_key_that_was_not_loaded_fails_without_an_exchange() -> None:
    new = card()
    assert authenticate(new, 4, slot=1) == FAILED
    assert open_with(new, 4, kind=0x62) == FAILED
    assert authenticate(new, 64) == FAILED
    assert new.field.exchange_count == 0


def test_block_0_is_read_only() -> None:
    new = card()
    assert open_with(new, 0) == OK
    assert read(new, 0)[:7] == UID
    assert update(new, 0, bytes(16)) == NOT_ALLOWED


def test_malformed_commands_are_refused() -> None:
    new = card()
    assert new.process(b"\xff\xb0\x00") == b"\x67\x00"
    assert new.process(bytes.fromhex("ffb0000404")) == b"\x67\x00"
    assert new.process(bytes.fromhex("ffd600040400000000")) == b"\x67\x00"
    assert new.process(bytes.fromhex("ff820000051111111111")) == b"\x67\x00"
    assert new.process(bytes.fromhex("ff86000005020004600000")) == b"\x67\x00"
    assert new.process(bytes.fromhex("ff99000000")) == b"\x6d\x00"
    assert new.process(bytes.fromhex("90600000 00")) == b"\x6e\x00"
    assert load_key(new, FACTORY, slot=9) == FAILED
    assert read(new, 64) == update(new, 64, bytes(16)) == b"\x6a\x82"


def test_key_a_is_never_readable() -> None:
    new = card()
    open_with(new, 4)
    assert read(new, 7) == bytes(6) + TRANSPORT_BYTES + FACTORY + OK, "the transport key B is readable"
    assert update(new, 7, OTHER + bytes.fromhex("7f078869") + OTHER) == OK
    assert open_with(new, 4, OTHER) == OK
    assert read(new, 7) == bytes(6) + bytes.fromhex("7f078869") + bytes(6) + OK


def test_a_readable_key_b_opens_nothing() -> None:
    """MF1S50YYX_V1 section 8.7.3, footnote of table 8: authentication works, every access after it is refused."""
    new = card()
    assert open_with(new, 4, FACTORY, 0x61) == OK
    assert read(new, 4) == NOT_ALLOWED


def access_bytes(data: int, trailer: int) -> bytes:
    """The same bits for all three data groups; written down again so that it can disagree with the driver."""
    c1, c2, c3 = ((0x7 * (data >> bit & 1)) | (trailer >> bit & 1) << 3 for bit in (2, 1, 0))
    return bytes((~c2 << 4 & 0xF0 | ~c1 & 0x0F, c1 << 4 | ~c3 & 0x0F, c3 << 4 | c2, 0x69))


# Table 8 of MF1S50YYX_V1: C1 C2 C3, who reads, who writes.
DATA_TABLE = [
    (0b000, "AB", "AB"),
    (0b010, "AB", ""),
    (0b100, "AB", "B"),
    (0b110, "AB", "B"),
    (0b001, "AB", ""),
    (0b011, "B", "B"),
    (0b101, "B", ""),
    (0b111, "", ""),
]


@pytest.mark.parametrize(("bits", "readers", "writers"), DATA_TABLE)
def test_data_blocks_obey_every_line_of_table_8(bits: int, readers: str, writers: str) -> None:
    for kind, name in ((0x60, "A"), (0x61, "B")):
        new = card()
        open_with(new, 4)
        assert update(new, 7, OTHER + access_bytes(bits, 0b011) + FACTORY) == OK
        key = OTHER if name == "A" else FACTORY
        open_with(new, 4, key, kind)
        assert read(new, 6).endswith(OK) is (name in readers)
        open_with(new, 4, key, kind)
        assert (update(new, 4, bytes(16)) == OK) is (name in writers)


# Table 7: C1 C2 C3, who writes key A, reads and writes the access bits, reads and writes key B.
TRAILER_TABLE = [
    (0b000, "A", "A", "", "A", "A"),
    (0b010, "", "A", "", "A", ""),
    (0b100, "B", "AB", "", "", "B"),
    (0b110, "", "AB", "", "", ""),
    (0b001, "A", "A", "A", "A", "A"),
    (0b011, "B", "AB", "B", "", "B"),
    (0b101, "", "AB", "B", "", ""),
    (0b111, "", "AB", "", "", ""),
]


@pytest.mark.parametrize(("bits", "write_a", "read_bits", "write_bits", "read_b", "write_b"), TRAILER_TABLE)
def test_trailers_obey_every_line_of_table_7(
    bits: int, write_a: str, read_bits: str, write_bits: str, read_b: str, write_b: str
) -> None:
    key_b_opens = read_b == ""
    for kind, name in ((0x60, "A"), (0x61, "B")):
        if name == "B" and not key_b_opens:
            continue
        new = card()
        open_with(new, 4)
        assert update(new, 7, OTHER + access_bytes(0, bits) + FACTORY) == OK
        open_with(new, 4, OTHER if name == "A" else FACTORY, kind)
        seen = read(new, 7)
        assert (seen[6:10] == access_bytes(0, bits)) is (name in read_bits)
        assert (seen[10:16] == FACTORY) is (name in read_b)
        replaced = update(new, 7, b"\x22" * 6 + access_bytes(0b100, 0b011) + b"\x33" * 6)
        assert (replaced == OK) is (name in write_a + write_bits + write_b)
        content = new.snapshot().blocks[7]
        assert (content[:6] == b"\x22" * 6) is (name in write_a)
        assert (content[6:10] == access_bytes(0b100, 0b011)) is (name in write_bits)
        assert (content[10:] == b"\x33" * 6) is (name in write_b)


def test_invalid_access_bits_destroy_the_sector() -> None:
    new = card()
    open_with(new, 4)
    assert update(new, 7, FACTORY + bytes.fromhex("ff078169") + FACTORY) == OK
    assert read(new, 4) == NOT_ALLOWED
    assert open_with(new, 4) == FAILED
    assert open_with(new, 8) == OK, "the other sectors live on"


@given(st.binary(min_size=3, max_size=3))
def test_access_bytes_decode_exactly_where_both_copies_agree(raw: bytes) -> None:
    plain = (raw[1] >> 4, raw[2] & 0x0F, raw[2] >> 4)
    inverted = (raw[0] & 0x0F, raw[0] >> 4, raw[1] & 0x0F)
    agree = all(one ^ other == 0x0F for one, other in zip(plain, inverted, strict=True))
    assert (sector_rules(raw) is not None) is agree


def test_a_4k_card_has_large_sectors_at_its_end() -> None:
    assert (sector_of(127), trailer_of(127)) == (31, 127)
    assert (sector_of(128), trailer_of(128)) == (32, 143)
    assert (sector_of(255), trailer_of(240)) == (39, 255)
    new = card(BLOCKS_4K)
    assert open_with(new, 240) == OK
    assert update(new, 254, bytes(range(16))) == OK
    assert read(new, 254) == bytes(range(16)) + OK


def test_a_card_that_left_answers_nothing_until_it_is_put_back() -> None:
    new = card()
    open_with(new, 4)
    new.arm(Tear(2, Moment.AFTER))
    assert read(new, 4).endswith(OK)
    with pytest.raises(CardTorn):
        update(new, 4, b"\x55" * 16)
    with pytest.raises(CardTorn):
        new.process(bytes.fromhex("ffca000000"))
    new.put_back()
    assert authenticate(new, 4) == FAILED, "the reader forgot its keys"
    assert open_with(new, 4) == OK
    assert read(new, 4) == b"\x55" * 16 + OK, "it had carried the command out"


def test_a_tear_before_the_command_changes_nothing() -> None:
    new = card()
    open_with(new, 4)
    new.arm(Tear(1, Moment.BEFORE))
    with pytest.raises(CardTorn):
        update(new, 4, b"\x55" * 16)
    assert new.snapshot().blocks[4] == bytes(16)


@pytest.mark.parametrize(("rest", "tail"), [(Rest.OLD, b"\xaa"), (Rest.ZEROS, b"\x00"), (Rest.ONES, b"\xff")])
def test_a_torn_write_leaves_new_bytes_one_weak_byte_and_a_rest(rest: Rest, tail: bytes) -> None:
    weak = cycle((0x00, 0xFF))
    new = VirtualClassic(blank_classic(UID), lambda: next(weak))
    open_with(new, 4)
    update(new, 4, b"\xaa" * 16)
    new.arm(Tear(1, Moment.DURING, bytes_written=3, weak_mask=0x0F, rest=rest))
    with pytest.raises(CardTorn):
        update(new, 4, b"\x55" * 16)
    new.put_back()
    open_with(new, 4)
    reads = {read(new, 4)[:16] for _ in range(4)}
    assert reads == {b"\x55" * 3 + byte + tail * 12 for byte in (b"\x50", b"\x5f")}
    assert update(new, 4, b"\x77" * 16) == OK
    assert {read(new, 4)[:16] for _ in range(4)} == {b"\x77" * 16}, "a whole write makes every bit firm"


def test_weak_bits_read_as_zero_without_a_source() -> None:
    new = card()
    open_with(new, 4)
    new.arm(Tear(1, Moment.DURING, bytes_written=15))
    with pytest.raises(CardTorn):
        update(new, 4, b"\x55" * 16)
    new.put_back()
    open_with(new, 4)
    assert read(new, 4) == b"\x55" * 15 + b"\x00" + OK


def test_a_tear_has_a_place_and_a_size() -> None:
    for wrong in ((0, 0, 0), (1, 16, 0), (1, 0, 256)):
        with pytest.raises(ValueError, match="a tear is"):
            Tear(wrong[0], Moment.DURING, wrong[1], wrong[2])


def test_a_disarmed_tear_does_not_happen() -> None:
    new = card()
    new.arm(Tear(1, Moment.BEFORE))
    new.arm(None)
    assert open_with(new, 4) == OK


def test_a_snapshot_clones_persists_and_rolls_back() -> None:
    new = card()
    before = new.snapshot()
    open_with(new, 4)
    update(new, 4, b"\x55" * 16)
    stored = msgspec.json.encode(new.snapshot())
    clone = VirtualClassic(msgspec.json.decode(stored, type=ClassicState))
    open_with(clone, 4)
    assert read(clone, 4) == b"\x55" * 16 + OK
    update(clone, 4, b"\x66" * 16)
    assert new.snapshot().blocks[4] == b"\x55" * 16, "clones do not share their memory"
    new.restore(before)
    assert read(new, 4) == NOT_ALLOWED
    assert new.snapshot() == before


def test_a_card_of_another_size_does_not_exist() -> None:
    with pytest.raises(ValueError, match="4 or 7"):
        blank_classic(bytes(5))
    with pytest.raises(ValueError, match="64 or 256"):
        blank_classic(UID, blocks=80)
