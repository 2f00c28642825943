"""Files of a virtual DESFire card: how they are created, read, and changed by one transaction.

Backup, value and record files show their old content until CommitTransaction; then all changes are true at once
(M075031, transaction handling). A standard file changes at once.
"""

import msgspec

from hardware.simulated.desfire_state import (
    Application,
    CommMode,
    DataFile,
    File,
    RecordFile,
    Refused,
    Rights,
    Status,
    ValueFile,
)

VALUE_MIN, VALUE_MAX = -(2**31), 2**31 - 1


def new_data_file(params: bytes, *, backup: bool) -> DataFile:
    """CreateStdDataFile, CreateBackupDataFile: communication, rights, size (3)."""
    _require_length(params, 6)
    return DataFile(_comm(params[0]), Rights.from_wire(params[1:3]), bytes(_u24(params[3:6])), backup)


def new_value_file(params: bytes) -> ValueFile:
    """CreateValueFile: communication, rights, lower limit, upper limit, value, limited credit enabled."""
    _require_length(params, 16)
    lower, upper, value = (int.from_bytes(params[at : at + 4], "little", signed=True) for at in (3, 7, 11))
    if not lower <= value <= upper:
        raise Refused(Status.PARAMETER_ERROR)
    return ValueFile(_comm(params[0]), Rights.from_wire(params[1:3]), lower, upper, value, bool(params[15] & 1))


def new_cyclic_file(params: bytes) -> RecordFile:
    """CreateCyclicRecordFile: communication, rights, record size (3), number of records (3, at least 2)."""
    _require_length(params, 9)
    record_bytes, records_max = _u24(params[3:6]), _u24(params[6:9])
    if record_bytes == 0 or records_max < 2:
        raise Refused(Status.PARAMETER_ERROR)
    return RecordFile(_comm(params[0]), Rights.from_wire(params[1:3]), record_bytes, records_max)


def settings_of(file: File) -> bytes:
    """The answer of GetFileSettings."""
    match file:
        case DataFile():
            kind, rest = 1 if file.backup else 0, len(file.content).to_bytes(3, "little")
        case ValueFile():
            kind = 2
            numbers = (file.lower, file.upper, file.limited_available)
            rest = b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)
            rest += bytes((file.limited_enabled,))
        case RecordFile():
            kind = 4
            counts = (file.record_bytes, file.records_max, len(file.records))
            rest = b"".join(count.to_bytes(3, "little") for count in counts)
    return bytes((kind, file.comm)) + file.rights.to_wire() + rest


def read_data(file: DataFile, offset: int, length: int) -> bytes:
    """Part of a data file; length 0 reads to its end."""
    length = length or len(file.content) - offset
    if offset < 0 or length <= 0 or offset + length > len(file.content):
        raise Refused(Status.BOUNDARY_ERROR)
    return file.content[offset : offset + length]


def read_records(file: RecordFile, offset: int, count: int) -> bytes:
    """Records in the order of time, the last of them `offset` records before the newest; count 0 reads all."""
    available = len(file.records) - offset
    count = count or available
    if count <= 0 or count > available:
        raise Refused(Status.BOUNDARY_ERROR)
    return b"".join(file.records[available - count : available])


class Transaction:
    """What has been asked for since the last commit, and is not true yet."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self._debited: dict[int, int] = {}
        self._recorded: set[int] = set()

    def clear(self) -> None:
        """Forget everything, as an error, a reset or AbortTransaction does."""
        self._files.clear()
        self._debited.clear()
        self._recorded.clear()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self._files

    def debit(self, number: int, file: ValueFile, amount: int) -> None:
        """Take from a value file, down to its lower limit."""
        now = self._value(number, file)
        value = now.value - _positive(amount)
        if value < now.lower:
            raise Refused(Status.BOUNDARY_ERROR)
        self._debited[number] = self._debited.get(number, 0) + amount
        self._files[number] = msgspec.structs.replace(now, value=value)

    def credit(self, number: int, file: ValueFile, amount: int) -> None:
        """Add to a value file, up to its upper limit."""
        now = self._value(number, file)
        value = now.value + _positive(amount)
        if value > now.upper:
            raise Refused(Status.BOUNDARY_ERROR)
        self._files[number] = msgspec.structs.replace(now, value=value)

    def limited_credit(self, number: int, file: ValueFile, amount: int) -> None:
        """Give back at most the debits of the last transaction that had one; once, whatever it gives back."""
        now = self._value(number, file)
        if not now.limited_enabled:
            raise Refused(Status.PERMISSION_DENIED)
        if _positive(amount) > now.limited_available:
            raise Refused(Status.BOUNDARY_ERROR)
        self._files[number] = msgspec.structs.replace(now, limited_available=0)
        self.credit(number, file, amount)

    def write_data(self, number: int, file: DataFile, offset: int, data: bytes) -> None:
        """Replace part of a backup data file."""
        now = self._files.get(number, file)
        assert isinstance(now, DataFile)
        self._files[number] = written(now, offset, data)

    def write_record(self, number: int, file: RecordFile, offset: int, data: bytes) -> None:
        """Fill the one new record of this transaction; where it is not written it is zero."""
        now = self._files.get(number, file)
        assert isinstance(now, RecordFile)
        if offset + len(data) > file.record_bytes:
            raise Refused(Status.BOUNDARY_ERROR)
        kept, record = now.records, bytes(file.record_bytes)
        if number in self._recorded:
            kept, record = kept[:-1], kept[-1]
        record = record[:offset] + data + record[offset + len(data) :]
        self._recorded.add(number)
        self._files[number] = msgspec.structs.replace(now, records=(*kept, record)[-(file.records_max - 1) :])

    def commit(self, application: Application) -> Application:
        """The application with every change made at once."""
        files = dict(self._files)
        for number, debited in self._debited.items():
            file = files[number]
            assert isinstance(file, ValueFile)
            files[number] = msgspec.structs.replace(file, limited_available=debited)
        self.clear()
        return msgspec.structs.replace(application, files={**application.files, **files})

    def _value(self, number: int, file: ValueFile) -> ValueFile:
        now = self._files.get(number, file)
        assert isinstance(now, ValueFile)
        return now


def written(file: DataFile, offset: int, data: bytes) -> DataFile:
    """A data file with part of it replaced."""
    if offset + len(data) > len(file.content):
        raise Refused(Status.BOUNDARY_ERROR)
    content = file.content[:offset] + data + file.content[offset + len(data) :]
    return msgspec.structs.replace(file, content=content)


def _comm(raw: int) -> CommMode:
    """Plain (0 or 2), MACed (1) or enciphered (3)."""
    if raw not in (0, 1, 2, 3):
        raise Refused(Status.PARAMETER_ERROR)
    return CommMode.PLAIN if raw == 2 else CommMode(raw)


def _positive(amount: int) -> int:
    if amount < 0:
        raise Refused(Status.PARAMETER_ERROR)
    return amount


def _require_length(params: bytes, length: int) -> None:
    if len(params) != length:
        raise Refused(Status.LENGTH_ERROR)


def _u24(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
