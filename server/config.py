"""The server's settings: one TOML file, read strictly. `docs/server.toml` shows every key.

Relative paths are relative to the file. Without `database` it is SQLite in `data`. A broker on another machine is named
in `[mqtt]` instead of `[broker]`; without either only HTTP is there.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from protocol.instants import HOUR_MS, MINUTE_MS, CampusTime
from protocol.settings import SettingsWrong, decode_settings
from server.auth.rules import Operator, Role
from server.broker.configuration import PORT_MAX, SERVERS_MAX, BrokerSettings

_Port = Annotated[int, Meta(ge=0, le=65_535)]


class ConfigWrong(Exception):
    """The configuration cannot be used; the text says where and what was expected."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is a typing mistake."""


class HttpSettings(_Table, frozen=True):
    """Where the API listens; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: _Port = 8080


class MqttSettings(_Table, frozen=True):
    """The broker; with `ca` the connection is TLS, with `cert` and `key` mutual TLS."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    client_id: str = "fanka-server"
    ca: str = ""
    cert: str = ""
    key: str = ""
    reconnect_max_s: Annotated[int, Meta(ge=1, le=300)] = 30


class BrokerTable(_Table, frozen=True):
    """Mosquitto on this machine, with certificates of our own authority; then `[mqtt]` is not needed."""

    directory: str = "broker"
    host: str = "0.0.0.0"  # noqa: S104  terminals are elsewhere; without a certificate nobody is let in
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    names: tuple[str, ...] = ()
    servers: Annotated[int, Meta(ge=1, le=SERVERS_MAX)] = 1
    """How many programs of the server connect to it."""


class CampusSettings(_Table, frozen=True):
    """Civil time of the campus."""

    offset_min: Annotated[int, Meta(ge=-14 * 60, le=14 * 60)] = 480
    day_starts_min: Annotated[int, Meta(ge=0, le=24 * 60 - 1)] = 240


class ListSettings(_Table, frozen=True):
    """How long a manifest holds, how often it is renewed, how soon a change is published."""

    valid_h: Annotated[int, Meta(ge=1, le=24 * 60)] = 72
    renew_min: Annotated[int, Meta(ge=1, le=24 * 60)] = 60
    look_every_ms: Annotated[int, Meta(ge=100, le=60_000)] = 500


class MoneySettings(_Table, frozen=True):
    """Movements and loads of more cents than this take two people; corrections and reversals always do."""

    alone_cents_max: Annotated[int, Meta(ge=0)] = 1_000_000
    load_alone_cents_max: Annotated[int, Meta(ge=0)] = 100_000
    """Onto one card at a time: money taken in for it, or a subsidy."""


class AlarmSettings(_Table, frozen=True):
    """When somebody must look: a terminal is not heard of for so long, so little of the disk is free."""

    silent_h: Annotated[int, Meta(ge=1, le=24 * 365)] = 72
    disk_free_percent: Annotated[int, Meta(ge=0, le=99)] = 10


class MetricsSettings(_Table, frozen=True):
    """Who may read /metrics: whoever has the token (its SHA-256, hex), or programs of this machine. Else nobody."""

    token_sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$", description="64 of 0-9 a-f, or empty")] = ""
    local: bool = False


class LogSettings(_Table, frozen=True):
    """How log lines look, and from which level on."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class OperatorSettings(_Table, frozen=True):
    """A person at a desk; the file holds only the SHA-256 of the bearer token (hex)."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="1 to 32 of A-Z a-z 0-9 . _ -")]
    token_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="64 of 0-9 a-f, the token's SHA-256")]
    roles: tuple[Role, ...]


