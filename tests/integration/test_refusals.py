"""What nobody may get away with, on the real programs: it is refused, an alarm says so, and selling goes on."""

import itertools
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from paho.mqtt.client import Client, MQTTMessage

from protocol import topics
from protocol.entries import Fault
from protocol.ids import SiteId, TerminalId
from protocol.instants import DAY_MS, UtcMs
from protocol.messages import ListFile, Manifest, read_signed, sign
from protocol.purse import Technology
from protocol.signing import SigningKey, from_base64url, sha256_of
from protocol.trust import Trust, read_trust
from server.broker.certificates import Pair, Revoked, for_client, new_authority, new_key
from server.broker.site import TlsFiles
from terminal.claim import enrol
from terminal.identity import IdentityError
from terminal.server_http import ServerAt
from tests.brokers import client_with, now
from tests.integration.campus import MERCHANT, SITE, Campus, Till, wait_until
from tests.integration.fuse import Card

pytestmark = pytest.mark.integration

OTHER = TerminalId("till-2")
MANIFEST = topics.manifest(SiteId(SITE))


@dataclass
class Stage:
    """A till that sells, somebody at the broker who may say anything, and what was retained there."""

    campus: Campus
    till: Till
    liar: Client
    cards: Iterator[Card]
    manifests: list[bytes] = field(default_factory=list)
    earlier: bytes = b""
    first_keys: bytes = b""
    old_list_key: bytes = b""

    @property
    def trust(self) -> Trust:
        return read_trust((self.campus.directory / "server" / "data" / "keys" / "trust.json").read_bytes())

    @property
    def newest(self) -> Manifest:
        found = read_signed(self.manifests[-1])
        assert isinstance(found, Manifest)
        return found

    def retain(self, topic: str, payload: bytes) -> None:
        self.liar.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)

    def forge(self, key: SigningKey | None = None, **changes: Any) -> None:
        """A manifest like the newest one, changed; by the server's own list key, which somebody has got hold of."""
        own = (self.campus.directory / "server" / "data" / "keys" / "list.key").read_text().strip()
        changed = structs.replace(self.newest, **{"version": self.newest.version + 1, **changes})
        self.retain(MANIFEST, sign(changed, key or SigningKey(from_base64url(own))))

    def with_file(self, name: str, **changes: Any) -> dict[str, ListFile]:
        files = self.newest.files
        return {**files, name: structs.replace(files[name], **changes)}

    def publish_anew(self) -> None:
        """The server has something new to say."""
        before = len(self.manifests)
        step = {"age_ms": DAY_MS, "sale": 10_000 + before}
        self.campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"offline": [step]}})
        wait_until(lambda: len(self.manifests) > before, "a new manifest")

    def sell(self) -> None:
        card = next(self.cards)
        view = self.till.sell(card, 100)
        if view["phase"] == "repeat_asked":
            self.till.program.wait("view", since=self.till.program.type("confirm"), phase="awaiting_card")
            view = self.till.tap(card)
        assert view["title"] == "Paid"

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.campus.ask("GET", f"/terminals/{self.till.tid}/state")
        return found

    def told(self) -> list[str]:
        """What the server heard of it that somebody must look at; what the publisher has put right is over again."""
        listed = self.campus.ask("GET", "/alarms")
        return [one["text"] for one in listed if (one["kind"], one["about"]) == ("terminal_says", self.till.tid)]

    def show(self, pair: Pair) -> None:
        """Start the till again with this certificate."""
        assert self.till.program.stop() == 0
        path = self.till.directory / "data" / "tls.pem"
        path.rename(path.with_name("tls.good"))
        path.write_bytes(pair.key_pem() + pair.certificate_pem())
        self.till.comes_back()

    def show_the_good_one(self) -> None:
        assert self.till.program.stop() == 0
        path = self.till.directory / "data" / "tls.pem"
        path.with_name("tls.good").rename(path)
        self.till.comes_back()


