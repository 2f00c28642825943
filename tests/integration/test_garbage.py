"""Garbage from every side at the real programs: a clear refusal or parked, no secret in a log, and lunch goes on."""

import base64
import contextlib
import json
import os
import random
import time
from collections.abc import Iterator

import httpx
import pytest
import zstandard
from msgspec import structs
from paho.mqtt.client import Client, MQTTMessage

from hardware.simulated.tearing import Field
from protocol import topics
from protocol.entries import Body, Booted, Kind, SaleStep
from protocol.ids import CardNo, Counter, Generation, MerchantId, Seq, SiteId, TerminalId
from protocol.instants import UtcMs
from protocol.journal import Sealed, seal
from protocol.messages import Grant, Hello, encode_batch, encode_hello, verified
from protocol.money import Cents
from protocol.purse import CardId, Technology
from protocol.signing import SigningKey, to_base64url
from protocol.trust import TrustFile, trust_of
from tests.brokers import client_with
from tests.integration.campus import MERCHANT, SITE, Campus, Till, wait_until
from tests.protocol.samples import entry_after

pytestmark = pytest.mark.integration

MARKER = "a-secret-that-nobody-may-repeat-4711"
PIN = "90210"
PRICE = 100


@pytest.fixture(scope="module")
def till(campus: Campus) -> Till:
    """The till that garbage is thrown at."""
    return campus.add_till("till-1", 1)


@pytest.fixture
def broker(campus: Campus) -> Iterator[Client]:
    """Somebody at the broker who may say anything."""
    client = client_with(campus.site.server_tls(2), "stranger")
    client.connect("127.0.0.1", campus.broker.settings.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def still_selling(campus: Campus, office: Till, till: Till) -> None:
    """A new card, a sale, the ack, the books: everything as if nothing had been."""
    pids = [program.process.pid for program in (campus.server, till.program, office.program) if program.process]
    no, card = campus.issue(office, Technology.DESFIRE, 1_000)
    assert till.sell(card, PRICE)["title"] == "Paid"
    campus.wait_online(till)
    wait_until(lambda: campus.card(no)["main_cents"] == 1_000 - PRICE, "the sale in the ledger")
    ledger = campus.ledger()
    assert ledger["total_cents"] == 0 and ledger["owed_cents"] == ledger["held_cents"]
    assert campus.server.running and till.program.running and office.program.running and len(pids) == 3


def no_secret_in_logs(campus: Campus) -> None:
    secrets = [MARKER, PIN, *campus.secrets()]
    for program in (campus.server, *(till.program for till in campus.tills.values())):
        log = program.log.read_text(errors="replace")
        events = json.dumps(getattr(program, "events", []))
        for secret in secrets:
            assert secret not in log and secret not in events, f"a secret stands in {program.log}"
        assert "Traceback" not in log, log


def bottomless(header: bytes, members: bytes) -> bytes:
    """A JWS by nobody whose payload nests until a decoder that recurses gives up."""
    payload = b'{"x":' + b"[" * 3_000 + b"]" * 3_000 + b"," + members + b"}"
    return b".".join(to_base64url(part).encode() for part in (header, payload, bytes(64)))


BOTTOMLESS_ACK = bottomless(b'{"alg":"Ed25519","kid":"ack"}', b'"type":"ack"')


def payloads(dice: random.Random) -> list[bytes]:
    """What a broken or malicious program may send, whatever the topic."""
    marker, zeros = MARKER.encode(), bytes(300_000)
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    unsigned = b".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"none"}', b'{"type":"ack"}', b"")
    )
    lines = [bottomless(b'{"alg":"Ed25519","kid":"till-1/1"}', b'"v":9,"seq":1,"prev":"' + b"A" * 43 + b'"')]
    return [
        b"", b"\x00", b"null", b"{}", b"[]", marker, marker * 1_000, zeros, bomb, unsigned, b"a.b.c", b"\xff\xfe",
        json.dumps({"type": "ack", "seq": 2**70, "x": MARKER}).encode(), b"[" * 100_000, b'{"a":' * 50_000,
        BOTTOMLESS_ACK, *lines, encode_batch(lines), b'{"x":' + b"[" * 3_000 + b"]" * 3_000 + b',"epoch":1}',
        zstandard.ZstdCompressor().compress(marker), zstandard.ZstdCompressor().compress(b"\n" * 300), bomb[:50],
        *(dice.randbytes(dice.randint(1, 2_000)) for _ in range(20)),
    ]  # fmt: skip


