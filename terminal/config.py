"""The terminal's settings: one TOML file, read strictly. `docs/terminal.toml` shows all of it.

Card keys were delivered (`terminal/card_key_files.py`), or stand in this file or in one of their own; whichever holds
them is its owner's alone (chmod 600).
"""

import enum
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hardware.cards.keys import CardKeys, MasterKeys, SamKeys
from hardware.cards.sun import LINK_DEFAULT, ndef_file
from protocol.card_keys import KeySetsFile, KeySetTable
from protocol.ids import U16_MAX, U32_MAX, CardNo, Generation, MerchantId
from protocol.instants import CampusTime
from protocol.purse import CardClass, Identity
from protocol.purse_desfire import KEY_SET_MAX
from protocol.settings import SettingsWrong, decode_settings
from protocol.signing import from_base64url
from terminal.card_key_files import DELIVERED_FILE, CardKeysUnusable, read_delivered, require_private
from terminal.identity import CA_FILE, TLS_FILE, IdentityError, JournalKeys
from terminal.key_tiers import TierName, keys_of
from terminal.mqtt_line import LineSettings, TlsFiles
from terminal.sam_keys import SamTable, keys_in
from terminal.server_address import SERVER_FILE, kept_address
from terminal.theme import ScreenSettings, Theme

_log = logging.getLogger(__name__)

_T = TypeVar("_T", bound=msgspec.Struct)
_READER_PATH = r"^(|/[A-Za-z0-9._/:@+-]+|usb(:[0-9]{1,3}:[0-9]{1,3})?)\Z"
_HOST = r"^([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,9}|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*)\Z"


class ConfigWrong(Exception):
    """The configuration cannot be used; the text says where, and what was expected."""


class NoCardKeys(ConfigWrong):
    """Nothing else is missing."""


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


class _Office(_Table, frozen=True):
    link: str = LINK_DEFAULT


class _ScreenSize(enum.StrEnum):
    SMALL = "480x320"
    USUAL = "800x480"
    LARGE = "1024x600"


class _Screen(_Table, frozen=True):
    size: _ScreenSize = _ScreenSize.USUAL
    full: bool = False
    theme: Theme = Theme.LIGHT
    volume: Annotated[int, Meta(ge=0, le=100)] = 60


class _Server(_Table, frozen=True):
    url: str


class _Campus(_Table, frozen=True):
    offset_min: Annotated[int, Meta(ge=-14 * 60, le=14 * 60)] = 480
    day_starts_min: Annotated[int, Meta(ge=0, le=24 * 60 - 1)] = 240


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
    office: _Office = _Office()
    screen: _Screen | None = None
    card_keys_file: str = ""
    card_keys: tuple[KeySetTable, ...] = ()
    sam: SamTable | None = None


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
    """Where the server answers HTTP: what the settings say, else where this terminal was enrolled.

    Empty: it was enrolled by hand, and the certificate is renewed by enrolling again.
    """
    campus: CampusTime
    card_keys: CardKeys = field(repr=False)
    key_set_new: int
    """The key set that new cards get."""
    link: str = LINK_DEFAULT
    """The page that a phone opens which reads a tag made here."""
    screen: ScreenSettings | None = None
    """None: the console alone."""


def read_config(path: Path, *, with_card_keys: bool = True) -> Config:
    """Read a file; relative paths in it are relative to its directory. Raises ConfigWrong.

    `with_card_keys` False: to have them delivered; what was delivered before is not looked at.
    """
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
    try:
        journal_keys = keys_of(file.key_tier)
    except IdentityError as error:
        raise ConfigWrong(f"{path}: key_tier: {error}") from error
    keys_path, rows = _key_sets(path, file)
    in_sam = _in_sam(path, directory, file, rows) if file.sam else None
    if with_card_keys and in_sam is None:
        keys_path, rows = _in_force(path, directory, keys_path, rows)
    key_sets = in_sam.key_sets if in_sam else tuple(row.key_set for row in rows)
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
        server_url=server_url(file.server.url) if file.server else _kept_url(directory),
        campus=CampusTime(file.campus.offset_min, file.campus.day_starts_min),
        card_keys=CardKeys((_master_keys(keys_path, row, frozenset(file.may)) for row in rows), in_sam),
        key_set_new=key_sets[0] if key_sets else 0,
        link=_link(path, file.office.link),
        screen=_screen(file.screen) if file.screen else None,
    )


