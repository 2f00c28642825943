"""A batch is committed before it is acknowledged, once, whatever dies in between."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from protocol.entries import Kind, Reason
from protocol.messages import (
    Ack,
    Hello,
    NotAMessage,
    TipAnswer,
    Want,
    decode_batch,
    encode_batch,
    encode_hello,
    read_signed,
    sign,
    verified,
)
from protocol.signing import to_base64url
from server import tables
from server.alarms.tables import alarm
from server.db import Database
from server.errors import Conflict, Invalid
from server.ingest.book import BRANCHES_MAX
from server.ingest.journal_files import TakenFile
from server.ingest.rules import epoch_named
from server.ingest.service import Ingest
from tests.server.desk import Clock, keys_in, put_book, rows_of, sqlite_url
from tests.server.test_holes import Street, sell
from tests.server.world import CAMPUS, Lunch, Till, plastic

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A database with one registered till."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database, self.clock = database, Clock()
        self.clock.pass_ms(3_600_000)
        self.keys = keys_in(directory)
        self.ingest = Ingest(database, self.keys, CAMPUS, self.clock)

    async def entries(self) -> int:
        return int((await rows_of(self.database, select(func.count()).select_from(tables.entry)))[0][0])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, Street().book)
        yield Server(database, tmp_path)


def till_with(count: int, number: int = 1) -> Till:
    till = Till(number)
    for _ in range(count):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    return till


async def test_a_batch_is_acknowledged_with_its_last_hash(server: Server) -> None:
    till = till_with(5)
    answer = await server.ingest.take(till.tid, encode_batch(till.lines))
    assert answer is not None
    ack = verified(answer, Ack, server.keys.ack.public)
    assert (ack.server_epoch, ack.tid, ack.epoch, ack.seq, ack.hash) == (
        1,
        till.tid,
        1,
        5,
        to_base64url(till.chain[-1].hash),
    )


async def test_a_duplicate_is_acknowledged_again_and_changes_nothing(server: Server) -> None:
    till = till_with(5)
    first = await server.ingest.take(till.tid, encode_batch(till.lines))
    before = await rows_of(server.database, select(tables.entry))
    assert await server.ingest.take(till.tid, encode_batch(till.lines)) == first
    assert await rows_of(server.database, select(tables.entry)) == before


async def test_a_gap_is_asked_for(server: Server) -> None:
    till = till_with(5)
    answer = await server.ingest.take(till.tid, encode_batch(till.lines[2:]))
    assert answer is not None
    assert verified(answer, Want, server.keys.ack.public).seq == 1
    assert await server.entries() == 0


@pytest.mark.parametrize("raw", [b"", b"garbage", encode_batch([b"a.b.c"]), encode_batch([b"\xff" * 40])])
async def test_garbage_is_refused_and_loses_nothing(server: Server, raw: bytes) -> None:
    till = till_with(2)
    assert await server.ingest.take(till.tid, raw) is None
    assert await server.ingest.take(till.tid, encode_batch(till.lines)) is not None


async def test_a_line_that_nests_without_end_is_asked_for_again(server: Server) -> None:
    """Skipping what is not known, a decoder recurses: it must neither end the ingest nor lose what follows."""
    till = till_with(2)
    payload = b'{"v":9,"seq":1,"prev":"' + b"A" * 43 + b'","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
    line = till.lines[0].partition(b".")[0] + b"." + to_base64url(payload).encode() + b"." + b"A" * 86
    answer = await server.ingest.take(till.tid, encode_batch([line, *till.lines[1:]]))
    assert answer is not None
    assert verified(answer, Want, server.keys.ack.public).seq == 1
    assert await server.ingest.take(till.tid, encode_batch(till.lines)) is not None
    assert await server.entries() == 2


async def test_another_terminal_s_entries_are_refused(server: Server) -> None:
    one, two = till_with(2), till_with(2, 2)
    assert await server.ingest.take(one.tid, encode_batch(two.lines)) is None
    stranger = till_with(2, 9)
    assert await server.ingest.take(stranger.tid, encode_batch(stranger.lines)) is None
    assert await server.entries() == 0


async def test_a_forged_signature_is_refused(server: Server) -> None:
    till, forger = till_with(2), till_with(0)
    forger.key = Till(5).key
    forger.append(Kind.DRAWER_OPENED, Reason("mine"))
    answer = await server.ingest.take(till.tid, encode_batch(forger.lines))
    assert answer is not None
    assert isinstance(read_signed(answer), Want)
    assert await server.entries() == 0


async def test_no_ack_without_a_commit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database dies at the commit: there is no answer, and nothing is half there."""
    till = till_with(3)

    def broken(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("sqlalchemy.engine.default.DefaultDialect.do_commit", broken)
    with pytest.raises(OSError, match="disk full"):
        await server.ingest.take(till.tid, encode_batch(till.lines))
    monkeypatch.undo()
    assert await server.entries() == 0
    assert await server.ingest.take(till.tid, encode_batch(till.lines)) is not None
    assert await server.entries() == 3


@pytest.mark.parametrize("point", ["saving._write_entries", "saving._write_postings", "saving._write_rest"])
async def test_a_fault_in_the_middle_leaves_nothing_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    street = Street()

    async def broken(*_: Any) -> None:
        raise OSError("I/O error")

    monkeypatch.setattr(f"server.ingest.{point}", broken)
    with pytest.raises(OSError, match="I/O error"):
        await server.ingest.take(street.one.tid, encode_batch(street.one.lines))
    monkeypatch.undo()
    for table in (tables.entry, tables.posting, tables.step, tables.case_file):
        assert await rows_of(server.database, select(table)) == []
    assert await rows_of(server.database, select(tables.branch.c.tip_seq).where(tables.branch.c.tip_seq > 0)) == []


def test_killed_between_commit_and_ack_everything_is_there_once(tmp_path: Path) -> None:
    """The process is killed with SIGKILL after the commit; the terminal sends again and gets its ack."""
    child = [sys.executable, "-m", "tests.server.ingest_child", str(tmp_path)]
    killed = subprocess.run([*child, "die"], cwd=ROOT, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again = subprocess.run([*child, "live"], cwd=ROOT, capture_output=True, timeout=60)
    assert again.returncode == 0, again.stderr.decode()
    assert again.stdout.decode().split() == ["Ack", "6", "6"]


async def test_hello_is_answered_with_the_tip(server: Server) -> None:
    till = till_with(4)
    await server.ingest.take(till.tid, encode_batch(till.lines[:3]))
    hello = Hello(till.epoch, till.tno, till.chain[-1].seq, to_base64url(till.chain[-1].hash))
    answer = await server.ingest.hello(till.tid, encode_hello(hello))
    assert answer is not None
    tip = verified(answer.tip, TipAnswer, server.keys.ack.public)
    assert (tip.seq, tip.hash) == (3, to_base64url(till.chain[2].hash))


async def test_a_hello_without_the_newest_ack_is_given_it_again(server: Server) -> None:
    """The connection may have ended between the commit and the ack, and nothing is left to send."""
    till = till_with(4)

    async def greeted(shown: bytes) -> bytes | None:
        hello = Hello(till.epoch, till.tno, till.chain[-1].seq, to_base64url(till.chain[-1].hash), shown.decode())
        greeting = await server.ingest.hello(till.tid, encode_hello(hello))
        assert greeting is not None
        return greeting.ack

    assert await greeted(b"") is None, "nothing is held"
    old = await server.ingest.take(till.tid, encode_batch(till.lines[:2]))
    newest = await server.ingest.take(till.tid, encode_batch(till.lines))
    assert old is not None and newest is not None
    strange = sign(verified(newest, Ack, server.keys.ack.public), Till(3).key)
    for shown in (b"", old, strange, b"nonsense"):
        again = await greeted(shown)
        assert again is not None
        ack = verified(again, Ack, server.keys.ack.public)
        assert (ack.server_epoch, ack.seq, ack.hash) == (1, 4, to_base64url(till.chain[-1].hash))
    assert await greeted(newest) is None


async def test_hello_of_an_empty_chain_is_answered_with_the_grant(server: Server) -> None:
    till = till_with(0)
    hello = encode_hello(Hello(till.epoch, till.tno, till.start.seq, till.start.prev))
    answer = await server.ingest.hello(till.tid, hello)
    assert answer is not None
    tip = verified(answer.tip, TipAnswer, server.keys.ack.public)
    assert (tip.seq, tip.hash) == (0, till.start.prev)


async def test_an_own_ack_beyond_the_tip_means_that_the_server_was_restored(server: Server) -> None:
    till = till_with(6)
    tip = till.chain[-1]
    own = Ack(1, till.tid, till.epoch, tip.seq, to_base64url(tip.hash), server.clock())
    hello = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash), sign(own, server.keys.ack).decode())
    answer = await server.ingest.hello(till.tid, encode_hello(hello))
    assert answer is not None
    assert verified(answer.tip, TipAnswer, server.keys.ack.public).server_epoch == 2
    settings = dict(await rows_of(server.database, select(tables.setting)))
    leapt = {"server_epoch": "2", "number:card": "10000", "number:tno": "10000", "number:list": "10000"}
    assert settings.items() >= leapt.items()
    raised = select(alarm.c.kind, alarm.c.count)
    assert await rows_of(server.database, raised) == [("server_restored", 1)]
    again = await server.ingest.hello(till.tid, encode_hello(hello))
    assert again is not None
    assert verified(again.tip, TipAnswer, server.keys.ack.public).server_epoch == 2, "an old epoch's ack alarms once"
    assert await rows_of(server.database, raised) == [("server_restored", 1)]


