"""A virtual MIFARE DESFire EV1: its commands on the card, its applications and their files.

Sources: M075031 (commands, files, rights, transactions) and MF3ICD81 as publicly known (AES keys, ChangeKey).
Not played: DES and 3DES keys, enciphered file content, ISO file ids, linear record files, ISO 7816 commands,
the size of the EEPROM.
"""

import os
from collections.abc import Callable

import msgspec

from hardware.cards.crypto import BLOCK_BYTES, MAC_BYTES, RandomBytes
from hardware.simulated import desfire_files as files
from hardware.simulated.desfire_chip import MORE, DesfireChip
from hardware.simulated.desfire_session import Challenge
from hardware.simulated.desfire_state import (
    AID_BYTES,
    APPLICATIONS_MAX,
    FILES_MAX,
    FREE,
    KEYS_MAX,
    NEVER,
    PICC_AID,
    SETTING_CHANGEABLE,
    SETTING_FREE_CREATE,
    SETTING_FREE_LISTING,
    SETTING_MASTER_CHANGEABLE,
    Application,
    CommMode,
    DataFile,
    DesfireState,
    File,
    RecordFile,
    Refused,
    Status,
    StoredKey,
    ValueFile,
)

_VERSION_FRAMES = (bytes.fromhex("04010101001a05"), bytes.fromhex("04010101041a05"))
_PRODUCTION = bytes.fromhex("ba000000002019")
_AES_KEYS = 0x80


