"""A virtual NTAG 424 DNA: its NDEF application as anybody reads it, with a new message at every read.

    select application --> select file --> ReadBinary: the counter goes up, UID, counter and MAC are put into the file

The counter rises before the first read after any other command, and is not lost with the power. Sources: NXP AN12196
and the data sheet NT4H2421Gx (file ids, status words, SDMReadCtr). Not played: authentication and the commands behind
it, ReadData, LRP, enciphered file data, limits of the counter; the tag comes out of the card office as it is.
"""

import os
from dataclasses import dataclass, replace

from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.sun import SunFile, mac_of, picc_data
from hardware.ports import GET_UID
from hardware.simulated.tearing import CardTorn, Field, Tear

COUNTER_MAX = 2**24 - 1
_FILE_BYTES = 256
_APPLICATION = bytes.fromhex("d2760000850101")
_CAPABILITIES_ID, _NDEF_ID = b"\xe1\x03", b"\xe1\x04"
_CAPABILITIES = bytes.fromhex("001720010000ff0406e104010000000506e10500808283") + bytes(9)
"""What the factory wrote: version 2.0, the NDEF file with 256 bytes, the proprietary one with 128."""
_OK, _NOT_FOUND, _WRONG_OFFSET = b"\x90\x00", b"\x6a\x82", b"\x6b\x00"
_NOT_SUPPORTED, _WRONG_LENGTH, _ILLEGAL = b"\x6d\x00", b"\x67\x00", b"\x91\x1c"
_FILLING_BYTES = 5


@dataclass(frozen=True, slots=True)
class TagState:
    """What the tag keeps."""

    uid: bytes
    file: SunFile
    read_key: AesKey
    mac_key: AesKey
    counter: int = 0
    random_uid: bytes | None = None
    """What it answers instead of its UID where it is set to hide it."""


class VirtualNtag424:
    """One tag; `process` answers one APDU."""

    def __init__(self, state: TagState, random_bytes: RandomBytes = os.urandom) -> None:
        self._state, self._random_bytes = state, random_bytes
        self.field = Field()
        self._selected, self._file, self._was_read = False, b"", False

    @property
    def uid(self) -> bytes:
        """What a reader is told."""
        return self._state.random_uid or self._state.uid

    @property
    def atr(self) -> bytes:
        """The same as a DESFire's: its ATS ends with the same historical byte."""
        return bytes.fromhex("3b8180018080")

    def snapshot(self) -> TagState:
        """Everything the tag keeps: to clone it as well as a cloner could who knew its keys."""
        return self._state

    def reset(self) -> None:
        """Power up anew: nothing is selected."""
        self._selected, self._file, self._was_read = False, b"", False

    def put_back(self) -> None:
        """Bring the tag into the field (again)."""
        self.reset()
        self.field.put_back()

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from the next exchange; None calls it off."""
        self.field.arm(tear)

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU with data and status word. Raises CardTorn when the tag is, or goes, away."""
        self.field.require_present()
        if apdu == GET_UID:
            return self.uid + _OK
        tear = self.field.next_exchange()
        answer = self._answer(apdu)
        if tear is not None:
            raise CardTorn("the tag left before its answer")
        return answer

    def _answer(self, apdu: bytes) -> bytes:
        if apdu[:2] == b"\x00\xb0":
            return self._read(apdu)
        self._was_read = False
        if apdu[:2] == b"\x00\xa4":
            return self._select(apdu)
        return _ILLEGAL if apdu[:1] == b"\x90" else _NOT_SUPPORTED

    def _select(self, apdu: bytes) -> bytes:
        length = apdu[4] if len(apdu) > 4 else 0
        name = apdu[5 : 5 + length]
        if len(name) != length or len(apdu) - 5 - length not in (0, 1):
            return _WRONG_LENGTH
        if apdu[2] == 0x04:
            self._selected, self._file = name == _APPLICATION, b""
            return _OK if self._selected else _NOT_FOUND
        if apdu[2] or not self._selected or name not in (_CAPABILITIES_ID, _NDEF_ID):
            return _NOT_FOUND
        self._file = name
        return _OK

    def _read(self, apdu: bytes) -> bytes:
        if len(apdu) != 5:
            return _WRONG_LENGTH
        if not self._file:
            return _NOT_FOUND
        at, length = int.from_bytes(apdu[2:4], "big"), apdu[4] or _FILE_BYTES
        if at >= (_FILE_BYTES if self._file == _NDEF_ID else len(_CAPABILITIES)):
            return _WRONG_OFFSET
        content = self._message() if self._file == _NDEF_ID else _CAPABILITIES
        return content[at : at + length] + _OK

    def _message(self) -> bytes:
        """The file as this read shows it (AN12196, section 3)."""
        if not self._was_read:
            self._state = replace(self._state, counter=min(self._state.counter + 1, COUNTER_MAX))
            self._was_read = True
        state, file = self._state, bytearray(self._state.file.content.ljust(_FILE_BYTES, b"\x00"))
        plain = picc_data(state.uid, state.counter, self._random_bytes(_FILLING_BYTES)[:_FILLING_BYTES])
        _put(file, state.file.enciphered_at, state.read_key.cbc_encrypt(plain))
        maced = bytes(file[state.file.mac_input_at : state.file.mac_at])
        _put(file, state.file.mac_at, mac_of(state.mac_key, state.uid, state.counter.to_bytes(3, "little"), maced))
        return bytes(file)


def _put(file: bytearray, at: int, raw: bytes) -> None:
    text = raw.hex().upper().encode()
    file[at : at + len(text)] = text