async def test_an_ack_for_a_second_history_is_no_proof_of_a_restore(server: Server) -> None:
    """The longer history of a restored image is acknowledged like any other; the server has it, in a branch."""
    till = till_with(4)
    await server.ingest.take(till.tid, encode_batch(till.lines))
    image = till.restored(2)
    for _ in range(5):
        image.append(Kind.DRAWER_OPENED, Reason("again"))
    for _ in range(2):
        ack = await server.ingest.take(till.tid, encode_batch(image.lines[2:]))
        assert ack is not None
        tip = image.chain[-1]
        hello = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash), ack.decode())
        answer = await server.ingest.hello(till.tid, encode_hello(hello))
        assert answer is not None and verified(answer.tip, TipAnswer, server.keys.ack.public).server_epoch == 1


async def test_of_too_many_histories_none_is_taken_and_nothing_is_lost(server: Server) -> None:
    """The first ones are kept and go on; the one too many stays with the terminal, which is told what is held here."""
    till = till_with(2)
    await server.ingest.take(till.tid, encode_batch(till.lines))
    images = [till.restored(1) for _ in range(BRANCHES_MAX + 1)]
    for number, image in enumerate(images):
        image.append(Kind.DRAWER_OPENED, Reason(f"history {number}"))
    *kept, refused = [await server.ingest.take(till.tid, encode_batch(image.lines)) for image in images]
    assert all(answer is not None and isinstance(read_signed(answer), Ack) for answer in kept)
    for _ in range(2):
        assert refused is not None
        tip = verified(refused, TipAnswer, server.keys.ack.public)
        assert (tip.seq, tip.hash) == (2, to_base64url(till.chain[-1].hash)), "not a row of that terminal"
        assert await server.entries() == 2 + BRANCHES_MAX
        refused = await server.ingest.take(till.tid, encode_batch(images[-1].lines))
    with pytest.raises(Conflict):
        await server.ingest.take_file(till.tid, images[-1].lines)
    images[-2].append(Kind.DRAWER_OPENED, Reason("it goes on"))
    answer = await server.ingest.take(till.tid, encode_batch(images[-2].lines))
    assert answer is not None and isinstance(read_signed(answer), Ack)
    texts = await rows_of(server.database, select(tables.case_file.c.cls, tables.case_file.c.text))
    assert [cls for cls, _ in texts] == ["chain_break"] * BRANCHES_MAX
    assert [text for _, text in texts if "last further" in text] == [texts[-1][1]], "told once, with the last one taken"


