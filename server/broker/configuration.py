"""The text of mosquitto.conf (mosquitto.conf(5), 2.0 and later), and the files that it names."""

import re
from dataclasses import dataclass
from pathlib import Path

MQTT_PACKET_BYTES_MAX = 512 * 1_024
"""A batch or a part of a list is at most 256 KiB; the rest is for its envelope."""
INFLIGHT_MESSAGES_MAX = 20
QUEUED_MESSAGES_MAX = 1_000
PORT_MAX = 65_535
SERVERS_MAX = 64
CONFIG, ACCESS, REVOKED, PID = "mosquitto.conf", "access.list", "revoked.pem", "mosquitto.pid"
CA, CERTIFICATE, KEY = "ca.crt", "broker.crt", "broker.key"

_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
"""Whether it is one, whoever uses it finds out; it ends no line of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker listens, what it is called, and where it keeps its files, retained messages and sessions."""

    directory: Path
    port: int
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    """Names and addresses that terminals connect to, besides those of this machine itself."""
    servers: int = 1
    """How many programs of the server connect, each with a certificate of its own."""

    def __post_init__(self) -> None:
        if not 0 < self.port <= PORT_MAX:
            raise ValueError(f"not a TCP port: {self.port}")
        if not 0 < self.servers <= SERVERS_MAX:
            raise ValueError(f"1 to {SERVERS_MAX} programs of the server, not {self.servers}")
        for host in (self.host, *self.names):
            if not _HOST.fullmatch(host):
                raise ValueError(f"not a host: {host!r} (an address, or a name in ASCII; other scripts as xn--…)")

    def file(self, name: str) -> Path:
        """One of the files that the configuration names."""
        return self.directory.resolve() / name


def configuration(settings: BrokerSettings) -> str:
    """Return the text of mosquitto.conf."""
    parts = (_listener(settings), _identity(settings), _persistence(settings), _limits(), _logging())
    return "\n".join([*(line for part in parts for line in part), ""])


def _listener(settings: BrokerSettings) -> list[str]:
    return [f"listener {settings.port} {settings.host}", "set_tcp_nodelay true"]


def _identity(settings: BrokerSettings) -> list[str]:
    """Who somebody is, the certificate says: as user name and as client identifier, so that nobody ends another's
    session by using its name."""
    return [
        "allow_anonymous false",
        f"cafile {settings.file(CA)}",
        f"certfile {settings.file(CERTIFICATE)}",
        f"keyfile {settings.file(KEY)}",
        f"crlfile {settings.file(REVOKED)}",
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        f"acl_file {settings.file(ACCESS)}",
    ]


def _persistence(settings: BrokerSettings) -> list[str]:
    return [
        f"pid_file {settings.file(PID)}",
        "persistence true",
        f"persistence_location {settings.directory.resolve()}/",
        "autosave_interval 60",
    ]


def _limits() -> list[str]:
    return [
        f"max_packet_size {MQTT_PACKET_BYTES_MAX}",
        f"max_inflight_messages {INFLIGHT_MESSAGES_MAX}",
        f"max_queued_messages {QUEUED_MESSAGES_MAX}",
        "persistent_client_expiration 30d",
    ]


def _logging() -> list[str]:
    return [
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages false",
    ]
