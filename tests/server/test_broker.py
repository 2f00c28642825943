"""A real Mosquitto, spoken to by paho."""

import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from server.broker.certificates import new_authority
from server.broker.configuration import MQTT_PACKET_BYTES_MAX, BrokerSettings, configuration
from server.broker.process import Broker, BrokerFailed
from server.broker.site import BrokerSite
from tests.brokers import ANYBODY, OwnBroker, now

pytestmark = pytest.mark.integration

WAIT_S = 5


@contextmanager
def connected(
    broker: OwnBroker, name: str = ANYBODY, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
) -> Iterator[Client]:
    client = broker.client(name, version)
    client.connect("127.0.0.1", broker.settings.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: Client, topic: str, payload: bytes, *, retain: bool = False) -> None:
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)


def receive(client: Client, topic: str) -> "queue.Queue[bytes]":
    """Subscribe; the queue fills with payloads. Returns when the broker has confirmed."""
    payloads: queue.Queue[bytes] = queue.Queue()
    confirmed: queue.Queue[None] = queue.Queue()

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        payloads.put(bytes(message.payload))

    client.on_message = on_message
    client.on_subscribe = lambda *_: confirmed.put(None)
    client.subscribe(topic, qos=1)
    confirmed.get(timeout=WAIT_S)
    return payloads


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_what_is_published_arrives(broker: OwnBroker, version: MQTTProtocolVersion) -> None:
    with connected(broker, version=version) as server, connected(broker, "till-1", version) as terminal:
        journal = receive(server, "fanka/1/up/+/journal")
        publish(terminal, "fanka/1/up/till-1/journal", b"batch")
        assert journal.get(timeout=WAIT_S) == b"batch"


def test_a_full_batch_fits_a_packet(broker: OwnBroker) -> None:
    batch = bytes(256 * 1_024)
    assert len(batch) < MQTT_PACKET_BYTES_MAX
    with connected(broker) as client:
        journal = receive(client, "fanka/1/up/till-1/journal")
        publish(client, "fanka/1/up/till-1/journal", batch)
        assert journal.get(timeout=WAIT_S) == batch


def test_retained_messages_outlive_a_restart_but_not_a_power_cut(broker: OwnBroker) -> None:
    """Autosave may be a minute old, so after a cut the server publishes its lists again."""
    with connected(broker) as client:
        publish(client, "fanka/1/server", b"one", retain=True)
    broker.stop()
    broker.start()
    with connected(broker) as client:
        assert receive(client, "fanka/1/server").get(timeout=WAIT_S) == b"one"
        publish(client, "fanka/1/server", b"two", retain=True)
    broker.kill()
    broker.start()
    with connected(broker) as client:
        assert receive(client, "fanka/1/server").get(timeout=WAIT_S) == b"one"


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = BrokerSettings(directory=tmp_path, port=other.getsockname()[1])
        BrokerSite(settings, new_authority("Test", now())).prepare(now())
        broker = Broker(settings)
        with pytest.raises(BrokerFailed, match="in use"):
            broker.start()


def test_nobody_listens_after_the_end(broker: OwnBroker) -> None:
    broker.stop()
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.settings.port))


def test_the_configuration_listens_on_loopback_only_by_default(tmp_path: Path) -> None:
    text = configuration(BrokerSettings(directory=tmp_path, port=1883))
    assert "listener 1883 127.0.0.1" in text.splitlines()
    assert f"persistence_location {tmp_path}/" in text.splitlines()


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_must_be_one(tmp_path: Path, port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        BrokerSettings(directory=tmp_path, port=port)


@pytest.mark.parametrize("host", ["::1\nuser root", "", "饭卡.example"])
def test_a_host_is_one_and_cannot_smuggle_in_a_line(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        BrokerSettings(directory=tmp_path, port=1883, host=host)
    with pytest.raises(ValueError, match="host"):
        BrokerSettings(directory=tmp_path, port=1883, names=(host,))
