"""A virtual NTAG 424 DNA, from the factory on: its files as anybody reads them, and what its keys let change.

    select application --> select file --> ReadBinary: the counter goes up, UID, counter and MAC are put into the file
    select application --> 71 / 77, AF: authenticated --> 64  F5  8D  5F  C4, each one atomic

The counter rises before the first read after any other command, and is not lost with the power. Sources: NXP AN12196
and the data sheet NT4H2421Gx (file ids, factory settings, status words, SDMReadCtr). Not played: ISO writing, ReadData,
GetCardUID, counters asked for, SetConfiguration, LRP, enciphered file data, limits of counter and failed
authentications.
"""

import os
from dataclasses import dataclass, replace

from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.sun import mac_of, picc_data
from hardware.ports import GET_UID
from hardware.simulated.desfire_ev2 import Ev2Challenge, Ev2Session
from hardware.simulated.desfire_state import FREE, NEVER, CommMode, Refused, Rights, Status, StoredKey
from hardware.simulated.ntag424_settings import FACTORY_SETTINGS, FILE_BYTES, NdefSettings
from hardware.simulated.tearing import CardTorn, Field, Tear

COUNTER_MAX = 2**24 - 1
KEYS = 5
ATOMIC_BYTES_MAX = 128
_MASTER, _NDEF = 0, 2
_APPLICATION = bytes.fromhex("d2760000850101")
_CAPABILITIES_ID, _NDEF_ID = b"\xe1\x03", b"\xe1\x04"
_CAPABILITIES = bytes.fromhex("001720010000ff0406e104010000000506e10500808283") + bytes(9)
"""What the factory wrote: version 2.0, the NDEF file with 256 bytes, the proprietary one with 128."""
_OK, _NOT_FOUND, _WRONG_OFFSET, _NOT_ALLOWED = b"\x90\x00", b"\x6a\x82", b"\x6b\x00", b"\x69\x82"
_NOT_SUPPORTED, _WRONG_LENGTH = b"\x6d\x00", b"\x67\x00"
_VERSION = (bytes.fromhex("04040230001105"), bytes.fromhex("04040201021105"))
_PRODUCTION = bytes.fromhex("cd65935d402118")
"""GetVersion: hardware, software; production follows the UID."""
_FILLING_BYTES, _TI_BYTES, _RANDOM_BYTES = 5, 4, 16
_WRITE_HEADER_BYTES = 7


@dataclass(frozen=True, slots=True)
class TagState:
    """What the tag keeps."""

    uid: bytes
    content: bytes = bytes(FILE_BYTES)
    settings: NdefSettings = FACTORY_SETTINGS
    keys: tuple[StoredKey, ...] = (StoredKey(),) * KEYS
    counter: int = 0
    random_uid: bytes | None = None
    """What it answers instead of its UID where it is set to hide it."""


