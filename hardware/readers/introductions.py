"""How a card of ISO 14443 type A introduces itself, and which purse technology that stands for.

Sources: NXP AN10833 (SAK), ISO/IEC 14443-4 (ATS), NXP UM0701-02 section 7.3.5 (the answer to InListPassiveTarget).
"""

from dataclasses import dataclass

from protocol.purse import Technology

SAK_CLASSIC = (0x08, 0x18, 0x88)
"""MIFARE Classic 1K, 4K, and Infineon's 1K (AN10833 table 6)."""
SAK_DESFIRE = 0x20
DESFIRE_HISTORICAL = b"\x80"
SAK_ISO_DEP = 0x20


@dataclass(frozen=True, slots=True)
class Found:
    """A card as it introduced itself (ISO/IEC 14443-3 and -4)."""

    atqa: bytes
    sak: int
    uid: bytes
    ats: bytes
    """Without its length; empty where the card has no ISO-DEP."""

    @property
    def technology(self) -> Technology | None:
        """Which purse technology its SAK and ATS stand for. AN10833 warns of the ATQA: anticollision mixes it up."""
        if self.sak in SAK_CLASSIC:
            return Technology.CLASSIC
        is_desfire = self.sak == SAK_DESFIRE and historical_bytes(self.ats) == DESFIRE_HISTORICAL
        return Technology.DESFIRE if is_desfire else None


def historical_bytes(ats: bytes) -> bytes:
    """What follows the interface bytes of an ATS without its length (ISO/IEC 14443-4, 5.2)."""
    interface_bytes = (ats[0] >> 4 & 0b111).bit_count() if ats else 0
    return ats[1 + interface_bytes :]


def found_in(answer: bytes) -> list[Found]:
    """The cards in an answer to InListPassiveTarget for type A. Raises IndexError where it ends too early."""
    found: list[Found] = []
    rest = answer[1:]
    for _ in range(answer[0]):
        sak, uid_end = rest[3], 5 + rest[4]
        atqa, uid, rest_after = rest[1:3], rest[5:uid_end], rest[uid_end:]
        ats_bytes = rest_after[0] if sak & SAK_ISO_DEP and rest_after else 0
        found.append(Found(atqa, sak, uid, rest_after[1:ats_bytes]))
        rest = rest_after[ats_bytes:]
    return found
