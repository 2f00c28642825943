"""What a virtual DESFire card keeps without power: keys, applications, files. All of it immutable.

A snapshot is therefore the state itself; a commit replaces it by another one. Write it as JSON to keep a card.
Layouts and defaults: MIFARE DESFire functional specification M075031 and MF3ICD81 (EV1), as publicly known.
"""

import enum

import msgspec

AID_BYTES = 3
PICC_AID = bytes(AID_BYTES)
UID_BYTES = 7
APPLICATIONS_MAX = 28
FILES_MAX = 32
KEYS_MAX = 14
FREE, NEVER = 0xE, 0xF

SETTING_MASTER_CHANGEABLE, SETTING_FREE_LISTING, SETTING_FREE_CREATE, SETTING_CHANGEABLE = 1, 2, 4, 8
PICC_SETTINGS_DEFAULT = 0x0F


class Status(enum.IntEnum):
    """The second status byte of an answer (the first is 0x91)."""

    OK = 0x00
    NO_CHANGES = 0x0C
    ILLEGAL_COMMAND = 0x1C
    INTEGRITY_ERROR = 0x1E
    NO_SUCH_KEY = 0x40
    LENGTH_ERROR = 0x7E
    PERMISSION_DENIED = 0x9D
    PARAMETER_ERROR = 0x9E
    APPLICATION_NOT_FOUND = 0xA0
    AUTHENTICATION_ERROR = 0xAE
    ADDITIONAL_FRAME = 0xAF
    BOUNDARY_ERROR = 0xBE
    COUNT_ERROR = 0xCE
    DUPLICATE_ERROR = 0xDE
    FILE_NOT_FOUND = 0xF0


class Refused(Exception):
    """A command fails with this status; the session and the transaction end with it."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class Chip(enum.StrEnum):
    """Which generation a card is of: what GetVersion says, and whether it knows EV2's authentication."""

    EV1 = "ev1"
    EV2 = "ev2"
    EV3 = "ev3"


class KeyKind(enum.StrEnum):
    """What cipher a key is for. A factory-new chip has a DES master key; what it creates is AES here."""

    AES = "aes"
    DES = "des"


class CommMode(enum.IntEnum):
    """How the content of a file travels."""

    PLAIN = 0
    MACED = 1
    FULL = 3


class StoredKey(msgspec.Struct, frozen=True):
    """A key in its slot."""

    raw: bytes = bytes(16)
    version: int = 0
    kind: KeyKind = KeyKind.AES


class Rights(msgspec.Struct, frozen=True, array_like=True):
    """Which key may do what with a file: a key number, 14 for everybody, 15 for nobody."""

    read: int
    write: int
    read_write: int
    change: int

    @classmethod
    def from_wire(cls, raw: bytes) -> "Rights":
        """Decode the two bytes of a create command, least significant first."""
        return cls(raw[1] >> 4, raw[1] & 0x0F, raw[0] >> 4, raw[0] & 0x0F)

    def to_wire(self) -> bytes:
        """The two bytes of GetFileSettings."""
        return bytes((self.read_write << 4 | self.change, self.read << 4 | self.write))


class DataFile(msgspec.Struct, frozen=True, tag="data"):
    """A standard or a backup data file."""

    comm: CommMode
    rights: Rights
    content: bytes
    backup: bool


class ValueFile(msgspec.Struct, frozen=True, tag="value"):
    """A value file; `limited_available` is what LimitedCredit may still give back."""

    comm: CommMode
    rights: Rights
    lower: int
    upper: int
    value: int
    limited_enabled: bool
    limited_available: int = 0


class RecordFile(msgspec.Struct, frozen=True, tag="record"):
    """A cyclic record file; the oldest record comes first, one place of `records_max` is always the spare."""

    comm: CommMode
    rights: Rights
    record_bytes: int
    records_max: int
    records: tuple[bytes, ...] = ()


File = DataFile | ValueFile | RecordFile


class Application(msgspec.Struct, frozen=True):
    """An application: its key settings, its keys by number, its files by number."""

    settings: int
    keys: tuple[StoredKey, ...]
    files: dict[int, File] = msgspec.field(default_factory=dict[int, File])

    def with_file(self, number: int, file: File) -> "Application":
        """The application with one file more, or another one in that place."""
        return msgspec.structs.replace(self, files={**self.files, number: file})

    def with_key(self, number: int, key: StoredKey) -> "Application":
        """The application with one key changed."""
        return msgspec.structs.replace(self, keys=(*self.keys[:number], key, *self.keys[number + 1 :]))


class DesfireState(msgspec.Struct, frozen=True):
    """The whole card. The card level (AID 000000) is an application with one key and no files."""

    uid: bytes
    applications: dict[str, Application]
    chip: Chip = Chip.EV1

    def application(self, aid: bytes) -> Application | None:
        """The application with this id, in the byte order of the wire."""
        return self.applications.get(aid.hex())

    def with_application(self, aid: bytes, application: Application | None) -> "DesfireState":
        """The card with an application added, replaced, or deleted (None)."""
        applications = {**self.applications}
        applications.pop(aid.hex(), None)
        if application is not None:
            applications[aid.hex()] = application
        return msgspec.structs.replace(self, applications=applications)


def blank_desfire(uid: bytes, chip: Chip = Chip.EV1) -> DesfireState:
    """A card as the factory sends it: an all-zero DES master key and nothing on it."""
    if len(uid) != UID_BYTES:
        raise ValueError(f"a DESFire UID has {UID_BYTES} bytes")
    master = StoredKey(kind=KeyKind.DES)
    return DesfireState(uid, {PICC_AID.hex(): Application(PICC_SETTINGS_DEFAULT, (master,))}, chip)
