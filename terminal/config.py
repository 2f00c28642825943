"""The terminal's settings: one TOML file, read strictly. `docs/terminal.toml` shows all of it.

Card keys stand in this file or in one of their own; whichever holds them is its owner's alone (chmod 600).
"""

import enum
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hardware.cards.keys import CardKeys, MasterKeys
from protocol.ids import MerchantId
from protocol.instants import CampusTime
from protocol.settings import SettingsWrong, decode_settings
from protocol.signing import from_base64url
from terminal.identity import CA_FILE, TLS_FILE, IdentityError, JournalKeys
from terminal.key_tiers import TierName, keys_of
from terminal.mqtt_line import LineSettings, TlsFiles

_T = TypeVar("_T", bound=msgspec.Struct)
_READER_PATH = r"^(|/[A-Za-z0-9._/:@+-]+|usb(:[0-9]{1,3}:[0-9]{1,3})?)\Z"
_HOST = r"^([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,9}|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*)\Z"


class ConfigWrong(Exception):
    """The configuration cannot be used; the text says where, and what was expected."""


class May(enum.StrEnum):
    """What a terminal may do besides selling."""

    REFUND = "refund"
    LOAD = "load"
    TOPUP = "topup"
    OFFICE = "office"
    OVERRIDE = "override"


class ReaderKind(enum.StrEnum):
    """Which driver."""

    PCSC = "pcsc"
    PN532 = "pn532"
    SIMULATED = "simulated"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is a typing mistake."""


class _Reader(_Table, frozen=True):
    kind: ReaderKind = ReaderKind.PCSC
    name: str = ""
    path: Annotated[
        str,
        Meta(pattern=_READER_PATH, description="the path of a serial line, as /dev/ttyS0, or usb, or usb:BUS:DEVICE"),
    ] = ""


class _Broker(_Table, frozen=True):
    host: Annotated[str, Meta(pattern=_HOST, description="a host name or an address, without a port")]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    ca: str = ""
    cert: str = ""
    key: str = ""
    reconnect_last_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    keepalive_s: Annotated[int, Meta(ge=1, le=3_600)] = 30


class _Server(_Table, frozen=True):
    url: str


class _Campus(_Table, frozen=True):
    offset_min: Annotated[int, Meta(ge=-14 * 60, le=14 * 60)] = 480
    day_starts_min: Annotated[int, Meta(ge=0, le=24 * 60 - 1)] = 240


class _CardKeys(_Table, frozen=True):
    key_set: Annotated[int, Meta(ge=1, le=127)]
    debit: str
    credit: str = ""
    office: str = ""


class _CardKeysFile(_Table, frozen=True):
    card_keys: tuple[_CardKeys, ...]


class _File(_Table, frozen=True):
    directory: Annotated[str, Meta(min_length=1)]
    merchant: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9._-]{0,32}\Z", description="1 to 32 of A-Z a-z 0-9 . _ -, or none for a spare")
    ]
    language: str = "en"
    may: tuple[May, ...] = (May.REFUND,)
    key_tier: TierName = TierName.FILE
    second_medium: str = ""
    clock_chip: bool = False
    """Whether the machine has a battery-backed clock that is worth believing."""
    reader: _Reader = _Reader()
    broker: _Broker | None = None
    server: _Server | None = None
    campus: _Campus = _Campus()
    card_keys_file: str = ""
    card_keys: tuple[_CardKeys, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the program is told from outside."""

    directory: Path
    merchant: MerchantId
    """Empty: a spare, whose place the server tells."""
    language: str
    may: frozenset[May]
    journal_keys: JournalKeys
    second_medium: Path | None
    clock_chip: bool
    reader_name: str
    """A PC/SC reader, or how its name begins; empty: the first for cards without contacts."""
    reader_path: str
    """Where a PN532 is; empty: the reader is a PC/SC reader."""
    line: LineSettings | None
    """None: a terminal that was never meant to have a network."""
    server_url: str
    """Where the server answers HTTP; empty: the certificate is renewed by enrolling again."""
    campus: CampusTime
    card_keys: CardKeys = field(repr=False)
    key_set_new: int
    """The key set that new cards get."""


