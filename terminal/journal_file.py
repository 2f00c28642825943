"""The journal's SQLite file, seen from the one thread that owns its one connection (SPEC, "Storage").

An entry is one row, one INSERT, one transaction: WAL, synchronous=FULL, locking_mode=EXCLUSIVE. Rows are never updated
or deleted; triggers say so to anyone who tries. Everything else in the file can be made again from the entries.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from protocol.entries import ENTRY_VERSION, Body, Checkpoint, Entry, Kind, Stage, stage_of, turnover_of
from protocol.ids import Seq
from protocol.journal import Break, NotAnEntry, Sealed, Tip, read_entry, seal, signature_holds, verify_chain
from protocol.messages import Ack, NotAMessage, verified
from protocol.money import Cents
from protocol.signing import sha256_of, to_base64url
from terminal.durable_file import sync_directory
from terminal.identity import Identity
from terminal.journal_space import PAGE_BYTES, JournalSettings, JournalSpace, Space
from terminal.ports import (
    Draft,
    JournalBroken,
    JournalDamaged,
    JournalError,
    JournalForeign,
    JournalInUse,
    JournalLow,
    JournalMissing,
)

_SNAPSHOTS_KEPT = 2
_ACK_EVERY = 16
"""Entries from one stored ack to the next: it costs a page, and a start without it only asks the server."""

_PRAGMAS = (
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 0",
    "secure_delete = OFF",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
)
_SCHEMA = """
BEGIN;
CREATE TABLE entry (seq INTEGER PRIMARY KEY, jws BLOB NOT NULL) STRICT;
CREATE TABLE snapshot (seq INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
CREATE TABLE newest_ack (one INTEGER PRIMARY KEY CHECK (one = 1), jws BLOB NOT NULL) STRICT;
CREATE TRIGGER entry_is_next BEFORE INSERT ON entry
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
    BEGIN SELECT RAISE(ABORT, 'an entry follows the newest one and replaces none'); END;
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'an entry is never deleted'); END;
PRAGMA user_version = 1;
COMMIT;
"""
_SCHEMA_VERSION = 1

_BEGINNINGS = frozenset(
    kind
    for kind in Kind
    if kind in (Kind.PIN_TRIED, Kind.CASH_SALE, Kind.SALE_REFUSED, Kind.CHECKPOINT)
    or ((stage := stage_of(kind)) is not None and stage[1] is Stage.PREPARED)
)
"""What is not written once the reserve is reached; everything else finishes something or says what is wrong."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state derived from all entries up to the checkpoint `seq`."""

    seq: Seq
    state: bytes


def create_journal(path: Path, page_bytes: int = PAGE_BYTES) -> None:
    """Begin an empty journal: whole, or not at all. Raises OSError where there is one already, or none can be.

    For enrolment only: a journal begun anew under a key that has signed is a second history.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists")
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as db:
            db.execute(f"PRAGMA page_size = {page_bytes}")
            db.executescript(_SCHEMA)
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error
    fresh.rename(path)
    sync_directory(path.parent)


def holds_nothing(path: Path) -> bool:
    """Whether this is a journal that was begun, and nothing was ever written to it."""
    try:
        with contextlib.closing(connect(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            return version == _SCHEMA_VERSION and db.execute("SELECT 1 FROM entry").fetchone() is None
    except sqlite3.Error:
        return False


def missing(path: Path, what: str = "is missing") -> JournalMissing:
    """What to do about a journal that is not there."""
    return JournalMissing(
        f"{path} {what}, but an epoch was begun here, and another journal under the same key would be a second history "
        "of it. Put the file back, with its -wal file if there is one, from where it went (the old disk, a backup). If "
        f"it is gone for good, ask the operator for a new epoch: move the other files in {path.parent} to a safe place "
        f"and enrol again (--enrol with a new claim code, or by hand: python -m terminal --new-key {path.parent})"
    )


def connect(path: Path) -> sqlite3.Connection:
    """Open the file and create none; nothing is read yet. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=0, isolation_level=None, uri=True)


def _meaning(error: sqlite3.Error | OSError, path: Path) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalInUse(f"another program holds {path}: stop it first, a journal has one writer")
    if code == sqlite3.SQLITE_NOTADB:
        return JournalDamaged(Break(0, "file", f"{path}: {error}"))
    # SQLite calls a failed read "malformed" as well, so that word alone condemns no journal.
    return JournalBroken(f"{path}: {error}")


def _set(db: sqlite3.Connection, pragma: str) -> None:
    """Raises OSError where SQLite keeps another journal mode: after a failed fsync it does, and calls that no error."""
    name, _, wanted = pragma.partition(" = ")
    answer = db.execute(f"PRAGMA {pragma}").fetchall()
    if name == "journal_mode" and answer != [(wanted.lower(),)]:
        raise OSError(f"the journal mode is {answer}, not {wanted}")


