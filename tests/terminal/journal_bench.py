"""What one journal entry costs beside its own parts, in one run: `python -m tests.terminal.journal_bench [entries]`.

The parts: a bare durable commit of the same bytes into the same kind of file, one signature, one hash, one thread hop.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from protocol.journal import header_of
from protocol.signing import sha256_of
from terminal.durable_file import fill_file
from terminal.journal_file import JournalFile
from terminal.journal_space import PAGE_BYTES, JournalSettings
from tests.protocol.samples import EPOCH, KEY, TID
from tests.terminal.journals import IDENTITY, PREPARED, begun, settled

BAR: Final = 1.3
FRAME_BYTES = PAGE_BYTES + 24


async def measure(directory: Path, sales: int) -> dict[str, float]:
    """Entry by entry, a journal entry and then its bare parts, so that both see the same machine. Microseconds."""
    store = await begun(JournalSettings(directory / "journal.db", free_bytes_min=0), IDENTITY)
    assert store._thread is not None
    bare = await store._thread.run(_bare_database, directory / "bare.db")
    spent: dict[str, list[float]] = {"entry": [], "commit": [], "signature": [], "hash": [], "hop": []}
    lengths: list[int] = []
    for _ in range(sales):
        prepared = await store.append(PREPARED)
        for draft in (PREPARED, settled(prepared.seq)):
            spent["entry"].append(await _timed(lambda draft=draft: store.append(draft)))  # type: ignore[misc]
            jws = (await store.rows(store.tip.seq, 1))[0]
            lengths.append(len(jws))
            spent["hop"].append(await _timed(lambda: store._thread.run(_nothing)))  # type: ignore[union-attr]
            parts = await store._thread.run(_bare_parts, bare, store.tip.seq, jws)
            for name, took in parts.items():
                spent[name].append(took)
    await store._thread.run(bare.close)
    await store.close()
    return _figures(spent, lengths) | await _written_per_sale(directory, sales)


def _bare_database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (f"page_size={PAGE_BYTES}", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, jws BLOB NOT NULL) STRICT")
    fill_file(path.with_name(f"{path.name}-wal"), 2 * 1_024 * 1_024)
    return db


def _bare_parts(db: sqlite3.Connection, seq: int, jws: bytes) -> dict[str, float]:
    message = jws.rpartition(b".")[0]
    started = time.perf_counter()
    db.execute("INSERT INTO entry VALUES (?, ?)", (seq, jws))
    committed = time.perf_counter()
    KEY.sign(message)
    signed = time.perf_counter()
    sha256_of(jws)
    hashed = time.perf_counter()
    return {"commit": committed - started, "signature": signed - committed, "hash": hashed - signed}


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _nothing() -> None: ...


def _figures(spent: dict[str, list[float]], lengths: list[int]) -> dict[str, float]:
    median = {name: statistics.median(values) * 1e6 for name, values in spent.items()}
    parts = median["commit"] + median["signature"] + median["hash"] + median["hop"]
    return {
        **{f"{name}_us": round(value, 1) for name, value in median.items()},
        "entry_p99_us": round(statistics.quantiles(spent["entry"], n=100)[98] * 1e6, 1),
        "entry_bytes": round(statistics.mean(lengths)),
        "header_bytes": len(header_of(TID, EPOCH)),
        "ratio_to_parts": round(median["entry"] / parts, 3),
        "ratio_to_bare_commit": round(median["entry"] / median["commit"], 3),
    }


async def _written_per_sale(directory: Path, sales: int) -> dict[str, float]:
    """Bytes into the log, and from there into the main file, for one sale of two entries."""
    store = await begun(
        JournalSettings(directory / "long.db", wal_bytes=64 * 1_024 * 1_024, free_bytes_min=0), IDENTITY
    )
    assert store._file is not None and store._thread is not None
    for _ in range(sales):
        prepared = await store.append(PREPARED)
        await store.append(settled(prepared.seq))
    log_bytes, moved_bytes = await store._thread.run(_checkpointed, store._file, directory / "long.db")
    await store.close()
    return {
        "log_bytes_per_sale": round(log_bytes / sales),
        "main_file_bytes_per_sale": round(moved_bytes / sales),
        "bytes_per_sale": round((log_bytes + moved_bytes) / sales),
    }


def _checkpointed(file: JournalFile, path: Path) -> tuple[int, int]:
    _, frames, _ = file._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return frames * FRAME_BYTES, path.stat().st_size


def main() -> None:
    sales = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory(prefix="fanka-", dir=".") as directory:
        figures = asyncio.run(measure(Path(directory), sales))
    print(json.dumps(figures, indent=2))
    sys.exit(figures["ratio_to_parts"] > BAR)


if __name__ == "__main__":
    main()
