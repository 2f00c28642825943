"""The trailers of the sectors of ours on a MIFARE Classic, and the one place that writes them.

A trailer is the only block that can spoil a card: torn, or with access bits whose two copies disagree, its sector is
gone for good (NXP MF1S50YYX_V1 section 8.7). So it is made from the table in classic_sectors.py and from nothing else,
looked at once more before it goes out, and proven under both of its keys before anything else is done.
"""

from hardware.cards.classic_sectors import (
    DATA_READ_A_WRITE_B,
    DATA_READ_WRITE_BOTH,
    KEY_A,
    KEY_B,
    PUBLIC_KEY_A,
    SECTOR_BLOCKS,
    TRAILER_BY_A,
    TRAILER_BY_B,
    TRAILER_FROZEN,
    TRANSPORT_KEY,
    ClassicSectors,
    access_conditions,
    sector_of,
    trailer,
)
from hardware.cards.keys import CLASSIC_KEY_BYTES, KeysOfCard, Role
from hardware.ports import CardLeftField, CardRefused
from protocol.purse_classic import IDENTITY_BLOCKS, KEY_SET_BLOCK, LOAD_BLOCKS, SLOT_BLOCKS

LOAD_SECTORS = tuple(sorted({sector_of(block) for copy in LOAD_BLOCKS for block in copy}))
SLOT_SECTORS = tuple(sector_of(blocks[0]) for blocks in SLOT_BLOCKS)
SECTORS = tuple(sorted({sector_of(KEY_SET_BLOCK), sector_of(IDENTITY_BLOCKS[0]), *SLOT_SECTORS, *LOAD_SECTORS}))
"""All that become ours."""
_ACCESS = slice(CLASSIC_KEY_BYTES, CLASSIC_KEY_BYTES + 4)
_KEY_A, _KEY_B = slice(CLASSIC_KEY_BYTES), slice(-CLASSIC_KEY_BYTES, None)


def locked_trailer(sector: int, keys: KeysOfCard) -> bytes:
    """The trailer that a sector of ours has under a card's keys. Raises KeyNotHeld."""
    key_a = PUBLIC_KEY_A if sector == 0 else keys.classic(Role.CLASSIC_TILL)
    if sector in LOAD_SECTORS:
        return trailer(key_a, keys.classic(Role.CLASSIC_LOAD), data=DATA_READ_A_WRITE_B, access=TRAILER_FROZEN)
    data = DATA_READ_WRITE_BOTH if sector in SLOT_SECTORS else DATA_READ_A_WRITE_B
    return trailer(key_a, keys.classic(Role.CLASSIC_OFFICE), data=data, access=TRAILER_BY_B)


def lock(sectors: ClassicSectors, sector: int, keys: KeysOfCard) -> None:
    """Write the trailer of the open sector, and prove it: both keys open it, and its access bits are those written.

    Raises CardLeftField where it does not read back, and CardRefused; then nobody knows what the trailer is.
    """
    locked = locked_trailer(sector, keys)
    _write(sectors, sector, locked, ((locked[_KEY_B], KEY_B), (locked[_KEY_A], KEY_A)))


def unlock(sectors: ClassicSectors, sector: int) -> None:
    """Give the open sector its trailer from the factory, and prove it: key A opens it, the rest can be read.

    Raises as `lock` does. What lies in the sector is anybody's from then on.
    """
    blank = trailer(TRANSPORT_KEY, TRANSPORT_KEY, data=DATA_READ_WRITE_BOTH, access=TRAILER_BY_A)
    block = _write(sectors, sector, blank, ((blank[_KEY_A], KEY_A),))
    if block[_KEY_B] != TRANSPORT_KEY:
        raise CardLeftField(f"key B of sector {sector} does not read back as it was written")


def _write(sectors: ClassicSectors, sector: int, raw: bytes, opens: tuple[tuple[bytes, int], ...]) -> bytes:
    """Write a trailer, open the sector under each of these keys, and read the trailer back under the last."""
    assert access_conditions(raw[_ACCESS]) is not None, "these access bits would destroy the sector"
    block = sector * SECTOR_BLOCKS + SECTOR_BLOCKS - 1
    sectors.write(block, raw)
    sectors.forget_keys()
    for key, kind in opens:
        try:
            sectors.open(sector, key, kind)
        except CardRefused as refused:
            raise CardLeftField(f"sector {sector} does not open under the key it was given") from refused
    shown = sectors.read(block)
    if shown[_ACCESS] != raw[_ACCESS]:
        raise CardLeftField(f"the access bits of sector {sector} do not read back as they were written")
    return shown
