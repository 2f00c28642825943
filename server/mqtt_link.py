"""MQTT: batches and hellos in, acks and answers out, lists and the server's state retained.

    paho's thread --> bounded queues for each terminal --> their workers --> Ingest, Tokens, States --> publish

A queue that is full drops what comes: the terminal sends again, because only a signed ack counts. So does what is of a
site that another worker has. What a terminal says of itself it says once: its newest word waits, and the broker, which
keeps it, is asked again where taking it failed. Who published comes from the topic; the broker lets a terminal
publish under its own certificate name only.

Whoever publishes lists hears them, too: what somebody else has put in their place, who had slept, is put right.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from protocol.ids import SiteId, TerminalId
from protocol.instants import UtcMs
from protocol.messages import ServerState, sign
from protocol.signing import sha256_of, to_base64url
from protocol.topics import KEYS, SERVER, UP_ALL, down, list_part, manifest, parse_up, up
from server.config import ConfigWrong, MqttSettings
from server.fence import LeaseLost, under
from server.ingest.service import Ingest
from server.keys import ServerKeys
from server.leases.service import Leases
from server.logs import TID
from server.policy.rules import Publication
from server.states.service import States
from server.tokens.service import Tokens

QUEUE_MAX = 8
"""Messages of one terminal that wait; it has at most four batches in flight."""
WORKERS_MAX = 8_192
ASK, STATE = "ask", "state"
"""Both have workers of their own, however much of the journal is to be taken in: a customer waits for an answer, and
nobody says a state again."""
PAYLOAD_BYTES_MAX = 512 * 1_024
IDLE_S = 60.0
ANY = "+"
OWN = (KEYS, SERVER, manifest(SiteId(ANY)))
"""What one program says at a time, and all others believe."""
OWN_KEPT_MAX = 4_096

log = logging.getLogger(__name__)


_Lane = tuple[TerminalId, str]
"""A terminal, and what of it waits there: questions, states, or all else."""


@dataclass(frozen=True, slots=True)
class Hears:
    """What a process listens to: terminals, and the lists and keys that it may have to publish."""

    terminals: bool = True
    own_lists: bool = True

    @property
    def topics(self) -> list[str]:
        """As they are subscribed to."""
        return [*([UP_ALL] if self.terminals else []), *(OWN if self.own_lists else [])]


@dataclass(frozen=True, slots=True)
class _Message:
    what: str
    payload: bytes


class MqttLink:
    """The connection to the broker."""

    def __init__(
        self,
        settings: MqttSettings,
        hears: Hears,
        leases: Leases,
        ingest: Ingest,
        states: States,
        tokens: Tokens,
        keys: ServerKeys,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._settings, self._ingest, self._states, self._tokens = settings, ingest, states, tokens
        self._keys, self._clock, self._hears, self._leases = keys, clock, hears, leases
        self._own: deque[bytes] = deque(maxlen=OWN_KEPT_MAX)
        """SHA-256 of what was published here of late."""
        self.is_overwritten = False
        """Whether the broker has shown something else than what was published here; the publisher clears it."""
        self._instance = to_base64url(secrets.token_bytes(32))
        self._queues: dict[_Lane, asyncio.Queue[_Message]] = {}
        self._workers: dict[_Lane, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self.connected = asyncio.Event()
        """Set whenever the broker has taken a connection and the subscription; the publisher clears it."""
        self.is_up = False
        self._outage = ""
        """Why there is no connection, as it was told last; empty while there is one, and before the first try."""
        self._stopping = False
        self.has_missed_states = False
        """Whether something went wrong with what a terminal said of itself, and the broker must say it again."""
        self._first_mid: int | None = None
        """Of this connection's first subscription, which makes it one."""
        self._tls: ssl.SSLContext | None = None
        self._client = self._new_client()

    async def start(self) -> None:
        """Connect in the background, again and again."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    async def stop(self) -> None:
        """Disconnect and end all workers."""
        self._stopping = True
        await asyncio.to_thread(self._client.disconnect)
        await asyncio.to_thread(self._client.loop_stop)
        for worker in self._workers.values():
            worker.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)

    def publish_state(self, server_epoch: int) -> None:
        """Tell every terminal that this server is new or was restored: it says hello again."""
        state = ServerState(self._instance, server_epoch, self._clock())
        self._publish_own(SERVER, sign(state, self._keys.ack))

    def publish_keys(self) -> None:
        """What terminals shall believe of this server; they look at it before anything else."""
        self._publish_own(KEYS, self._keys.trust.jws)

    def renew_instance(self) -> None:
        """The next published state shows a new instance."""
        self._instance = to_base64url(secrets.token_bytes(32))

    def publish_lists(self, publication: Publication) -> None:
        """Parts first, then the manifest that names them; then clear what none has named for long."""
        for sha256, piece in publication.parts.items():
            self._client.publish(list_part(publication.site, sha256), piece, qos=1, retain=True)
        self._publish_own(manifest(publication.site), publication.manifest)
        for sha256 in publication.gone:
            self._client.publish(list_part(publication.site, sha256), b"", qos=1, retain=True)

    def hear_states_again(self) -> None:
        """The broker repeats every terminal's retained state."""
        if self.is_up:
            self.has_missed_states = False
            self._client.subscribe(up(TerminalId(ANY), STATE), qos=1)

    def _publish_own(self, topic: str, payload: bytes) -> None:
        self._own.append(sha256_of(payload))
        self._client.publish(topic, payload, qos=1, retain=True)

    def _new_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._settings.client_id)
        if self._settings.ca:
            self._tls = _tls_context(self._settings)
            client.on_pre_connect = self._load_again
            client.tls_set_context(self._tls)  # pyright: ignore[reportUnknownMemberType]  (untyped)
        client.reconnect_delay_set(1, self._settings.reconnect_max_s)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._later(self._now_down, f"it refuses us ({reason})", True)
            return
        _, self._first_mid = client.subscribe([(topic, 1) for topic in self._hears.topics])

    def _on_subscribe(self, _client: Client, _data: object, mid: int, reasons: list[ReasonCode], _: object) -> None:
        if mid != self._first_mid:
            return
        if any(reason.is_failure for reason in reasons):
            log.error("the broker refused our subscription to %s", ", ".join(self._hears.topics))
            return
        self._later(self._now_up)

    def _load_again(self, _client: Client, _data: object) -> None:
        """The certificate may have been made anew since the last connection."""
        if self._tls is not None and self._settings.cert:
            with contextlib.suppress(OSError):  # it is being written: the one that is loaded still holds
                self._tls.load_cert_chain(self._settings.cert, self._settings.key)

    def _on_connect_fail(self, *_: object) -> None:
        self._later(self._now_down, "it does not answer")

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        told = "" if reason == "Unspecified error" else f" ({reason})"  # the broker went without a word
        self._later(self._now_down, f"the connection is lost{told}")

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if _is_own(message):
            if not message.retain:  # what lay there before we listened is no news
                self._later(self._compare, bytes(message.payload))
            return
        found = _addressed(message)
        if found is not None:
            tid, what = found
            self._later(self._enqueue, tid, _Message(what, bytes(message.payload)))

    def _compare(self, payload: bytes) -> None:
        self.is_overwritten |= sha256_of(payload) not in self._own

    def _later(self, work: Callable[..., None], *arguments: object) -> None:
        """Hand something from paho's thread to the event loop; after its end nobody cares."""
        try:
            self._loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:
            log.info("a message came after the end")

    def _now_up(self) -> None:
        log.info("broker %s: connected", self._where)
        self.is_up, self._outage = True, ""
        self.connected.set()

    def _now_down(self, why: str, refused: bool = False) -> None:
        """Say it once for each outage, and again only if a silent broker begins to refuse us."""
        self.is_up = False
        if not self._stopping and (not self._outage or (refused and why != self._outage)):
            self._outage = why
            every_s = self._settings.reconnect_max_s
            log.warning("broker %s: %s; tried again and again, at most every %s s", self._where, why, every_s)

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _enqueue(self, tid: TerminalId, message: _Message) -> None:
        lane = (tid, message.what if message.what in (ASK, STATE) else "")
        queue = self._queues.get(lane)
        if queue is None:
            if len(self._queues) >= WORKERS_MAX:
                log.warning("too many terminals at once; a message of %s is dropped", tid)
                return
            queue = self._queues[lane] = asyncio.Queue(1 if message.what == STATE else QUEUE_MAX)
            self._workers[lane] = asyncio.create_task(self._work(lane, queue))
        if message.what == STATE and queue.full():
            queue.get_nowait()  # older, and of no more interest
        try:
            queue.put_nowait(message)
        except asyncio.QueueFull:
            log.info("the queue of %s is full; it will send again", tid)

    async def _work(self, lane: _Lane, queue: "asyncio.Queue[_Message]") -> None:
        tid = lane[0]
        TID.set(tid)
        while True:
            try:
                message = await asyncio.wait_for(queue.get(), IDLE_S)
            except TimeoutError:
                if queue.empty():
                    del self._queues[lane], self._workers[lane]
                    return
                continue
            try:
                fence = await self._leases.held_for(tid)
                if fence is not None:
                    with under(fence):
                        await self._answer(tid, message)
            except LeaseLost as error:
                log.warning("a message is left to others: %s", error)
            except Exception:
                # One terminal's trouble must not end its worker: it sends again, or the broker does.
                self.has_missed_states |= message.what == STATE
                log.exception("a message of %s could not be handled", tid)

    async def _answer(self, tid: TerminalId, message: _Message) -> None:
        answer: bytes | None = None
        ack: bytes | None = None
        match message.what:
            case "journal":
                ack = await self._ingest.take(tid, message.payload)
            case "hello":
                greeting = await self._ingest.hello(tid, message.payload)
                answer, ack = (greeting.tip, greeting.ack) if greeting else (None, None)
            case "ask":
                answer = await self._tokens.answer(tid, message.payload)
            case _:
                await self._states.take(tid, message.payload)
        for what, said in (("answer", answer), ("ack", ack)):
            if said is not None:
                self._client.publish(down(tid, what), said, qos=1)


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Raises ConfigWrong where a file holds no certificate or key."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.cert:
            context.load_cert_chain(settings.cert, settings.key)
    except OSError as error:
        names = ", ".join(filter(None, (settings.ca, settings.cert, settings.key)))
        raise ConfigWrong(f"mqtt: {names}: no certificates as TLS needs them ({error.strerror or error})") from error
    return context


def _is_own(message: MQTTMessage) -> bool:
    """Whether it is what a program of the server says to all terminals."""
    with contextlib.suppress(UnicodeDecodeError):
        return any(topic_matches_sub(topic, message.topic) for topic in OWN)
    return False


def _addressed(message: MQTTMessage) -> tuple[TerminalId, str] | None:
    """Who says what; None for anything that is not for us. Payloads are never logged."""
    try:
        topic = message.topic
    except UnicodeDecodeError:
        log.warning("a topic is not UTF-8")
        return None
    found = parse_up(topic)
    if found is None or not _is_name(found[0]):
        log.warning("a message on a topic that is no terminal's")
        return None
    if len(message.payload) > PAYLOAD_BYTES_MAX:
        log.warning("a message of %s is too large", found[0])
        return None
    return found if found[1] in ("journal", "hello", STATE, ASK) else None


def _is_name(tid: str) -> bool:
    return 3 <= len(tid) <= 32 and all(letter in "abcdefghijklmnopqrstuvwxyz0123456789-" for letter in tid)
