"""Over a real broker: the server ends up with exactly the rows of the journal, and only its signed ack says so."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from protocol import topics
from protocol.entries import NO_LISTS, Booted, Kind
from protocol.ids import Epoch, Seq, Tno
from protocol.instants import DAY_MS, MonoMs, UtcMs
from protocol.journal import read_entry
from protocol.messages import Ack, TipAnswer, Want, sign, verified, version_of
from protocol.signing import SigningKey, sha256_of, to_base64url
from protocol.state import State, encode_state, read_state
from protocol.sync_sender import Phase
from protocol.trust import Trust
from terminal.hooks import Hooks
from terminal.identity import Identity
from terminal.journal_store import JournalStore
from terminal.mqtt_line import LineSettings, TlsFiles, TlsUnusable
from terminal.offline import Offline, OfflineCause
from terminal.policy_store import Applied, PolicyStore
from terminal.ports import JournalBroken
from terminal.sync_archive import Archive
from terminal.sync_link import SyncLink
from tests.brokers import OwnBroker, now
from tests.protocol.samples import EPOCH, GRANT, KEY, NOON, SERVER_KEY, SITE, TID
from tests.terminal.fake_server import FakeServer, signed
from tests.terminal.journals import FAULT, IDENTITY, TRUST, begun, draft, open_store, sell, settings_in, trusting
from tests.terminal.site_lists import first_lists

pytestmark = pytest.mark.integration

SPEED = 20
"""Resending after 5 s takes a quarter of one here."""
WAIT_S = 15
OTHER_KEY = SigningKey(b"other" * 6 + b"to")


class FastClock:
    """Implements the port `Clock`."""

    def utc_ms(self) -> UtcMs:
        return NOON

    def mono_ms(self) -> MonoMs:
        return MonoMs(int(time.monotonic() * 1_000 * SPEED))


@dataclass
class Terminal:
    """A journal and its link, and what the link told."""

    store: JournalStore
    policy: PolicyStore
    broker: OwnBroker
    tls: TlsFiles
    lists: Path
    identity: Identity = IDENTITY
    acked: list[int] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    diverged: list[TipAnswer] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    archives: list[Archive] = field(default_factory=list)
    kept: list[Trust] = field(default_factory=list)
    asked_for_time: int = 0
    said_time: UtcMs | None = None

    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[SyncLink]:
        """The link while it runs."""
        link = SyncLink(
            LineSettings("127.0.0.1", self.broker.settings.port, self.tls, reconnect_last_s=1),
            self.identity,
            self.store,
            self.policy,
            FastClock(),
            newest_ack=self.store.ack_jws,
            archives=self.archives,
            hooks=Hooks(
                self._on_acked,
                self._on_applied,
                self._on_time,
                self._on_diverged,
                self._on_alarm,
                self.kept.append,
                self.clock_doubtful,
                card_sets=(2, 1),
            ),
        )
        running = asyncio.create_task(link.run())
        try:
            yield link
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    def shown(self, link: SyncLink) -> State:
        """What its state should say."""
        active = self.policy.active
        return State(
            1, EPOCH, active.versions, self.policy.version, active.as_of, 2, link.status.alarm, card_sets=(2, 1)
        )

    async def sell(self, link: SyncLink, times: int = 1) -> None:
        """Sales that the link hears of."""
        for _ in range(times):
            await sell(self.store)
            link.appended()

    async def clock_doubtful(self) -> Callable[[], UtcMs] | None:
        self.asked_for_time += 1
        said = self.said_time
        return None if said is None else lambda: said

    async def _on_acked(self, ack: Ack, jws: bytes) -> None:
        assert jws.count(b".") == 2
        self.acked.append(ack.seq)

    async def _on_applied(self, applied: Applied) -> None:
        self.applied.append(applied)

    async def _on_time(self, at: UtcMs) -> None:
        self.times.append(at)

    async def _on_diverged(self, tip: TipAnswer) -> None:
        self.diverged.append(tip)

    async def _on_alarm(self, alarm: str) -> None:
        self.alarms.append(alarm)


@pytest.fixture
def server(broker: OwnBroker) -> Iterator[FakeServer]:
    server = FakeServer(broker)
    yield server
    server.close()


@pytest.fixture
async def terminal(tmp_path: Path, broker: OwnBroker) -> AsyncIterator[Terminal]:
    policy = PolicyStore(tmp_path / "lists", SITE, IDENTITY.trust, takes_loads=False)
    store, files = await open_store(tmp_path), broker.files(TID)
    terminal = Terminal(store, policy, broker, TlsFiles(files.ca, files.certificate, files.key), tmp_path / "lists")
    yield terminal
    await terminal.store.close()


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what or "it never happened"
        await asyncio.sleep(0.01)


async def all_rows(store: JournalStore) -> list[bytes]:
    return await store.rows(Seq(1), 100_000)


async def test_everything_arrives_and_the_face_can_say_so(terminal: Terminal, server: FakeServer) -> None:
    await sell(terminal.store, 300)
    async with terminal.linked() as link:
        assert (link.status.online, link.status.unsent) == (False, 600)
        await until(lambda: link.status.unsent == 0)
        assert server.rows == await all_rows(terminal.store)
        status = link.status
        assert (status.online, status.cause, status.phase, status.acked) == (True, None, Phase.SENDING, 600)
        assert (status.acked_at, terminal.times[-1]) == (NOON, NOON)
        await terminal.sell(link)
        await until(lambda: link.status.unsent == 0)
        assert server.rows == await all_rows(terminal.store)
        assert server.states == [encode_state(State(1, EPOCH, NO_LISTS, keys=2, card_sets=(2, 1)))]
    await until(lambda: server.states[1:] == [encode_state(State(0, EPOCH, NO_LISTS))])
    assert (link.status.online, link.status.cause) == (False, Offline(OfflineCause.STOPPED))
    assert terminal.acked == sorted(terminal.acked)


async def test_without_a_broker_the_terminal_sells_and_says_why_it_is_alone(
    terminal: Terminal, broker: OwnBroker
) -> None:
    broker.stop()
    async with terminal.linked() as link:
        await until(lambda: "no_answer: 127.0.0.1" in str(link.status.cause))
        await terminal.sell(link, 3)
        assert link.status.unsent == 6
        broker.start()
        server = FakeServer(broker)
        await until(lambda: link.status.unsent == 0)
        assert server.rows == await all_rows(terminal.store)
        server.close()


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    terminal: Terminal, server: FakeServer, broker: OwnBroker
) -> None:
    async with terminal.linked() as link:
        for _ in range(2):
            await terminal.sell(link, 20)
            await until(lambda: link.status.online)
            broker.kill()
            await until(lambda: not link.status.online)
            assert "lost" in str(link.status.cause)
            await terminal.sell(link, 20)
            broker.start()
        await until(lambda: link.status.unsent == 0)
    assert server.rows == await all_rows(terminal.store)


async def test_lost_acks_are_made_up_for_and_doubled_ones_do_no_harm(terminal: Terminal, server: FakeServer) -> None:
    fate = iter([0, 0, 3] * 100)
    server.answer = lambda ack: [signed(ack)] * next(fate)
    async with terminal.linked() as link:
        for _ in range(4):
            await terminal.sell(link, 2)
            await until(lambda: link.status.unsent == 0)
    assert server.rows == await all_rows(terminal.store)
    assert server.batches > 4


async def test_a_broker_s_word_is_not_the_server_s(terminal: Terminal, server: FakeServer) -> None:
    """Every publish is acknowledged by the broker, none by the server."""
    server.answer = lambda _: []
    async with terminal.linked() as link:
        await terminal.sell(link, 5)
        await until(lambda: server.batches > 2)
        assert (link.status.unsent, link.status.acked, terminal.acked) == (10, 0, [])


FOREIGN = to_base64url(bytes(32))
FALSE_ACKS: dict[str, Callable[[Ack], bytes]] = {
    "another hash": lambda ack: signed(structs.replace(ack, hash=FOREIGN)),
    "another key": lambda ack: signed(ack, SigningKey(bytes(32))),
    "another terminal": lambda ack: signed(structs.replace(ack, tid="till-08")),
    "another epoch": lambda ack: signed(structs.replace(ack, epoch=2)),
    "beyond the tip": lambda ack: signed(structs.replace(ack, seq=ack.seq + 1)),
    "a tip in its place": lambda ack: sign(Want(TID, EPOCH, Seq(0), NOON), SERVER_KEY),
}


@pytest.mark.parametrize("lie", FALSE_ACKS.values(), ids=FALSE_ACKS)
async def test_a_false_ack_counts_for_nothing(
    terminal: Terminal, server: FakeServer, lie: Callable[[Ack], bytes]
) -> None:
    server.answer = lambda ack: [lie(ack)]
    async with terminal.linked() as link:
        await terminal.sell(link, 2)
        await until(lambda: server.batches > 1)
        assert (link.status.acked, terminal.acked) == (0, [])
        server.answer = lambda ack: [lie(ack), signed(ack), lie(ack)]
        await until(lambda: link.status.unsent == 0)
    assert server.rows == await all_rows(terminal.store)


async def test_garbage_is_ignored_with_a_line_that_repeats_nothing_of_it(
    terminal: Terminal, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    payload = b'{"SECRET":' + b"[" * 3_000 + b"]" * 3_000 + b',"type":"ack"}'
    header = b'{"alg":"Ed25519","kid":"ack"}'
    bottomless = b".".join(to_base64url(part).encode() for part in (header, payload, bytes(64)))
    async with terminal.linked() as link:
        await until(lambda: link.status.phase is Phase.SENDING)
        with caplog.at_level(logging.WARNING, "terminal"):
            for topic in (topics.down(TID, "ack"), topics.down(TID, "cmd"), topics.SERVER, topics.manifest(SITE)):
                for payload in (b"", b"\x00SECRET", b"SECRET.SECRET.SECRET", b"x" * 100_000, bottomless):
                    server.publish(topic, payload)
            await terminal.sell(link)
            await until(lambda: link.status.unsent == 0)
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 16, "lists that are refused again and again for the same reason are told once"
    assert not any("SECRET" in line or "\x00" in line or len(line) > 200 for line in lines)


async def test_a_server_that_misses_entries_gets_them_again(terminal: Terminal, server: FakeServer) -> None:
    async with terminal.linked() as link:
        await terminal.sell(link, 4)
        await until(lambda: link.status.unsent == 0)
        del server.rows[2:]
        server.ask_again(3)
        await until(lambda: len(server.rows) == 8)
    assert server.rows == await all_rows(terminal.store)


async def test_a_restored_server_says_so_by_its_instance_and_gets_what_it_forgot(
    terminal: Terminal, server: FakeServer
) -> None:
    server.show_instance("first")
    async with terminal.linked() as link:
        await terminal.sell(link, 4)
        await until(lambda: link.status.unsent == 0)
        del server.rows[3:]
        greeted = len(server.hellos)
        server.show_instance("second")
        await until(lambda: len(server.hellos) > greeted and len(server.rows) == 8)
    assert server.rows == await all_rows(terminal.store)
    shown = verified(server.hellos[-1].ack.encode(), Ack, SERVER_KEY.public)
    assert shown.seq == 8, "it shows what the server had signed"


async def test_a_server_that_starts_late_is_greeted(terminal: Terminal, server: FakeServer) -> None:
    server.is_deaf = True
    async with terminal.linked() as link:
        await terminal.sell(link)
        await until(lambda: link.status.phase is Phase.ASKING)
        server.is_deaf = False
        server.show_instance("first")
        await until(lambda: link.status.unsent == 0)


async def test_another_history_at_the_server_stops_the_chain(terminal: Terminal, server: FakeServer) -> None:
    """A card image restored on a second machine: both must not go on under one number."""
    other = sha256_of(b"another entry")
    server.rows = [b"another entry"]
    await sell(terminal.store)
    async with terminal.linked() as link:
        await until(lambda: link.status.phase is Phase.DIVERGED)
        await until(lambda: terminal.diverged)
        assert terminal.diverged[0].hash == to_base64url(other)
        await terminal.sell(link)
        assert (link.status.unsent, server.batches) == (4, 0)


async def test_what_was_acknowledged_stays_so_after_a_restart(terminal: Terminal, server: FakeServer) -> None:
    async with terminal.linked() as link:
        await terminal.sell(link, 2)
        await until(lambda: link.status.unsent == 0)
        await terminal.sell(link)
        await until(lambda: link.status.unsent == 0)
    path = terminal.store._settings.path
    await terminal.store.close()
    terminal.store = await open_store(path.parent)
    server.is_deaf = True
    async with terminal.linked() as link:
        assert (link.status.unsent, link.status.acked) == (0, 6)


async def test_a_journal_that_breaks_for_a_while_stops_nothing_for_good(
    terminal: Terminal, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> list[bytes]:
        raise JournalBroken("the disk failed")

    await sell(terminal.store, 2)
    monkeypatch.setattr(JournalStore, "rows", broken)
    async with terminal.linked() as link:
        await until(lambda: len(server.hellos) > 2)
        monkeypatch.undo()
        await until(lambda: link.status.unsent == 0)


async def test_entries_of_an_epoch_that_is_over_arrive_beside_the_new_ones(
    terminal: Terminal, server: FakeServer, tmp_path: Path
) -> None:
    grant = structs.replace(GRANT, epoch=Epoch(7), tno=Tno(77))
    identity = Identity(grant, sign(grant, SERVER_KEY), KEY, TRUST)
    (tmp_path / "old").mkdir()
    old = await begun(settings_in(tmp_path / "old"), identity)
    for _ in range(600):
        await old.append(FAULT)
    terminal.archives.append(Archive(identity, old, Seq(200)))
    server.branch = (await all_rows(old))[:200]
    fate = iter([0, 1] * 100)
    server.answer = lambda ack: [signed(ack)] * next(fate)
    async with terminal.linked() as link:
        await terminal.sell(link, 2)
        assert link.status.unsent == 404
        await until(lambda: link.status.unsent == 0)
    assert server.branch == await all_rows(old)
    assert server.rows == await all_rows(terminal.store)
    await old.close()


# Lists


async def test_lists_come_part_by_part_and_are_applied_once(terminal: Terminal, server: FakeServer) -> None:
    lists = first_lists()
    server.put_lists(lists.publish(), lists.parts)
    async with terminal.linked():
        await until(lambda: terminal.applied)
        assert terminal.applied[0].lists.versions.prices == 12
        server.put_lists(lists.publish(), {})
        await until(lambda: len(terminal.applied) == 2)
    async with terminal.linked() as link:
        await until(lambda: link.status.online)
    assert len(terminal.applied) == 2
    assert terminal.alarms == []


async def test_lists_with_a_used_version_and_other_content_raise_an_alarm(
    terminal: Terminal, server: FakeServer
) -> None:
    lists = first_lists()
    server.put_lists(lists.publish(), lists.parts)
    async with terminal.linked() as link:
        await until(lambda: terminal.applied)
        server.put_lists(lists.publish(number=1, server_time=NOON + 1), {})
        await until(lambda: terminal.alarms)
        assert "same_version_other_content" in link.status.alarm
        server.put_lists(lists.publish(number=2), {})
        await until(lambda: len(terminal.applied) == 2)
        assert link.status.alarm == ""


async def test_a_terminal_that_came_before_the_broker_knew_it_gets_its_lists_all_the_same(
    terminal: Terminal, server: FakeServer, broker: OwnBroker
) -> None:
    """Retained messages come at a subscription only, and then nothing may be read yet."""
    lists = first_lists()
    server.put_lists(lists.publish(), lists.parts)
    broker.site.let_in({})
    broker.site.reload()
    await asyncio.sleep(0.2)
    async with terminal.linked() as link:
        await until(lambda: link.status.online)
        await asyncio.sleep(0.2)
        assert not terminal.applied
        broker.site.let_in({TID: SITE})
        broker.site.reload()
        await until(lambda: terminal.applied)


REFUSED_LINE = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""paho leaves the socket of a failed TLS handshake to the garbage collector."""


