"""Whether the server can do its work: a database that answers and takes nothing in is no good one."""

import asyncio
import resource
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from server.db import Database
from server.pulse import BEATS_S, Pulse
from tests.server.desk import sqlite_url
from tests.server.office import open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_metrics import figures


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@contextmanager
def no_file_grows() -> Generator[None]:
    """What a full disk is to this process: the kernel takes no byte that it would write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_found_and_asked_now_and_then_only(tmp_path: Path) -> None:
    now = 0.0
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        pulse = Pulse(database, lambda: now)
        assert await pulse.beats()
        with no_file_grows():
            assert await pulse.beats(), "asked too soon"
            now += BEATS_S
            assert not await pulse.beats()
        now += BEATS_S
        assert await pulse.beats()


@pytest.mark.integration
async def test_a_database_that_only_reads_is_found(cluster: str) -> None:
    async with Database(new_database(cluster, "readonly")) as database:
        await database.migrate()
        for mode in ("WRITE", "ONLY", "WRITE"):
            async with database.writing() as connection:
                await connection.execute(text(f"SET SESSION CHARACTERISTICS AS TRANSACTION READ {mode}"))
            assert await Pulse(database).beats() == (mode == "WRITE")


async def test_who_waits_for_the_writer_only_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.pulse.PATIENCE_S", 0.1)
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        async with database.writing():
            assert await Pulse(database).beats()
        assert await asyncio.wait_for(Pulse(database).beats(), 5), "the writer is still good for others"


async def test_such_a_server_is_not_ready_and_its_figures_say_why(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        with no_file_grows():
            answer = await desk.client.get("/ready")
        assert (answer.status_code, answer.json()["database"], answer.json()["writable"]) == (503, True, False)
        found = await figures(desk)
        assert (found["fanka_database_up"], found["fanka_database_writable"]) == (1, 0)