def read_config(path: Path) -> Config:
    """Read a file; relative paths in it are relative to its directory. Raises ConfigWrong."""
    file = _decode(path, _File)
    if file.reader.kind is ReaderKind.SIMULATED:
        raise ConfigWrong(
            f'{path}: reader.kind: "simulated" is for programs that bring their own reader (tests): no card could ever '
            'be put on it. Write "pcsc". A terminal sells for cash and answers without a reader, and `make demo` '
            "shows terminals with virtual cards behind a real PC/SC daemon"
        )
    base = path.parent
    directory = (base / file.directory).resolve()
    second_medium = base / file.second_medium if file.second_medium else None
    if second_medium and second_medium.resolve().is_relative_to(directory):
        raise ConfigWrong(f"{path}: second_medium: {second_medium} is on the medium of the journal; name another one")
    rows, keys_path = file.card_keys, path
    if file.card_keys_file:
        keys_path = base / file.card_keys_file
        rows = _decode(keys_path, _CardKeysFile).card_keys
        _require_private(keys_path)
    elif rows:
        _require_private(path)
    if not rows:
        raise ConfigWrong(f"{path}: no card keys. Without them no card can be read: add [[card_keys]] tables.")
    try:
        journal_keys = keys_of(file.key_tier)
    except IdentityError as error:
        raise ConfigWrong(f"{path}: key_tier: {error}") from error
    return Config(
        directory=directory,
        merchant=MerchantId(file.merchant),
        language=file.language,
        may=frozenset(file.may),
        journal_keys=journal_keys,
        second_medium=second_medium,
        clock_chip=file.clock_chip,
        reader_name=file.reader.name,
        reader_path=_reader_path(path, file.reader),
        line=_line(file.broker, base, directory) if file.broker else None,
        server_url=_server_url(file.server.url) if file.server else "",
        campus=CampusTime(file.campus.offset_min, file.campus.day_starts_min),
        card_keys=CardKeys(_master_keys(keys_path, row, frozenset(file.may)) for row in rows),
        key_set_new=rows[0].key_set,
    )


def _reader_path(path: Path, reader: _Reader) -> str:
    is_pn532 = reader.kind is ReaderKind.PN532
    if is_pn532 and not reader.path:
        raise ConfigWrong(f'{path}: reader.path: say where the PN532 is, as path = "/dev/ttyS0"')
    if is_pn532 and reader.name:
        raise ConfigWrong(f"{path}: reader.name: a PN532 has a path and no name")
    if reader.path and not is_pn532:
        raise ConfigWrong(f"{path}: reader.path: a PC/SC reader has a name and no path")
    return reader.path


def _decode(path: Path, kind: type[_T]) -> _T:
    try:
        return decode_settings(path.read_bytes(), kind)
    except OSError as error:
        raise ConfigWrong(f"{path}: {error.strerror}") from error
    except SettingsWrong as error:
        raise ConfigWrong(f"{path}: {error}") from error


def _require_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigWrong(f"{path} holds card keys and is open to others (mode {mode:04o}). Run: chmod 600 {path}")


def _line(broker: _Broker, base: Path, directory: Path) -> LineSettings:
    """With what enrolment brought, unless the file names other certificates."""
    tls = TlsFiles(directory / CA_FILE, directory / TLS_FILE, directory / TLS_FILE)
    named = (broker.ca, broker.cert, broker.key)
    if any(named):
        if not all(named):
            raise ConfigWrong("broker: ca, cert and key belong together: write all of them or none")
        tls = TlsFiles(*(base / name for name in named))
    return LineSettings(broker.host, broker.port, tls, broker.reconnect_last_s, broker.keepalive_s)


def _server_url(url: str) -> str:
    try:
        found = urlsplit(url)
        host, is_bare = found.hostname or "", found.port != 0 and not (found.query or found.fragment)
    except ValueError:
        host, is_bare = "", False
    if not (is_bare and re.match(_HOST, host) and re.fullmatch("https?://[!-~]+", url)):
        raise ConfigWrong(f"server.url: {url!r} is no address such as https://fanka.campus.example")
    return url


def _master_keys(path: Path, row: _CardKeys, may: frozenset[May]) -> MasterKeys:
    """Keys beyond what this terminal may do are not even taken into memory."""
    try:
        debit, credit, office = (from_base64url(text) if text else None for text in (row.debit, row.credit, row.office))
        keys = MasterKeys(row.key_set, debit or b"", credit, office)
    except ValueError:
        # Its cause would show the key.
        raise ConfigWrong(f"{path}: card_keys of set {row.key_set}: each key is 16 bytes in base64url") from None
    needed = {"credit": may & {May.LOAD, May.TOPUP, May.OFFICE}, "office": may & {May.OFFICE}}
    for name, why in needed.items():
        if why and not getattr(row, name):
            rights = ", ".join(sorted(why))
            raise ConfigWrong(
                f"{path}: card_keys of set {row.key_set}: the {name} key is missing, and `may` has {rights}"
            )
    if May.OFFICE in may:
        return keys
    return keys.for_a_station() if may & {May.LOAD, May.TOPUP} else keys.for_a_till()