@REFUSED_LINE
@pytest.mark.parametrize(
    ("days_wrong", "comes_in", "cause"),
    [(None, False, OfflineCause.DATES), (-3, False, OfflineCause.CERTIFICATE), (0, True, None)],
)
async def test_only_a_clock_that_the_server_has_set_makes_up_for_dates(
    tmp_path: Path, days_wrong: int | None, comes_in: bool, cause: OfflineCause | None
) -> None:
    """The broker's certificate begins tomorrow; or it is this machine's clock that is a day behind."""
    tomorrow = UtcMs(now() + DAY_MS)
    with OwnBroker(tmp_path / "broker", [TID], at=tomorrow) as broker:
        policy = PolicyStore(tmp_path / "lists", SITE, IDENTITY.trust, takes_loads=False)
        files = broker.files(TID)
        tls = TlsFiles(files.ca, files.certificate, files.key)
        terminal = Terminal(await open_store(tmp_path), policy, broker, tls, tmp_path / "lists")
        terminal.said_time = None if days_wrong is None else UtcMs(tomorrow + days_wrong * DAY_MS)
        async with terminal.linked() as link:
            await until(
                lambda: link.status.online if comes_in else link.status.cause and link.status.cause.cause is cause
            )
            assert terminal.asked_for_time and link.status.online is comes_in
        await terminal.store.close()


