"""Taking entries in, on a PostgreSQL of our own that waits for its disk.

    whole batch - decode - verify  =  posting, rows read and written, COMMIT     beside     COPY of the rows it wrote

Full batches go into tables that are not empty and whose statistics are true: a plan made on empty tables costs a factor
of six. The rows that they wrote, whole rows of what they only changed included, are then copied in binary by one
transaction into copies of the database as it was before.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import text

from protocol.instants import DAY_MS, UtcMs
from server.db import Database
from server.ingest.service import Ingest
from server.keys import ServerKeys, open_keys
from tests.bench.bench_ingest import Spent, take, take_in_memory
from tests.bench.figures import Line, cost, gain, on_disk, undisturbed
from tests.bench.lunch import Lunch
from tests.server.desk import put_book
from tests.server.postgres import ACCOUNT, new_database, private_postgres
from tests.server.world import CAMPUS, NOON

SEEDED, BATCHES, ONE_BY_ONE, COPIES = 40, 40, 3, 5
TERMINALS, OF_TERMINAL = 16, 8
"""So many tills at once, and so many batches of each."""
COPY_BAR, ROWS_BAR, TERMINALS_BAR = 0.1, 10.0, 1.0
WHOLE: Final = "whole"
ADDED: Final[dict[LiteralString, LiteralString]] = {"entry": "seq > {}", "step": "seq > {}", "posting": "id > {}"}
CHANGED: Final[tuple[LiteralString, ...]] = ("card", "branch", "chain")
"""Every batch writes all rows of these anew: one till sells to all its cards."""


def run(scale: float = 1.0) -> Iterator[Line]:
    """Microseconds for an entry: beside a COPY of its rows, beside row by row, and of sixteen terminals at once."""
    with private_postgres(durable=True) as cluster, on_disk() as directory:
        place = _Place(cluster, open_keys(Path(directory) / "keys"))
        yield from asyncio.run(_one_terminal(place, max(2, int(BATCHES * scale)), max(1, int(SEEDED * scale))))
        yield asyncio.run(_many_terminals(place, max(1, int(OF_TERMINAL * scale))))


@dataclass(frozen=True, slots=True)
class _Place:
    cluster: str
    keys: ServerKeys

    def ingest(self, database: Database) -> Ingest:
        return Ingest(database, self.keys, CAMPUS, lambda: UtcMs(NOON + DAY_MS))

    def connect(self, name: str) -> psycopg.Connection[tuple[int]]:
        return psycopg.connect(host=self.cluster, user=ACCOUNT, dbname=name)


async def _one_terminal(place: _Place, count: int, seeded: int) -> list[Line]:
    lunch, spent, rows = Lunch(), Spent(), list[float]()
    book, url = lunch.book(), new_database(place.cluster, WHOLE)
    before = [lunch.batch() for _ in range(seeded)]
    await _seed(place, url, [lunch], [before])
    for lines in before:
        take_in_memory(book, lunch, lines, UtcMs(NOON + DAY_MS), Spent())
    copies = [f"copy{number}" for number in range(COPIES)]
    alone, _ = [new_database(place.cluster, name, WHOLE) for name in ("alone", *copies)][:2]
    batches = [lunch.batch() for _ in range(count)]
    async with Database(url) as database, Database(alone) as by_rows:
        ingest, ingest_rows = place.ingest(database), place.ingest(by_rows)
        for number, lines in enumerate(batches):
            spent.batches.append(await take(ingest, lunch, [lines]))
            take_in_memory(book, lunch, lines, UtcMs(NOON + DAY_MS), spent)
            if number < ONE_BY_ONE:
                rows.append(await take(ingest_rows, lunch, [[line] for line in lines]))
    entries = sum(map(len, batches))
    copied = _copy(place, copies, sum(map(len, before)), count)
    whole, decode, verify = (undisturbed(part) for part in (spent.batches, spent.decode, spent.verify))
    return [
        gain("ingest_to_copy", whole - decode - verify, min(copied) / entries * 1e6, "us", COPY_BAR),
        cost("ingest_postgres_decode", decode, whole, "us"),
        cost("ingest_postgres_verify", verify, whole, "us"),
        cost("ingest_postgres_post", undisturbed(spent.post), whole, "us"),
        gain("ingest_to_row_by_row_postgres", whole, undisturbed(rows), "us", ROWS_BAR),
    ]


async def _seed(place: _Place, url: str, lunches: Sequence[Lunch], batches: Sequence[Sequence[list[bytes]]]) -> None:
    async with Database(url) as database:
        await database.migrate()
        for lunch, lines in zip(lunches, batches, strict=True):
            await put_book(database, lunch.book())
            for batch in lines:
                await take(place.ingest(database), lunch, [batch])
        async with database.writing() as connection:
            await connection.execute(text("ANALYZE"))


def _copy(place: _Place, copies: Sequence[str], seeded: int, batches: int) -> list[float]:
    """Seconds of each transaction that copies the rows written since the seed."""
    with place.connect(copies[0]) as old:
        posting = old.execute("SELECT max(id) FROM posting").fetchone()
    assert posting is not None
    bounds = {"entry": seeded, "step": seeded, "posting": posting[0]}
    rows: dict[str, bytes] = {}
    with place.connect(WHOLE) as source:
        for name, added in ADDED.items():
            where = sql.SQL(added).format(sql.Literal(bounds[name]))
            query = sql.SQL("SELECT * FROM {} WHERE {}").format(sql.Identifier(name), where)
            rows[name] = _read(source, query)
        for name in CHANGED:
            query = sql.SQL("SELECT {0}.* FROM {0}, generate_series(1, {1})").format(sql.Identifier(name), batches)
            rows[f"new_{name}"] = _read(source, query)
    return [_write(place, copy, rows) for copy in copies]


def _read(source: psycopg.Connection[tuple[int]], query: sql.Composed) -> bytes:
    with source.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query)) as copy:
        return b"".join(copy)


def _write(place: _Place, name: str, rows: dict[str, bytes]) -> float:
    with place.connect(name) as target:
        for changed in CHANGED:
            like = sql.SQL("CREATE TABLE {} (LIKE {})")
            target.execute(like.format(sql.Identifier(f"new_{changed}"), sql.Identifier(changed)))
        target.commit()
        started = time.perf_counter()
        with target.cursor() as cursor:
            for table, data in rows.items():
                into = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
                with cursor.copy(into) as copy:
                    copy.write(data)
        target.commit()
        return time.perf_counter() - started


async def _many_terminals(place: _Place, count: int) -> Line:
    """All tills at once beside one after the other, each of the same batches into a copy of the same database.

    In rounds of a batch from every till, and each round begins the other way: neither way has the warmer machine.
    """
    lunches = [Lunch(number) for number in range(1, TERMINALS + 1)]
    url = new_database(place.cluster, "tills")
    await _seed(place, url, lunches, [[lunch.batch() for _ in range(count)] for lunch in lunches])
    urls = [url, new_database(place.cluster, "tills_at_once", "tills")]
    batches = [[lunch.batch() for _ in range(count)] for lunch in lunches]
    entries = sum(len(lines) for of_till in batches for lines in of_till)
    async with Database(urls[0]) as first, Database(urls[1]) as second:
        ways = {_one_by_one: place.ingest(first), _at_once: place.ingest(second)}
        spent_s = dict.fromkeys(ways, 0.0)
        for number in range(count):
            turn = [(lunch, [lines[number]]) for lunch, lines in zip(lunches, batches, strict=True)]
            for way in [*ways][:: -1 if number % 2 else 1]:
                started = time.perf_counter()
                await way(ways[way], turn)
                spent_s[way] += time.perf_counter() - started
    at_once, one_by_one = (spent_s[way] / entries * 1e6 for way in (_at_once, _one_by_one))
    return cost("ingest_terminals", at_once, one_by_one, "us", TERMINALS_BAR, terminals=TERMINALS)


async def _one_by_one(ingest: Ingest, turn: Sequence[tuple[Lunch, list[list[bytes]]]]) -> None:
    for lunch, lines in turn:
        await take(ingest, lunch, lines)


async def _at_once(ingest: Ingest, turn: Sequence[tuple[Lunch, list[list[bytes]]]]) -> None:
    await asyncio.gather(*(take(ingest, lunch, lines) for lunch, lines in turn))
