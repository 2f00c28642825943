"""The server's side of the line in a few lines: it keeps rows, and can be told to misbehave."""

from collections.abc import Callable

from paho.mqtt.client import Client, MQTTMessage

from protocol import topics
from protocol.ids import Epoch, Seq
from protocol.journal import Tip, read_entry
from protocol.messages import (
    Ack,
    Hello,
    ServerState,
    Signed,
    TipAnswer,
    Want,
    decode_batch,
    read_hello,
    sign,
)
from protocol.signing import SigningKey, sha256_of, to_base64url
from tests.brokers import OwnBroker
from tests.protocol.samples import EPOCH, NOON, SERVER_KEY, SITE, START, TID

Answer = Callable[[Ack], list[bytes]]


def signed(message: Signed, key: SigningKey = SERVER_KEY) -> bytes:
    """A message by the server's ack key."""
    return sign(message, key)


class FakeServer:
    """Connected from construction to `close`. `answer` turns each ack into what is really sent."""

    def __init__(self, broker: OwnBroker) -> None:
        self.rows: list[bytes] = []
        self.branch: list[bytes] = []
        """Entries of other epochs."""
        self.hellos: list[Hello] = []
        self.states: list[bytes] = []
        self.batches = 0
        self.start = START
        self.answer: Answer = lambda ack: [signed(ack, self.key)]
        self.key = SERVER_KEY
        self.is_deaf = False
        self._client = broker.client()
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.settings.port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(topics.UP_ALL, 1)

    @property
    def tip(self) -> Tip:
        """What is held."""
        return Tip(Seq(len(self.rows)), sha256_of(self.rows[-1])) if self.rows else self.start

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Say something; returns when the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def say(self, payload: bytes) -> None:
        """Say something to the terminal, without waiting."""
        self._client.publish(topics.down(TID, "ack"), payload, qos=1)

    def show_instance(self, name: str) -> None:
        """A server that started anew."""
        state = ServerState(to_base64url(sha256_of(name.encode())), 1, NOON)
        self.publish(topics.SERVER, signed(state, self.key), retain=True)

    def put_lists(self, manifest: bytes, parts: dict[str, bytes]) -> None:
        """Retained lists."""
        for name, content in parts.items():
            self.publish(topics.list_part(SITE, name), content, retain=True)
        self.publish(topics.manifest(SITE), manifest, retain=True)

    def ask_again(self, seq: int) -> None:
        """Miss entries."""
        self.say(signed(Want(TID, EPOCH, Seq(seq), NOON), self.key))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        what = message.topic.rpartition("/")[2]
        payload = bytes(message.payload)
        if what == "state":
            self.states.append(payload)
        elif self.is_deaf:
            return
        elif what == "hello":
            hello = read_hello(payload)
            self.hellos.append(hello)
            tip = self.tip
            self.say(signed(TipAnswer(1, TID, hello.epoch, tip.seq, tip.prev, NOON), self.key))
        elif what == "journal":
            self._take(decode_batch(payload))

    def _take(self, lines: list[bytes]) -> None:
        self.batches += 1
        first = read_entry(lines[0]).entry
        if first.epoch != EPOCH:
            self.branch += lines[max(0, len(self.branch) - first.seq + 1) :]
            self._ack(first.epoch, Tip(Seq(len(self.branch)), sha256_of(self.branch[-1])))
        elif first.seq > len(self.rows) + 1:
            self.ask_again(len(self.rows) + 1)
        else:
            self.rows += lines[len(self.rows) - first.seq + 1 :]
            self._ack(EPOCH, self.tip)

    def _ack(self, epoch: Epoch, tip: Tip) -> None:
        for payload in self.answer(Ack(1, TID, epoch, tip.seq, tip.prev, NOON)):
            self.say(payload)
