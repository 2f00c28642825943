"""How a card introduces itself to a PN532, and which technology that stands for.

Sources: NXP AN10833 (SAK), ISO/IEC 14443-4 (ATS), NXP UM0701-02 section 7.3.5 (InListPassiveTarget), JIS X 6319-4
(polling of FeliCa).
"""

import enum
from dataclasses import dataclass, replace

from protocol.purse import Technology
from protocol.tokens import UID_SIZES, uid_text

SAK_CLASSIC = (0x08, 0x18, 0x88)
"""MIFARE Classic 1K, 4K, and Infineon's 1K (AN10833 table 6)."""
SAK_ULTRALIGHT = 0x00
"""MIFARE Ultralight of every kind, and NTAG 21x (AN10833 table 6)."""
SAK_DESFIRE = 0x20
DESFIRE_HISTORICAL = b"\x80"
SAK_ISO_DEP = 0x20
_ATTRIB_AT, _PUPI = 13, range(2, 6)
"""Behind a target's number stand the 12 bytes of ATQB, which begin with 50."""
_IDM = range(3, 11)
"""Behind number, length and response code."""


class Air(enum.Enum):
    """A way of speaking to cards, with the first bytes that InListPassiveTarget is given for it."""

    A = b"\x00"
    B = b"\x03\x00"
    """Of every application family."""
    F212 = b"\x01\x00\xff\xff\x00\x03"
    """FeliCa of any system, in one of four time slots, so that two cards are heard apart."""
    F424 = b"\x02\x00\xff\xff\x00\x03"


@dataclass(frozen=True, slots=True)
class Found:
    """A card as it introduced itself (ISO/IEC 14443-3 and -4). Of types B and F only the UID is of use."""

    atqa: bytes
    sak: int
    uid: bytes
    ats: bytes
    """Without its length; empty where the card has no ISO-DEP."""
    air: Air = Air.A

    @property
    def is_ultralight(self) -> bool:
        """Whether it is a MIFARE Ultralight of some kind, or an NTAG 21x: written four bytes at a time."""
        return self.air is Air.A and self.sak == SAK_ULTRALIGHT

    @property
    def technology(self) -> Technology | None:
        """What its SAK and ATS stand for. AN10833 warns of the ATQA: anticollision mixes it up."""
        if self.air is not Air.A:
            return Technology.TOKEN
        if self.sak in SAK_CLASSIC:
            return Technology.CLASSIC
        is_desfire = self.sak == SAK_DESFIRE and historical_bytes(self.ats) == DESFIRE_HISTORICAL
        return Technology.DESFIRE if is_desfire else None


def historical_bytes(ats: bytes) -> bytes:
    """What follows the interface bytes of an ATS without its length (ISO/IEC 14443-4, 5.2)."""
    interface_bytes = (ats[0] >> 4 & 0b111).bit_count() if ats else 0
    return ats[1 + interface_bytes :]


def one_of_each(found: list[Found]) -> list[Found]:
    """The cards without those that are another side of one of them.

    A phone that is a FeliCa card too answers as type A besides, with a UID that says nothing.
    """
    has_felica = any(card.air in (Air.F212, Air.F424) for card in found)
    return [card for card in found if not (has_felica and card.air is Air.A and uid_text(card.uid) is None)]


def with_lasting_uids(found: list[Found], again: list[Found]) -> list[Found]:
    """The cards, without the UIDs that they did not show once more when they were powered anew.

    A PUPI may be dynamically generated, and nothing in it says so (ISO/IEC 14443-3, 7.9.2).
    """
    return [card if card in again else replace(card, uid=b"") for card in found]


def found_in(answer: bytes, air: Air = Air.A) -> list[Found]:
    """Cards in an answer to InListPassiveTarget. Raises IndexError where it is cut short or no card can say it."""
    match air:
        case Air.A:
            return _found_a(answer)
        case Air.B:
            return _found_b(answer)
        case _:
            return _found_f(answer, air)


def _found_a(answer: bytes) -> list[Found]:
    found: list[Found] = []
    rest = answer[1:]
    for _ in range(answer[0]):
        sak, uid_end = rest[3], 5 + rest[4]
        atqa, uid, rest_after = rest[1:3], rest[5:uid_end], rest[uid_end:]
        if len(uid) not in UID_SIZES:
            raise IndexError(f"no card has a UID of {len(uid)} bytes")
        ats_bytes = rest_after[0] if sak & SAK_ISO_DEP and rest_after else 0
        found.append(Found(atqa, sak, uid, rest_after[1:ats_bytes]))
        rest = rest_after[ats_bytes:]
    return found


def _found_b(answer: bytes) -> list[Found]:
    """Each: its number, ATQB, and ATTRIB's answer with its length before it."""
    found: list[Found] = []
    rest = answer[1:]
    for _ in range(answer[0]):
        attrib_bytes = rest[_ATTRIB_AT]
        found.append(Found(b"", 0, bytes(rest[at] for at in _PUPI), b"", Air.B))
        rest = rest[_ATTRIB_AT + 1 + attrib_bytes :]
    return found


def _found_f(answer: bytes, air: Air) -> list[Found]:
    """Each: its number, and the answer to polling with its length, which counts itself, before it."""
    found: list[Found] = []
    rest = answer[1:]
    for _ in range(answer[0]):
        found.append(Found(b"", 0, bytes(rest[at] for at in _IDM), b"", air))
        rest = rest[1 + rest[1] :]
    return found
