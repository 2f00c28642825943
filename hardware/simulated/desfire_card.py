"""A virtual MIFARE DESFire EV1, EV2 or EV3: its commands on the card, its applications and their files.

Sources: M075031 (commands, files, rights, transactions), MF3ICD81 as publicly known (AES keys, ChangeKey), NXP AN12196
(EV2's authentication). Not played: DES keys but the card's own, whose session can only change it to AES; 3DES keys, the
legacy authentication 0x0A, ISO file ids, linear record files, ISO 7816 commands, EV2's key sets and delegated
applications, the Transaction MAC, proximity check, the size of the EEPROM.
"""

import os
from collections.abc import Callable

from hardware.cards.crypto import RandomBytes
from hardware.simulated import desfire_files as files
from hardware.simulated.desfire_applications import DesfireApplications
from hardware.simulated.desfire_chip import MORE
from hardware.simulated.desfire_state import (
    FILES_MAX,
    FREE,
    NEVER,
    PICC_AID,
    SETTING_FREE_CREATE,
    SETTING_FREE_LISTING,
    CommMode,
    DataFile,
    DesfireState,
    File,
    RecordFile,
    Refused,
    Status,
    ValueFile,
)


class VirtualDesfire(DesfireApplications):
    """One card; `process` answers one APDU."""

    def __init__(self, state: DesfireState, random_bytes: RandomBytes = os.urandom) -> None:
        super().__init__(state, random_bytes)
        self._commands = self.card_commands() | self._file_commands()

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

    def _comm(self, file: File, *rights: int) -> CommMode:
        """How the file's content travels under one of these rights. Raises Refused without any of them.

        Access that is free for everybody is plain even in a session (M075031, coding of access rights).
        """
        if self._session and self._session.key_no in rights:
            return file.comm
        if FREE in rights:
            return CommMode.PLAIN
        raise Refused(Status.PERMISSION_DENIED if set(rights) == {NEVER} else Status.AUTHENTICATION_ERROR)

    def _create_file(self, code: int, data: bytes) -> bytes:
        if self._session:
            data = self._session.opened(code, data, CommMode.MACED)
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
        data = self._opened(code, data, 1)
        self._require_setting_or_master(SETTING_FREE_LISTING)
        return self._done(files.settings_of(self._file(data[0])))

    def _read_data(self, code: int, data: bytes) -> bytes:
        file = self._file_in(data)
        if not isinstance(file, DataFile):
            raise Refused(Status.PARAMETER_ERROR)
        comm = self._comm(file, file.rights.read, file.rights.read_write)
        data = self._opened(code, data, 7, comm)
        return self._done(files.read_data(file, _u24(data[1:4]), _u24(data[4:7])), comm)

    def _read_records(self, code: int, data: bytes) -> bytes:
        file = self._file_in(data)
        if not isinstance(file, RecordFile):
            raise Refused(Status.PARAMETER_ERROR)
        comm = self._comm(file, file.rights.read, file.rights.read_write)
        data = self._opened(code, data, 7, comm)
        return self._done(files.read_records(file, _u24(data[1:4]), _u24(data[4:7])), comm)

    def _get_value(self, code: int, data: bytes) -> bytes:
        file = self._file_in(data)
        if not isinstance(file, ValueFile):
            raise Refused(Status.PARAMETER_ERROR)
        comm = self._comm(file, file.rights.read, file.rights.write, file.rights.read_write)
        self._opened(code, data, 1, comm)
        return self._done(file.value.to_bytes(4, "little", signed=True), comm)

    def _write(self, code: int, data: bytes) -> bytes:
        """WriteData and WriteRecord: file, offset (3), length (3), content; more frames may follow."""
        if len(data) < 7:
            raise Refused(Status.LENGTH_ERROR)
        file = self._file(data[0])
        if isinstance(file, ValueFile) or isinstance(file, RecordFile) is not (code == 0x3B):
            raise Refused(Status.PARAMETER_ERROR)
        comm = self._comm(file, file.rights.write, file.rights.read_write)
        offset, length = _u24(data[1:4]), _u24(data[4:7])
        if length == 0:
            raise Refused(Status.PARAMETER_ERROR)
        if len(data) < 7 + (self._session.content_bytes(length, comm) if self._session else length):
            self._incoming = (code, data)
            return bytes((0x91, MORE))
        content = self._content(code, data, 7, length, comm)
        if isinstance(file, RecordFile):
            self._transaction.write_record(data[0], file, offset, content)
        elif file.backup:
            self._transaction.write_data(data[0], file, offset, content)
        else:
            self._keep(self._application.with_file(data[0], files.written(file, offset, content)))
        return self._done(mode=comm)

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
        comm = self._comm(file, *rights)
        amount = int.from_bytes(self._content(code, data, 1, 4, comm), "little", signed=True)
        change = {0xDC: self._transaction.debit, 0x0C: self._transaction.credit}.get(
            code, self._transaction.limited_credit
        )
        change(data[0], file, amount)
        return self._done(mode=comm)

    def _file_in(self, data: bytes) -> File:
        """The file that a command names in its first byte."""
        if not data:
            raise Refused(Status.LENGTH_ERROR)
        return self._file(data[0])

    def _content(self, code: int, data: bytes, header_bytes: int, length: int, comm: CommMode) -> bytes:
        """The content behind a command's header, checked and deciphered. Raises Refused."""
        header, sent = data[:header_bytes], data[header_bytes:]
        self._require_length(sent, self._session.content_bytes(length, comm) if self._session else length)
        return self._session.written(code, header, sent, length, comm) if self._session else sent

    def _commit(self, code: int, data: bytes) -> bytes:
        self._opened(code, data, 0)
        if self._transaction.is_empty:
            raise Refused(Status.NO_CHANGES)
        self._keep(self._transaction.commit(self._application))
        return self._done()

    def _abort(self, code: int, data: bytes) -> bytes:
        self._opened(code, data, 0)
        if self._transaction.is_empty:
            raise Refused(Status.NO_CHANGES)
        self._transaction.clear()
        return self._done()


def _u24(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
