"""How the database is read: a view where there are several statements, a glance where there is one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import server.db
from server.db import Database
from server.numbers import read_setting, write_setting
from tests.server.postgres import new_database, private_postgres


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite+aiosqlite:///{tmp_path}/server.db" if is_sqlite else _new(request)
    async with Database(url) as database:
        await database.migrate()
        yield database


def _new(request: pytest.FixtureRequest) -> str:
    return new_database(request.getfixturevalue("cluster"), "reading")


async def _write(database: Database, value: str) -> None:
    async with database.writing() as connection:
        await write_setting(connection, "looked at", value)


async def test_a_view_stays_as_it_began_and_a_glance_sees_what_came_since(database: Database) -> None:
    await _write(database, "before")
    async with database.reading() as view, database.glancing() as glance:
        both = view, glance
        assert [await read_setting(connection, "looked at") for connection in both] == ["before", "before"]
        await _write(database, "after")
        assert [await read_setting(connection, "looked at") for connection in both] == ["before", "after"]
    for _ in range(3):  # and connections that are used again are what they are used for
        async with database.reading() as connection:
            assert await read_setting(connection, "looked at") == "after"
        async with database.glancing() as connection:
            assert await read_setting(connection, "looked at") == "after"
        await _write(database, "after")


@pytest.mark.integration
@pytest.mark.parametrize("fresh_s", [0.0, 60.0], ids=["idle", "used a moment ago"])
async def test_a_connection_that_died_is_seen_before_it_is_used_or_fails_once(
    cluster: str, fresh_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.db, "FRESH_S", fresh_s)
    url = new_database(cluster, f"died_{int(fresh_s)}")
    async with Database(url) as database, Database(url) as other:
        await database.migrate()
        await _write(database, "kept")
        async with other.writing() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            await connection.execute(text(f"{others} AND datname = current_database()"))
        await asyncio.sleep(0.1)
        failed = 0
        for _ in range(5):
            try:
                async with database.reading() as connection:
                    assert await read_setting(connection, "looked at") == "kept"
            except DBAPIError:
                failed += 1
        assert failed == (1 if fresh_s else 0)