def change_keys(stage: Stage, *purposes: str) -> None:
    """What docs/keys.md says, with the root that the first start made; the till is switched off meanwhile."""
    config = stage.campus.directory / "server" / "server.toml"
    data = config.parent / "data" / "keys"

    def keys(*arguments: str | Path) -> str:
        command = [sys.executable, "-I", "-m", "server", "keys", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    stage.first_keys = stage.trust.jws
    stage.old_list_key = from_base64url((data / "list.key").read_text().strip())
    stage.sell()
    stage.campus.wait_online(stage.till)
    assert stage.till.program.stop() == 0
    vault = stage.campus.directory / "vault"
    vault.mkdir()
    (data / "root.key").rename(vault / "root.key")
    for name, text in (
        ("request", keys("request", "--config", config, *(f"--rotate={name}" for name in purposes))),
        ("signed", ""),
    ):
        (vault / name).write_text(text or keys("sign", vault, vault / "request"))
    keys("install", vault / "signed", "--config", config)
    seen = len(stage.manifests)
    stage.campus.server.stop()
    stage.campus.server.start()
    wait_until(lambda: len(stage.manifests) > seen, "a manifest by the new key")
    stage.till.comes_back()


@pytest.fixture(scope="module")
def stage(campus: Campus, office: Till) -> Iterator[Stage]:
    till = campus.add_till("till-1", 1)
    cards = [campus.issue(office, Technology.DESFIRE, 10_000)[1] for _ in range(4)]
    liar = client_with(campus.site.server_tls(2), "stranger")
    stage = Stage(campus, till, liar, itertools.cycle(cards))

    def hear(*_: object) -> None:
        """At first, and after the broker was away."""
        liar.subscribe(MANIFEST, qos=1)

    def listen(_client: Client, _data: object, message: MQTTMessage) -> None:
        stage.manifests.append(bytes(message.payload))

    liar.on_message = listen
    liar.on_connect = hear
    liar.connect("127.0.0.1", campus.broker.settings.port)
    liar.loop_start()
    wait_until(lambda: bool(stage.manifests), "a manifest")
    stage.publish_anew()
    change_keys(stage, "ack", "list")
    stage.earlier = stage.manifests[-1]
    stage.publish_anew()
    yield stage
    liar.disconnect()
    liar.loop_stop()


@dataclass(frozen=True)
class Lie:
    """Something that must not work, what the alarm says of it, and how it ends."""

    tell: Callable[[Stage], None]
    alarm: str
    end: Callable[[Stage], None] = Stage.publish_anew
    reaches_server: bool = True


def by_another_key(stage: Stage) -> None:
    stage.forge(SigningKey(os.urandom(32)))


def rolled_back(stage: Stage) -> None:
    stage.retain(MANIFEST, stage.earlier)


def used_version(stage: Stage) -> None:
    stage.forge(version=stage.newest.version, server_time=UtcMs(stage.newest.server_time + 1))


def list_rolled_back(stage: Stage) -> None:
    stage.forge(files=stage.with_file("limits", version=1))


def list_with_used_version(stage: Stage) -> None:
    stage.forge(files=stage.with_file("limits", sha256="0" * 64))


def wrong_hash(stage: Stage) -> None:
    stage.forge(files=stage.with_file("limits", sha256="0" * 64, version=stage.newest.version + 1))


def other_content(stage: Stage) -> None:
    part = sha256_of(os.urandom(8)).hex()
    stage.retain(topics.list_part(SiteId(SITE), part), b"another list")
    stage.forge(files=stage.with_file("limits", sha256=part, parts=(part,), version=stage.newest.version + 1))


def keys_by_another_root(stage: Stage) -> None:
    other = SigningKey(os.urandom(32))
    stage.retain(topics.KEYS, sign(structs.replace(stage.trust.document, version=9), other))


def keys_rolled_back(stage: Stage) -> None:
    stage.retain(topics.KEYS, stage.first_keys)


def keys_end(stage: Stage) -> None:
    stage.retain(topics.KEYS, stage.trust.jws)


def by_the_key_before(stage: Stage) -> None:
    stage.forge(SigningKey(stage.old_list_key))


def another_site_s(stage: Stage) -> None:
    stage.forge(site=SiteId("south-campus"))


def foreign(stage: Stage) -> None:
    key = new_key()
    stage.show(Pair(for_client(new_authority("Another", now()), stage.till.tid, key.public_key(), now(), 1), key))


def expired(stage: Stage) -> None:
    key, then = new_key(), UtcMs(now() - 2 * DAY_MS)
    stage.show(Pair(for_client(stage.campus.site.authority, stage.till.tid, key.public_key(), then, 1), key))


def revoked(stage: Stage) -> None:
    pair = stage.campus.site.client(stage.till.tid, now(), 1)
    stage.campus.site.take_back([Revoked(pair.certificate.serial_number, now())], now())
    stage.campus.site.reload()
    stage.show(pair)


def of_another_terminal(stage: Stage) -> None:
    stage.show(stage.campus.site.client(OTHER, now(), 1))


LIES = {
    "a list by another key": Lie(by_another_key, "lists: not_genuine"),
    "a manifest that was rolled back": Lie(rolled_back, "lists: older"),
    "a used version with another hash": Lie(used_version, "lists: same_version_other_content: manifest"),
    "a list that was rolled back": Lie(list_rolled_back, "lists: below_floor: limits"),
    "a list's used version": Lie(list_with_used_version, "lists: same_version_other_content: limits"),
    "a manifest with a wrong hash": Lie(wrong_hash, "lists: malformed: limits"),
    "a part with other content": Lie(other_content, "lists: wrong_hash"),
    "a list by the key before": Lie(by_the_key_before, "lists: not_genuine"),
    "keys by another root": Lie(keys_by_another_root, "keys: not_genuine", keys_end),
    "keys that were rolled back": Lie(keys_rolled_back, "keys: older", keys_end),
    "another site's lists": Lie(another_site_s, "lists: other_site"),
    "a certificate of another authority": Lie(foreign, "line: refused: unknown ca", Stage.show_the_good_one, False),
    "an expired certificate": Lie(expired, "line: refused: certificate expired", Stage.show_the_good_one, False),
    "a revoked certificate": Lie(revoked, "line: revoked", Stage.show_the_good_one, False),
    "another terminal's certificate": Lie(
        of_another_terminal, "topics: denied: fanka/1/up/till-1/", Stage.show_the_good_one, False
    ),
}


@pytest.fixture(scope="module")
def other(campus: Campus) -> TerminalId:
    """A second terminal that may connect."""
    campus.ask("PUT", f"/terminals/{OTHER}", {"site": SITE, "title": "other", "merchant": MERCHANT})
    campus.enrol(OTHER, campus.directory / OTHER / "data")
    return OTHER


@pytest.mark.parametrize("name", LIES)
def test_it_is_refused_with_an_alarm_and_selling_goes_on(stage: Stage, other: TerminalId, name: str) -> None:
    lie, till, server = LIES[name], stage.till, stage.campus.server
    before, logged = stage.state()["lists"], len(till.program.log.read_bytes())
    lie.tell(stage)
    alarm = f"ALARM {lie.alarm}"
    wait_until(lambda: alarm in till.program.log.read_bytes()[logged:].decode(), f"the alarm in the log: {alarm}")
    if not lie.reaches_server:  # which puts right within a moment what it hears of
        wait_until(lambda: lie.alarm in till.program.ask("status"), f"the alarm on the screen: {lie.alarm}")
    stage.sell()
    if lie.reaches_server:
        wait_until(lambda: any(lie.alarm in text for text in stage.told()), "the alarm at the server")
        assert f"ALARM terminal_says about {till.tid}: " in server.log.read_text()
        assert stage.state()["lists"] == before and stage.state()["online"]
    lie.end(stage)
    wait_until(lambda: "ALARM" not in till.program.ask("status"), "the end of the alarm")
    stage.campus.wait_online(till)
    wait_until(lambda: not stage.state()["alarm"], "the end of the alarm at the server")
    if lie.end is Stage.publish_anew:
        wait_until(lambda: not any(known["behind"] for known in stage.state()["lists"]), "the newest lists")


def test_a_terminal_that_was_away_while_keys_changed_goes_on(stage: Stage) -> None:
    campus, till = stage.campus, stage.till
    wait_until(lambda: stage.state()["keys"] == 2, "the new keys at the till")
    stage.sell()
    campus.wait_online(till)
    assert (
        stage.trust.document.version == 2
        and stage.trust.root == read_trust((till.directory / "data" / "trust.json").read_bytes()).root
    )
    assert "ALARM" not in till.program.ask("status")
    assert campus.server.log.read_text().count("lies on the server") == 1, "before it was taken away"


def test_what_the_desk_says_is_at_the_till_within_seconds_and_prices_change_without_a_network(stage: Stage) -> None:
    campus, till = stage.campus, stage.till
    hello = {"en": "Closed on Friday", "zh-Hans": "周五休息", "zh-Hant": "週五休息"}
    campus.ask("PUT", f"/sites/{SITE}/texts", {"texts": {"announcements": [hello]}})
    campus.ask("PUT", f"/sites/{SITE}/promotions", {"promotions": []})
    tea = {"id": "tea", "names": {"en": "Tea", "zh-Hans": "茶", "zh-Hant": "茶"}, "price": 200}
    campus.ask("PUT", f"/sites/{SITE}/prices", {"products": [tea]})
    at = now() + 5_000
    campus.ask("PUT", f"/sites/{SITE}/prices", {"products": [tea | {"price": 300}], "valid_from": at})
    wait_until(lambda: not any(known["behind"] for known in stage.state()["lists"]), "the newest lists")
    runs = {known["name"]: known["applied"] for known in stage.state()["lists"]}
    assert runs["texts"] and runs["promotions"] and runs["prices"] and "loads" not in runs
    assert "Closed on Friday" in till.program.ask("status")
    campus.broker.stop()

    def price() -> int:
        till.program.wait("view", since=till.program.type("clear"))
        view = till.program.wait("view", since=till.program.type("item tea"), phase="ringing")
        return int(view["amount"] or 0)

    assert now() < at and price() == 200
    wait_until(lambda: price() == 300, "the later price")
    assert now() >= at and "offline" in till.program.ask("status")
    till.program.type("clear")
    campus.broker.start()
    campus.wait_online(till)
    wait_until(
        lambda: next(k["applied"] for k in stage.state()["lists"] if k["name"] == "prices") > runs["prices"],
        "word of the later prices at the server",
    )


def test_nobody_speaks_or_listens_for_another(stage: Stage, other: TerminalId) -> None:
    campus, till = stage.campus, stage.till
    campus.wait_online(till)
    heard: queue.Queue[str] = queue.Queue()
    refused: queue.Queue[bool] = queue.Queue()
    pair = campus.site.client(other, now(), 1)
    files = (campus.directory / "other.crt", campus.directory / "other.key")
    files[0].write_bytes(pair.certificate_pem())
    files[1].write_bytes(pair.key_pem())
    client = client_with(TlsFiles(campus.site.server_tls().ca, *files), other)
    client.on_message = lambda _client, _data, message: heard.put(message.topic)
    client.on_publish = lambda *told: refused.put(told[3].is_failure)
    client.connect("127.0.0.1", campus.broker.settings.port)
    client.loop_start()
    client.subscribe([(topics.down(TerminalId(till.tid), "+"), 1), ("fanka/1/up/#", 1), ("#", 1)])
    before, tip = stage.state(), campus.tip(till)
    for what in ("journal", "hello", "state", "ask"):
        client.publish(topics.up(TerminalId(till.tid), what), b"x", qos=1, retain=True)
        assert refused.get(timeout=10), what
    stage.sell()
    campus.wait_online(till)
    time.sleep(0.3)
    client.disconnect()
    client.loop_stop()
    topics_heard = {heard.get() for _ in range(heard.qsize())}
    assert topics_heard and not any(till.tid in topic or topic.startswith("fanka/1/up/") for topic in topics_heard)
    assert stage.state() == before and campus.tip(till) > tip


def test_a_claim_code_is_used_once(stage: Stage) -> None:
    campus, server = stage.campus, ServerAt(stage.campus.server.url)
    campus.ask("PUT", "/terminals/till-3", {"site": SITE, "title": "third", "merchant": MERCHANT})
    code = campus.ask("POST", "/terminals/till-3/claims")["code"]

    def compare(said: str) -> None:
        (machine,) = campus.ask("GET", "/enrolments")
        assert said.endswith(machine["words"])
        campus.ask("POST", f"/enrolments/{machine['number']}/approve", {"words": machine["words"]})

    enrol(campus.directory / "till-3", server, code, "virtual", compare, time.sleep)
    with pytest.raises(IdentityError, match="used"):
        enrol(campus.directory / "till-3-again", server, code, "virtual", compare, time.sleep)
    assert "ALARM claim_turned_away about" in campus.server.log.read_text()
    stage.sell()


def test_the_journal_keeps_the_alarms(stage: Stage) -> None:
    """One of each code in an hour: a stranger must not be able to fill it."""

    def logged() -> int:
        """The status may show nothing any more: the publisher puts it right within a moment."""
        return stage.till.program.log.read_text().count("ALARM lists")

    def alarmed_by(tell: Callable[[Stage], None]) -> None:
        before = logged()
        tell(stage)
        wait_until(lambda: logged() > before, "the alarm in the log")

    for tell in (by_another_key, list_rolled_back, by_another_key):
        alarmed_by(tell)
        stage.publish_anew()
        wait_until(lambda: "ALARM" not in stage.till.program.ask("status"), "the end of the alarm")
    assert stage.till.program.stop() == 0
    faults = [sealed.entry.body for sealed in stage.till.entries()]
    texts = [fault.text for fault in faults if isinstance(fault, Fault) and fault.device == "link"]
    assert [text for text in texts if text.startswith("lists: below_floor: limits 1 is older than")]
    assert len([text for text in texts if text.startswith("lists: not_genuine")]) <= 2, "a start begins to count anew"
    stage.till.comes_back()
