"""A virtual MIFARE Ultralight AES behind a PC/SC reader: READ, and the AES mutual authentication.

    idle --1A--> challenged --AF, right--> authenticated
       \\<------- anything else, or wrong --------/

Source: NXP MF0AES(H)20 (memory, commands, NAK codes). Not played: writing, protection of pages, the limit of failed
authentications, secure messaging behind the authentication, random UIDs.
"""

import os
from dataclasses import dataclass

from hardware.cards.crypto import AesKey, RandomBytes, rotated_left
from hardware.cards.ultralight_aes import (
    AUTHENTICATE,
    DONE,
    KEY_NO,
    MAC_PAGE,
    MORE,
    PAGES_BYTES,
    READ,
    TEXT_PAGE,
)
from hardware.ports import GET_UID
from hardware.simulated.tearing import CardTorn, Field, Tear

PAGES, PAGE_BYTES = 60, 4
_ATR = bytes.fromhex("3b8f8001804f0ca0000003060300030000000068")
"""A storage card, MIFARE Ultralight (PC/SC part 3, supplemental document)."""
_THROUGH_HEAD, _THROUGH_DATA = bytes.fromhex("ff000000"), bytes.fromhex("d442")
_OK, _FAILED, _NOT_SUPPORTED = b"\x90\x00", b"\x63\x00", b"\x6a\x81"
_ANSWERED, _TIMEOUT = bytes.fromhex("d54300"), bytes.fromhex("d54301")
_RANDOM_BYTES = 16


@dataclass(frozen=True, slots=True)
class UltralightState:
    """What the tag keeps."""

    uid: bytes
    text: bytes
    mac: bytes
    key: AesKey


class VirtualUltralightAes:
    """One tag; `process` answers one APDU as its reader does."""

    def __init__(self, state: UltralightState, random_bytes: RandomBytes = os.urandom) -> None:
        self._state, self._random_bytes = state, random_bytes
        self.field = Field()
        self._rnd_b = b""

    @property
    def uid(self) -> bytes:
        """The tag's UID, 7 bytes."""
        return self._state.uid

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes up for it."""
        return _ATR

    def snapshot(self) -> UltralightState:
        """Everything the tag keeps."""
        return self._state

    def reset(self) -> None:
        """Power up anew."""
        self._rnd_b = b""

    def put_back(self) -> None:
        """Bring the tag into the field (again)."""
        self.reset()
        self.field.put_back()

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from the next exchange; None calls it off."""
        self.field.arm(tear)

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU. Raises CardTorn when the tag is, or goes, away."""
        self.field.require_present()
        if apdu == GET_UID:
            return self.uid + _OK
        if apdu[:4] != _THROUGH_HEAD or apdu[5:7] != _THROUGH_DATA or len(apdu) != 5 + apdu[4]:
            return _FAILED if apdu[:2] in (b"\xff\x82", b"\xff\x86") else _NOT_SUPPORTED
        tear = self.field.next_exchange()
        said = self._said(apdu[7:])
        if tear is not None:
            raise CardTorn("the tag left before its answer")
        return (_ANSWERED + said if said else _TIMEOUT) + _OK

    def _said(self, command: bytes) -> bytes:
        """What the tag says; nothing where it refuses, for its four bits of NAK are no bytes."""
        rnd_b, self._rnd_b = self._rnd_b, b""
        match command[:1]:
            case b"\x30" if len(command) == 2 and command[1] < PAGES:
                at = command[1] * PAGE_BYTES
                memory = self._memory()
                return (memory + memory)[at : at + PAGES_BYTES]
            case b"\x1a" if command[1:] == bytes((KEY_NO,)):
                self._rnd_b = self._random_bytes(_RANDOM_BYTES)[:_RANDOM_BYTES]
                return bytes((MORE,)) + self._state.key.cbc_encrypt(self._rnd_b)
            case b"\xaf" if rnd_b and len(command) == 1 + 2 * _RANDOM_BYTES:
                plain = self._state.key.cbc_decrypt(command[1:])
                if plain[_RANDOM_BYTES:] != rotated_left(rnd_b):
                    return b""
                return bytes((DONE,)) + self._state.key.cbc_encrypt(rotated_left(plain[:_RANDOM_BYTES]))
            case _:
                return b""

    def _memory(self) -> bytes:
        state, memory = self._state, bytearray(PAGES * PAGE_BYTES)
        memory[:8] = state.uid[:3] + bytes((0x88 ^ state.uid[0] ^ state.uid[1] ^ state.uid[2],)) + state.uid[3:]
        memory[TEXT_PAGE * PAGE_BYTES : TEXT_PAGE * PAGE_BYTES + len(state.text)] = state.text
        memory[MAC_PAGE * PAGE_BYTES : MAC_PAGE * PAGE_BYTES + len(state.mac)] = state.mac
        return bytes(memory)


assert READ == 0x30 and AUTHENTICATE == 0x1A and MORE == 0xAF, "the cases above"
