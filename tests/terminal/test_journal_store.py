"""The journal on real SQLite files: durable, in order, alone, and honest after every kind of death."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from protocol.entries import Kind, ShiftOpened
from protocol.ids import Epoch, Seq, ShiftNo, Tno
from protocol.instants import ClockSource
from protocol.journal import Break, Tip, read_entry, verify_chain
from protocol.money import Cents
from protocol.signing import to_base64url
from terminal.journal_file import JournalFile
from terminal.journal_store import JournalStore
from terminal.ports import (
    JournalBroken,
    JournalDamaged,
    JournalError,
    JournalForeign,
    JournalInUse,
    JournalLow,
)
from tests.protocol.samples import NOON, SERVER_KEY, TNO
from tests.terminal.journals import (
    BOOTED,
    FAULT,
    IDENTITY,
    PREPARED,
    TRUST,
    ack,
    begun,
    checkpoint,
    draft,
    open_store,
    sell,
    settings_in,
    settled,
)

CHILD = (sys.executable, "-m", "tests.terminal.journal_child")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JournalStore]:
    store = await open_store(tmp_path)
    yield store
    await store.close()


async def whole_chain(store: JournalStore) -> list[bytes]:
    """Every line, checked by the verifier and by the store's own background check."""
    lines = [sealed.jws async for sealed in store.entries_after(Seq(0))]
    assert not any(isinstance(item, Break) for item in verify_chain(lines, IDENTITY.start, IDENTITY.key.public))
    checked = [progress async for progress in store.verify_all(pause_s=0)]
    assert all(progress.found is None for progress in checked)
    assert not lines or checked[-1].seq == store.tip.seq == len(lines)
    return lines


def tamper(directory: Path, statements: str) -> None:
    """What somebody with the file in hands could do."""
    with contextlib.closing(sqlite3.connect(directory / "journal.db")) as db:
        db.executescript(statements)


# Entries


async def test_entries_follow_one_another_from_the_grant(store: JournalStore) -> None:
    assert store.tip == IDENTITY.start
    booted = await store.append(BOOTED)
    prepared = await store.append(PREPARED)
    assert (booted.seq, booted.entry.prev) == (1, IDENTITY.start.prev)
    assert (prepared.seq, prepared.entry.prev) == (2, Tip(booted.seq, booted.hash).prev)
    assert store.tip == Tip(prepared.seq, prepared.hash)
    assert await store.rows(Seq(1), 10) == [booted.jws, prepared.jws]
    assert await store.rows(Seq(2), 1) == [prepared.jws]
    assert await store.rows(Seq(3), 1) == []


async def test_the_head_says_who_when_and_how_much_was_turned_over(store: JournalStore) -> None:
    await sell(store, 2)
    entry = (await store.append(FAULT)).entry
    assert (entry.tno, entry.staff, entry.shift, entry.at) == (TNO, "w-07", 3, NOON)
    assert entry.turnover == 2 * settled(1).body.amount  # type: ignore[union-attr]
    assert entry.clock is ClockSource.NONE, "a terminal without a clock sells, and says so"


async def test_a_hash_is_known_for_every_entry_and_the_grant(store: JournalStore) -> None:
    sealed = [await store.append(BOOTED) for _ in range(3)]
    assert await store.hash_at(Seq(0)) == IDENTITY.start.hash
    assert [await store.hash_at(one.seq) for one in sealed] == [one.hash for one in sealed]
    assert await store.hash_at(Seq(4)) is None


async def test_turnover_tip_and_boot_go_on_after_a_restart(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await sell(store)
    tip, boot = store.tip, store.boot
    await store.close()
    store = await open_store(tmp_path)
    assert (store.tip, store.boot) == (tip, boot + 1)
    entry = (await store.append(BOOTED)).entry
    assert (entry.boot, entry.turnover) == (boot + 1, settled(1).body.amount)  # type: ignore[union-attr]
    await store.close()


async def test_many_at_once_still_make_one_chain(store: JournalStore) -> None:
    await asyncio.gather(*(store.append(FAULT) for _ in range(50)))
    assert len(await whole_chain(store)) == 50


async def test_a_cancelled_append_is_in_the_journal_or_not_but_never_half(store: JournalStore) -> None:
    appending = asyncio.create_task(store.append(BOOTED))
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    await store.append(FAULT)
    assert len(await whole_chain(store)) == store.tip.seq


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET jws = x'00' WHERE seq = 1",
        "DELETE FROM entry",
        "INSERT OR REPLACE INTO entry VALUES (1, x'00')",
        "INSERT INTO entry VALUES (7, x'00')",
        "INSERT INTO entry VALUES (2, 'text')",
    ],
)
async def test_the_file_itself_refuses_every_change(tmp_path: Path, statement: str) -> None:
    store = await open_store(tmp_path)
    await store.append(BOOTED)
    await store.close()
    with pytest.raises(sqlite3.IntegrityError):
        tamper(tmp_path, statement)


