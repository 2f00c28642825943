"""A signed, durable entry of the shipping journal beside the sum of its own parts.

The parts: a bare durable commit of the same bytes into a file of the same kind, one signature, one hash, one hop to the
connection's thread and back. Entries and parts come in turn, so that both meet the same disk, and every other sale the
other way round, so that neither always follows what the other has warmed up. The parts are done in one go: a hop costs
more where the other side sleeps meanwhile, and deciles of parts do not add up to the decile of their sum. What each of
them takes apart is printed as well.
"""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocol.signing import sha256_of
from terminal.durable_file import fill_file
from terminal.journal_space import PAGE_BYTES, JournalSettings
from terminal.journal_store import JournalStore
from tests.bench.figures import Line, ahead_of_others, clocked, cost, on_disk, undisturbed
from tests.protocol.samples import KEY
from tests.terminal.journals import IDENTITY, PREPARED, begun, settled

SALES: Final = 1_500
BAR: Final = 1.3


def run(scale: float = 1.0) -> Iterator[Line]:
    """An entry beside the sum of its parts, in one go and apart, and beside the bare commit alone."""
    with on_disk() as directory, ahead_of_others():
        yield from asyncio.run(_measure(Path(directory), max(20, int(SALES * scale))))


@dataclass(slots=True)
class Parts:
    """What an entry is made of, done bare, on a connection beside the journal's own; seconds of each."""

    store: JournalStore
    database: sqlite3.Connection
    together: list[float] = field(default_factory=list[float])
    """One hop that carries the commit, the signature and the hash."""
    commits: list[float] = field(default_factory=list[float])
    signatures: list[float] = field(default_factory=list[float])
    hashes: list[float] = field(default_factory=list[float])
    hops: list[float] = field(default_factory=list[float])
    """A hop that carries nothing."""
    _rows: int = 0

    @classmethod
    async def open(cls, store: JournalStore, path: Path) -> "Parts":
        """A database with the journal's page size, log and care, and without its triggers and its chain."""
        assert store._thread is not None
        return cls(store, await store._thread.run(_bare_database, path))

    async def spend(self, jws: bytes) -> float:
        """Do the parts of this entry; seconds of all of them together."""
        assert self.store._thread is not None
        started = time.perf_counter()
        await self.store._thread.run(self._commit_sign_hash, jws)
        done = time.perf_counter()
        await self.store._thread.run(_nothing)
        self.hops.append(time.perf_counter() - done)
        self.together.append(done - started)
        return done - started

    async def close(self) -> None:
        """Close the bare database."""
        assert self.store._thread is not None
        await self.store._thread.run(self.database.close)

    def _commit_sign_hash(self, jws: bytes) -> None:
        message, self._rows = jws.rpartition(b".")[0], self._rows + 1
        started = time.perf_counter()
        self.database.execute("INSERT INTO entry VALUES (?, ?)", (self._rows, jws))
        committed = time.perf_counter()
        KEY.sign(message)
        signed = time.perf_counter()
        sha256_of(jws)
        self.hashes.append(time.perf_counter() - signed)
        self.commits.append(committed - started)
        self.signatures.append(signed - committed)


async def _measure(directory: Path, sales: int) -> list[Line]:
    store = await begun(JournalSettings(directory / "journal.db"), IDENTITY)
    parts = await Parts.open(store, directory / "bare.db")
    entries: list[float] = []
    jws = (await store.append(PREPARED)).jws
    await store.append(settled(store.tip.seq))
    for sale in range(sales):
        for draft in (PREPARED, settled(store.tip.seq + 1)):
            if sale % 2:
                await parts.spend(jws)
            started = time.perf_counter()
            jws = (await store.append(draft)).jws
            entries.append(time.perf_counter() - started)
            if not sale % 2:
                await parts.spend(jws)
    await parts.close()
    await store.close()
    return _lines(entries, parts)


def _lines(entries: list[float], parts: Parts) -> list[Line]:
    apart = {
        "commit": undisturbed(parts.commits),
        "signature": undisturbed(parts.signatures),
        "hash": undisturbed(parts.hashes),
        "hop": undisturbed(parts.hops),
    }
    told = {name: round(spent, 1) for name, spent in apart.items()}
    p99 = round(statistics.quantiles(entries, n=100)[98] * 1e6)
    return [
        clocked("entry", entries, parts.together, BAR, p99=p99),
        cost("entry_to_parts_apart", undisturbed(entries), sum(apart.values()), "us", parts=told),
        clocked("entry_to_bare_commit", entries, parts.commits),
    ]


def _bare_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (f"page_size={PAGE_BYTES}", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, jws BLOB NOT NULL) STRICT")
    fill_file(path.with_name(f"{path.name}-wal"), 2 * 1_024 * 1_024)
    return database


def _nothing() -> None: ...
