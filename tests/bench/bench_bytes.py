"""What a sale costs the disk: bytes written for its two entries, with the journal's own page size and with 4 KiB pages.

Two figures from `/proc/self/io`, each over many sales and the checkpoints that belong to them. `wchar` is what SQLite
hands to the kernel: frames of the log, and pages moved to the main file. `write_bytes` is what the kernel then hands to
the disk, in whole pages of its own; most of it is one page of the log, written again at every commit.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from terminal.journal_file import create_journal
from terminal.journal_space import PAGE_BYTES, JournalSettings
from terminal.journal_store import JournalStore
from tests.bench.figures import Line, cost, on_disk
from tests.terminal.journals import IDENTITY, sell

SALES: Final = 1_000
USUAL_PAGE_BYTES: Final = 4_096
COUNTERS: Final = {"bytes_per_sale": "wchar", "disk_bytes_per_sale": "write_bytes"}


def run(scale: float = 1.0) -> Iterator[Line]:
    """Bytes given to the kernel and to the disk for one sale."""
    sales = max(20, int(SALES * scale))
    ours, usual = (_written(page_bytes, sales) for page_bytes in (PAGE_BYTES, USUAL_PAGE_BYTES))
    for bench, counter in COUNTERS.items():
        yield cost(bench, round(ours[counter] / sales), round(usual[counter] / sales), "bytes", page_bytes=PAGE_BYTES)


def _written(page_bytes: int, sales: int) -> dict[str, int]:
    with on_disk() as directory:
        return asyncio.run(_sell(Path(directory) / "journal.db", page_bytes, sales))


async def _sell(path: Path, page_bytes: int, sales: int) -> dict[str, int]:
    create_journal(path, page_bytes)
    store = await JournalStore.open(JournalSettings(path), IDENTITY)
    assert store._thread is not None and store._file is not None
    before = _counters()
    await sell(store, sales)
    await store._thread.run(store._file.checkpoint)
    after = _counters()
    await store.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (page_bytes,)
    return {name: after[name] - before[name] for name in after}


def _counters() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
