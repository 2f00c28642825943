"""The card's side of EV2: authentication, session keys, a MAC over every command and answer with their number.

Written apart from the reader's side in `hardware/cards/desfire_ev2.py`: the two share AES and CMAC only, and both are
held against NXP's published examples. Sources: NXP AN12196 and AN12343, NT4H2421Gx section 9.1.
"""

from zlib import crc32

from hardware.cards.crypto import AesKey
from hardware.simulated.desfire_state import CommMode, Refused, Status, StoredKey
from protocol.signing import same_bytes

_BLOCK = 16
_MAC = 8
_CAPABILITIES = bytes(6)


class Ev2Challenge:
    """AuthenticateEV2First (`ti` new, no commands yet) or NonFirst (both carried over) half way."""

    def __init__(self, key_no: int, key: StoredKey, rnd_b: bytes, ti: bytes, commands: int | None = None) -> None:
        self._key_no = key_no
        self._key = AesKey(key.raw)
        self._rnd_b = rnd_b
        self._ti = ti
        self._commands = commands
        self.message = self._key.cbc_encrypt(rnd_b)

    def answer(self, proof: bytes) -> tuple["Ev2Session", bytes]:
        """Check the reader's proof; return the session and the card's own proof. Raises Refused."""
        if len(proof) != 2 * _BLOCK:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._key.cbc_decrypt(proof)
        rnd_a, turned = plain[:_BLOCK], plain[_BLOCK:]
        if not same_bytes(turned[-1:] + turned[:-1], self._rnd_b):
            raise Refused(Status.AUTHENTICATION_ERROR)
        mine = rnd_a[1:] + rnd_a[:1]
        if self._commands is None:
            mine = self._ti + mine + _CAPABILITIES + _CAPABILITIES
        session = Ev2Session(
            self._key_no,
            self._session_key(0xA55A, rnd_a),
            self._session_key(0x5AA5, rnd_a),
            self._ti,
            self._commands or 0,
        )
        return session, self._key.cbc_encrypt(mine)

    def _session_key(self, label: int, rnd_a: bytes) -> AesKey:
        """Bytes 15..14 of A, 13..8 of A xor 15..10 of B, 9..0 of B, 7..0 of A, the highest first."""
        vector = bytearray(label.to_bytes(2) + b"\x00\x01\x00\x80" + rnd_a[:8] + self._rnd_b[6:] + rnd_a[8:])
        for place in range(6):
            vector[8 + place] ^= self._rnd_b[place]
        return AesKey(self._key.cmac(bytes(vector)))


class Ev2Session:
    """An authenticated session: it counts commands, and no frame is good under another count."""

    def __init__(self, key_no: int, enc: AesKey, mac: AesKey, ti: bytes, commands: int = 0) -> None:
        self.key_no = key_no
        self._enc, self._mac = enc, mac
        self.ti = ti
        self.commands = commands

    def opened(self, code: int, data: bytes, mode: CommMode) -> bytes:
        """Only in plain mode nothing protects a command."""
        body = data if mode is CommMode.PLAIN else self._checked(code, data)
        self.commands += 1
        return body

    def content_bytes(self, length: int, mode: CommMode) -> int:
        """Plain, with a MAC, or padded by 1 to 16 bytes and with a MAC."""
        padded = length + _BLOCK - length % _BLOCK if mode is CommMode.FULL else length
        return padded + (0 if mode is CommMode.PLAIN else _MAC)

    def written(self, code: int, header: bytes, sent: bytes, length: int, mode: CommMode) -> bytes:
        """The same, and it must be so long."""
        content = self.content(code, header, sent, mode)
        if len(content) != length:
            raise Refused(Status.LENGTH_ERROR)
        return content

    def content(self, code: int, header: bytes, sent: bytes, mode: CommMode) -> bytes:
        """Check the MAC over header and what travelled; decipher it."""
        content = sent
        if mode is not CommMode.PLAIN:
            content = self._checked(code, header + sent)[len(header) :]
        if mode is CommMode.FULL:
            content = self._deciphered(content)
        self.commands += 1
        return content

    def sealed(self, body: bytes, mode: CommMode) -> bytes:
        """Encipher in full mode; a MAC in every mode but plain. The count is the next command's already."""
        if mode is CommMode.PLAIN:
            return body
        if mode is CommMode.FULL and body:
            padded = body + b"\x80" + bytes(-(len(body) + 1) % _BLOCK)
            body = self._enc.cbc_encrypt(padded, self._iv(0x5AA5))
        return body + self._mac_of(b"\x00", body)

    def new_key(self, number: int, data: bytes, current: StoredKey) -> StoredKey:
        """The session's own key: new key and version. Another: new key XOR current, version, CRC of the new key."""
        if len(data) != 1 + 2 * _BLOCK + _MAC:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._deciphered(self._checked(0xC4, data)[1:])
        self.commands += 1
        if len(plain) != (17 if number == self.key_no else 21):
            raise Refused(Status.INTEGRITY_ERROR)
        raw = plain[:16]
        if number != self.key_no:
            raw = bytes(new ^ old for new, old in zip(raw, current.raw, strict=True))
            if int.from_bytes(plain[17:], "little") != crc32(raw) ^ 0xFFFFFFFF:
                raise Refused(Status.INTEGRITY_ERROR)
        return StoredKey(raw, plain[16])

    def new_des_key(self, data: bytes) -> StoredKey:  # noqa: ARG002
        """Not played: a card gets its factory's key back in EV1's session."""
        raise Refused(Status.PERMISSION_DENIED)

    def new_settings(self, data: bytes) -> int:
        """One byte, enciphered and MACed."""
        if len(data) != _BLOCK + _MAC:
            raise Refused(Status.LENGTH_ERROR)
        return self.written(0x54, b"", data, 1, CommMode.FULL)[0]

    def _checked(self, code: int, data: bytes) -> bytes:
        body, mac = data[:-_MAC], data[-_MAC:]
        if not same_bytes(mac, self._mac_of(bytes((code,)), body)):
            raise Refused(Status.INTEGRITY_ERROR)
        return body

    def _deciphered(self, ciphertext: bytes) -> bytes:
        if not ciphertext or len(ciphertext) % _BLOCK:
            raise Refused(Status.LENGTH_ERROR)
        plain = self._enc.cbc_decrypt(ciphertext, self._iv(0xA55A)).rstrip(b"\x00")
        if not plain.endswith(b"\x80"):
            raise Refused(Status.INTEGRITY_ERROR)
        return plain[:-1]

    def _mac_of(self, first: bytes, body: bytes) -> bytes:
        whole = self._mac.cmac(first + self.commands.to_bytes(2, "little") + self.ti + body)
        return bytes(whole[place] for place in range(1, _BLOCK, 2))

    def _iv(self, label: int) -> bytes:
        return self._enc.cbc_encrypt(label.to_bytes(2) + self.ti + self.commands.to_bytes(2, "little") + bytes(8))
