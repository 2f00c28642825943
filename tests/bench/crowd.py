"""Many terminals that only wait: each is an MQTT session with a certificate of its own, all pumped by one thread."""

import contextlib
import selectors
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocol.ids import SiteId, TerminalId
from protocol.topics import SERVER, down, manifest
from server.broker.certificates import Pair

KEEPALIVE_S: Final = 30
LET_IN_S: Final = 10.0
_LOOK_S: Final = 0.001


class Crowd:
    """Sessions from `connect` to `__exit__`; `ended` holds the instants (monotonic, in seconds) of those that ended."""

    def __init__(self, port: int, ca: Path, site: str, scratch: Path) -> None:
        self._port, self._ca, self._site, self._scratch = port, ca, site, scratch
        self._selector = selectors.DefaultSelector()
        self._clients: dict[str, Client] = {}
        self._lock, self._leaving = threading.Lock(), threading.Event()
        self._pump = threading.Thread(target=self._run, daemon=True)
        self.ended: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._pump.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._pump.join()
        for client in self._clients.values():
            with contextlib.suppress(OSError, ValueError):
                client.disconnect()

    def connect(self, pairs: Mapping[str, Pair]) -> None:
        """Let them in, one after the other, each with the subscriptions of a terminal."""
        for tid, pair in pairs.items():
            client = self._client(tid, pair)
            with self._lock:
                client.connect("127.0.0.1", self._port, KEEPALIVE_S)
                line = client.socket()
                assert line is not None
                self._clients[tid] = client
                self._selector.register(line, selectors.EVENT_READ, client)  # `Client.loop` selects 1,024 files at most
            deadline = time.monotonic() + LET_IN_S
            while not client.is_connected():
                assert time.monotonic() < deadline and tid not in self.ended, f"{tid} was not let in"
                time.sleep(_LOOK_S)
            with self._lock:
                client.subscribe(
                    [(topic, 1) for topic in (down(TerminalId(tid), "+"), SERVER, manifest(SiteId(self._site)))]
                )

    def _client(self, tid: str, pair: Pair) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, tid, protocol=MQTTProtocolVersion.MQTTv5)
        files = self._scratch / "client.pem"
        files.write_bytes(pair.key_pem() + pair.certificate_pem())
        context = ssl.create_default_context(cafile=self._ca)
        context.load_cert_chain(files)
        client.tls_set_context(context)  # pyright: ignore[reportUnknownMemberType]

        def note(*_: Any) -> None:
            self.ended.setdefault(tid, time.monotonic())

        client.on_disconnect = note
        client.on_socket_close = self._forget
        return client

    def _forget(self, _client: Client, _data: Any, line: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(line)

    def _run(self) -> None:
        looked_at = time.monotonic()
        while not self._leaving.is_set():
            with self._lock:
                ready = self._selector.select(0)
                for key, _ in ready:
                    key.data.loop_read()
                    if key.data.want_write():
                        key.data.loop_write()
                if time.monotonic() - looked_at > 1:
                    looked_at = time.monotonic()
                    for client in self._clients.values():
                        client.loop_misc()
                        client.loop_write()
            if not ready:
                time.sleep(0.002)
