"""The settings of an NTAG 424 DNA's NDEF file, as ChangeFileSettings sends and GetFileSettings tells them.

    option  rights rights | SDM options  SDM rights SDM rights  PICCDataOffset  SDMMACInputOffset  SDMMACOffset

Written apart from `hardware/cards/ntag424.py`, and refuses what the chip refuses. Source: NXP NT4H2421Gx, sections
10.7.1 and 10.7.2, and AN12196. Of the chip's ways to mirror only this one is played: UID and counter enciphered as
ASCII, with a MAC.
"""

from dataclasses import dataclass
from typing import Self

from hardware.simulated.desfire_state import FREE, NEVER, CommMode, Refused, Rights, Status

FILE_BYTES = 256
_KEY_MAX = 4
_SDM = 0x40
_ENCIPHERED_UID_AND_COUNTER = 0xC1
_PICC_DATA_CHARS, _MAC_CHARS = 32, 16
_HEAD_BYTES, _TAIL_BYTES = 3, 12


@dataclass(frozen=True, slots=True)
class Sdm:
    """Where the tag puts what into its file, and under which keys."""

    meta_read: int
    file_read: int
    counter: int
    picc_data_at: int
    mac_input_at: int
    mac_at: int


@dataclass(frozen=True, slots=True)
class NdefSettings:
    """How the file travels, who may do what with it, and what the tag puts in."""

    comm: CommMode
    rights: Rights
    sdm: Sdm | None = None

    @classmethod
    def from_wire(cls, raw: bytes) -> Self:
        """What ChangeFileSettings says. Raises Refused as the chip does."""
        if len(raw) < _HEAD_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        option, rights = raw[0], Rights.from_wire(raw[1:3])
        comm = CommMode.PLAIN if not option & 1 else CommMode(option & 3)
        _require(not option & 0xBC and all(_is_right(right) for right in rights_of(rights)))
        if not option & _SDM:
            if len(raw) != _HEAD_BYTES:
                raise Refused(Status.LENGTH_ERROR)
            return cls(comm, rights)
        if len(raw) != _HEAD_BYTES + _TAIL_BYTES:
            raise Refused(Status.LENGTH_ERROR)
        return cls(comm, rights, _sdm_of(raw[_HEAD_BYTES:]))

    @property
    def head(self) -> bytes:
        """Option and access rights."""
        return bytes((self.comm | (_SDM if self.sdm else 0),)) + self.rights.to_wire()

    @property
    def tail(self) -> bytes:
        """What is said of the mirrors; empty without."""
        sdm = self.sdm
        if sdm is None:
            return b""
        keys = bytes((_ENCIPHERED_UID_AND_COUNTER, 0xF0 | sdm.counter, sdm.meta_read << 4 | sdm.file_read))
        return keys + b"".join(at.to_bytes(3, "little") for at in (sdm.picc_data_at, sdm.mac_input_at, sdm.mac_at))


def rights_of(rights: Rights) -> tuple[int, ...]:
    """All four."""
    return rights.read, rights.write, rights.read_write, rights.change


def _sdm_of(raw: bytes) -> Sdm:
    at, mac_input_at, mac_at = (int.from_bytes(raw[place : place + 3], "little") for place in (3, 6, 9))
    sdm = Sdm(raw[2] >> 4, raw[2] & 0x0F, raw[1] & 0x0F, at, mac_input_at, mac_at)
    _require(raw[0] == _ENCIPHERED_UID_AND_COUNTER and raw[1] >> 4 == NEVER)
    _require(sdm.meta_read <= _KEY_MAX and sdm.file_read <= _KEY_MAX and _is_right(sdm.counter))
    is_inside = at + _PICC_DATA_CHARS <= FILE_BYTES and mac_at + _MAC_CHARS <= FILE_BYTES
    is_apart = at + _PICC_DATA_CHARS <= mac_at or mac_at + _MAC_CHARS <= at
    _require(is_inside and is_apart and mac_input_at <= mac_at)
    return sdm


def _is_right(right: int) -> bool:
    return right <= _KEY_MAX or right in (FREE, NEVER)


def _require(is_so: bool) -> None:
    if not is_so:
        raise Refused(Status.PARAMETER_ERROR)


FACTORY_SETTINGS = NdefSettings(CommMode.PLAIN, Rights(FREE, FREE, FREE, 0))
"""NT4H2421Gx, table 7: anybody reads and writes, key 0 changes the settings."""
