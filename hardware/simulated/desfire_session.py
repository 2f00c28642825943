"""The card's side of an EV1 AES session: what it demands of commands and appends to answers.

Every command and every answer moves the running IV on, whether a MAC travels or not; so a lost or injected
frame shows at the next MAC. The order of things is written apart from the reader's side in
`hardware/cards/desfire_messaging.py`; what both compute (session key, CMAC, CRC) they share, and tests hold it against
published values and against another program's AES. EV2 is in `desfire_ev2.py`.
"""

from typing import NoReturn, Protocol

from hardware.cards.crypto import (
    MAC_BYTES,
    ZERO_BLOCK,
    AesKey,
    DesKey,
    desfire_crc32,
    rotated_left,
    session_key,
    xor,
)
from hardware.simulated.desfire_state import CommMode, KeyKind, Refused, Status, StoredKey
from protocol.signing import same_bytes

_KEY_BYTES = 16
_CRC_BYTES = 4
_CHANGE_KEY_CRYPTOGRAM_BYTES = 32
_CHANGE_TO_AES_CRYPTOGRAM_BYTES = 24


class Session(Protocol):
    """What the card's commands need of a session of either generation. Whatever is wrong raises Refused."""

    key_no: int

    def opened(self, code: int, data: bytes, mode: CommMode) -> bytes:
        """The data of a command that says what to do and brings no content, without its MAC where it has one."""
        ...

    def content_bytes(self, length: int, mode: CommMode) -> int:
        """How many bytes so much content travels as, its MAC included."""
        ...

    def written(self, code: int, header: bytes, sent: bytes, length: int, mode: CommMode) -> bytes:
        """The content of a command that brings some, checked and deciphered."""
        ...

    def sealed(self, body: bytes, mode: CommMode) -> bytes:
        """What an answer's data travel as."""
        ...

    def new_key(self, number: int, data: bytes, current: StoredKey) -> StoredKey:
        """Open the cryptogram of ChangeKey (command 0xC4; `data` starts with the key number byte)."""
        ...

    def new_des_key(self, data: bytes) -> StoredKey:
        """The same where the session's own key, the card's, becomes one for DES."""
        ...

    def new_settings(self, data: bytes) -> int:
        """Open the cryptogram of ChangeKeySettings (command 0x54)."""
        ...


class Authentication(Protocol):
    """An authentication half way: the card has sent its random and waits for the proof."""

    message: bytes

    def answer(self, proof: bytes) -> tuple[Session, bytes]:
        """Check the reader's proof; return the session and the card's own proof. Raises Refused."""
        ...


class Challenge:
    """AuthenticateAES half way."""

    def __init__(self, key_no: int, key: StoredKey, rnd_b: bytes) -> None:
        self.key_no = key_no
        self._key = AesKey(key.raw)
        self._rnd_b = rnd_b
        self.message = self._key.cbc_encrypt(rnd_b)

    def answer(self, proof: bytes) -> tuple["CardSession", bytes]:
        """Check the reader's proof; return the session and the card's own proof. Raises Refused."""
        if len(proof) != 2 * _KEY_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._key.cbc_decrypt(proof, self.message)
        rnd_a = plain[:16]
        if not same_bytes(plain[16:], rotated_left(self._rnd_b)):
            raise Refused(Status.AUTHENTICATION_ERROR)
        return CardSession(self.key_no, rnd_a, self._rnd_b), self._key.cbc_encrypt(rotated_left(rnd_a), proof[-16:])


