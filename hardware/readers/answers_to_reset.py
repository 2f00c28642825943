"""Which kind of card an answer to reset stands for, as contactless PC/SC readers make one up (PC/SC part 3, 3.1.3.2.3).

    3B 8F 80 01 80 4F 0C A0 00 00 03 06 SS C0 C1 00 00 00 00 TCK    storage card: its standard, its name
    3B 8n 80 01 (historical bytes) TCK                              type A with ISO-DEP
    3B 88 80 01 (application data) (protocol info) m0 TCK           type B with ISO-DEP: from ATQB, and ATTRIB's MBLI

Names: PC/SC part 3, supplemental document. F0 11 and F0 12 are what ACS calls FeliCa (ACR122U API, section 3.1).
"""

from protocol.purse import Technology

STORAGE_CARD = bytes.fromhex("3B8F8001804F0CA000000306")
CLASSIC_NAMES = (b"\x00\x01", b"\x00\x02")
"""MIFARE Standard 1K and 4K."""
FELICA_NAMES = (b"\x00\x3b", b"\xf0\x11", b"\xf0\x12")
DESFIRE = bytes.fromhex("3B8180018080")

_NAME = slice(13, 15)
_TYPE_B, _TYPE_B_BYTES, _MBLI_AT = bytes.fromhex("3B888001"), 13, 11


def technology_of(atr: bytes) -> Technology | None:
    """Which purse technology it is, or a token for what can hold no purse of ours; None for every other card."""
    if atr == DESFIRE:
        return Technology.DESFIRE
    if atr.startswith(STORAGE_CARD) and atr[_NAME] in CLASSIC_NAMES:
        return Technology.CLASSIC
    return Technology.TOKEN if is_felica(atr) or is_type_b(atr) else None


def is_felica(atr: bytes) -> bool:
    """Whether the reader says that it is FeliCa."""
    return atr.startswith(STORAGE_CARD) and atr[_NAME] in FELICA_NAMES


def is_type_b(atr: bytes) -> bool:
    """Whether it looks like a card of type B. One of type A with such historical bytes is no purse of ours either."""
    return atr.startswith(_TYPE_B) and len(atr) == _TYPE_B_BYTES and not atr[_MBLI_AT] & 0x0F