@REFUSED_LINE
async def test_a_broker_with_another_s_certificate_is_not_believed(
    terminal: Terminal, server: FakeServer, broker: OwnBroker, tmp_path: Path
) -> None:
    other = OwnBroker(tmp_path / "other", [TID])
    terminal.tls = replace(terminal.tls, ca=other.site.server_tls().ca)
    async with terminal.linked() as link:
        await until(lambda: link.status.cause is not None and link.status.cause.cause is OfflineCause.CERTIFICATE)
    assert not server.hellos


async def test_tls_files_that_are_missing_are_said_at_once(terminal: Terminal, tmp_path: Path) -> None:
    line = LineSettings("127.0.0.1", 1, TlsFiles(tmp_path / "ca", tmp_path / "cert", tmp_path / "key"))
    with pytest.raises(TlsUnusable, match="ca: there is no such file"):
        SyncLink(line, IDENTITY, terminal.store, terminal.policy, FastClock())
    assert read_entry((await terminal.store.append(draft(Kind.BOOTED, Booted("x")))).jws).seq == 1


async def test_a_part_that_does_not_come_is_an_alarm_until_newer_lists_are_whole(
    terminal: Terminal, server: FakeServer
) -> None:
    lists = first_lists()
    server.put_lists(lists.publish(), lists.parts)
    async with terminal.linked() as link:
        await until(lambda: terminal.applied)
        lists.put("texts", b"{}", 14)
        server.put_lists(lists.publish(), {})
        await until(lambda: "lists: parts_missing" in link.status.alarm)
        assert terminal.alarms == [link.status.alarm], "and in the journal"
        assert len(terminal.applied) == 1, "the lists before hold"
        await until(lambda: read_state(server.states[-1]).alarm == link.status.alarm)
        await terminal.sell(link)
        await until(lambda: link.status.unsent == 0)
        server.put_lists(lists.publish(), lists.parts)
        await until(lambda: terminal.policy.version == version_of(1, 3))
        await until(lambda: read_state(server.states[-1]) == terminal.shown(link))
        assert link.status.alarm == ""


