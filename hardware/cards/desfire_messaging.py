"""Secure messaging of an authenticated session, the reader's side: one small interface, and EV1's AES under it.

    command(code, header, data, mode)  what travels behind the command code
    answer(body, mode)                 what the card said, checked and deciphered

`header` says what to do (file, offset, length, key number) and never travels enciphered; `data` is content. EV2 is in
`desfire_ev2.py`. Sources of EV1: MF3ICD81 as publicly known.
"""

import enum
from typing import Protocol

from hardware.cards.crypto import (
    BLOCK_BYTES,
    DES_BYTES,
    MAC_BYTES,
    ZERO_BLOCK,
    AesKey,
    DesKey,
    desfire_crc32,
    rotated_left,
    session_key,
)
from hardware.ports import CardNotOurs
from protocol.signing import same_bytes

CRC_BYTES = 4


class CommMode(enum.IntEnum):
    """How a command and its answer travel; the numbers are those of a file's settings."""

    PLAIN = 0
    MACED = 1
    FULL = 3


class AnswerForged(Exception):
    """An answer is not the card's: its MAC, its CRC or its padding is wrong."""


class Messaging(Protocol):
    """One authenticated session's keys and running state."""

    def command(self, code: int, header: bytes, data: bytes, mode: CommMode, behind: bytes = b"") -> bytes:
        """Secure a command. `behind` is enciphered after `data` and what protects it (ChangeKey's second CRC)."""
        ...

    def answer(self, body: bytes, mode: CommMode) -> bytes:
        """Check and decipher the answer to the last command. Raises AnswerForged."""
        ...


class Ev1Messaging:
    """EV1, AES (command 0xAA): one session key, one IV that every command and answer of the session moves on.

    MACed: only a command with data carries its MAC; every answer does. Full: a CRC over everything, then AES-CBC
    from the running IV.
    """

    def __init__(self, key: AesKey) -> None:
        self._key = key
        self._iv = ZERO_BLOCK
        self._answer_is_full = False

    def command(self, code: int, header: bytes, data: bytes, mode: CommMode, behind: bytes = b"") -> bytes:
        """Secure a command."""
        self._answer_is_full = mode is CommMode.FULL and not data
        if mode is CommMode.FULL and data:
            return header + self._enciphered(bytes((code,)) + header, data, behind)
        self._iv = self._key.cmac(bytes((code,)) + header + data, self._iv)
        mac = self._iv[:MAC_BYTES] if data and mode is CommMode.MACED else b""
        return header + data + mac

    def answer(self, body: bytes, mode: CommMode) -> bytes:  # noqa: ARG002 (in EV1 the command decides)
        """Check an answer; a full one is deciphered."""
        if self._answer_is_full:
            return self._deciphered(body)
        plain, mac = body[:-MAC_BYTES], body[-MAC_BYTES:]
        self._iv = self._key.cmac(plain + b"\x00", self._iv)
        if not same_bytes(mac, self._iv[:MAC_BYTES]):
            raise AnswerForged
        return plain

    def _enciphered(self, covered: bytes, data: bytes, behind: bytes) -> bytes:
        plain = data + desfire_crc32(covered + data) + behind
        ciphertext = self._key.cbc_encrypt(plain + bytes(-len(plain) % BLOCK_BYTES), self._iv)
        self._iv = ciphertext[-BLOCK_BYTES:]
        return ciphertext

    def _deciphered(self, body: bytes) -> bytes:
        """The data in front of the CRC over data and status; behind it are zeros only, or 0x80 and zeros."""
        if not body or len(body) % BLOCK_BYTES:
            raise AnswerForged
        plain = self._key.cbc_decrypt(body, self._iv)
        self._iv = body[-BLOCK_BYTES:]
        unpadded = len(plain.rstrip(b"\x00").removesuffix(b"\x80"))
        for end in range(max(unpadded, CRC_BYTES), len(plain) + 1):
            data, crc = plain[: end - CRC_BYTES], plain[end - CRC_BYTES : end]
            if crc == desfire_crc32(data + b"\x00"):
                return data
        raise AnswerForged


class DesMessaging:
    """EV1 under a single DES session key (command 0x1A), as far as a blank card needs it: its one change of key."""

    def __init__(self, key: DesKey) -> None:
        self._key = key

    def command(self, code: int, header: bytes, data: bytes, mode: CommMode, behind: bytes = b"") -> bytes:
        """Encipher the session's first command."""
        assert mode is CommMode.FULL and data and not behind, "a DES session changes its own key and ends"
        plain = data + desfire_crc32(bytes((code,)) + header + data)
        return header + self._key.cbc_encrypt(plain + bytes(-len(plain) % DES_BYTES), bytes(DES_BYTES))

    def answer(self, body: bytes, mode: CommMode) -> bytes:  # noqa: ARG002
        """There is none to be checked."""
        raise AnswerForged


def ev1_proof(key: AesKey, challenge: bytes, rnd_a: bytes) -> bytes:
    """The reader's answer to the card's enciphered random (command 0xAA): E(RndA, RndB turned left)."""
    return key.cbc_encrypt(rnd_a + rotated_left(key.cbc_decrypt(challenge)), challenge)


def ev1_messaging(key: AesKey, challenge: bytes, rnd_a: bytes, proof: bytes, answer: bytes) -> Ev1Messaging:
    """The session, once the card has proved the key too. Raises CardNotOurs when it has not."""
    if len(answer) != BLOCK_BYTES or not same_bytes(key.cbc_decrypt(answer, proof[-BLOCK_BYTES:]), rotated_left(rnd_a)):
        raise CardNotOurs("the card did not prove that it knows the key")
    return Ev1Messaging(session_key(rnd_a, key.cbc_decrypt(challenge)))


def des_proof(key: DesKey, challenge: bytes, rnd_a: bytes) -> bytes:
    """The same with the factory's DES key (command 0x1A)."""
    rnd_b = key.cbc_decrypt(challenge, bytes(DES_BYTES))
    return key.cbc_encrypt(rnd_a + rotated_left(rnd_b), challenge)


def des_messaging(key: DesKey, challenge: bytes, rnd_a: bytes, proof: bytes, answer: bytes) -> DesMessaging:
    """The session under RndA 0..3 and RndB 0..3. Raises CardNotOurs when the card has not proved the key."""
    if len(answer) != DES_BYTES or not same_bytes(key.cbc_decrypt(answer, proof[-DES_BYTES:]), rotated_left(rnd_a)):
        raise CardNotOurs("the card did not prove that it knows the key")
    rnd_b = key.cbc_decrypt(challenge, bytes(DES_BYTES))
    return DesMessaging(DesKey(rnd_a[:4] + rnd_b[:4]))