_Rows = tuple[KeySetTable, ...]


def _key_sets(path: Path, file: _File) -> tuple[Path, _Rows]:
    """What the settings say, and where."""
    try:
        if file.card_keys_file:
            named = path.parent / file.card_keys_file
            rows = _decode(named, KeySetsFile).card_keys
            require_private(named)
            return named, rows
        if file.card_keys:
            require_private(path)
    except CardKeysUnusable as error:
        raise ConfigWrong(str(error)) from error
    return path, file.card_keys


def _in_force(path: Path, directory: Path, keys_path: Path, rows: _Rows) -> tuple[Path, _Rows]:
    """What was delivered or what the settings say; never both."""
    delivered = directory / DELIVERED_FILE
    try:
        found = read_delivered(directory)
    except (CardKeysUnusable, OSError) as error:
        raise ConfigWrong(str(error)) from error
    if found and rows:
        raise ConfigWrong(f"{keys_path}: card keys stand here, and others were delivered ({delivered}): take these out")
    if not found and not rows:
        if not directory.is_dir():
            raise ConfigWrong(f"{path}: directory: there is no {directory}. Enrol the terminal, or put the name right.")
        raise NoCardKeys(
            f"{path}: no card keys. Without them no card can be read: ask the vault (docs/card-keys.md), or add "
            "[[card_keys]] tables."
        )
    return (delivered, found.card_keys) if found else (keys_path, rows)


def _in_sam(path: Path, directory: Path, file: _File, rows: _Rows) -> SamKeys:
    """What lies in a SAM; then no card keys lie here, neither written nor delivered."""
    assert file.sam is not None
    delivered = directory / DELIVERED_FILE
    if rows or delivered.exists():
        raise ConfigWrong(
            f"{path}: sam: card keys lie here too ({delivered if delivered.exists() else path}): take them out"
        )
    try:
        if file.sam.host_key:
            require_private(path)
        return keys_in(
            file.sam, may_credit=bool({May.LOAD, May.TOPUP} & set(file.may)), may_office=May.OFFICE in file.may
        )
    except (CardKeysUnusable, ValueError) as error:
        raise ConfigWrong(f"{path}: sam: {error}") from error


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


def _line(broker: _Broker, base: Path, directory: Path) -> LineSettings:
    """With what enrolment brought, unless the file names other certificates."""
    tls = TlsFiles(directory / CA_FILE, directory / TLS_FILE, directory / TLS_FILE)
    named = (broker.ca, broker.cert, broker.key)
    if any(named):
        if not all(named):
            raise ConfigWrong("broker: ca, cert and key belong together: write all of them or none")
        tls = TlsFiles(*(base / name for name in named))
    return LineSettings(broker.host, broker.port, tls, broker.reconnect_last_s, broker.keepalive_s)


def _link(path: Path, link: str) -> str:
    try:
        ndef_file(link, KEY_SET_MAX, Identity(CardNo(U32_MAX), Generation(U16_MAX), CardClass.STUDENT))
    except ValueError as error:
        raise ConfigWrong(f"{path}: office.link: {error}") from error
    return link


def _screen(screen: _Screen) -> ScreenSettings:
    width, _, height = screen.size.partition("x")
    return ScreenSettings((int(width), int(height)), screen.full, screen.theme, screen.volume)


def server_url(url: str) -> str:
    """An address of the server's HTTP. Raises ConfigWrong."""
    try:
        found = urlsplit(url)
        host, is_bare = found.hostname or "", found.port != 0 and not (found.query or found.fragment)
    except ValueError:
        host, is_bare = "", False
    if not (is_bare and re.match(_HOST, host) and re.fullmatch("https?://[!-~]+", url)):
        raise ConfigWrong(f"server.url: {url!r} is no address such as https://fanka.campus.example")
    return url


def _kept_url(directory: Path) -> str:
    """An address that cannot be one was none at enrolment either: it is left out."""
    kept = kept_address(directory)
    try:
        return server_url(kept) if kept else ""
    except ConfigWrong as error:
        _log.warning("%s: %s", directory / SERVER_FILE, error)
        return ""


def _master_keys(path: Path, row: KeySetTable, may: frozenset[May]) -> MasterKeys:
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