async def test_the_log_never_outgrows_its_room(store: JournalStore, tmp_path: Path) -> None:
    wal, size = tmp_path / "journal.db-wal", 1_024 * 1_024
    for _ in range(20):
        await sell(store, 20)
        assert wal.stat().st_size == size
    assert store.space_left().wal_bytes >= 256 * 1_024
    assert len(await whole_chain(store)) == 800


# Checkpoints and snapshots


async def folded_from(directory: Path) -> tuple[bytes | None, list[int]]:
    store = await open_store(directory)
    snapshot = store.snapshot
    after = [sealed.seq async for sealed in store.entries_after(snapshot.seq if snapshot else Seq(0))]
    await store.close()
    return snapshot.state if snapshot else None, list(after)


async def test_a_start_gets_the_newest_snapshot_and_the_entries_after_it(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    for state in (b"one", b"two", b"three"):
        await sell(store)
        await store.append(checkpoint(state), state)
    await sell(store)
    await store.close()
    assert await folded_from(tmp_path) == (b"three", [10, 11])


async def test_a_snapshot_that_is_not_the_signed_one_is_ignored(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    for state in (b"one", b"two"):
        await store.append(checkpoint(state), state)
    await store.close()
    tamper(tmp_path, "UPDATE snapshot SET state = x'00' WHERE seq = 2")
    assert await folded_from(tmp_path) == (b"one", [2])
    tamper(tmp_path, "UPDATE snapshot SET state = x'00'")
    assert await folded_from(tmp_path) == (None, [1, 2])


# One writer


async def test_a_second_program_is_told_which_one_holds_the_journal(store: JournalStore, tmp_path: Path) -> None:
    with pytest.raises(JournalInUse, match=rf"process {os.getpid()}\) holds .*journal\.db-lock.*Stop it first"):
        await open_store(tmp_path)


STRANGER = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('DELETE FROM entry')"


async def test_a_stranger_without_our_lock_cannot_write_either(store: JournalStore, tmp_path: Path) -> None:
    assert "database is locked" in error_of(sys.executable, "-c", STRANGER, str(tmp_path / "journal.db"))


async def test_sqlite_s_own_lock_holds_where_the_lock_file_was_removed(store: JournalStore, tmp_path: Path) -> None:
    """Within one process SQLite's locks do not count, so the second program is a real one."""
    (tmp_path / "journal.db-lock").unlink()
    assert "another program holds" in error_of(*CHILD, "load", str(tmp_path))
    await whole_chain(store)


def error_of(*command: str) -> str:
    """The last thing a program says before it fails."""
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=20).stderr.splitlines()[-1]


# Whose journal


async def test_another_terminal_s_journal_is_refused_in_words(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.append(BOOTED)
    await store.close()
    other = structs.replace(IDENTITY.grant, epoch=Epoch(2), tno=Tno(99))
    identity = type(IDENTITY)(other, b"another grant", IDENTITY.key, TRUST)
    with pytest.raises(JournalForeign, match=r"journal of till-07, epoch 1 \(number 41\).*epoch 2 \(number 99\)"):
        await JournalStore.open(settings_in(tmp_path), identity)


async def test_a_journal_without_its_tail_is_known_by_the_server_s_ack(tmp_path: Path) -> None:
    """The image of an old card would sell under numbers that the server has seen already."""
    store = await open_store(tmp_path)
    await sell(store, 3)
    store.keep_ack(ack(6, store.tip.prev))
    await store.append(FAULT)
    await store.close()
    tamper(tmp_path, "DROP TRIGGER entry_is_kept; DELETE FROM entry WHERE seq > 4")
    with pytest.raises(JournalDamaged, match="entry 5: cut tail: the server has acknowledged entry 6"):
        await open_store(tmp_path)


async def test_an_ack_of_another_history_is_named(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await sell(store)
    store.keep_ack(ack(2, to_base64url(bytes(32))))
    await store.append(FAULT)
    await store.close()
    with pytest.raises(JournalDamaged, match="entry 2: other history"):
        await open_store(tmp_path)


async def test_the_newest_ack_survives_a_restart(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await sell(store)
    store.keep_ack(ack(1, to_base64url(await store.hash_at(Seq(1)) or b"")))
    store.keep_ack(ack(2, store.tip.prev))
    await store.close()
    store = await open_store(tmp_path)
    assert store.acked is not None and store.acked.seq == 2
    await store.close()


# Damage


async def damage(directory: Path, statement: str, *, checkpointed_at: int | None) -> None:
    store = await open_store(directory)
    for number in range(1, 9):
        if number == checkpointed_at:
            await store.append(checkpoint(b"state"), b"state")
        else:
            await store.append(FAULT)
    await store.close()
    tamper(directory, "DROP TRIGGER entry_is_next; DROP TRIGGER entry_stays; DROP TRIGGER entry_is_kept;" + statement)


DAMAGES = [
    ("UPDATE entry SET jws = (SELECT jws FROM entry WHERE seq = 3) WHERE seq = 4", 4, "repeated"),
    ("UPDATE entry SET jws = CAST(replace(jws, 'e', 'f') AS BLOB) WHERE seq = 4", 4, "unreadable"),
    ("DELETE FROM entry WHERE seq = 4", 4, "missing"),
    (
        "UPDATE entry SET jws = CAST(substr(jws, 1, length(jws) - 3) || '99w' AS BLOB) WHERE seq = 8",
        8,
        "unreadable|signature",
    ),
    ("UPDATE entry SET seq = seq + 1000", 1, "missing"),
]


@pytest.mark.parametrize(("statement", "seq", "what"), DAMAGES)
async def test_a_tampered_row_is_named_at_start(tmp_path: Path, statement: str, seq: int, what: str) -> None:
    await damage(tmp_path, statement, checkpointed_at=None)
    with pytest.raises(JournalDamaged, match=rf"^entry {seq}: ({what})") as caught:
        await open_store(tmp_path)
    assert caught.value.found.seq == seq


@pytest.mark.parametrize(("statement", "seq", "what"), DAMAGES[:3])
async def test_what_lies_before_the_checkpoint_is_found_in_the_background(
    tmp_path: Path, statement: str, seq: int, what: str
) -> None:
    await damage(tmp_path, statement, checkpointed_at=6)
    store = await open_store(tmp_path)
    *_, last = [progress async for progress in store.verify_all(pause_s=0)]
    assert last.found is not None and (last.found.seq, last.found.what) == (seq, what)
    await store.close()


async def test_every_signature_is_checked_in_the_background(tmp_path: Path) -> None:
    """At start the last signature and the hashes under it are enough; here each one counts."""
    forged = (
        "UPDATE entry SET jws = CAST(substr(jws, 1, length(jws) - 86) || printf('%.86c', 'A') AS BLOB) WHERE seq = 7"
    )
    await damage(tmp_path, forged, checkpointed_at=7)
    with pytest.raises(JournalDamaged):
        await open_store(tmp_path)


async def test_a_file_that_is_no_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(JournalDamaged, match="file is not a database"):
        await open_store(tmp_path)


async def test_pages_that_rot_are_noticed_at_start(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await sell(store, 10)
    await store.close()
    overwrite(tmp_path / "journal.db", 1_024, b"rot" * 3_000)
    with pytest.raises(JournalBroken, match="malformed"):
        await open_store(tmp_path)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


async def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalBroken, match="No such file"):
        await open_store(tmp_path / "missing")


# The disk fails


async def test_no_entry_is_written_in_another_journal_mode(tmp_path: Path) -> None:
    """SQLite stays in the mode that it can have, and calls that no error."""
    store = await open_store(tmp_path)
    settings, identity = store._settings, store._identity
    await store.close()
    with (
        contextlib.closing(sqlite3.connect(settings.path)) as file,
        contextlib.closing(sqlite3.connect(":memory:")) as db,
    ):
        file.backup(db)
        with pytest.raises(JournalBroken, match=r"journal mode is .*memory"):
            JournalFile(db, settings, identity)


def break_file(path: Path, replacement: str, flags: int) -> None:
    """Put another file under the descriptors that SQLite holds: real system calls fail with real errors."""
    other = os.open(replacement, flags)
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        if descriptor.is_symlink() and str(descriptor.readlink()) == str(path):
            os.dup2(other, int(descriptor.name))
    os.close(other)


DISK_FAULTS: list[Callable[[Path], None]] = [
    lambda wal: break_file(wal, str(wal), os.O_RDONLY),
    lambda wal: break_file(wal, "/dev/full", os.O_RDWR),
    lambda wal: break_file(wal, str(wal.parent), os.O_RDONLY | os.O_DIRECTORY),
]


@pytest.mark.parametrize("fault", DISK_FAULTS, ids=["read-only", "no space", "fsync and write fail"])
async def test_nothing_is_sold_on_a_failing_disk_until_it_recovers(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    store = await open_store(tmp_path)
    await sell(store)
    tip = store.tip
    fault(tmp_path / "journal.db-wal")
    with pytest.raises(JournalBroken):
        await store.append(PREPARED)
    with pytest.raises(JournalBroken):
        await store.append(FAULT)
    assert store.tip == tip
    await store.recover()
    assert store.tip == tip
    await sell(store)
    assert len(await whole_chain(store)) == 4
    await store.close()


class LyingConnection(sqlite3.Connection):
    """Commits, and reports an I/O error all the same: what a failed fsync looks like."""

    lies = False

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *parameters)
        if LyingConnection.lies and (sql == "COMMIT" or sql.startswith("INSERT INTO entry")):
            raise sqlite3.OperationalError("disk I/O error")
        return cursor


async def test_an_entry_whose_commit_reported_an_error_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=LyingConnection, **more))
    store = await open_store(tmp_path)
    await sell(store)
    monkeypatch.setattr(LyingConnection, "lies", True)
    with pytest.raises(JournalBroken, match="disk I/O error"):
        await store.append(PREPARED)
    assert store.tip.seq == 2, "nobody was told that it is there"
    monkeypatch.setattr(LyingConnection, "lies", False)
    await store.recover()
    assert store.tip.seq == 3
    await store.append(settled(3))
    assert len(await whole_chain(store)) == 4
    await store.close()


def move(path: Path, to: Path) -> None:
    path.rename(to)


async def test_a_recovery_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await sell(store)
    boot, away = store.boot, tmp_path.with_name("away")
    break_file(tmp_path / "journal.db-wal", "/dev/full", os.O_RDWR)
    with pytest.raises(JournalBroken):
        await store.append(PREPARED)
    move(tmp_path, away)
    for _ in range(2):
        with pytest.raises(JournalBroken):
            await store.recover()
        with pytest.raises(JournalBroken, match="not open"):
            await store.append(PREPARED)
        assert (store.tip.seq, store.low) == (2, True), "the face still shows what was last known"
    move(away, tmp_path)
    await store.recover()
    assert store.tip.seq == 2
    assert store.boot == boot, "the machine did not start again"
    await store.close()


async def test_rows_that_cannot_be_read_stop_the_journal(store: JournalStore, tmp_path: Path) -> None:
    await sell(store, 300)
    assert store._thread is not None
    await store._run(store._thread.raw.execute, "PRAGMA shrink_memory")
    break_file(tmp_path / "journal.db", str(tmp_path), os.O_RDONLY | os.O_DIRECTORY)
    break_file(tmp_path / "journal.db-wal", str(tmp_path), os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(JournalBroken):
        await store.rows(Seq(1), 600)
    await store.recover()
    assert len(await whole_chain(store)) == 600


# The disk is full


async def test_with_a_full_main_file_outcomes_go_on_in_the_reserve(store: JournalStore, tmp_path: Path) -> None:
    await sell(store)  # a full disk can still be read; its stand-in cannot, so every page is in memory first
    break_file(tmp_path / "journal.db", "/dev/full", os.O_RDWR)
    with pytest.raises(JournalLow):
        await sell(store, 400)
    prepared = store.tip.seq
    for _ in range(40):
        await store.append(settled(prepared))
    await store.recover()
    assert len(await whole_chain(store)) == prepared + 40
    assert not store.low
    await sell(store)


async def test_below_the_free_space_asked_for_nothing_begins(tmp_path: Path) -> None:
    store = await begun(settings_in(tmp_path, free_bytes_min=2**62), IDENTITY)
    assert store.low
    for beginning in (PREPARED, checkpoint(b"")):
        with pytest.raises(JournalLow, match=r"no space for .* bytes free"):
            await store.append(beginning)
    await store.append(settled(1))
    await store.append(draft(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(3), Cents(0))))
    await store.close()


def on_a_small_disk(directory: Path, *hows: str) -> list[int]:
    """Run children on a file system of 4 MiB; what each said last."""
    mount = f"mount -t tmpfs -o size=4m none {directory}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    runs = [f"{' '.join(CHILD)} {how} {directory} || test $? = 137; echo ---" for how in hows]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", "; ".join([mount, *runs])], capture_output=True, text=True)
    assert "Error" not in done.stderr, done.stderr
    return [int(part.split()[-1]) for part in done.stdout.split("---")[:-1]]


