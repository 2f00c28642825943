"""A Mosquitto as the server prepares it, with certificates for whoever a test needs."""

import ssl
import time
from collections.abc import Iterable
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocol.ids import SiteId, TerminalId
from protocol.instants import UtcMs
from server.broker.certificates import Pair, new_authority, server_name
from server.broker.configuration import BrokerSettings
from server.broker.process import Broker, free_port
from server.broker.site import BrokerSite, TlsFiles

ANYBODY = server_name(2)
"""Whoever has this certificate may say and hear everything; the server itself is the first of this name."""


def now() -> UtcMs:
    """This machine's clock: certificates are checked by programs of others."""
    return UtcMs(time.time_ns() // 1_000_000)


class OwnBroker(Broker):
    """A broker process with the site that it runs from."""

    def __init__(
        self, directory: Path, terminals: Iterable[str] = (), site: str = "north-campus", at: UtcMs | None = None
    ) -> None:
        """`at`: when its own certificate was made; now, by default."""
        self.site = BrokerSite(
            BrokerSettings(directory=directory, port=free_port(), servers=2), new_authority("Test", now())
        )
        self.site.prepare(at or now())
        self.site.take_back((), now())
        self.site.let_in({TerminalId(tid): SiteId(site) for tid in terminals})
        super().__init__(self.site.settings)

    def files(self, name: str = ANYBODY, pair: Pair | None = None) -> TlsFiles:
        """A certificate for somebody, by default new and good, in files."""
        found = pair or self.site.client(name, now(), 1)
        directory = self.settings.directory / "clients"
        directory.mkdir(exist_ok=True)
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(found.certificate_pem())
        key.write_bytes(found.key_pem())
        return TlsFiles(self.settings.directory / "ca.crt", certificate, key)

    def client(
        self, name: str = ANYBODY, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5, pair: Pair | None = None
    ) -> Client:
        """A client that shows this certificate; not yet connected."""
        return client_with(self.files(name, pair), name, version)


def client_with(files: TlsFiles, name: str, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> Client:
    """A client that shows these files."""
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=version)
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.certificate, files.key)
    client.tls_set_context(context)  # pyright: ignore[reportUnknownMemberType]
    client.reconnect_delay_set(1, 1)
    return client
