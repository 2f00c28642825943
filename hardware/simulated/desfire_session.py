"""The card's side of an EV1 AES session: what it demands of commands and appends to answers.

Every command and every answer moves the running IV on, whether a MAC travels or not; so a lost or injected
frame shows at the next MAC. The order of things is written apart from the reader's side in
`hardware/cards/desfire_session.py`; what both compute (session key, CMAC, CRC) they share, and tests hold it against
published values and against another program's AES.
"""

from hardware.cards.crypto import (
    MAC_BYTES,
    ZERO_BLOCK,
    AesKey,
    desfire_crc32,
    rotated_left,
    session_key,
    xor,
)
from hardware.simulated.desfire_state import Refused, Status, StoredKey
from protocol.signing import same_bytes

_KEY_BYTES = 16
_CHANGE_KEY_CRYPTOGRAM_BYTES = 32


class Challenge:
    """An authentication half way: the card has sent its random and waits for the proof."""

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

    def note(self, command: bytes) -> None:
        """Move on for a command that carries no MAC."""
        self._iv = self._key.cmac(command, self._iv)

    def checked(self, code: int, data: bytes) -> bytes:
        """The data of a MACed command without its MAC. Raises Refused when the MAC is wrong."""
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        self.note(bytes((code,)) + body)
        if not same_bytes(mac, self._iv[:MAC_BYTES]):
            raise Refused(Status.INTEGRITY_ERROR)
        return body

    def sealed(self, body: bytes) -> bytes:
        """An answer's data with its MAC, which covers the status OK too."""
        self._iv = self._key.cmac(body + b"\x00", self._iv)
        return body + self._iv[:MAC_BYTES]

    def decrypted(self, ciphertext: bytes) -> bytes:
        """What an enciphered command carries; the IV moves on to its last block."""
        if not ciphertext or len(ciphertext) % 16:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._key.cbc_decrypt(ciphertext, self._iv)
        self._iv = ciphertext[-16:]
        return plain

    def new_key(self, key_no: int, data: bytes, current: StoredKey) -> StoredKey:
        """Open the cryptogram of ChangeKey (command 0xC4, AES; `data` starts with the key number byte).

        The session's own key: new key, version, CRC over command and these, zeros. Another key: new key XOR
        current key, version, the same CRC, CRC over the new key alone, zeros. Raises Refused.
        """
        if len(data) != 1 + _CHANGE_KEY_CRYPTOGRAM_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        plain = self.decrypted(data[1:])
        sent, version, crc = plain[:16], plain[16:17], plain[17:21]
        if crc != desfire_crc32(b"\xc4" + data[:1] + sent + version):
            raise Refused(Status.INTEGRITY_ERROR)
        if key_no == self.key_no:
            raw, padding = sent, plain[21:]
        else:
            raw, padding = xor(sent, current.raw), plain[25:]
            if plain[21:25] != desfire_crc32(raw):
                raise Refused(Status.INTEGRITY_ERROR)
        if any(padding):
            raise Refused(Status.INTEGRITY_ERROR)
        return StoredKey(raw, version[0])

    def new_settings(self, data: bytes) -> int:
        """Open the cryptogram of ChangeKeySettings (command 0x54). Raises Refused."""
        plain = self.decrypted(data)
        if len(plain) != 16 or plain[1:5] != desfire_crc32(b"\x54" + plain[:1]) or any(plain[5:]):
            raise Refused(Status.INTEGRITY_ERROR)
        return plain[0]