@pytest.mark.parametrize("change", ["key", "tid", "epoch"])
async def test_a_strange_ack_proves_nothing(server: Server, change: str) -> None:
    till, tip = till_with(6), till_with(6).chain[-1]
    tid, epoch = ("till-99" if change == "tid" else till.tid), (7 if change == "epoch" else 1)
    key = Till(3).key if change == "key" else server.keys.ack
    own = sign(Ack(1, tid, epoch, tip.seq, to_base64url(tip.hash), server.clock()), key)  # type: ignore[arg-type]
    hello = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash), own.decode())
    answer = await server.ingest.hello(till.tid, encode_hello(hello))
    assert answer is not None
    assert verified(answer.tip, TipAnswer, server.keys.ack.public).server_epoch == 1


async def test_an_exported_journal_is_taken_like_batches(server: Server) -> None:
    till = till_with(600)
    taken = await server.ingest.take_file(till.tid, till.lines)
    assert (taken.batches, taken.asked_for, taken.new) == (3, 0, 600)
    assert await server.entries() == 600
    again = await server.ingest.take_file(till.tid, till.lines)
    assert (again.entries, again.asked_for, again.fault, again.new) == (600, 0, "", 0), "taken already, and says so"
    with pytest.raises(Invalid):
        await server.ingest.take_file(till.tid, [b"nonsense"])