class VirtualDesfire(DesfireChip):
    """One card; `process` answers one APDU."""

    def __init__(self, state: DesfireState, random_bytes: RandomBytes = os.urandom) -> None:
        super().__init__(state, random_bytes)
        self._commands = self._card_commands() | self._file_commands()

    # The card and its applications

    def _card_commands(self) -> dict[int, Callable[[int, bytes], bytes]]:
        return {
            0x5A: self._select,
            0xAA: self._authenticate,
            0x60: self._get_version,
            0x6A: self._get_application_ids,
            0xCA: self._create_application,
            0xDA: self._delete_application,
            0x45: self._get_key_settings,
            0x54: self._change_key_settings,
            0x64: self._get_key_version,
            0xC4: self._change_key,
        }

    @property
    def _application(self) -> Application:
        application = self._state.application(self._aid)
        assert application is not None, "the selected application exists"
        return application

    def _keep(self, application: Application) -> None:
        self._state = self._state.with_application(self._aid, application)

    def _is_master(self) -> bool:
        return self._session is not None and self._session.key_no == 0

    def _require_setting_or_master(self, setting: int) -> None:
        if not (self._application.settings & setting or self._is_master()):
            raise Refused(Status.AUTHENTICATION_ERROR)

    def _require_length(self, data: bytes, length: int) -> None:
        if len(data) != length:
            raise Refused(Status.LENGTH_ERROR)

    def _require_card_level(self) -> None:
        if self._aid != PICC_AID:
            raise Refused(Status.PERMISSION_DENIED)

    def _key(self, number: int) -> StoredKey:
        keys = self._application.keys
        if number >= len(keys):
            raise Refused(Status.NO_SUCH_KEY)
        return keys[number]

    def _select(self, _: int, data: bytes) -> bytes:
        self._require_length(data, AID_BYTES)
        if self._state.application(data) is None:
            raise Refused(Status.APPLICATION_NOT_FOUND)
        self._end_session()
        self._aid = data
        return self._done()

    def _authenticate(self, _: int, data: bytes) -> bytes:
        """AuthenticateAES; an older session and its transaction end here."""
        self._require_length(data, 1)
        key = self._key(data[0])
        self._end_session()
        self._challenge = Challenge(data[0], key, self._random_bytes(BLOCK_BYTES))
        return self._challenge.message + bytes((0x91, MORE))

    def _get_version(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 0)
        last = self._state.uid + _PRODUCTION
        if self._session:
            last = self._session.sealed(b"".join(_VERSION_FRAMES) + last)[sum(map(len, _VERSION_FRAMES)) :]
        return self._in_frames([*_VERSION_FRAMES, last])

    def _get_application_ids(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 0)
        self._require_card_level()
        self._require_setting_or_master(SETTING_FREE_LISTING)
        aids = (bytes.fromhex(name) for name in self._state.applications)
        return self._done(b"".join(aid for aid in aids if aid != PICC_AID))

    def _create_application(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 5)
        self._require_card_level()
        self._require_setting_or_master(SETTING_FREE_CREATE)
        aid, settings, keys = data[:3], data[3], data[4]
        if keys & 0xF0 != _AES_KEYS or not 1 <= keys & 0x0F <= KEYS_MAX:
            raise Refused(Status.PARAMETER_ERROR)
        if self._state.application(aid) is not None:
            raise Refused(Status.DUPLICATE_ERROR)
        if len(self._state.applications) > APPLICATIONS_MAX:
            raise Refused(Status.COUNT_ERROR)
        self._state = self._state.with_application(aid, Application(settings, (StoredKey(),) * (keys & 0x0F)))
        return self._done()

    def _delete_application(self, code: int, data: bytes) -> bytes:
        """By the card's master key only; that an application's own master key may do it too is not played."""
        self._require_length(self._noted(code, data), AID_BYTES)
        self._require_card_level()
        if not self._is_master():
            raise Refused(Status.AUTHENTICATION_ERROR)
        if data == PICC_AID or self._state.application(data) is None:
            raise Refused(Status.APPLICATION_NOT_FOUND)
        self._state = self._state.with_application(data, None)
        return self._done()

    def _get_key_settings(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 0)
        self._require_setting_or_master(SETTING_FREE_LISTING)
        application = self._application
        return self._done(bytes((application.settings, _AES_KEYS | len(application.keys))))

    def _change_key_settings(self, _: int, data: bytes) -> bytes:
        session, application = self._session, self._application
        if session is None or session.key_no != 0:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if not application.settings & SETTING_CHANGEABLE:
            raise Refused(Status.PERMISSION_DENIED)
        self._keep(msgspec.structs.replace(application, settings=session.new_settings(data)))
        return self._done()

    def _get_key_version(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 1)
        return self._done(bytes((self._key(data[0]).version,)))

    def _change_key(self, _: int, data: bytes) -> bytes:
        session = self._session
        if session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if not data:
            raise Refused(Status.LENGTH_ERROR)
        number = data[0] ^ _AES_KEYS if self._aid == PICC_AID else data[0]
        current = self._key(number)
        self._require_right_to_change(number, session.key_no)
        self._keep(self._application.with_key(number, session.new_key(number, data, current)))
        if number == session.key_no:
            self._end_session()
        return self._done()

    def _require_right_to_change(self, number: int, authenticated: int) -> None:
        """M075031, key settings: the upper half of the key settings names the key that changes the others."""
        settings = self._application.settings
        if number == 0:
            if not settings & SETTING_MASTER_CHANGEABLE:
                raise Refused(Status.PERMISSION_DENIED)
            changer = 0
        else:
            changer = settings >> 4
            if changer == NEVER:
                raise Refused(Status.PERMISSION_DENIED)
            changer = number if changer == FREE else changer
        if authenticated != changer:
            raise Refused(Status.AUTHENTICATION_ERROR)

    # The files of the selected application

    def _file_commands(self) -> dict[int, Callable[[int, bytes], bytes]]:
        return {
            0xCD: self._create_file,
            0xCB: self._create_file,
            0xCC: self._create_file,
            0xC0: self._create_file,
            0xF5: self._get_file_settings,
            0xBD: self._read_data,
            0xBB: self._read_records,
            0x6C: self._get_value,
            0x3D: self._write,
            0x3B: self._write,
            0xDC: self._change_value,
            0x0C: self._change_value,
            0x1C: self._change_value,
            0xC7: self._commit,
            0xA7: self._abort,
        }

    def _file(self, number: int) -> File:
        file = self._application.files.get(number)
        if file is None:
            raise Refused(Status.FILE_NOT_FOUND)
        return file

    def _travels_maced(self, file: File, *rights: int) -> bool:
        """Whether the file's content travels MACed under one of these rights. Raises Refused without any of them.

        Access that is free for everybody is plain even in a session (M075031, coding of access rights).
        """
        if self._session and self._session.key_no in rights:
            return file.comm is CommMode.MACED
        if FREE in rights:
            return False
        raise Refused(Status.PERMISSION_DENIED if set(rights) == {NEVER} else Status.AUTHENTICATION_ERROR)

    def _opened(self, code: int, data: bytes, *, maced: bool) -> bytes:
        if maced and self._session:
            return self._session.checked(code, data)
        return self._noted(code, data)

    def _create_file(self, code: int, data: bytes) -> bytes:
        self._noted(code, data)
        if self._aid == PICC_AID:
            raise Refused(Status.PERMISSION_DENIED)
        self._require_setting_or_master(SETTING_FREE_CREATE)
        if not data or data[0] >= FILES_MAX:
            raise Refused(Status.PARAMETER_ERROR)
        if data[0] in self._application.files:
            raise Refused(Status.DUPLICATE_ERROR)
        file: File
        match code:
            case 0xCC:
                file = files.new_value_file(data[1:])
            case 0xC0:
                file = files.new_cyclic_file(data[1:])
            case _:
                file = files.new_data_file(data[1:], backup=code == 0xCB)
        self._keep(self._application.with_file(data[0], file))
        return self._done()

    def _get_file_settings(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 1)
        self._require_setting_or_master(SETTING_FREE_LISTING)
        return self._done(files.settings_of(self._file(data[0])))

    def _read_data(self, code: int, data: bytes) -> bytes:
        self._require_length(data, 7)
        file = self._file(data[0])
        if not isinstance(file, DataFile):
            raise Refused(Status.PARAMETER_ERROR)
        self._travels_maced(file, file.rights.read, file.rights.read_write)
        self._noted(code, data)
        return self._done(files.read_data(file, _u24(data[1:4]), _u24(data[4:7])))

    def _read_records(self, code: int, data: bytes) -> bytes:
        self._require_length(data, 7)
        file = self._file(data[0])
        if not isinstance(file, RecordFile):
            raise Refused(Status.PARAMETER_ERROR)
        self._travels_maced(file, file.rights.read, file.rights.read_write)
        self._noted(code, data)
        return self._done(files.read_records(file, _u24(data[1:4]), _u24(data[4:7])))

    def _get_value(self, code: int, data: bytes) -> bytes:
        self._require_length(data, 1)
        file = self._file(data[0])
        if not isinstance(file, ValueFile):
            raise Refused(Status.PARAMETER_ERROR)
        self._travels_maced(file, file.rights.read, file.rights.write, file.rights.read_write)
        self._noted(code, data)
        return self._done(file.value.to_bytes(4, "little", signed=True))

    def _write(self, code: int, data: bytes) -> bytes:
        """WriteData and WriteRecord: file, offset (3), length (3), content; more frames may follow."""
        if len(data) < 7:
            raise Refused(Status.LENGTH_ERROR)
        file = self._file(data[0])
        if isinstance(file, ValueFile) or isinstance(file, RecordFile) is not (code == 0x3B):
            raise Refused(Status.PARAMETER_ERROR)
        maced = self._travels_maced(file, file.rights.write, file.rights.read_write)
        expected = 7 + _u24(data[4:7]) + (MAC_BYTES if maced else 0)
        if len(data) < expected:
            self._incoming = (code, data)
            return bytes((0x91, MORE))
        self._require_length(data, expected)
        body = self._opened(code, data, maced=maced)
        offset, content = _u24(body[1:4]), body[7:]
        if not content:
            raise Refused(Status.PARAMETER_ERROR)
        if isinstance(file, RecordFile):
            self._transaction.write_record(data[0], file, offset, content)
        elif file.backup:
            self._transaction.write_data(data[0], file, offset, content)
        else:
            self._keep(self._application.with_file(data[0], files.written(file, offset, content)))
        return self._done()

    def _change_value(self, code: int, data: bytes) -> bytes:
        """Debit 0xDC, Credit 0x0C, LimitedCredit 0x1C: file, amount (4, signed, not negative)."""
        file = self._file(data[0]) if data else None
        if not isinstance(file, ValueFile):
            raise Refused(Status.PARAMETER_ERROR)
        rights = [file.rights.read_write]
        if code != 0x0C:
            rights.append(file.rights.write)
        if code == 0xDC:
            rights.append(file.rights.read)
        maced = self._travels_maced(file, *rights)
        self._require_length(data, 5 + (MAC_BYTES if maced else 0))
        body = self._opened(code, data, maced=maced)
        change = {0xDC: self._transaction.debit, 0x0C: self._transaction.credit}.get(
            code, self._transaction.limited_credit
        )
        change(data[0], file, int.from_bytes(body[1:5], "little", signed=True))
        return self._done()

    def _commit(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 0)
        if self._transaction.is_empty:
            raise Refused(Status.NO_CHANGES)
        self._keep(self._transaction.commit(self._application))
        return self._done()

    def _abort(self, code: int, data: bytes) -> bytes:
        self._require_length(self._noted(code, data), 0)
        if self._transaction.is_empty:
            raise Refused(Status.NO_CHANGES)
        self._transaction.clear()
        return self._done()


def _u24(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