class CardSession:
    """An authenticated session with its running IV."""

    def __init__(self, key_no: int, rnd_a: bytes, rnd_b: bytes) -> None:
        self.key_no = key_no
        self._key = session_key(rnd_a, rnd_b)
        self._iv = ZERO_BLOCK
        self._seals_full = False

    def opened(self, code: int, data: bytes, mode: CommMode) -> bytes:
        """No command without content carries a MAC in EV1; a full answer will be enciphered."""
        self._seals_full = mode is CommMode.FULL
        self._note(bytes((code,)) + data)
        return data

    def content_bytes(self, length: int, mode: CommMode) -> int:
        """Plain, with a MAC, or with a CRC up to a whole block."""
        if mode is CommMode.FULL:
            return length + _CRC_BYTES + -(length + _CRC_BYTES) % 16
        return length + (MAC_BYTES if mode is CommMode.MACED else 0)

    def written(self, code: int, header: bytes, sent: bytes, length: int, mode: CommMode) -> bytes:
        """Check the MAC, or decipher and check the CRC, over command, header and content."""
        self._seals_full = False
        covered = bytes((code,)) + header
        if mode is CommMode.FULL:
            plain = self._decrypted(sent)
            content, crc, padding = plain[:length], plain[length : length + _CRC_BYTES], plain[length + _CRC_BYTES :]
            if crc != desfire_crc32(covered + content) or any(padding):
                raise Refused(Status.INTEGRITY_ERROR)
            return content
        content, mac = sent[:length], sent[length:]
        self._note(covered + content)
        if mode is CommMode.MACED and not same_bytes(mac, self._iv[:MAC_BYTES]):
            raise Refused(Status.INTEGRITY_ERROR)
        return content

    def sealed(self, body: bytes, mode: CommMode) -> bytes:  # noqa: ARG002 (in EV1 the command decides)
        """An answer's data with its MAC, which covers the status OK too; or enciphered with a CRC that does."""
        if self._seals_full and body:
            plain = body + desfire_crc32(body + b"\x00")
            ciphertext = self._key.cbc_encrypt(plain + bytes(-len(plain) % 16), self._iv)
            self._iv = ciphertext[-16:]
            return ciphertext
        self._note(body + b"\x00")
        return body + self._iv[:MAC_BYTES]

    def new_key(self, number: int, data: bytes, current: StoredKey) -> StoredKey:
        """The session's own key: new key, version, CRC over command and these, zeros.

        Another key: new key XOR current key, version, the same CRC, CRC over the new key alone, zeros.
        """
        if len(data) != 1 + _CHANGE_KEY_CRYPTOGRAM_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        self._seals_full = False
        plain = self._decrypted(data[1:])
        sent, version, crc = plain[:16], plain[16:17], plain[17:21]
        if crc != desfire_crc32(b"\xc4" + data[:1] + sent + version):
            raise Refused(Status.INTEGRITY_ERROR)
        if number == self.key_no:
            raw, padding = sent, plain[21:]
        else:
            raw, padding = xor(sent, current.raw), plain[25:]
            if plain[21:25] != desfire_crc32(raw):
                raise Refused(Status.INTEGRITY_ERROR)
        if any(padding):
            raise Refused(Status.INTEGRITY_ERROR)
        return StoredKey(raw, version[0])

    def new_des_key(self, data: bytes) -> StoredKey:
        """Two DES keys, CRC over command and these, zeros. The lowest bits of a DES key's bytes are its version."""
        if len(data) != 1 + _CHANGE_KEY_CRYPTOGRAM_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        self._seals_full = False
        plain = self._decrypted(data[1:])
        if plain[16:20] != desfire_crc32(b"\xc4" + data[:1] + plain[:16]) or any(plain[20:]):
            raise Refused(Status.INTEGRITY_ERROR)
        version = sum((byte & 1) << (7 - place) for place, byte in enumerate(plain[:8]))
        return StoredKey(plain[:16], version, KeyKind.DES)

    def new_settings(self, data: bytes) -> int:
        """One byte, its CRC, zeros."""
        if len(data) != self.content_bytes(1, CommMode.FULL):
            raise Refused(Status.LENGTH_ERROR)
        return self.written(0x54, b"", data, 1, CommMode.FULL)[0]

    def _note(self, message: bytes) -> None:
        self._iv = self._key.cmac(message, self._iv)

    def _decrypted(self, ciphertext: bytes) -> bytes:
        plain = self._key.cbc_decrypt(ciphertext, self._iv)
        self._iv = ciphertext[-16:]
        return plain


class DesChallenge:
    """AuthenticateISO with a single DES key half way."""

    def __init__(self, key_no: int, key: StoredKey, rnd_b: bytes) -> None:
        self._key_no = key_no
        self._key = DesKey(key.raw[:8])
        self._rnd_b = rnd_b
        self.message = self._key.cbc_encrypt(rnd_b, bytes(8))

    def answer(self, proof: bytes) -> tuple["DesSession", bytes]:
        """Check the reader's proof; return the session and the card's own proof. Raises Refused."""
        if len(proof) != _KEY_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._key.cbc_decrypt(proof, self.message)
        if not same_bytes(plain[8:], rotated_left(self._rnd_b)):
            raise Refused(Status.AUTHENTICATION_ERROR)
        mine = self._key.cbc_encrypt(rotated_left(plain[:8]), proof[-8:])
        return DesSession(self._key_no, DesKey(plain[:4] + self._rnd_b[:4])), mine


class DesSession:
    """A session under the factory's DES key. Played is only its change to AES; every other command is refused."""

    def __init__(self, key_no: int, key: DesKey) -> None:
        self.key_no = key_no
        self._key = key

    def new_key(self, number: int, data: bytes, current: StoredKey) -> StoredKey:  # noqa: ARG002
        """The new AES key, its version, CRC over command and these, zeros up to whole DES blocks."""
        if len(data) != 1 + _CHANGE_TO_AES_CRYPTOGRAM_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._key.cbc_decrypt(data[1:], bytes(8))
        if plain[17:21] != desfire_crc32(b"\xc4" + data[:1] + plain[:17]) or any(plain[21:]):
            raise Refused(Status.INTEGRITY_ERROR)
        return StoredKey(plain[:16], plain[16])

    def _not_played(self, *_: object, **__: object) -> NoReturn:
        raise Refused(Status.PERMISSION_DENIED)

    opened = content_bytes = written = sealed = new_des_key = new_settings = _not_played
