"""The journal on disk: one SQLite file, one connection, one thread, one hop per entry.

    store = await JournalStore.open(JournalSettings(path), identity)     # verified from the newest checkpoint on
    async for sealed in store.entries_after(seq): ...                    # fold the derived state
    await store.append(draft)                                            # durable when it returns

After JournalBroken nothing is written until `recover` has reopened and verified the file; the tip it then shows tells
whether the entry that failed is on disk (SPEC, "Storage").
"""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite

from protocol.ids import Seq
from protocol.journal import Break, Sealed, Tip, read_entry
from protocol.messages import Ack
from terminal.durable_file import replace_file, rewrite_file
from terminal.identity import Identity
from terminal.journal_file import JournalFile, Snapshot, connect, missing
from terminal.journal_lock import JournalLock
from terminal.journal_space import JournalSettings, Space
from terminal.ports import Draft, JournalBroken, JournalError

_CHUNK_ENTRIES = 64
"""Rows read in one hop: the next sale waits no longer than for these."""
_CHECK_ENTRIES = 8
"""Signatures checked in a row."""

T = TypeVar("T")


class _Thread(aiosqlite.Connection):
    """aiosqlite's connection and thread, and one more way to use them: a whole function in one hop."""

    async def run(self, work: Callable[..., T], *args: object) -> T:
        return cast("T", await self._execute(work, *args))  # type: ignore[no-untyped-call]

    @property
    def raw(self) -> sqlite3.Connection:
        return self._conn


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a full verification has come."""

    seq: Seq
    of: Seq
    found: Break | None = None


class JournalStore:
    """Implements the port `Journal`. Made by `open`."""

    def __init__(self, settings: JournalSettings, identity: Identity, lock: JournalLock) -> None:
        self._settings, self._identity, self._lock = settings, identity, lock
        self._thread: _Thread | None = None
        self._file: JournalFile | None = None
        self._boot: int | None = None
        self._moving: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: JournalSettings, identity: Identity) -> "JournalStore":
        """Open the journal of this identity and verify it from its newest checkpoint on.

        Raises JournalMissing, JournalInUse, JournalForeign, JournalDamaged, JournalBroken; each says what to do.
        """
        if settings.path.parent.is_dir() and not settings.path.exists():
            raise missing(settings.path)
        try:
            store = cls(settings, identity, JournalLock(settings.path.with_name(f"{settings.path.name}-lock")))
        except OSError as error:
            raise JournalBroken(f"{settings.path}: {error}") from error
        try:
            await store._open()
        except BaseException:
            store._lock.release()
            raise
        return store

    @property
    def tip(self) -> Tip:
        """The newest entry; seq 0 and the grant's hash while there is none."""
        return self._opened.tip

    @property
    def boot(self) -> int:
        """The number of this start: one more than that of the newest entry before it."""
        return self._opened.boot

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest derived state whose checkpoint is genuine, as found when the file was opened."""
        return self._opened.snapshot

    @property
    def acked(self) -> Ack | None:
        """The newest signed ack on disk when the file was opened."""
        return self._opened.acked

    @property
    def ack_jws(self) -> bytes:
        """The same ack as the server signed it; empty where there is none."""
        return self._opened.ack_jws

    @property
    def low(self) -> bool:
        """Whether the disk reserve is reached: nothing new may begin."""
        return self.space_left().low

    def space_left(self) -> Space:
        """What can still be written, as of the last look; nothing while the file is not open."""
        return self._opened.space if self._thread is not None else Space(0, 0, low=True)

    async def append(self, draft: Draft, snapshot: bytes | None = None) -> Sealed:
        """Write one entry; it is durable when this returns. With a checkpoint comes the state it stands for.

        Raises JournalLow (only for what begins something) and JournalBroken. Cancelling the call does not take the
        entry back: `tip` tells.
        """
        sealed = await self._run(self._opened.append, draft, snapshot)
        if self._opened.checkpoint_due and self._moving is None:
            self._moving = asyncio.create_task(self._checkpoint())
        return sealed

    async def rows(self, first: Seq, count: int) -> list[bytes]:
        """Up to `count` entries as compact JWS, in order, from `first` on. Raises JournalBroken."""
        return await self._run(self._opened.rows, first, count)

    async def hash_at(self, seq: Seq) -> bytes | None:
        """The hash of one entry; of the grant for seq 0; None beyond the tip. Raises JournalBroken."""
        return await self._run(self._opened.hash_at, seq)

    async def entries_after(self, seq: Seq) -> AsyncIterator[Sealed]:
        """Every entry after `seq` up to the tip, in order. Raises JournalBroken."""
        while lines := await self.rows(Seq(seq + 1), _CHUNK_ENTRIES):
            for line in lines:
                yield read_entry(line)
            seq = Seq(seq + len(lines))

    def keep_ack(self, jws: bytes) -> None:
        """Write the newest signed ack along with one of the next entries, or when closed: at no cost of its own."""
        self._opened.keep_ack(jws)

    async def verify_all(self, pause_s: float = 0.01) -> AsyncIterator[Checked]:
        """Check the whole chain and every signature, a little at a time; ends with the tip or the first fault.

        Sales go on meanwhile: reading takes the connection for some rows only, checking never, and in the pauses the
        processor is free.
        """
        after, end = self._identity.start, self.tip.seq
        while after.seq < end:
            lines = await self.rows(Seq(after.seq + 1), min(_CHECK_ENTRIES, end - after.seq))
            after, found = await asyncio.to_thread(self._opened.check, lines, after)
            found = found or (None if lines else Break(after.seq + 1, "missing", "there is no such row"))
            yield Checked(after.seq, end, found)
            if found is not None:
                return
            await asyncio.sleep(pause_s)

    async def export(self, path: Path | str, from_seq: Seq) -> int:
        """Write the entries from `from_seq` on as lines, all or nothing; returns how many. Raises OSError.

        The server takes the file like a batch (SPEC, "Storage"). It takes the place of no other file, and none of ours:
        FileExistsError.
        """
        path = Path(path)
        if path.exists() or path.resolve().is_relative_to(self._settings.path.parent.resolve()):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        lines = [sealed.jws async for sealed in self.entries_after(Seq(from_seq - 1))]
        await asyncio.to_thread(replace_file, path, b"".join(line + b"\n" for line in lines))
        return len(lines)

    async def recover(self) -> None:
        """After JournalBroken: close, make the log durable, reopen, verify. `tip` is then what is really there.

        Raises JournalBroken while the disk still fails (call it again), JournalDamaged.
        """
        await self._close_file()
        await self._open()

    async def close(self) -> None:
        """Write what waits and let others have the journal. Raises nothing: what is on disk is on disk."""
        with contextlib.suppress(JournalError):
            await self._run(self._opened.flush)
        await self._close_file()
        self._lock.release()

    @property
    def _opened(self) -> JournalFile:
        """The chain as last known: what it says holds while the file is closed, what it does goes through `_run`."""
        assert self._file is not None, "made by open"
        return self._file

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        if self._thread is None:
            raise JournalBroken(f"{self._settings.path} is not open")
        return await self._thread.run(work, *args)

    async def _checkpoint(self) -> None:
        try:
            await self._run(self._opened.checkpoint)
        except JournalBroken:
            return  # The next append says so.
        finally:
            self._moving = None

    async def _open(self) -> None:
        settings, identity = self._settings, self._identity
        try:
            await asyncio.to_thread(_make_durable, settings)
            await (thread := _Thread(lambda: connect(settings.path), _CHUNK_ENTRIES))
        except (OSError, sqlite3.Error) as error:
            raise JournalBroken(f"{settings.path}: {error}") from error
        try:
            file = await thread.run(JournalFile, thread.raw, settings, identity)
        except BaseException:
            await _close(thread)
            raise
        self._thread, self._file = thread, file
        self._boot = file.boot = self._boot or file.boot

    async def _close_file(self) -> None:
        if self._moving is not None:
            await asyncio.wait([self._moving])
        thread, self._thread = self._thread, None
        if thread is not None:
            await _close(thread)


def _make_durable(settings: JournalSettings) -> None:
    """What the log shows shall be what the disk holds, whatever became of an earlier fsync."""
    if not os.access(settings.path.parent, os.W_OK):
        raise PermissionError(f"{settings.path.parent} is not there, or not to be written")
    if settings.wal_path.exists():
        rewrite_file(settings.wal_path)


async def _close(thread: _Thread) -> None:
    with contextlib.suppress(sqlite3.Error):
        await thread.close()