class Settings(_Table, frozen=True):
    """Everything."""

    data: Annotated[str, Meta(min_length=1)]
    """Directory of keys, and of the database unless `database` names another."""
    database: str = ""
    http: HttpSettings = HttpSettings()
    mqtt: MqttSettings | None = None
    broker: BrokerTable | None = None
    campus: CampusSettings = CampusSettings()
    lists: ListSettings = ListSettings()
    money: MoneySettings = MoneySettings()
    alarms: AlarmSettings = AlarmSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    upkeep_every_s: Annotated[int, Meta(ge=1, le=3_600)] = 30
    operators: tuple[OperatorSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """Settings as the program counts them."""

    lists_valid_ms: int
    lists_renew_ms: int


def read_settings(path: Path) -> Settings:
    """Read a file. Relative paths in it are relative to its directory. Raises ConfigWrong."""
    try:
        settings = decode_settings(path.read_bytes(), Settings)
    except OSError as error:
        raise ConfigWrong(f"{path}: {error.strerror}") from error
    except SettingsWrong as error:
        raise ConfigWrong(f"{path}: {error}") from error
    tokens = [operator.token_sha256 for operator in settings.operators]
    names = [operator.name for operator in settings.operators]
    if settings.mqtt and settings.broker:
        raise ConfigWrong(f"{path}: [broker] is Mosquitto on this machine, [mqtt] one elsewhere; there is one broker")
    same = Counter(name.casefold() for name in names)
    if twice := sorted(name for name in names if same[name.casefold()] > 1):
        raise ConfigWrong(
            f"{path}: two operators have the same name, {twice[0]}: the trail, and what takes two people, tell them "
            "apart by it, and capital letters do not count; add something to one of them"
        )
    if len(set(tokens)) != len(tokens):
        raise ConfigWrong(f"{path}: two operators have the same token; each has one of their own")
    base = path.parent.resolve()
    data = base / settings.data
    broker = settings.broker
    return msgspec.structs.replace(
        settings,
        data=str(data.resolve()),
        database=settings.database or f"sqlite+aiosqlite:///{data.resolve() / 'server.db'}",
        mqtt=_with_files(settings.mqtt, path) if settings.mqtt else None,
        broker=msgspec.structs.replace(broker, directory=str(base / broker.directory)) if broker else None,
    )


def _with_files(mqtt: MqttSettings, path: Path) -> MqttSettings:
    """The same with whole paths of its TLS files. Raises ConfigWrong where one is not there."""
    whole: dict[str, str] = {}
    for name in ("ca", "cert", "key"):
        if given := getattr(mqtt, name):
            whole[name] = str((path.parent / given).resolve())
            if not Path(whole[name]).is_file():
                raise ConfigWrong(f"{path}: mqtt.{name}: there is no file {whole[name]}")
    if bool(mqtt.cert) != bool(mqtt.key) or (mqtt.cert and not mqtt.ca):
        raise ConfigWrong(f"{path}: mqtt: cert and key belong together, and beside ca")
    return msgspec.structs.replace(mqtt, **whole)


def broker_of(settings: Settings) -> BrokerSettings | None:
    """The broker of this machine. Raises ConfigWrong."""
    found = settings.broker
    if found is None:
        return None
    try:
        return BrokerSettings(
            directory=Path(found.directory), port=found.port, host=found.host, names=found.names, servers=found.servers
        )
    except ValueError as error:
        raise ConfigWrong(f"[broker]: {error}") from error


def settings_at(settings: Settings, port: int | None) -> Settings:
    """The same, listening at another port where one is given. Raises ConfigWrong."""
    if port is None:
        return settings
    if not 0 <= port <= PORT_MAX:
        raise ConfigWrong(f"--port {port}: a port from 0 to {PORT_MAX}")
    return msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, port=port))


def mqtt_numbered(mqtt: MqttSettings | None, number: int) -> MqttSettings | None:
    """How one of several processes reaches a broker elsewhere: each under a client identifier of its own."""
    if mqtt is None or number == 1:
        return mqtt
    return msgspec.structs.replace(mqtt, client_id=f"{mqtt.client_id}-{number}")


def campus_of(settings: Settings) -> CampusTime:
    """The campus' civil time."""
    return CampusTime(settings.campus.offset_min, settings.campus.day_starts_min)


def operators_of(settings: Settings) -> dict[str, Operator]:
    """Operators by the SHA-256 of their tokens."""
    return {known.token_sha256: Operator(known.name, known.roles) for known in settings.operators}


def timing_of(settings: Settings) -> Timing:
    """Durations in milliseconds."""
    return Timing(settings.lists.valid_h * HOUR_MS, settings.lists.renew_min * MINUTE_MS)
