"""Who is let in at a real Mosquitto, what they may say there, and how a revocation reaches a live session."""

import queue
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from protocol import topics
from protocol.ids import SiteId, TerminalId
from protocol.instants import DAY_MS, UtcMs
from server.broker.access import access_list
from server.broker.certificates import CRL_DAYS, Pair, Revoked, for_client, new_authority, new_key
from server.broker.configuration import ACCESS
from tests.brokers import OwnBroker, now

pytestmark = pytest.mark.integration

WAIT_S = 5
SITE = SiteId("north-campus")


@dataclass
class Caller:
    """A client and what became of it."""

    client: Client
    connected: "queue.Queue[bool]" = field(default_factory=queue.Queue[bool])
    ended: "queue.Queue[str]" = field(default_factory=queue.Queue[str])
    heard: "queue.Queue[str]" = field(default_factory=queue.Queue[str])
    answers: "queue.Queue[bool]" = field(default_factory=queue.Queue[bool])

    def says(self, topic: str) -> bool:
        """Whether the broker takes it (MQTT 5 tells)."""
        self.client.publish(topic, b"x", qos=1)
        return not self.answers.get(timeout=WAIT_S)


@contextmanager
def calling(broker: OwnBroker, name: str, pair: Pair | None = None) -> Iterator[Caller]:
    caller = Caller(broker.client(name, pair=pair))

    def on_connect(
        _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        caller.connected.put(not reason.is_failure)

    def on_disconnect(
        _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        caller.ended.put(str(reason))

    def on_publish(_client: Client, _data: object, _mid: int, reason: ReasonCode, _more: Properties) -> None:
        caller.answers.put(reason.is_failure)

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        caller.heard.put(message.topic)

    client = caller.client
    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    client.on_publish, client.on_message = on_publish, on_message
    client.connect_async("127.0.0.1", broker.settings.port)
    client.loop_start()
    try:
        yield caller
    finally:
        client.disconnect()
        client.loop_stop()


def is_let_in(broker: OwnBroker, name: str, pair: Pair | None = None) -> bool:
    """Whether a session comes about: with TLS 1.3 a client learns only afterwards that its certificate was refused."""
    with calling(broker, name, pair) as caller:
        try:
            return caller.connected.get(timeout=2)
        except queue.Empty:
            return False


def dated(broker: OwnBroker, at: UtcMs, days: int) -> Pair:
    key = new_key()
    return Pair(for_client(broker.site.authority, "till-1", key.public_key(), at, days), key)


def test_a_good_certificate_is_let_in_and_no_other(broker: OwnBroker) -> None:
    foreign, key = new_authority("Another", now()), new_key()
    assert is_let_in(broker, "till-1")
    assert not is_let_in(broker, "till-1", Pair(for_client(foreign, "till-1", key.public_key(), now(), 1), key))
    assert not is_let_in(broker, "till-1", dated(broker, UtcMs(now() - 2 * DAY_MS), 1))
    assert not is_let_in(broker, "till-1", dated(broker, UtcMs(now() + 2 * DAY_MS), 1))


def test_nobody_comes_in_without_a_certificate(broker: OwnBroker) -> None:
    client = Client(CallbackAPIVersion.VERSION2, "till-1")
    client.tls_set_context(  # pyright: ignore[reportUnknownMemberType]
        ssl.create_default_context(cafile=broker.site.server_tls().ca)
    )
    come_in: queue.Queue[bool] = queue.Queue()
    client.on_connect = lambda *_: come_in.put(True)
    client.connect_async("127.0.0.1", broker.settings.port)
    client.loop_start()
    with pytest.raises(queue.Empty):
        come_in.get(timeout=2)
    client.loop_stop()


def test_the_broker_shows_a_certificate_for_its_name(broker: OwnBroker) -> None:
    context = ssl.create_default_context(cafile=broker.site.server_tls().ca)
    files = broker.files("till-1")
    context.load_cert_chain(files.certificate, files.key)
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="match"),
        socket.create_connection(("127.0.0.1", broker.settings.port)) as line,
    ):
        context.wrap_socket(line, server_hostname="elsewhere.example")


def test_a_terminal_says_its_own_topics_only(broker: OwnBroker) -> None:
    with calling(broker, "till-1") as till:
        assert till.connected.get(timeout=WAIT_S)
        assert all(till.says(f"fanka/1/up/till-1/{what}") for what in ("journal", "state", "hello", "ask"))
        for topic in (
            "fanka/1/up/till-2/journal", "fanka/1/up/till-1/other", "fanka/1/down/till-1/ack", topics.SERVER,
            topics.KEYS, topics.manifest(SITE), "$SYS/x",
        ):  # fmt: skip
            assert not till.says(topic), topic