def test_garbage_on_every_topic(campus: Campus, office: Till, till: Till, broker: Client) -> None:
    dice, site, tid = random.Random(1), SiteId(SITE), TerminalId(till.tid)
    names = [
        *(topics.up(tid, what) for what in ("journal", "hello", "state", "ask", "", "x/y")),
        *(topics.down(tid, what) for what in ("ack", "answer", "cmd", "x")),
        topics.manifest(site), topics.list_part(site, "00" * 32), topics.list_part(site, MARKER),
        topics.SERVER, topics.KEYS,
        topics.up(TerminalId("nobody"), "journal"), topics.up(TerminalId("A" * 200), "hello"), "fanka/1/up",
        topics.up(TerminalId("ü" * 10), "journal"), "fanka/1/up//journal", "$stranger/x", "fanka/2/up/till-1/journal",
    ]  # fmt: skip
    for name in names:
        for payload in payloads(dice):
            with contextlib.suppress(ValueError):  # too large or a topic paho itself refuses
                broker.publish(name, payload, qos=1).wait_for_publish(10)
    still_selling(campus, office, till)
    assert "online;" in till.program.ask("status")
    no_secret_in_logs(campus)


def test_lies_retained_at_the_broker_change_nothing(campus: Campus, office: Till, till: Till, broker: Client) -> None:
    """Genuine messages bent by one byte, of another purpose, or old; and the lists still arrive afterwards."""
    heard: dict[str, bytes] = {}

    def listen(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.setdefault(message.topic, bytes(message.payload))

    broker.on_message = listen
    broker.subscribe("fanka/1/#", qos=1)
    wait_until(lambda: topics.manifest(SiteId(SITE)) in heard and topics.SERVER in heard, "retained messages")
    genuine = dict(heard)
    for name, payload in genuine.items():
        for at in range(0, len(payload), max(1, len(payload) // 40)):
            bent = payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]
            broker.publish(name, bent, qos=1, retain=False)
        for other in genuine.values():
            broker.publish(name, other, qos=1, retain=False).wait_for_publish(10)
    products = [{"id": "tea", "names": {"en": "Tea", "zh-Hans": "茶", "zh-Hant": "茶"}, "price": 200}]
    campus.ask("PUT", f"/sites/{SITE}/prices", {"products": products})

    def knows_tea() -> bool:
        return bool(till.program.wait("view", since=till.program.type("item tea"))["lines"])

    wait_until(knows_tea, "the new prices")
    till.program.type("clear")
    still_selling(campus, office, till)
    no_secret_in_logs(campus)


def test_a_lie_retained_at_the_broker_does_not_end_a_start(
    campus: Campus, office: Till, till: Till, broker: Client
) -> None:
    """Whoever may publish once reaches every terminal at each of its starts: one message must not end a sale."""
    genuine: dict[str, bytes] = {}

    def listen(_client: Client, _data: object, message: MQTTMessage) -> None:
        genuine.setdefault(message.topic, bytes(message.payload))

    broker.on_message = listen
    names = (topics.SERVER, topics.KEYS, topics.manifest(SiteId(SITE)))
    broker.subscribe([(name, 1) for name in names])
    wait_until(lambda: topics.SERVER in genuine and topics.manifest(SiteId(SITE)) in genuine, "retained messages")
    for name in names:
        broker.publish(name, BOTTOMLESS_ACK, qos=1, retain=True).wait_for_publish(10)
    assert till.program.stop() == 0
    till.comes_back()
    still_selling(campus, office, till)
    for name in names:
        broker.publish(name, genuine.get(name, b""), qos=1, retain=True).wait_for_publish(10)
    no_secret_in_logs(campus)


def test_a_registered_liar_is_kept_and_parked(campus: Campus, office: Till, till: Till, broker: Client) -> None:
    """Chained, signed, and nonsense: a sale of a card that does not exist. Its entry is stored, its money waits."""
    key, tid = SigningKey(os.urandom(32)), TerminalId("liar-1")
    campus.ask("PUT", f"/terminals/{tid}", {"site": SITE, "title": "liar", "merchant": MERCHANT, "can_load": False})
    granted = campus.ask("POST", f"/terminals/{tid}/epochs", {"journal_key": to_base64url(key.public.raw)})
    jws = granted["grant"].encode()
    grant = verified(jws, Grant, trust_of(TrustFile(**granted["trust"])).grant)
    card = CardId(CardNo(4_000_000), Generation(1), Technology.DESFIRE, 1)
    sale = SaleStep(card, Cents(500), Counter(4), Counter(5), Cents(900), Cents(400), merchant=MerchantId(MERCHANT))
    settled = structs.replace(sale, prepared=Seq(2))
    story: list[tuple[Kind, Body]] = [
        (Kind.BOOTED, Booted("liar")),
        (Kind.SALE_PREPARED, sale),
        (Kind.SALE_SETTLED, settled),
    ]
    chain: list[Sealed] = []
    for kind, body in story:
        entry = entry_after(chain[-1] if chain else grant.start(jws), kind, body)
        now = UtcMs(time.time_ns() // 1_000_000)
        entry = structs.replace(entry, site=SITE, tid=tid, epoch=grant.epoch, tno=grant.tno, at=now)
        chain.append(seal(entry, key))
    broker.publish(topics.up(tid, "journal"), encode_batch([sealed.jws for sealed in chain]), qos=1)
    wait_until(lambda: campus.ask("GET", f"/terminals/{tid}")["epochs"][0]["tip"] == 3, "the tip of the liar")
    parked = campus.ask("GET", f"/terminals/{tid}/parked")
    assert [row["seq"] for row in parked] and all(row["why"] for row in parked)
    hello = Hello(grant.epoch, grant.tno, Seq(9_999), to_base64url(bytes(32)), "x.y.z")
    for bent in (hello, structs.replace(hello, tno=grant.tno + 1_000)):
        broker.publish(topics.up(tid, "hello"), encode_hello(bent), qos=1).wait_for_publish(10)
    still_selling(campus, office, till)
    no_secret_in_logs(campus)


BODIES: list[object] = [
    None, "", MARKER, 0, -1, 2**70, [], {}, {"id": MARKER}, {"cents": "1"}, {"cents": 1.5},
    {"cents": -5, "id": "x" * 8}, {"name": "\u0000", "card_class": 9}, {"rules": {"classes": "x"}},
    {"products": [{"id": "free", "names": {}, "price": 2**60}]},
    {"journal_key": "A" * 43}, {"grant": MARKER}, {"site": "../..", "title": "x"}, {"count": 10**9},
]  # fmt: skip
RAW = [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"nul\x00l", MARKER.encode() * 1_000]
PARAMETERS = ["0", "-1", "99999999999999999999", "x", "%00", "..%2f..", "a" * 300, "%ff%fe", "1e9", "'%20or%201=1--"]


def test_garbage_on_every_route(campus: Campus, office: Till, till: Till) -> None:
    """Every method and path of the API's own description, with and without a token: 4xx with a reason, never 5xx."""
    document = httpx.get(f"{campus.server.url}/openapi.json").json()
    dice, asked = random.Random(2), 0
    with httpx.Client(base_url=campus.server.url, timeout=30) as client:
        for path, methods in document["paths"].items():
            for method in methods:
                for token in ("", MARKER, *[campus.token] * 8):  # strangers get no further than the door
                    asked += 1
                    check_refusal(client, method, filled(path, dice), dice, token)
    assert asked > 500
    still_selling(campus, office, till)
    no_secret_in_logs(campus)


def filled(path: str, dice: random.Random) -> str:
    parts = [dice.choice(PARAMETERS) if part.startswith("{") else part for part in path.split("/")]
    query = dice.choice(["", "?limit=-1", "?limit=x&after=%00", f"?{MARKER}=1", "?day=99999999999"])
    return "/".join(parts) + query


def check_refusal(client: httpx.Client, method: str, path: str, dice: random.Random, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if dice.random() < 0.4:
        headers["Content-Type"] = dice.choice(["application/json", "text/plain", "application/xml", "x"])
        answer = client.request(method.upper(), path, content=dice.choice(RAW), headers=headers)
    else:
        answer = client.request(method.upper(), path, json=dice.choice(BODIES), headers=headers)
    assert answer.status_code < 500 or path.startswith("/ready"), f"{method} {path}: {answer.status_code} {answer.text}"
    assert MARKER not in answer.text, f"{method} {path} repeats what it was sent"
    if answer.status_code >= 400 and path.startswith("/api/"):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


class Babbler:
    """Not a card: it answers every APDU with something else."""

    def __init__(self, dice: random.Random, atr: bytes) -> None:
        self._dice, self.atr, self.uid, self.field = dice, atr, b"", Field()

    def reset(self) -> None:
        """Nothing to forget."""

    def process(self, apdu: bytes) -> bytes:
        """Anything, sometimes with a status word of success."""
        answer = self._dice.randbytes(self._dice.randint(0, 40))
        return answer + self._dice.choice([b"\x90\x00", b"\x91\x00", b"\x91\xaf", b"\x63\x00"])


ATRS = [bytes.fromhex("3b8180018080"), bytes.fromhex("3b8f8001804f0ca000000306030001000000006a"), bytes.fromhex("3b00")]


def test_garbage_on_the_reader_and_the_keyboard(campus: Campus, office: Till, till: Till) -> None:
    """Strange cards are refused in words, strange lines are answered, and the next student pays."""
    dice, refused = random.Random(3), 0
    for number in range(6):
        till.ring(PRICE)
        mark = till.program.mark()
        till.slot.insert(Babbler(dice, ATRS[number % len(ATRS)]))
        with contextlib.suppress(AssertionError):
            # Some are no card at all to pcscd: then nothing is seen, and nothing is to be refused.
            till.program.wait("card", since=mark, timeout_s=1.5, state="arrived")
            till.program.wait("view", since=mark, phase="not_done")
            refused += 1
        till.slot.remove()
        time.sleep(0.5)
        till.program.ask("status")
        assert till.program.view["phase"] in {"awaiting_card", "not_done"}
        till.program.wait("view", since=till.program.type("cancel"), phase="ringing")
    assert refused >= 4
    for line in (
        "rign 5",
        f"pin {PIN}",
        f"{MARKER}",
        "ring " + "9" * 400,
        "x" * 5_000,
        "\x00\x01",
        "refund 99 1",
        "load",
        "topup 5",
    ):
        assert till.program.ask(line)
    still_selling(campus, office, till)
    no_secret_in_logs_but_typed(campus)


def no_secret_in_logs_but_typed(campus: Campus) -> None:
    """What a person typed wrongly may be shown to that person again; a PIN may not, and nothing reaches a log."""
    for till in campus.tills.values():
        assert PIN not in json.dumps(till.program.events)
    for program in (campus.server, *(till.program for till in campus.tills.values())):
        log = program.log.read_text(errors="replace")
        assert not [secret for secret in (MARKER, PIN, *campus.secrets()) if secret in log]
        assert "Traceback" not in log, log
