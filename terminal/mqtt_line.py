"""The line to the broker: paho and its thread behind three events and three calls.

Only QoS 1, retained messages and a last will are used (SPEC, "Topics"). paho reconnects by itself, more slowly each
time; a PUBACK tells nobody anything.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from protocol.instants import UtcMs
from terminal.offline import Offline, OfflineCause

RECONNECT_FIRST_S, RECONNECT_LAST_S, KEEPALIVE_S = 1, 60, 30
_QUEUED_MESSAGES_MAX = 64
GOOD_BYE_S, PROBE_S, ALERT_S = 2.0, 5.0, 1.0
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (X509_VERIFY_PARAM_set_flags(3)), which `ssl` does not name."""
_DATES = frozenset({9, 10})
_WITHDRAWN = "certificate revoked"
"""The TLS alert about a certificate on the broker's list of revocations (RFC 8446, 6.2)."""
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED (X509_STORE_CTX_get_error(3))."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Whom to believe, the broker's CA; and who we are: our certificate and its key, which may share a file."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Where the broker is."""

    host: str
    port: int
    tls: TlsFiles
    reconnect_last_s: int = RECONNECT_LAST_S
    keepalive_s: int = KEEPALIVE_S
    """Whoever went away without a word, the broker or we, is missed after one and a half times this long."""


@dataclass(frozen=True, slots=True)
class LineUp:
    """The broker took the connection; nothing is subscribed yet."""


@dataclass(frozen=True, slots=True)
class LineDown:
    """There is no connection, and why."""

    cause: Offline


@dataclass(frozen=True, slots=True)
class Received:
    """A message came."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """The broker does not let us say what we said on this topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """After it denied something, the broker takes what we say again."""


LineEvent = LineUp | LineDown | Received | Denied | Allowed


class TlsUnusable(Exception):
    """A file of `TlsFiles` cannot be used; the text says which."""