def with_other_keys(version: int, root: SigningKey = SERVER_KEY) -> bytes:
    """A document that names another list key and another ack key; those before are named as former ones."""
    return trusting(version, root, list=OTHER_KEY, ack=OTHER_KEY).jws


@pytest.fixture
def own_trust(terminal: Terminal) -> Trust:
    """A trust that may change."""
    trust = Trust(TRUST.root, TRUST.jws)
    terminal.identity = replace(IDENTITY, trust=trust)
    terminal.policy = PolicyStore(terminal.lists, SITE, trust, takes_loads=False)
    return trust


async def test_keys_that_changed_during_an_absence_are_read_before_anything_else(
    terminal: Terminal, server: FakeServer, own_trust: Trust, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything at the broker is signed by keys that this terminal has never heard of."""
    lists, server.key = first_lists(), OTHER_KEY
    lists.key = OTHER_KEY
    server.show_instance("new")
    server.put_lists(lists.publish(), lists.parts)
    server.publish(topics.KEYS, with_other_keys(3), retain=True)
    await sell(terminal.store)
    async with terminal.linked() as link:
        await until(lambda: link.status.unsent == 0 and terminal.applied)
        assert link.status.alarm == "" and not [one for one in caplog.records if one.levelno >= logging.WARNING]
        await until(lambda: read_state(server.states[-1]).keys == 3)
    assert [kept.document.version for kept in terminal.kept] == [3] and terminal.kept[0] == own_trust
    assert own_trust.list.present == OTHER_KEY.public


async def test_what_an_old_key_signs_now_is_refused_and_what_it_signed_holds(
    terminal: Terminal, server: FakeServer, own_trust: Trust
) -> None:
    lists = first_lists()
    manifest = lists.publish()
    server.put_lists(manifest, lists.parts)
    await sell(terminal.store)
    async with terminal.linked() as link:
        await until(lambda: link.status.unsent == 0 and terminal.applied)
        await terminal.sell(link)  # with it the ack is written down
        await until(lambda: link.status.unsent == 0)
        server.key = OTHER_KEY
        server.publish(topics.KEYS, with_other_keys(3), retain=True)
        await until(lambda: own_trust.document.version == 3)
        server.put_lists(manifest, {})
        server.put_lists(lists.publish(), {})
        await until(lambda: "lists: not_genuine" in link.status.alarm)
        lists.key = OTHER_KEY
        server.put_lists(lists.publish(), {})
        await until(lambda: link.status.alarm == "")
    again = PolicyStore(terminal.lists, SITE, own_trust, takes_loads=False)
    assert again.version == terminal.policy.version and not again.damage
    await terminal.store.close()
    terminal.store = await begun(settings_in(terminal.lists.parent), terminal.identity)
    assert terminal.store.acked is not None, "the ack of the key before is believed of what is on the disk"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (with_other_keys(1), "older"),
        (with_other_keys(2), "same_version_other_content"),
        (with_other_keys(3, OTHER_KEY), "not_genuine"),
        (b"garbage", "not_genuine"),
    ],
)
async def test_no_other_document_changes_what_is_believed(
    terminal: Terminal, server: FakeServer, own_trust: Trust, document: bytes, code: str
) -> None:
    server.publish(topics.KEYS, document, retain=True)
    async with terminal.linked() as link:
        await until(lambda: f"keys: {code}" in link.status.alarm)
        await until(lambda: server.states and code in read_state(server.states[-1]).alarm)
        await terminal.sell(link)
        await until(lambda: link.status.unsent == 0)
        server.publish(topics.KEYS, TRUST.jws, retain=True)
        await until(lambda: link.status.alarm == "")
    assert own_trust == TRUST and not terminal.kept
