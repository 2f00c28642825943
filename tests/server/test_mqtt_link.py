"""A whole server on a real Mosquitto: batches in, signed acks out, lists and state retained, garbage without effect."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from paho.mqtt.client import Client, MQTTMessage

from protocol import topics
from protocol.entries import NO_LISTS, Kind, Reason
from protocol.ids import TerminalId
from protocol.instants import DAY_MS
from protocol.messages import (
    Ack,
    Answer,
    Hello,
    Keys,
    Manifest,
    ServerState,
    TipAnswer,
    Want,
    encode_batch,
    encode_hello,
    encode_question,
    read_signed,
    verified,
)
from protocol.policy import CardsFile, read_file
from protocol.signing import sha256_of, to_base64url
from protocol.state import State, encode_state
from server.app import open_house
from server.config import MqttSettings
from server.mqtt_link import QUEUE_MAX, MqttLink
from server.running import running
from tests.brokers import ANYBODY, OwnBroker
from tests.server.desk import Clock
from tests.server.office import Desk, settings_in
from tests.server.test_cards import enrol
from tests.server.test_holes import sell
from tests.server.token_world import new_token, prepared, question
from tests.server.world import SITE, Till, plastic

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 10


class Line:
    """A terminal's connection: what it hears, by topic."""

    def __init__(self, broker: OwnBroker, name: str) -> None:
        self._loop, self._port = asyncio.get_running_loop(), broker.settings.port
        self._heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._client = broker.client(name)
        self._client.on_message = self._on_message

    async def open(self, *subscriptions: str) -> None:
        ready = asyncio.Event()

        def on_subscribe(*_: object) -> None:
            self._loop.call_soon_threadsafe(ready.set)

        self._client.on_subscribe = on_subscribe
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._client.subscribe([(topic, 1) for topic in subscriptions])
        await asyncio.wait_for(ready.wait(), WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain)

    async def hear(self, topic: str) -> bytes:
        """The next payload on this topic; what is heard on others meanwhile is dropped."""
        while True:
            heard, payload = await asyncio.wait_for(self._heard.get(), WAIT_S)
            if heard == topic:
                return payload

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._heard.put_nowait, (message.topic, bytes(message.payload)))


@asynccontextmanager
async def line_to(broker: OwnBroker, name: str, *subscriptions: str) -> AsyncGenerator[Line]:
    line = Line(broker, name)
    await line.open(*subscriptions)
    try:
        yield line
    finally:
        line.close()


def mqtt_settings(broker: OwnBroker) -> MqttSettings:
    files = broker.site.server_tls()
    return MqttSettings(
        port=broker.settings.port, ca=str(files.ca), cert=str(files.certificate), key=str(files.key), reconnect_max_s=1
    )


