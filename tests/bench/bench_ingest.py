"""Taking entries in, on SQLite: batches beside one transaction for each entry, and where a batch spends its time.

    message --> decode --> verify --> post --> store, COMMIT        (server/ingest/service.py)

Decode, verify and post are timed on the same batches with a book in memory; store is what is left of the whole: rows
read and written, and the commit. Hashes are made while decoding.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocol.instants import HOUR_MS, UtcMs
from protocol.messages import decode_batch, encode_batch
from server.db import Database
from server.ingest.book import Book
from server.ingest.rules import Ack, _in_a_row, read_run, take_run
from server.ingest.service import Ingest
from server.keys import open_keys
from tests.bench.figures import Line, cost, gain, on_disk, undisturbed
from tests.bench.lunch import Lunch
from tests.server.desk import put_book, sqlite_url
from tests.server.world import CAMPUS, NOON

BATCHES: Final = 30
BAR: Final = 10.0


def run(scale: float = 1.0) -> Iterator[Line]:
    """Microseconds for an entry: in batches beside row by row, and the shares of a batch."""
    yield from asyncio.run(_measure(max(2, int(BATCHES * scale))))


@dataclass(slots=True)
class Spent:
    """Seconds for an entry, batch by batch."""

    batches: list[float] = field(default_factory=list[float])
    rows: list[float] = field(default_factory=list[float])
    decode: list[float] = field(default_factory=list[float])
    verify: list[float] = field(default_factory=list[float])
    post: list[float] = field(default_factory=list[float])


async def _measure(batches: int) -> list[Line]:
    lunch, spent, now = Lunch(), Spent(), UtcMs(NOON + batches * HOUR_MS)
    with on_disk() as directory:
        async with AsyncExitStack() as stack:
            by_batches, by_rows = [
                await _server(stack, Path(directory) / name, lunch.book(), now) for name in ("batches", "rows")
            ]
            book = lunch.book()
            for _ in range(batches):
                lines = lunch.batch()
                spent.batches.append(await take(by_batches, lunch, [lines]))
                spent.rows.append(await take(by_rows, lunch, [[line] for line in lines]))
                take_in_memory(book, lunch, lines, now, spent)
    return _lines(spent)


async def _server(stack: AsyncExitStack, directory: Path, book: Book, now: UtcMs) -> Ingest:
    directory.mkdir()  # noqa: ASYNC240 - before anything runs beside it
    database = await stack.enter_async_context(Database(sqlite_url(directory)))
    await database.migrate()
    await put_book(database, book)
    return Ingest(database, open_keys(directory / "keys"), CAMPUS, lambda: now)


async def take(ingest: Ingest, lunch: Lunch, batches: Sequence[list[bytes]]) -> float:
    """Seconds for an entry, from the message to the signed ack."""
    messages = [encode_batch(lines) for lines in batches]
    started = time.perf_counter()
    for message in messages:
        assert await ingest.take(lunch.till.tid, message) is not None
    return (time.perf_counter() - started) / sum(map(len, batches))


def take_in_memory(book: Book, lunch: Lunch, lines: list[bytes], now: UtcMs, spent: Spent) -> None:
    till, message = lunch.till, encode_batch(lines)
    chain = book.chains[till.tno]
    started = time.perf_counter()
    read = read_run(decode_batch(message), till.tid, till.epoch)
    decoded = time.perf_counter()
    assert not isinstance(_in_a_row(read, chain), str)
    verified = time.perf_counter()
    assert isinstance(take_run(book, till.tno, read, now), Ack)
    taken = time.perf_counter()
    spent.decode.append((decoded - started) / len(lines))
    spent.verify.append((verified - decoded) / len(lines))
    spent.post.append((taken - verified - (verified - decoded)) / len(lines))


def _lines(spent: Spent) -> list[Line]:
    whole = undisturbed(spent.batches)
    shares = {"decode": undisturbed(spent.decode), "verify": undisturbed(spent.verify), "post": undisturbed(spent.post)}
    shares["store"] = whole - sum(shares.values())
    return [
        gain("ingest_to_row_by_row", whole, undisturbed(spent.rows), "us", BAR),
        *(cost(f"ingest_{name}", share, whole, "us") for name, share in shares.items()),
    ]
