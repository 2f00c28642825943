"""MIFARE Ultralight AES as a token: who it says it is, and the mutual authentication that proves it.

    60                what the chip is        A2 page, 4 bytes    written, at the card office
    READ 4, 8         text and MAC of who it is, readable by anybody, written at the card office
    1A 00             -> AF E(RndB)
    AF E(RndA RndB')  -> 00 E(RndA')       under the tag's own key; every IV is zero, ' is one byte to the left

The MAC is over the UID and the text, so that who relays to a tag of his own cannot say that he is somebody else. The
tag knows no APDUs: its commands go through an ACR122U's or a PN532's own InCommunicateThru.

Sources: NXP MF0AES(H)20 and AN13452 (commands, authentication), ACS API-ACR122U (direct transmit), NXP UM0701-02
(InCommunicateThru).
"""

from dataclasses import dataclass
from hmac import compare_digest

from hardware.cards.crypto import BLOCK_BYTES, AesKey, RandomBytes, rotated_left
from hardware.cards.desfire_ev2 import ev2_proof
from hardware.ports import CardChannel, CardRefused

TEXT_PAGE, MAC_PAGE = 4, 8
KEY_NO = 0
"""DataProtKey."""
GET_VERSION, READ, AUTHENTICATE, MORE, DONE = 0x60, 0x30, 0x1A, 0xAF, 0x00
PAGE_BYTES, PAGES_BYTES = 4, 16
"""READ answers with four pages."""

_THROUGH, _ANSWERED = bytes((0xD4, 0x42)), bytes((0xD5, 0x43))
_OK = b"\x90\x00"
_STATUS_MASK = 0x3F


@dataclass(frozen=True, slots=True)
class Said:
    """What a tag says of itself; nothing of it is proven yet."""

    text: bytes
    mac: bytes


def through(command: bytes) -> bytes:
    """A tag's command as the reader passes it on."""
    data = _THROUGH + command
    return bytes((0xFF, 0, 0, 0, len(data))) + data


def read_said(channel: CardChannel) -> Said | None:
    """Read who the tag says it is; None where nothing of that form answers."""
    text, mac = (read_pages(channel, page) for page in (TEXT_PAGE, MAC_PAGE))
    return None if text is None or mac is None else Said(text, mac[:8])


def read_pages(channel: CardChannel, first: int) -> bytes | None:
    """Four pages; None where they are not to be read."""
    pages = _exchange(channel, bytes((READ, first)))
    return pages if pages is not None and len(pages) == PAGES_BYTES else None


def write_page(channel: CardChannel, page: int, content: bytes) -> None:
    """WRITE four bytes. Raises CardRefused.

    By PC/SC's own command (part 3, 3.2.2.1.9): the answer has four bits, which are passed on by no other.
    """
    assert len(content) == PAGE_BYTES
    answer = channel.transmit(bytes((0xFF, 0xD6, 0, page, PAGE_BYTES)) + content)
    if answer != _OK:
        raise CardRefused(f"WRITE of page {page}", int.from_bytes(answer[-2:], "big"))


def version_of(channel: CardChannel) -> bytes | None:
    """What the chip says it is; None where it does not know the question."""
    return _exchange(channel, bytes((GET_VERSION,)))


def mac_of(mac_key: AesKey, uid: bytes, text: bytes) -> bytes:
    """What a card office writes behind the text: every second byte of the CMAC over UID and text."""
    return mac_key.cmac(uid + text)[1::2]


def is_said_by(said: Said, uid: bytes, mac_key: AesKey) -> bool:
    """Whether a card office wrote this onto the tag with this UID."""
    return compare_digest(mac_of(mac_key, uid, said.text), said.mac)


def authenticates(channel: CardChannel, key: AesKey, random_bytes: RandomBytes) -> bool:
    """Whether the tag holds the key; it is shown that we do."""
    challenge = _exchange(channel, bytes((AUTHENTICATE, KEY_NO)))
    if challenge is None or challenge[:1] != bytes((MORE,)) or len(challenge) != 1 + BLOCK_BYTES:
        return False
    rnd_a = random_bytes(BLOCK_BYTES)[:BLOCK_BYTES]
    answer = _exchange(channel, bytes((MORE,)) + ev2_proof(key, challenge[1:], rnd_a))
    if answer is None or answer[:1] != bytes((DONE,)) or len(answer) != 1 + BLOCK_BYTES:
        return False
    return compare_digest(key.cbc_decrypt(answer[1:]), rotated_left(rnd_a))


def _exchange(channel: CardChannel, command: bytes) -> bytes | None:
    """One command to the tag; None where it, or the reader, does not answer it."""
    answer = channel.transmit(through(command))
    if answer[-2:] != _OK or answer[:2] != _ANSWERED or len(answer) < 5 or answer[2] & _STATUS_MASK:
        return None
    return answer[3:-2]