@pytest.fixture
async def desk(broker: OwnBroker, tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    clock.pass_ms(3_600_000)
    settings = settings_in(tmp_path, mqtt_settings(broker))
    async with open_house(settings, clock) as house, running(house):
        assert house.link is not None
        await wait_until_up(house.link)
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield Desk(house, clock, client)


async def wait_until_up(link: MqttLink) -> None:
    for _ in range(100 * WAIT_S):
        if link.is_up:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_lost_broker_is_logged_once_and_once_when_it_is_back(
    broker: OwnBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the log in the morning finds the outage, and not a line for every try."""
    caplog.set_level("INFO", "server.mqtt_link")
    settings = settings_in(tmp_path, mqtt_settings(broker))
    async with open_house(settings) as house, running(house):
        assert house.link is not None
        await wait_until_up(house.link)
        broker.kill()
        await asyncio.sleep(3.5)
        assert not house.link.is_up
        await asyncio.to_thread(broker.start)
        await wait_until_up(house.link)
    where = f"broker 127.0.0.1:{broker.settings.port}: "
    told = [record for record in caplog.records if record.name == "server.mqtt_link"]
    said = [record.getMessage().removeprefix(where) for record in told]
    assert said == ["connected", "the connection is lost; tried again and again, at most every 1 s", "connected"]


async def test_a_batch_is_acknowledged_over_the_broker(desk: Desk, broker: OwnBroker) -> None:
    till = Till(1)
    await enrol(desk, till)
    sell(till, plastic(7), 100)
    async with line_to(broker, till.tid, topics.down(till.tid, "+")) as line:
        line.say(
            topics.up(till.tid, "hello"), encode_hello(Hello(till.epoch, till.tno, till.start.seq, till.start.prev))
        )
        tip = verified(await line.hear(topics.down(till.tid, "answer")), TipAnswer, desk.house.keys.ack.public)
        assert (tip.seq, tip.hash) == (0, till.start.prev)
        line.say(topics.up(till.tid, "journal"), encode_batch(till.lines[1:]))
        want = verified(await line.hear(topics.down(till.tid, "ack")), Want, desk.house.keys.ack.public)
        assert want.seq == 1
        newest, newest_hash = till.chain[-1], to_base64url(till.chain[-1].hash)
        for _ in range(3):
            line.say(topics.up(till.tid, "journal"), encode_batch(till.lines))
            ack = verified(await line.hear(topics.down(till.tid, "ack")), Ack, desk.house.keys.ack.public)
            assert (ack.seq, ack.hash) == (2, newest_hash)
        line.say(topics.up(till.tid, "hello"), encode_hello(Hello(till.epoch, till.tno, newest.seq, newest_hash)))
        tip = verified(await line.hear(topics.down(till.tid, "answer")), TipAnswer, desk.house.keys.ack.public)
        again = verified(await line.hear(topics.down(till.tid, "ack")), Ack, desk.house.keys.ack.public)
        assert (tip.seq, tip.hash) == (again.seq, again.hash) == (newest.seq, newest_hash)


async def test_a_question_is_answered_over_the_broker(desk: Desk, broker: OwnBroker) -> None:
    till = Till(1)
    await enrol(desk, till)
    begun = prepared(till, await new_token(desk, 1_000), 600)
    async with line_to(broker, till.tid, topics.down(till.tid, "+")) as line:
        for raw in (b"nonsense", encode_question(question(till, begun))):
            line.say(topics.up(till.tid, "ask"), raw)
        answer = verified(await line.hear(topics.down(till.tid, "answer")), Answer, desk.house.keys.ack.public)
    assert (answer.hash, answer.main_after) == (to_base64url(begun.hash), 400)


async def ack_in_the_end(line: Line, till: Till) -> object:
    """Send again and again, as a terminal does, until something comes back."""
    for _ in range(20):
        line.say(topics.up(till.tid, "journal"), encode_batch(till.lines))
        try:
            return read_signed(await asyncio.wait_for(line.hear(topics.down(till.tid, "ack")), 1))
        except TimeoutError:
            continue
    raise TimeoutError


async def test_garbage_is_without_effect(desk: Desk, broker: OwnBroker) -> None:
    till, other = Till(1), Till(2)
    await enrol(desk, till)
    await enrol(desk, other)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    async with line_to(broker, ANYBODY, topics.down(till.tid, "+")) as line:
        for payload in (
            b"",
            b"\x00" * 1_000,
            os.urandom(300_000),
            encode_batch([b"a.b.c"]),
            b'{"epoch":1}',
            b"[" * 5_000,
        ):
            for what in ("journal", "hello", "state", "ask", "nonsense"):
                for tid in (till.tid, "TILL", "x" * 60, "nobody-here"):
                    line.say(f"fanka/1/up/{tid}/{what}", payload)
        line.say(topics.up(other.tid, "journal"), encode_batch(till.lines))
        assert isinstance(await ack_in_the_end(line, till), Ack)
    view = await desk.get(f"/terminals/{other.tid}")
    assert view["epochs"][0]["tip"] == 0


async def manifest_with_cards(desk: Desk, line: Line) -> Manifest:
    """The first manifest whose `cards` list is not empty."""
    while True:
        manifest = verified(await line.hear(topics.manifest(SITE)), Manifest, desk.house.keys.list.public)
        if manifest.files["cards"].bytes > 2:
            return manifest


async def test_a_state_said_behind_a_full_queue_is_heard(
    desk: Desk, broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal says once which lists it runs, and that may be in the middle of a month's sales."""
    till = Till(1)
    await enrol(desk, till)
    goes_on = asyncio.Event()

    async def wait(_tid: str, _raw: bytes) -> bytes | None:
        await goes_on.wait()
        return None

    monkeypatch.setattr(desk.house.ingest, "take", wait)
    async with line_to(broker, till.tid, topics.down(till.tid, "+")) as line:
        for _ in range(3 * QUEUE_MAX):
            line.say(topics.up(till.tid, "journal"), b"any")
        for manifest in range(1, 30):
            state = encode_state(State(1, till.epoch, NO_LISTS, manifest))
            line.say(topics.up(till.tid, "state"), state, retain=True)
        await says(desk, till, 29)
        goes_on.set()


async def test_a_state_that_could_not_be_kept_is_asked_for_again(
    desk: Desk, broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(1)
    await enrol(desk, till)
    keep, failures = desk.house.states.take, 0

    async def fail_once(tid: TerminalId, raw: bytes) -> None:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise OSError("the disk is full")
        await keep(tid, raw)

    monkeypatch.setattr(desk.house.states, "take", fail_once)
    async with line_to(broker, till.tid, topics.down(till.tid, "+")) as line:
        line.say(topics.up(till.tid, "state"), encode_state(State(1, till.epoch, NO_LISTS, 7)), retain=True)
        await says(desk, till, 7)
    assert failures == 2


async def says(desk: Desk, till: Till, manifest: int) -> None:
    """Wait until the server knows what a terminal said of itself last."""
    for _ in range(100 * WAIT_S):
        if (await desk.get(f"/terminals/{till.tid}/state"))["manifest"] == manifest:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_lists_and_state_are_retained_and_follow_changes(desk: Desk, broker: OwnBroker) -> None:
    till = Till(1)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    async with line_to(broker, "till-01", topics.manifest(SITE), topics.SERVER, topics.list_part(SITE, "+")) as line:
        state = verified(await line.hear(topics.SERVER), ServerState, desk.house.keys.ack.public)
        assert state.server_epoch == 1
        await desk.post(f"/cards/{no}/block")
        manifest = await manifest_with_cards(desk, line)
    (part,) = manifest.files["cards"].parts
    async with line_to(broker, "till-01", topics.list_part(SITE, part)) as late:
        cards = read_file(await late.hear(topics.list_part(SITE, part)), CardsFile)
        assert [(row.no, row.listed.value) for row in cards.rows] == [(no, "blocked")]


async def test_everything_is_published_again_when_the_broker_comes_back_empty(desk: Desk, broker: OwnBroker) -> None:
    till = Till(1)
    await enrol(desk, till)
    async with line_to(broker, "till-01", topics.manifest(SITE)) as line:
        await line.hear(topics.manifest(SITE))
    broker.kill()
    for file in broker.settings.directory.glob("*.db"):
        if file.name.startswith("mosquitto"):
            file.unlink()
    await asyncio.sleep(0.1)
    broker.start()
    names = (topics.KEYS, topics.manifest(SITE), topics.SERVER, topics.list_part(SITE, "+"))
    async with line_to(broker, "till-01", *names) as line:
        assert verified(await line.hear(topics.KEYS), Keys, desk.house.keys.trust.root).version == 1
        await line.hear(topics.SERVER)
        manifest = verified(await line.hear(topics.manifest(SITE)), Manifest, desk.house.keys.list.public)
    for part in {part for named in manifest.files.values() for part in named.parts}:
        async with line_to(broker, "till-01", topics.list_part(SITE, part)) as line:
            assert sha256_of(await line.hear(topics.list_part(SITE, part))).hex() == part


async def test_a_part_is_cleared_a_week_after_the_last_manifest_that_named_it(desk: Desk, broker: OwnBroker) -> None:
    async def limits(sale: int) -> str:
        await desk.put(f"/sites/{SITE}/limits", {"rules": {"classes": [{"card_class": 1, "sale": sale}]}})
        return sha256_of((await desk.house.policy.body_of(SITE, "limits")).body).hex()

    await enrol(desk, Till(1))
    async with line_to(broker, "till-01", topics.list_part(SITE, "+")) as line:
        first = await limits(1)
        assert await line.hear(topics.list_part(SITE, first))
        desk.clock.pass_ms(6 * DAY_MS)
        second = await limits(2)
        assert await line.hear(topics.list_part(SITE, second))
        desk.clock.pass_ms(2 * DAY_MS)
        await limits(3)
        assert await line.hear(topics.list_part(SITE, first)) == b"", "nobody needs it any more"
    async with line_to(broker, "till-01", topics.list_part(SITE, second)) as late:
        assert await late.hear(topics.list_part(SITE, second)), "named two days ago"


async def test_what_somebody_who_had_slept_puts_in_the_place_of_a_list_is_put_right(
    desk: Desk, broker: OwnBroker
) -> None:
    async with line_to(broker, ANYBODY, topics.manifest(SITE)) as line:
        await enrol(desk, Till(1))
        ours, other = await line.hear(topics.manifest(SITE)), b"another program's"
        line.say(topics.manifest(SITE), other, retain=True)
        while await line.hear(topics.manifest(SITE)) != other:
            pass
        again = await line.hear(topics.manifest(SITE))
        key = desk.house.keys.list.public
        assert verified(again, Manifest, key).version > verified(ours, Manifest, key).version


def test_the_program_starts_says_so_and_stops(broker: OwnBroker, tmp_path: Path) -> None:
    config, files = tmp_path / "server.toml", broker.site.server_tls()
    config.write_text(
        f'data = "data"\n[http]\nport = 0\n[mqtt]\nport = {broker.settings.port}\n'
        f'ca = "{files.ca}"\ncert = "{files.certificate}"\nkey = "{files.key}"\n'
    )
    command = [sys.executable, "-I", "-m", "server", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        assert process.stdout is not None
        ready = re.fullmatch(r"fanka server ready: (http://127\.0\.0\.1:\d+)\n", process.stdout.readline().decode())
        assert ready is not None
        answers = (httpx.get(f"{ready[1]}/ready") for _ in range(200))
        assert next(answer for answer in answers if answer.status_code == 200).json()["broker"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_wrong_configuration_is_told_in_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text('data = "data"\ndatabas = "x"\n')
    command = [sys.executable, "-I", "-m", "server", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "databas" in ended.stderr and "Traceback" not in ended.stderr
