"""The message of an NTAG 424 DNA: what its NDEF file says at a read, and whether the tag itself has said it.

    NLEN  D1 01 LL 55  00  https://...?e=<32>&t=<18>&m=<16>         hexadecimal, upper case, at the file's end

`e` is the UID and the counter of reads, enciphered; `t` who the token is, as the card office wrote it; `m` the tag's
MAC over everything from `t` on, under a key that is new for every count. Pure: bytes in, a finding out.

Sources: NXP AN12196 (sections 3.3 and 3.4: PICCData, session keys, MAC), NFC Forum Type 4 Tag and URI record.
"""

from dataclasses import dataclass
from hmac import compare_digest

from hardware.cards.crypto import AesKey
from hardware.cards.keys import CardKeys, Role
from protocol.ids import CardNo, Counter, Generation
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, Identity

NDEF_BYTES_MAX = 128
"""The message is read with one command, so that all of it is of one count."""
LINK_DEFAULT = "https://card.invalid/"
"""A page that does not exist (RFC 2606): a phone that reads a tag shows where it would go."""
UID_BYTES = 7
WHO_BYTES = 9

_WHO_VERSION = 1
_PICC_TAG = 0xC7
"""UID and counter are there, and the UID has seven bytes (AN12196, PICCDataTag)."""
_SV2 = bytes.fromhex("3cc300010080")
_ENCIPHERED, _WHO, _MAC = b"?e=", b"&t=", b"&m="
_ENCIPHERED_CHARS, _WHO_CHARS, _MAC_CHARS = 32, 2 * WHO_BYTES, 16
_TAIL_CHARS = len(_ENCIPHERED + _WHO + _MAC) + _ENCIPHERED_CHARS + _WHO_CHARS + _MAC_CHARS
_RECORD_HEAD = b"\xd1\x01"
_URI_TYPE = b"U"


@dataclass(frozen=True, slots=True)
class SunMessage:
    """What a tag's file says of itself; nothing of it is checked yet."""

    enciphered: bytes
    key_set: int
    who: Identity
    maced: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class SunFile:
    """An NDEF file as the card office writes it, and where the tag puts in what changes with every read."""

    content: bytes
    enciphered_at: int
    mac_input_at: int
    mac_at: int


def ndef_file(url: str, key_set: int, who: Identity) -> SunFile:
    """The file of a token. `url`: the page that a phone opens.

    Raises ValueError where it is too long, or would not end where the tag's own text begins.
    """
    if not (url and url.isascii() and url.isprintable()) or set(url) & set(" ?#"):
        raise ValueError("the link of a token is ASCII, without a space, ? or #, as https://card.campus.example/")
    text = who_text(key_set, who).hex().upper().encode()
    link = url.encode() + _ENCIPHERED + b"0" * _ENCIPHERED_CHARS + _WHO + text + _MAC + b"0" * _MAC_CHARS
    payload = b"\x00" + link
    record = _RECORD_HEAD + bytes((len(payload) & 0xFF,)) + _URI_TYPE + payload
    content = len(record).to_bytes(2, "big") + record
    if len(content) > NDEF_BYTES_MAX:
        raise ValueError(f"the link of a token has at most {NDEF_BYTES_MAX - len(content) + len(url)} characters")
    mac_at = len(content) - _MAC_CHARS
    mac_input_at = mac_at - len(_MAC) - _WHO_CHARS
    return SunFile(content, mac_input_at - len(_WHO) - _ENCIPHERED_CHARS, mac_input_at, mac_at)


def read_message(file: bytes) -> SunMessage | None:
    """What the beginning of an NDEF file says; None where it is none of ours."""
    content = file[: 2 + int.from_bytes(file[:2], "big")]
    if len(content) > len(file) or content[2:4] != _RECORD_HEAD or content[5:6] != _URI_TYPE:
        return None
    head, tail = content[:-_TAIL_CHARS], content[-_TAIL_CHARS:]
    who_at = len(_ENCIPHERED) + _ENCIPHERED_CHARS
    maced_at, mac_at = who_at + len(_WHO), _TAIL_CHARS - _MAC_CHARS
    marks = (tail[: len(_ENCIPHERED)], tail[who_at:maced_at], tail[mac_at - len(_MAC) : mac_at])
    if len(head) < 6 or marks != (_ENCIPHERED, _WHO, _MAC):
        return None
    try:
        enciphered = bytes.fromhex(tail[len(_ENCIPHERED) : who_at].decode())
        text, mac = bytes.fromhex(tail[maced_at : mac_at - len(_MAC)].decode()), bytes.fromhex(tail[mac_at:].decode())
    except ValueError:
        return None
    if (len(enciphered), len(text), len(mac)) != (_ENCIPHERED_CHARS // 2, _WHO_CHARS // 2, _MAC_CHARS // 2):
        return None
    who = who_in(text)
    return SunMessage(enciphered, text[1], who, tail[maced_at:mac_at], mac) if who else None


def proof_in(message: SunMessage, keys: CardKeys, uid: bytes | None) -> Proof | None:
    """The proof that the tag with this UID (None: it does not tell anybody) has said this; None: it has not.

    Raises CardNotOurs where the key set is not held here.
    """
    plain = keys.require(b"", message.key_set).aes(Role.SUN_READ).cbc_decrypt(message.enciphered)
    said, counter = plain[1 : 1 + UID_BYTES], plain[1 + UID_BYTES : 4 + UID_BYTES]
    if plain[0] != _PICC_TAG or (uid is not None and said != uid):
        return None
    key = keys.require(said, message.key_set).aes(Role.SUN_MAC)
    if not compare_digest(mac_of(key, said, counter, message.maced), message.mac) or not any(counter):
        return None  # the first read of a tag counts one
    return Proof(ProofKind.SUN, Counter(int.from_bytes(counter, "little")))


def mac_of(key: AesKey, uid: bytes, counter: bytes, maced: bytes) -> bytes:
    """SDMMAC: every second byte of the CMAC under the key of this count (`counter`: 3 bytes, the lowest first)."""
    session = AesKey(key.cmac(_SV2 + uid + counter))
    return session.cmac(maced)[1::2]


def picc_data(uid: bytes, counter: int, filling: bytes) -> bytes:
    """UID and counter as a tag enciphers them; `filling`: 5 random bytes."""
    return bytes((_PICC_TAG,)) + uid + counter.to_bytes(3, "little") + filling


def who_text(key_set: int, who: Identity) -> bytes:
    """Who a token is, 9 bytes: version, key set, class, generation, issue number."""
    head = bytes((_WHO_VERSION, key_set, who.card_class))
    return head + who.generation.to_bytes(2, "big") + who.card.to_bytes(4, "big")


def who_in(text: bytes) -> Identity | None:
    """Who such a text names; None where it is none."""
    version, card_class = text[0], text[2]
    generation, card = int.from_bytes(text[3:5], "big"), int.from_bytes(text[5:], "big")
    if version != _WHO_VERSION or card_class not in list(CardClass) or not (generation and card):
        return None
    return Identity(CardNo(card), Generation(generation), CardClass(card_class))