def test_on_a_disk_without_a_free_byte_the_open_sale_is_finished(tmp_path: Path) -> None:
    """Killed and started again there, and stopped in order and started again: the reserve is still ours."""
    finished, started_again = on_a_small_disk(tmp_path, "full", "again")
    assert started_again == finished + 2


# Killed


def places_of_the_dead(directory: Path) -> list[Path]:
    """Where players died, by the step at which they did; the last one lived."""
    subprocess.run([*CHILD, "steps", str(directory)], check=True)
    return sorted(directory.iterdir(), key=lambda place: int(place.name))


async def test_killed_between_any_two_steps_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    places = places_of_the_dead(tmp_path)
    assert len(places) > 40
    for place in places:
        told = (place / "acknowledged").read_text().split() if (place / "acknowledged").exists() else []
        store = await open_store(place)
        assert len(told) <= store.tip.seq <= len(told) + 1, f"killed at step {place.name}"
        assert (store.snapshot is not None) == (store.tip.seq >= 4)
        await sell(store)
        await whole_chain(store)
        await store.close()
    assert (places[-1] / "acknowledged").read_text().split() == list("123456"), "the last one was not killed"


def sold_until_killed(directory: Path, after_s: float) -> int:
    """The last entry that a process acknowledged before it was killed."""
    with subprocess.Popen([*CHILD, "load", str(directory)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        time.sleep(after_s)
        child.kill()
        said += child.stdout.read()
    return int(said.split(b"\n")[-2])


@pytest.mark.parametrize("after_s", [0.02, 0.07, 0.15, 0.23, 0.31])
async def test_killed_under_load_nothing_acknowledged_is_lost(tmp_path: Path, after_s: float) -> None:
    acknowledged = sold_until_killed(tmp_path, after_s)
    store = await open_store(tmp_path)
    assert store.tip.seq >= acknowledged
    await sell(store)
    await whole_chain(store)
    await store.close()


async def test_a_log_cut_anywhere_ends_the_chain_earlier_and_nothing_else(tmp_path: Path) -> None:
    """Only whole transactions come back: a prefix of the chain, and the next entry continues it."""
    original = tmp_path / "original"
    original.mkdir()
    store = await open_store(original)
    sealed = [await store.append(FAULT) for _ in range(12)]
    copied = [(original / name).read_bytes() for name in ("journal.db", "journal.db-wal")]
    await store.close()
    lengths = {*range(0, 60_000, 1_777), 32, 31, 56, len(copied[1])}
    tips = set()
    for length in sorted(lengths):
        place = tmp_path / str(length)
        place.mkdir()
        (place / "journal.db").write_bytes(copied[0])
        (place / "journal.db-wal").write_bytes(copied[1][:length])
        store = await open_store(place)
        tips.add(store.tip.seq)
        assert await store.rows(Seq(1), 100) == [one.jws for one in sealed[: store.tip.seq]]
        await sell(store)
        await store.close()
        shutil.rmtree(place)
    assert {0, 12} < tips


# Out of the house


async def test_an_export_is_a_batch_in_a_file(store: JournalStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    stick = tmp_path_factory.mktemp("stick")
    await sell(store, 3)
    assert await store.export(stick / "unsent.jsonl", Seq(4)) == 3
    lines = (stick / "unsent.jsonl").read_bytes().splitlines()
    assert [read_entry(line).seq for line in lines] == [4, 5, 6]
    with pytest.raises(OSError, match="No such file"):
        await store.export(stick / "missing" / "unsent.jsonl", Seq(4))


async def test_after_closing_everything_is_refused(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.close()
    with pytest.raises(JournalError, match="not open"):
        await store.append(BOOTED)
    assert SERVER_KEY.public == TRUST.ack.present
