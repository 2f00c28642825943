"""MIFARE Classic access conditions: the three access bytes of a sector trailer (NXP MF1S50YYX_V1 section 8.7).

Every block of a sector has three bits C1 C2 C3, stored once plain and once inverted in trailer bytes 6 to 8.
A trailer whose two copies disagree blocks its whole sector for good.
"""

from dataclasses import dataclass
from functools import lru_cache

KEY_A, KEY_B = "A", "B"
NEVER, A, B, BOTH = "", KEY_A, KEY_B, KEY_A + KEY_B

TRANSPORT_BYTES = bytes.fromhex("ff078069")
"""How cards are delivered: key A reads and writes everything, key B is readable (section 8.7.2)."""


@dataclass(frozen=True, slots=True)
class DataRule:
    """Which keys may read and write a data block; value operations are not part of the twin."""

    read: str
    write: str


@dataclass(frozen=True, slots=True)
class TrailerRule:
    """Which keys may write key A, read and write the access bits, read and write key B. Key A is never readable."""

    write_a: str
    read_bits: str
    write_bits: str
    read_b: str
    write_b: str


_DATA_RULES = {  # table 8
    0b000: DataRule(BOTH, BOTH),
    0b010: DataRule(BOTH, NEVER),
    0b100: DataRule(BOTH, B),
    0b110: DataRule(BOTH, B),
    0b001: DataRule(BOTH, NEVER),
    0b011: DataRule(B, B),
    0b101: DataRule(B, NEVER),
    0b111: DataRule(NEVER, NEVER),
}
_TRAILER_RULES = {  # table 7
    0b000: TrailerRule(A, A, NEVER, A, A),
    0b010: TrailerRule(NEVER, A, NEVER, A, NEVER),
    0b100: TrailerRule(B, BOTH, NEVER, NEVER, B),
    0b110: TrailerRule(NEVER, BOTH, NEVER, NEVER, NEVER),
    0b001: TrailerRule(A, A, A, A, A),
    0b011: TrailerRule(B, BOTH, B, NEVER, B),
    0b101: TrailerRule(NEVER, BOTH, B, NEVER, NEVER),
    0b111: TrailerRule(NEVER, BOTH, NEVER, NEVER, NEVER),
}


@dataclass(frozen=True, slots=True)
class SectorRules:
    """What a sector's access bits allow: one rule for each of three block groups, one for the trailer."""

    data: tuple[DataRule, DataRule, DataRule]
    trailer: TrailerRule

    @property
    def key_b_opens(self) -> bool:
        """A readable key B is data, not a key: the card refuses every access after authenticating with it."""
        return self.trailer.read_b == NEVER


@lru_cache(maxsize=256)
def sector_rules(access_bytes: bytes) -> SectorRules | None:
    """Decode trailer bytes 6 to 8; None where the inverted copy disagrees (the sector is blocked)."""
    byte_6, byte_7, byte_8 = access_bytes[:3]
    c1, c2, c3 = byte_7 >> 4, byte_8 & 0x0F, byte_8 >> 4
    if (byte_6 & 0x0F, byte_6 >> 4, byte_7 & 0x0F) != (c1 ^ 0x0F, c2 ^ 0x0F, c3 ^ 0x0F):
        return None
    bits = [(c1 >> group & 1) << 2 | (c2 >> group & 1) << 1 | c3 >> group & 1 for group in range(4)]
    return SectorRules((_DATA_RULES[bits[0]], _DATA_RULES[bits[1]], _DATA_RULES[bits[2]]), _TRAILER_RULES[bits[3]])