class VirtualNtag424:
    """One tag; `process` answers one APDU."""

    def __init__(self, state: TagState, random_bytes: RandomBytes = os.urandom) -> None:
        self._state, self._random_bytes = state, random_bytes
        self.field = Field()
        self._selected, self._file, self._was_read, self._version_at = False, b"", False, 0
        self._session: Ev2Session | None = None
        self._challenge: Ev2Challenge | None = None

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

    def restore(self, state: TagState) -> None:
        """Make the tag what a snapshot says."""
        self._state = state
        self.reset()

    def reset(self) -> None:
        """Power up anew: nothing is selected."""
        self._forget()

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

    def _forget(self) -> None:
        self._selected, self._file, self._was_read, self._version_at = False, b"", False, 0
        self._session = self._challenge = None

    def _answer(self, apdu: bytes) -> bytes:
        if apdu[:2] == b"\x00\xb0":
            return self._read(apdu)
        self._was_read = False
        if apdu[:2] == b"\x00\xa4":
            return self._select(apdu)
        return self._wrapped(apdu) if apdu[:1] == b"\x90" else _NOT_SUPPORTED

    # ISO commands --------------------------------------------------------------------------------------------------

    def _select(self, apdu: bytes) -> bytes:
        length = apdu[4] if len(apdu) > 4 else 0
        name = apdu[5 : 5 + length]
        if len(name) != length or len(apdu) - 5 - length not in (0, 1):
            return _WRONG_LENGTH
        if apdu[2] == 0x04:
            self._forget()
            self._selected = name == _APPLICATION
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
        if self._file == _NDEF_ID and self._state.settings.rights.read != FREE:
            return _NOT_ALLOWED
        at, length = int.from_bytes(apdu[2:4], "big"), apdu[4] or FILE_BYTES
        if at >= (FILE_BYTES if self._file == _NDEF_ID else len(_CAPABILITIES)):
            return _WRONG_OFFSET
        content = self._message() if self._file == _NDEF_ID else _CAPABILITIES
        return content[at : at + length] + _OK

    def _message(self) -> bytes:
        """The file as this read shows it (AN12196, section 3): as it is to whoever has authenticated."""
        sdm = self._state.settings.sdm
        if sdm is None or self._session is not None:
            return self._state.content
        if not self._was_read:
            self._state = replace(self._state, counter=min(self._state.counter + 1, COUNTER_MAX))
            self._was_read = True
        state, file = self._state, bytearray(self._state.content)
        read_key, mac_key = (AesKey(state.keys[number].raw) for number in (sdm.meta_read, sdm.file_read))
        plain = picc_data(state.uid, state.counter, self._random_bytes(_FILLING_BYTES)[:_FILLING_BYTES])
        _put(file, sdm.picc_data_at, read_key.cbc_encrypt(plain))
        maced = bytes(file[sdm.mac_input_at : sdm.mac_at])
        _put(file, sdm.mac_at, mac_of(mac_key, state.uid, state.counter.to_bytes(3, "little"), maced))
        return bytes(file)

    # Wrapped commands ----------------------------------------------------------------------------------------------

    def _wrapped(self, apdu: bytes) -> bytes:
        data, code = apdu[5:-1], apdu[1] if len(apdu) > 1 else 0
        try:
            if apdu[2:4] != bytes(2) or apdu[-1] or len(apdu) == 6 or (data and apdu[4] != len(data)):
                raise Refused(Status.LENGTH_ERROR)
            body, status = self._native(code, data)
        except Refused as refused:
            self._session, self._challenge, self._version_at = None, None, 0
            return bytes((0x91, refused.status))
        return body + bytes((0x91, status))

    def _native(self, code: int, data: bytes) -> tuple[bytes, Status]:
        challenge, self._challenge = self._challenge, None
        version_at, self._version_at = self._version_at, 0
        match code:
            case 0x60 if not data and self._session is None:
                return self._version(0)
            case 0xAF if version_at and not data:
                return self._version(version_at)
            case 0xAF if challenge is not None:
                self._session, answer = challenge.answer(data)
                return answer, Status.OK
            case 0x71 | 0x77 if self._selected:
                return self._begin(code, data), Status.ADDITIONAL_FRAME
            case 0x64 | 0xF5 if self._selected:
                return self._told(code, data), Status.OK
            case 0x8D if self._selected:
                return self._write(data), Status.OK
            case 0x5F if self._selected:
                return self._change_settings(data), Status.OK
            case 0xC4 if self._selected:
                return self._change_key(data), Status.OK
            case _:
                raise Refused(Status.ILLEGAL_COMMAND)

    def _version(self, at: int) -> tuple[bytes, Status]:
        if at == len(_VERSION):
            return self._state.uid + _PRODUCTION, Status.OK
        self._version_at = at + 1
        return _VERSION[at], Status.ADDITIONAL_FRAME

    def _begin(self, code: int, data: bytes) -> bytes:
        is_first, running, self._session = code == 0x71, self._session, None
        if len(data) < 1 + is_first or len(data) != (2 + data[1] if is_first else 1):
            raise Refused(Status.LENGTH_ERROR)
        if data[0] >= KEYS:
            raise Refused(Status.NO_SUCH_KEY)
        if not is_first and running is None:
            raise Refused(Status.PERMISSION_DENIED)
        ti = self._random_bytes(_TI_BYTES)[:_TI_BYTES] if is_first or running is None else running.ti
        commands = None if is_first or running is None else running.commands
        rnd_b = self._random_bytes(_RANDOM_BYTES)[:_RANDOM_BYTES]
        self._challenge = Ev2Challenge(data[0], self._state.keys[data[0]], rnd_b, ti, commands)
        return self._challenge.message

    def _told(self, code: int, data: bytes) -> bytes:
        """GetKeyVersion and GetFileSettings: plain to anybody, with MACs in a session."""
        session = self._session
        number = data if session is None else session.opened(code, data, CommMode.MACED)
        if len(number) != 1:
            raise Refused(Status.LENGTH_ERROR)
        if code == 0x64:
            if number[0] >= KEYS:
                raise Refused(Status.NO_SUCH_KEY)
            answer = bytes((self._state.keys[number[0]].version,))
        elif number[0] != _NDEF:
            raise Refused(Status.FILE_NOT_FOUND)
        else:
            answer = b"\x00" + self._state.settings.head + FILE_BYTES.to_bytes(3, "little") + self._state.settings.tail
        return answer if session is None else session.sealed(answer, CommMode.MACED)

    def _write(self, data: bytes) -> bytes:
        """WriteData. A key that has the right writes as the file's settings say, everybody else in plain."""
        header, rights, session = data[:_WRITE_HEADER_BYTES], self._state.settings.rights, self._session
        if len(header) < _WRITE_HEADER_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        if header[0] != _NDEF:
            raise Refused(Status.FILE_NOT_FOUND)
        may = {rights.write, rights.read_write} - {NEVER}
        has_key = session is not None and session.key_no in may
        if not has_key and FREE not in may:
            raise Refused(Status.AUTHENTICATION_ERROR if session is None else Status.PERMISSION_DENIED)
        at, length = (int.from_bytes(header[place : place + 3], "little") for place in (1, 4))
        if at + length > FILE_BYTES or not length:
            raise Refused(Status.BOUNDARY_ERROR)
        if length > ATOMIC_BYTES_MAX:
            raise AssertionError("a longer write is not atomic, and is not played")
        mode = self._state.settings.comm if has_key else CommMode.PLAIN
        content = data[_WRITE_HEADER_BYTES:]
        if session is not None:
            content = session.written(0x8D, header, content, length, mode)
        if len(content) != length:
            raise Refused(Status.LENGTH_ERROR)
        whole = self._state.content
        self._state = replace(self._state, content=whole[:at] + content + whole[at + length :])
        return b"" if session is None else session.sealed(b"", mode)

    def _change_settings(self, data: bytes) -> bytes:
        session, change = self._session, self._state.settings.rights.change
        if data[:1] != bytes((_NDEF,)):
            raise Refused(Status.FILE_NOT_FOUND)
        if session is None or session.key_no != change:
            raise Refused(Status.AUTHENTICATION_ERROR if session is None else Status.PERMISSION_DENIED)
        plain = session.content(0x5F, data[:1], data[1:], CommMode.FULL)
        self._state = replace(self._state, settings=NdefSettings.from_wire(plain))
        return session.sealed(b"", CommMode.FULL)

    def _change_key(self, data: bytes) -> bytes:
        session = self._session
        if session is None or session.key_no != _MASTER:
            raise Refused(Status.AUTHENTICATION_ERROR if session is None else Status.PERMISSION_DENIED)
        number = data[0] if data else KEYS
        if number >= KEYS:
            raise Refused(Status.NO_SUCH_KEY)
        keys = list(self._state.keys)
        keys[number] = session.new_key(number, data, keys[number])
        self._state = replace(self._state, keys=tuple(keys))
        if number == _MASTER:
            self._session = None
            return b""
        return session.sealed(b"", CommMode.FULL)


def blank_ntag424(uid: bytes) -> TagState:
    """A tag as the factory sends it: five all-zero AES keys, an empty file that anybody may write."""
    return TagState(uid)


def _put(file: bytearray, at: int, raw: bytes) -> None:
    text = raw.hex().upper().encode()
    file[at : at + len(text)] = text


assert FACTORY_SETTINGS.rights == Rights(FREE, FREE, FREE, _MASTER)