class MqttLine:
    """One MQTT client. `deliver` is called from paho's thread."""

    def __init__(
        self, settings: LineSettings, client_id: str, will: tuple[str, bytes], deliver: Callable[[LineEvent], None]
    ) -> None:
        """Connect nowhere yet. Raises TlsUnusable."""
        self._settings, self._will, self._deliver = settings, will, deliver
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.will_set(*will, qos=1, retain=True)
        client.reconnect_delay_set(RECONNECT_FIRST_S, max(RECONNECT_FIRST_S, settings.reconnect_last_s))
        client.max_queued_messages_set(_QUEUED_MESSAGES_MAX)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_message = self._on_connect_fail, self._on_message
        client.on_publish = self._on_publish
        self._said: dict[int, str] = {}
        """Topics of what was said and not yet taken, by paho's number."""
        self._was_up = False
        self._denied = set[str]()
        """Topics that the broker did not take when we said something there last."""
        self._tls = _tls_context(settings.tls)
        self._now: Callable[[], UtcMs] | None = None
        self._broke_off = False
        client.tls_set_context(self._tls)  # pyright: ignore[reportUnknownMemberType]
        self._client = client

    def start(self) -> None:
        """Connect and keep connecting."""
        self._client.connect_async(self._settings.host, self._settings.port, self._settings.keepalive_s)
        self._client.loop_start()

    def renewed(self) -> None:
        """Another certificate lies there: connect with it from the next time on. Raises OSError."""
        self._tls.load_cert_chain(self._settings.tls.certificate, self._settings.tls.key)

    def judge_time_by(self, now: Callable[[], UtcMs]) -> None:
        """The machine's clock is wrong: OpenSSL shall look at everything but dates, and we at those, by this clock."""
        self._now = now
        self._tls.verify_flags |= NO_CHECK_TIME

    def stop(self) -> None:
        """Say the will ourselves, disconnect, and end the thread. Blocks for a moment."""
        if self._client.is_connected():
            topic, payload = self._will
            with contextlib.suppress(RuntimeError, ValueError):  # the connection went meanwhile: the broker says it
                self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(GOOD_BYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send, or forget it where there is no connection: whoever needs it says it again."""
        if self._client.is_connected():
            said = self._client.publish(topic, payload, qos=1, retain=retain)
            if len(self._said) < _QUEUED_MESSAGES_MAX:
                self._said[said.mid] = topic

    def subscribe(self, topics: Iterable[str]) -> None:
        """Ask for topics; retained messages come at once."""
        wanted = [(topic, 1) for topic in topics]
        if wanted and self._client.is_connected():
            self._client.subscribe(wanted)

    def unsubscribe(self, topics: Iterable[str]) -> None:
        """Ask for these no longer."""
        unwanted = list(topics)
        if unwanted and self._client.is_connected():
            self._client.unsubscribe(unwanted)

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if reason.is_failure:
            self._deliver(LineDown(Offline(OfflineCause.REFUSED, str(reason))))
        elif self._now is not None and not _is_in_time(client.socket(), self._now()):
            self._break_off(client)
        else:
            self._was_up = True
            self._deliver(LineUp())

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: ReasonCode, _more: Properties) -> None:
        topic = self._said.pop(mid, "")
        if reason.is_failure:
            self._denied.add(topic)
            self._deliver(Denied(topic))
        elif topic in self._denied:
            self._denied.discard(topic)
            if not self._denied:
                self._deliver(Allowed())

    def _break_off(self, client: Client) -> None:
        """Not `disconnect`, after which paho would not come back."""
        self._broke_off = True
        line = client.socket()
        if isinstance(line, ssl.SSLSocket):
            line.shutdown(socket.SHUT_RDWR)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        broke_off, self._broke_off = self._broke_off, False
        was_up, self._was_up = self._was_up, False
        self._said.clear()
        self._denied.clear()
        if broke_off:
            self._deliver(LineDown(Offline(OfflineCause.CERTIFICATE, "not valid now, by the server's time")))
            return
        told = "" if reason == "Unspecified error" else f" ({reason})"  # the broker went without a word
        if not was_up and reason.is_failure and not told:
            # With TLS 1.3 we learn only after the handshake that our certificate was not taken.
            self._deliver(LineDown(self._why_not()))
            return
        self._deliver(LineDown(Offline(OfflineCause.LOST, f"{self._where}{told}")))

    def _on_connect_fail(self, _client: Client, _data: object) -> None:
        self._deliver(LineDown(self._why_not()))

    def _why_not(self) -> Offline:
        """Connect once more by ourselves: paho keeps what went wrong to itself."""
        host = self._settings.host
        try:
            with (
                socket.create_connection((host, self._settings.port), PROBE_S) as line,
                self._tls.wrap_socket(line, server_hostname=host) as secure,
            ):
                secure.settimeout(ALERT_S)
                secure.recv(1)
                return Offline(OfflineCause.NO_ANSWER, self._where)
        except ssl.SSLCertVerificationError as error:
            cause = OfflineCause.DATES if error.verify_code in _DATES else OfflineCause.CERTIFICATE
            return Offline(cause, error.verify_message)
        except ssl.SSLError as error:
            alert = str(error.reason or "").partition("ALERT_")[2].replace("_", " ").lower()
            if alert == _WITHDRAWN:
                return Offline(OfflineCause.REVOKED)
            return Offline(OfflineCause.REFUSED, alert) if alert else Offline(OfflineCause.NO_ANSWER, self._where)
        except OSError:
            return Offline(OfflineCause.NO_ANSWER, self._where)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._deliver(Received(message.topic, bytes(message.payload)))


def _is_in_time(line: object, now: UtcMs) -> bool:
    shown = (line.getpeercert() if isinstance(line, ssl.SSLSocket) else None) or {}
    begins, ends = (ssl.cert_time_to_seconds(str(shown[name])) * 1_000 for name in ("notBefore", "notAfter"))
    return begins <= now <= ends


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
    paths = (files.ca, files.certificate, files.key)
    for path in paths:
        if not path.is_file():
            raise TlsUnusable(f"{path}: there is no such file")
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        names = ", ".join(map(str, paths))
        raise TlsUnusable(f"{names}: no certificates as TLS needs them ({error.strerror or error})") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
