"""Sectors of a MIFARE Classic through a PC/SC reader: open them, read and write their blocks, lock them.

Commands: PC/SC part 3 rev 2.01.09 section 3.2.2 (FF CA, FF 82 and FF 86 / B0 / D6).

Access conditions (NXP MF1S50YYX_V1 section 8.7, tables 7 and 8), one set of C1 C2 C3 for the data blocks of a
sector and one for its trailer:

    sector    data  trailer  so that
    0, 1      100   011      key A reads, key B (office) writes and may change keys and conditions
    2, 3      000   011      key A (tills) reads and writes, key B (office) too and may change keys and conditions
    4 to 7    100   110      key A (tills) reads, key B (load stations) writes; keys and conditions are frozen

    blank 000   001      key A, the transport key, may everything; key B can be read and opens nothing

With 011, 100 and 110 no key can ever be read and key B is a real key (a readable key B opens nothing, table 8,
footnote). The load sectors are frozen because their key B is out in the field: with 011 a stolen station key
could lock or destroy them. The price is that their keys never change: sector 0 names their set apart.
"""

from hardware.cards.keys import CLASSIC_KEY_BYTES
from hardware.ports import GET_UID, CardChannel, CardLeftField, CardRefused
from protocol.purse_classic import BLOCK_BYTES, BlockWrite

SECTOR_BLOCKS = 4
PUBLIC_KEY_A = bytes.fromhex("a0a1a2a3a4a5")
"""Everybody may read sector 0 with it; NXP AN10787 (MIFARE application directory) uses it for the same purpose."""
TRANSPORT_KEY = bytes.fromhex("ffffffffffff")

KEY_A, KEY_B = 0x60, 0x61
DATA_READ_A_WRITE_B, DATA_READ_WRITE_BOTH = 0b100, 0b000
TRAILER_BY_B, TRAILER_FROZEN, TRAILER_BY_A = 0b011, 0b110, 0b001
_GENERAL_PURPOSE_BYTE = b"\x69"
_OK = b"\x90\x00"


def access_bytes(data: int, trailer: int) -> bytes:
    """Trailer bytes 6 to 9 for these C1 C2 C3 of all data blocks and of the trailer (section 8.7.1, figure 10)."""
    c1, c2, c3 = ((0b0111 if data >> bit & 1 else 0) | (trailer >> bit & 1) << 3 for bit in (2, 1, 0))
    inverted = ~(c2 << 4 | c1) & 0xFF, ~c3 & 0x0F
    return bytes((inverted[0], c1 << 4 | inverted[1], c3 << 4 | c2)) + _GENERAL_PURPOSE_BYTE


def access_conditions(raw: bytes) -> tuple[int, int, int, int] | None:
    """C1 C2 C3 of the three data blocks and of the trailer, as trailer bytes 6 to 8 say them.

    None where the two copies of a bit disagree: a card that is given such bytes blocks the sector for good.
    """
    c1, c2, c3 = raw[1] >> 4, raw[2] & 0x0F, raw[2] >> 4
    if (raw[0] & 0x0F, raw[0] >> 4, raw[1] & 0x0F) != (c1 ^ 0x0F, c2 ^ 0x0F, c3 ^ 0x0F):
        return None
    first, second, third, last = ((c1 >> at & 1) << 2 | (c2 >> at & 1) << 1 | c3 >> at & 1 for at in range(4))
    return first, second, third, last


def trailer(key_a: bytes, key_b: bytes, *, data: int, access: int) -> bytes:
    """The sixteen bytes of a sector trailer."""
    assert len(key_a) == len(key_b) == CLASSIC_KEY_BYTES
    return key_a + access_bytes(data, access) + key_b


def sector_of(block: int) -> int:
    """The sector of a block (all of ours are in the small sectors, on 1K and 4K alike)."""
    return block // SECTOR_BLOCKS


class ClassicSectors:
    """Block access to one card in the field. A sector stays open until another one is opened or anything fails."""

    def __init__(self, channel: CardChannel) -> None:
        self._channel = channel
        self._loaded: bytes | None = None
        self._opened: tuple[int, int, bytes] | None = None

    def open(self, sector: int, key: bytes, kind: int = KEY_A) -> None:
        """Authenticate for a sector unless it is open under this key already.

        Raises CardRefused for a wrong key, CardLeftField when the card has gone (readers report both alike).
        """
        if self._opened == (sector, kind, key):
            return
        if self._loaded != key:
            self._checked("load key", self._channel.transmit(b"\xff\x82\x00\x00\x06" + key))
            self._loaded = key
        command = bytes((0xFF, 0x86, 0, 0, 5, 1, 0, sector * SECTOR_BLOCKS, kind, 0))
        self._checked("authenticate", self._channel.transmit(command))
        self._opened = (sector, kind, key)

    def read(self, block: int) -> bytes:
        """The sixteen bytes of a block in the open sector. Raises CardRefused, CardLeftField."""
        content = self._checked("read block", self._channel.transmit(bytes((0xFF, 0xB0, 0, block, BLOCK_BYTES))))
        if len(content) != BLOCK_BYTES:
            raise CardRefused("read block (wrong length)", 0x9000)
        return content

    def write(self, block: int, data: bytes) -> None:
        """Write a block of the open sector. After CardRefused or CardLeftField it may be anything."""
        assert len(data) == BLOCK_BYTES
        self._checked("write block", self._channel.transmit(bytes((0xFF, 0xD6, 0, block, BLOCK_BYTES)) + data))

    def write_and_read_back(self, writes: tuple[BlockWrite, ...]) -> None:
        """Write blocks of the open sector in order, then read them all back. Raises CardLeftField if they differ.

        What is not read back as it was written is a write of unknown outcome, like a card taken away.
        """
        for write in writes:
            self.write(write.block, write.data)
        for write in writes:
            if self.read(write.block) != write.data:
                raise CardLeftField(f"block {write.block} does not read back as it was written")

    def forget_keys(self) -> None:
        """Assume nothing of what the reader and the card remember, as at the start of every tap."""
        self._loaded = self._opened = None

    def _checked(self, command: str, answer: bytes) -> bytes:
        if answer[-2:] == _OK:
            return answer[:-2]
        self.forget_keys()
        if self._channel.transmit(GET_UID) != self._channel.uid + _OK:
            raise CardLeftField(f"the card left during {command}, or another one came")
        raise CardRefused(command, int.from_bytes(answer[-2:], "big"))


def by_sector(writes: tuple[BlockWrite, ...]) -> list[tuple[int, tuple[BlockWrite, ...]]]:
    """A plan's writes in their order, cut where the sector changes."""
    groups: list[tuple[int, tuple[BlockWrite, ...]]] = []
    for write in writes:
        sector = sector_of(write.block)
        if groups and groups[-1][0] == sector:
            groups[-1] = (sector, (*groups[-1][1], write))
        else:
            groups.append((sector, (write,)))
    return groups