def test_a_terminal_that_was_forgotten_says_hello_and_nothing_else(broker: OwnBroker) -> None:
    """A server restored from an older backup must hear of it, and believes nothing of it."""
    with calling(broker, "till-9") as till:
        assert till.connected.get(timeout=WAIT_S)
        assert till.says("fanka/1/up/till-9/hello")
        for topic in ("fanka/1/up/till-9/journal", "fanka/1/up/till-9/state", "fanka/1/up/till-1/hello"):
            assert not till.says(topic), topic


def test_a_terminal_hears_its_own_topics_and_its_site_s_lists(broker: OwnBroker) -> None:
    part = topics.list_part(SITE, "0" * 64)
    meant = {topics.down(TerminalId("till-1"), "ack"), topics.SERVER, topics.KEYS, topics.manifest(SITE), part}
    others = {
        topics.down(TerminalId("till-2"), "ack"), topics.up(TerminalId("till-2"), "journal"),
        topics.manifest(SiteId("south-campus")),
    }  # fmt: skip
    with calling(broker, "till-1") as till, calling(broker, "fanka.server") as server:
        assert till.connected.get(timeout=WAIT_S) and server.connected.get(timeout=WAIT_S)
        till.client.on_subscribe = lambda *_: till.answers.put(True)
        till.client.subscribe([("#", 1), ("fanka/1/up/#", 1)])
        till.answers.get(timeout=WAIT_S)
        assert all(server.says(topic) for topic in sorted(others | meant))
        heard = {till.heard.get(timeout=WAIT_S) for _ in meant}
        assert heard == meant and till.heard.empty()


def test_nobody_ends_another_s_session_by_using_its_name(broker: OwnBroker) -> None:
    with calling(broker, "till-1") as till:
        assert till.connected.get(timeout=WAIT_S)
        impostor = broker.client("till-2")
        impostor._client_id = b"till-1"  # pyright: ignore[reportPrivateUsage]
        impostor.connect("127.0.0.1", broker.settings.port)
        impostor.loop_start()
        assert till.says("fanka/1/up/till-1/journal") and till.ended.empty()
        impostor.disconnect()
        impostor.loop_stop()


def test_a_revocation_silences_a_live_session_and_keeps_it_out(broker: OwnBroker) -> None:
    pair = broker.site.client("till-1", now(), 1)
    with calling(broker, "till-1", pair) as till, calling(broker, "till-2") as other:
        assert till.connected.get(timeout=WAIT_S) and other.connected.get(timeout=WAIT_S)
        broker.site.let_in({TerminalId("till-2"): SITE})
        broker.site.take_back([Revoked(pair.certificate.serial_number, now())], now())
        broker.site.reload()
        while till.says("fanka/1/up/till-1/journal"):
            pass  # Mosquitto reads its files a moment after the signal
        assert other.says("fanka/1/up/till-2/journal") and other.ended.empty()
    assert not is_let_in(broker, "till-1", pair)
    assert is_let_in(broker, "till-2")


def test_the_list_of_revocations_holds_for_two_months_and_tells_its_age(broker: OwnBroker) -> None:
    made = UtcMs(now() // 1_000 * 1_000 - 20 * DAY_MS)
    broker.site.take_back([], made)
    assert broker.site.revocations_age_ms(now()) // DAY_MS == 20
    broker.site.reload()
    assert is_let_in(broker, "till-1")
    broker.site.take_back([], UtcMs(now() - (CRL_DAYS + 1) * DAY_MS))
    broker.site.reload()
    # An expired list shuts everybody out: that is why it is made anew each day.
    deadline = time.monotonic() + WAIT_S
    while is_let_in(broker, "till-1"):
        assert time.monotonic() < deadline


def test_what_is_prepared_again_stays_as_it_is(broker: OwnBroker) -> None:
    files = [path for path in sorted(broker.settings.directory.iterdir()) if path.suffix in {".crt", ".key", ".list"}]
    before = [path.read_bytes() for path in files]
    broker.site.prepare(now())
    assert [path.read_bytes() for path in files] == before and (broker.settings.directory / ACCESS) in files


def test_certificates_are_made_anew_before_they_end(broker: OwnBroker) -> None:
    before = broker.site.server_tls().certificate.read_bytes()
    broker.site.prepare(UtcMs(now() + 300 * DAY_MS))
    assert broker.site.server_tls().certificate.read_bytes() != before


def test_the_access_list_says_everything_explicitly() -> None:
    text = access_list({TerminalId("till-1"): SITE})
    assert text.count("user ") == 2
    every = [line for line in text.splitlines() if line.startswith("pattern")]
    assert every == ["pattern write fanka/1/up/%u/hello", "pattern read fanka/1/server"]
    assert "user till-1\ntopic write fanka/1/up/till-1/journal\n" in text
