"""PostgreSQL is killed while terminals' batches are taken in: what was acknowledged is there, and nothing twice."""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from server import tables
from server.backup.engines import copy_out
from server.db import POSTGRES_PATIENCE, Database, DatabaseUnusable, _patient
from server.ingest.rules import Ack
from server.ingest.service import Ingest
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, put_book, rows_of
from tests.server.postgres import ACCOUNT, Cluster, new_database
from tests.server.test_holes import sell
from tests.server.world import CAMPUS, Lunch, Till, plastic

pytestmark = pytest.mark.integration

TILLS, SALES, KILLS = 6, 300, 3


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="fanka-pg-") as name:
        cluster = Cluster(Path(name), durable=True)
        cluster.create()
        cluster.start()
        yield cluster
        cluster.stop()


async def test_killed_while_batches_are_taken_in(cluster: Cluster, tmp_path: Path) -> None:
    chance, lunch = random.Random(1), Lunch(1)
    lunch.tills = [Till(number) for number in range(1, TILLS + 1)]
    lunch.cards = [plastic(number) for number in range(1, 6)]
    book = lunch.book()
    for _ in range(SALES):
        sell(chance.choice(lunch.tills), chance.choice(lunch.cards), chance.randint(1, 500))
    clock = Clock()
    clock.pass_ms(3_600_000)
    async with Database(new_database(str(cluster.directory), "outage")) as database:
        await database.migrate()
        await put_book(database, book)
        ingest, failures = Ingest(database, keys_in(tmp_path), CAMPUS, clock), list[Exception]()
        acks = asyncio.Semaphore(0)

        async def drain(till: Till) -> None:
            start = 0
            while start < len(till.lines):
                try:
                    taken = await ingest.take_lines(till.tid, till.lines[start : start + 2])
                except (DBAPIError, psycopg.Error) as error:
                    failures.append(error)
                    await asyncio.sleep(0.05)
                    continue
                assert taken is not None and isinstance(taken.reply, Ack)
                start += 2
                acks.release()

        async def kill() -> None:
            for _ in range(KILLS):
                for _ in range(SALES // (KILLS + 1)):
                    await acks.acquire()
                await asyncio.to_thread(cluster.kill)
                await asyncio.to_thread(cluster.start)

        await asyncio.gather(kill(), *map(drain, lunch.tills))
        assert len(failures) >= KILLS
        entries = await rows_of(database, select(func.count()).select_from(tables.entry))
        assert entries == [(sum(len(till.chain) for till in lunch.tills),)]
        balances = select(tables.card.c.card, tables.card.c.main_cents).order_by(tables.card.c.card)
        assert await rows_of(database, balances) == [(card.id.no, card.main) for card in lunch.cards]
        await assert_balances_are_sums(database)


async def test_a_database_that_forgets_what_it_committed_is_refused(cluster: Cluster) -> None:
    url = new_database(str(cluster.directory), "forgetful")
    for setting in ("off", "local"):
        cluster.say(f"ALTER DATABASE forgetful SET synchronous_commit = {setting}")
        async with Database(url) as database:
            with pytest.raises(DatabaseUnusable, match="synchronous_commit must be on"):
                await database.is_new()


def test_a_machine_that_is_gone_is_given_up_unless_the_url_says_otherwise() -> None:
    found = _patient("postgresql+psycopg://u:secret@/d?host=a:5432&host=b:5432&connect_timeout=9")
    assert found.query == {**POSTGRES_PATIENCE, "host": ("a:5432", "b:5432"), "connect_timeout": "9"}
    assert make_url(found).password == "secret"


async def test_a_backup_finds_the_machine_that_is_left(cluster: Cluster, tmp_path: Path) -> None:
    new_database(str(cluster.directory), "pair")
    hosts = f"host={tmp_path}&host={cluster.directory}&target_session_attrs=read-write"
    copy_out(f"postgresql+psycopg://{ACCOUNT}@/pair?{hosts}", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes().startswith(b"PGDMP")


async def test_acknowledged_rows_are_written_in_no_other_journal_mode(tmp_path: Path) -> None:
    """SQLite keeps the mode that it can have, without shared memory or after a failed fsync, and raises nothing."""
    database = Database(f"sqlite+aiosqlite:///file:{tmp_path / 'server.db'}?vfs=unix-none&uri=true")
    with pytest.raises(DatabaseUnusable, match=r"keeps its journal mode .*delete"):
        async with database.reading():
            pass
    await database.close()