class JournalFile:
    """Chain and file together. Every method runs on the connection's thread; the attributes may be read anywhere."""

    def __init__(self, db: sqlite3.Connection, settings: JournalSettings, identity: Identity) -> None:
        """Take the file for this process alone, verify it from the newest good snapshot on, take the log's space.

        Raises JournalError.
        """
        self._db, self._settings, self._identity = db, settings, identity
        self._failure: JournalError | None = None
        self._pending_ack, self._ack_due = b"", Seq(0)
        self.tip = identity.start
        self.snapshot: Snapshot | None = None
        self.acked: Ack | None = None
        self.ack_jws = b""
        self.boot = 1
        self._space = JournalSpace(db, settings)
        self._turnover = Cents(0)
        self.guarded(self._prepare)
        self.guarded(self._read_back)
        self.guarded(self._space.take)

    def guarded(self, work: Callable[..., T], *args: object) -> T:
        """Do something to the file; after the first failure nothing is done any more. Raises JournalError."""
        if self._failure is not None:
            raise self._failure
        try:
            return work(*args)
        except (sqlite3.Error, OSError) as error:
            self._failure = _meaning(error, self._settings.path)
            raise self._failure from error

    def append(self, draft: Draft, snapshot: bytes | None) -> Sealed:
        """Seal, insert, commit. When it returns the entry is on disk. Raises JournalLow, JournalBroken."""
        return self.guarded(self._append, draft, snapshot)

    def rows(self, first: Seq, count: int) -> list[bytes]:
        """Up to `count` entries in a row from `first` on. Raises JournalBroken."""
        return [jws for _, jws in self.guarded(self._rows, first, count)]

    def hash_at(self, seq: Seq) -> bytes | None:
        """The hash of one entry, of the grant for seq 0. Raises JournalBroken."""
        if seq == self.tip.seq:
            return self.tip.hash
        if seq == 0:
            return self._identity.start.hash
        found = self.rows(seq, 1) if 0 < seq < self.tip.seq else []
        return sha256_of(found[0]) if found else None

    def keep_ack(self, jws: bytes) -> None:
        """Write the newest signed ack along with one of the next entries."""
        self._pending_ack = jws

    @property
    def space(self) -> Space:
        """What can still be written, as of the newest entry."""
        return self._space.now

    @property
    def checkpoint_due(self) -> bool:
        """Whether the next quiet moment should be used for `checkpoint`."""
        return self._space.checkpoint_due

    def checkpoint(self) -> Space:
        """Move the log into the main file, so that it is written from its beginning again. Raises JournalBroken."""
        return self.guarded(self._space.checkpoint)

    def flush(self) -> None:
        """Write what waits for the next entry. Raises JournalBroken."""
        self.guarded(self._write_ack)

    def check(self, lines: list[bytes], after: Tip) -> tuple[Tip, Break | None]:
        """Verify lines that shall continue `after`, each signature too: the last good one, and the first fault.

        Touches no file, so any thread may call it.
        """
        for item in verify_chain(lines, after, self._identity.grant.verify_key):
            if isinstance(item, Break):
                return after, item
            if not self._is_ours(item.entry):
                return after, Break(item.seq, "foreign", "belongs to another terminal or epoch")
            after = Tip(item.seq, item.hash)
        return after, None

    def _prepare(self) -> None:
        for pragma in _PRAGMAS:
            _set(self._db, pragma)
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise missing(self._settings.path, "is empty")
        if version != _SCHEMA_VERSION:
            raise JournalForeign(f"{self._settings.path} was written by another version of this program ({version})")

    def _append(self, draft: Draft, snapshot: bytes | None) -> Sealed:
        if self.space.low and draft.kind in _BEGINNINGS and self._space.checkpoint().low:
            raise JournalLow(f"no space for {draft.kind}: {self.space.disk_bytes} bytes free on the disk")
        assert snapshot is None or _names_state(draft.body, snapshot), "a checkpoint names its snapshot's hash"
        sealed = seal(self._entry(draft), self._identity.key)
        if snapshot is None and not (self._pending_ack and sealed.seq >= self._ack_due):
            self._db.execute("INSERT INTO entry VALUES (?, ?)", (sealed.seq, sealed.jws))
        else:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO entry VALUES (?, ?)", (sealed.seq, sealed.jws))
            self._write_ack()
            if snapshot is not None:
                self._write_snapshot(sealed.seq, snapshot)
            self._db.execute("COMMIT")
        self._advance(sealed)
        self._space.count(sealed.jws, snapshot or b"")
        return sealed

    def _entry(self, draft: Draft) -> Entry:
        grant, now = self._identity.grant, draft.now
        return Entry(
            ENTRY_VERSION,
            grant.site,
            grant.tid,
            grant.epoch,
            grant.tno,
            Seq(self.tip.seq + 1),
            self.tip.prev,
            draft.kind,
            now.utc_ms,
            now.mono_ms,
            self.boot,
            now.clock,
            draft.lists,
            draft.staff,
            draft.shift,
            Cents(self._turnover + turnover_of(draft.kind, draft.body)),
            body=draft.body,
        )

    def _advance(self, sealed: Sealed) -> None:
        self._turnover = sealed.entry.turnover
        self.tip = Tip(sealed.seq, sealed.hash)

    def _write_ack(self) -> None:
        pending, self._pending_ack, self._ack_due = self._pending_ack, b"", Seq(self.tip.seq + _ACK_EVERY)
        if pending:
            self._db.execute("INSERT OR REPLACE INTO newest_ack VALUES (1, ?)", (pending,))
            self._space.count(pending)

    def _write_snapshot(self, seq: Seq, state: bytes) -> None:
        self._db.execute("INSERT INTO snapshot VALUES (?, ?)", (seq, state))
        kept = "SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?"
        self._db.execute(f"DELETE FROM snapshot WHERE seq NOT IN ({kept})", (_SNAPSHOTS_KEPT,))  # noqa: S608

    def _rows(self, first: Seq, count: int) -> list[tuple[int, bytes]]:
        query = "SELECT seq, jws FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?"
        return self._db.execute(query, (first, count)).fetchall()

    def _read_back(self) -> None:
        first = self._rows(Seq(1), 1)
        if first:
            self._check_first(first[0][1])
        self.snapshot, start = self._newest_good_snapshot()
        last = start
        lines = self._lines_after(start.seq if start else Seq(0))
        begin = Tip(start.seq, start.hash) if start else self._identity.start
        for item in verify_chain(lines, begin, self._identity.grant.verify_key, signatures=False):
            if isinstance(item, Break):
                raise JournalDamaged(item)
            if not self._is_ours(item.entry):
                raise JournalDamaged(Break(item.seq, "foreign", "belongs to another terminal or epoch"))
            last = item
        if last is not None:
            self._advance(last)
            self.boot = last.entry.boot + 1
        self._check_against_ack()

    def _check_first(self, jws: bytes) -> None:
        """Say in words that this is another terminal's journal, before its chain is found not to hold."""
        try:
            entry = read_entry(jws).entry
        except NotAnEntry as error:
            raise JournalDamaged(Break(1, "unreadable", str(error))) from error
        if not self._is_ours(entry):
            grant, path = self._identity.grant, self._settings.path
            raise JournalForeign(
                f"{path} is the journal of {entry.tid}, epoch {entry.epoch} (number {entry.tno}), "
                f"but the grant is for {grant.tid}, epoch {grant.epoch} (number {grant.tno}). "
                "Put back the grant and key of this journal, or move the journal away unchanged: "
                "the server still takes its entries."
            )

    def _is_ours(self, entry: Entry) -> bool:
        grant = self._identity.grant
        return (entry.site, entry.tid, entry.epoch, entry.tno) == (grant.site, grant.tid, grant.epoch, grant.tno)

    def _newest_good_snapshot(self) -> tuple[Snapshot | None, Sealed | None]:
        """A snapshot counts only with the signed checkpoint that names its hash; otherwise an older one, or none."""
        for seq, state in self._db.execute("SELECT seq, state FROM snapshot ORDER BY seq DESC").fetchall():
            row = self._rows(seq, 1)
            sealed = _read(row[0][1]) if row else None
            if (
                sealed is not None
                and sealed.seq == seq
                and _names_state(sealed.entry.body, state)
                and signature_holds(sealed, self._identity.grant.verify_key)
            ):
                return Snapshot(seq, state), sealed
        return None, None

    def _lines_after(self, seq: Seq) -> Iterator[bytes]:
        rows = self._db.execute("SELECT seq, jws FROM entry WHERE seq > ? ORDER BY seq", (seq,))
        for expected, (found, jws) in enumerate(rows, seq + 1):
            if found != expected:
                raise JournalDamaged(Break(expected, "missing", f"row {found} stands where {expected} belongs"))
            yield jws

    def _check_against_ack(self) -> None:
        """A chain cannot show that its tail was cut off; the server's signed word can (SPEC, "Truncation")."""
        row = self._db.execute("SELECT jws FROM newest_ack").fetchone()
        if row is None:
            return
        try:
            ack = verified(row[0], Ack, self._identity.trust.ack)
        except NotAMessage:
            return
        if (ack.tid, ack.epoch) != (self._identity.grant.tid, self._identity.grant.epoch):
            return
        if ack.seq > self.tip.seq:
            detail = f"the server has acknowledged entry {ack.seq}, this journal ends at {self.tip.seq}"
            raise JournalDamaged(Break(self.tip.seq + 1, "cut tail", detail))
        if to_base64url(self.hash_at(ack.seq) or b"") != ack.hash:
            raise JournalDamaged(Break(ack.seq, "other history", "the server has acknowledged a different entry"))
        self.acked, self.ack_jws = ack, row[0]


def _names_state(body: Body, state: bytes) -> bool:
    return isinstance(body, Checkpoint) and body.state == to_base64url(sha256_of(state))


def _read(jws: bytes) -> Sealed | None:
    try:
        return read_entry(jws)
    except NotAnEntry:
        return None