async def test_an_exported_journal_that_begins_too_late_is_told_so(server: Server) -> None:
    till = till_with(10)
    taken = await server.ingest.take_file(till.tid, till.lines[4:])
    assert taken == TakenFile(1, 1, 0, 0, "line 1: entries are missing before this batch")


def unsigned(line: bytes) -> bytes:
    """The same entry with another's signature."""
    return line.rpartition(b".")[0] + b"." + b"A" * 86


@pytest.mark.parametrize("bad", [1, 255, 256, 257, 300, 600])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda line: line[: len(line) // 2], "unreadable: "),
        (lambda line: line[:9], "it is no entry of this terminal, or was cut off"),
        (unsigned, ""),
    ],
)
async def test_of_a_damaged_file_everything_before_the_damage_is_taken(
    server: Server, bad: int, spoil: Callable[[bytes], bytes], why: str
) -> None:
    """The journal of a dead terminal comes from a memory card that is dying, too."""
    till = till_with(600)
    lines = [*till.lines[: bad - 1], spoil(till.lines[bad - 1]), *till.lines[bad:]]
    if bad == 1 and spoil is not unsigned:
        with pytest.raises(Invalid, match=r"line 1: .*Nothing was taken"):
            await server.ingest.take_file(till.tid, lines)
        return
    taken = await server.ingest.take_file(till.tid, lines)
    assert (taken.entries, taken.upto, taken.asked_for) == (bad - 1, bad - 1, bad)
    assert taken.fault.startswith(f"line {bad}: {why}") and await server.entries() == bad - 1
    whole = await server.ingest.take_file(till.tid, till.lines)
    assert (whole.entries, whole.upto, whole.asked_for, whole.fault) == (600, 600, 0, "")
    assert not await rows_of(server.database, select(alarm.c.kind)), "it is the file that is spoiled"


async def test_what_a_rescue_says_after_its_entries_stands_in_the_report(server: Server) -> None:
    till, note = till_with(5), "12 frames cannot be used: entries after 5 may be missing"
    taken = await server.ingest.take_file(till.tid, [*till.lines, f"# {note}".encode()])
    assert taken == TakenFile(1, 6, 5, 5, f"line 6: {note}", new=5)
    with pytest.raises(Invalid, match=f"holds no entries; its last line says: {note}"):
        await server.ingest.take_file(till.tid, [f"# {note}".encode()])


async def test_lines_that_do_not_follow_one_another_are_taken_up_to_the_gap(server: Server) -> None:
    till = till_with(10)
    taken = await server.ingest.take_file(till.tid, [*till.lines[:4], *till.lines[5:]])
    text = "line 5: entry 6 does not continue entry 4, which stands before it"
    assert taken == TakenFile(2, 5, 4, 4, text, new=4) and await server.entries() == 4


async def test_a_line_of_an_epoch_that_nobody_granted_ends_the_import(server: Server) -> None:
    till, other = till_with(3), Till(1, epoch=2)
    other.append(Kind.DRAWER_OPENED, Reason("x"))
    taken = await server.ingest.take_file(till.tid, [*till.lines, *other.lines])
    assert (taken.entries, taken.fault) == (3, "line 4: epoch 2 is not registered here")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2_000))
def test_the_batch_decoder_refuses_or_reads(raw: bytes) -> None:
    try:
        lines = decode_batch(raw)
    except NotAMessage:
        return
    for line in lines:
        epoch_named(line, Till(1).tid)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line), min_size=1, max_size=5))
def test_a_header_that_is_not_exactly_ours_names_no_epoch(lines: list[bytes]) -> None:
    for line in lines:
        assert epoch_named(line, Till(1).tid) is None


async def test_every_bit_of_a_batch_matters(server: Server) -> None:
    """One flipped byte anywhere: refused or asked for, never kept differently, and the true batch is still taken."""
    lunch = Lunch(3, tills=1)
    till = lunch.tills[0]
    sell(till, plastic(7), 100)
    raw = b"\n".join(till.lines)
    for index in range(0, len(raw), 37):
        flipped = bytearray(raw)
        flipped[index] ^= 1
        lines = bytes(flipped).split(b"\n")
        if all(lines):
            await server.ingest.take(till.tid, encode_batch(lines))
    assert await server.entries() <= len(till.chain)
    kept = await rows_of(server.database, select(tables.entry.c.jws).where(tables.entry.c.branch == 0))
    assert {row[0] for row in kept} <= set(till.lines)
    answer = await server.ingest.take(till.tid, encode_batch(till.lines))
    assert answer is not None
    assert isinstance(read_signed(answer), Ack)
