"""The steps of the schema against the tables of the program, on both engines, up and down with rows in them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from server.db import Database, DatabaseUnusable
from server.enrolment.tables import claim
from server.schema import HEAD, NOTHING, downgrade, revision, upgrade
from server.tables import metadata, terminal
from tests.server.desk import sqlite_url
from tests.server.postgres import new_database, private_postgres

TERMINAL: dict[str, Any] = {"tid": "till-1", "site": "north-campus", "title": "左边", "registered_at": 7}
OLD_TERMINAL = (
    "INSERT INTO terminal (tid, site, title, merchant, can_load, can_issue, registered_at)"
    " VALUES (:tid, :site, :title, '', false, false, :registered_at)"
)
"""As the first step knew it."""
CLAIM: dict[str, Any] = {"digest": "0" * 64, "tid": "till-1", "made_by": "ann", "made_at": 1, "ends_at": 2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path)
    else:
        url = new_database(request.getfixturevalue("cluster"), f"steps_{abs(hash(request.node.name))}")
    async with Database(url) as database:
        yield database


def differences(connection: Connection) -> list[Any]:
    """What autogenerate would still do."""
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def test_the_steps_lead_to_the_tables_of_this_program(database: Database) -> None:
    await database.migrate()
    async with database.writing() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_program_starts_again_on_what_it_has_migrated(database: Database) -> None:
    await database.migrate()
    await database.migrate()
    async with database.writing() as connection:
        assert await connection.run_sync(revision) == "0019"


async def test_rows_stay_when_the_schema_goes_up_and_down(database: Database) -> None:
    async with database.writing() as connection:
        await connection.run_sync(upgrade, "0001")
        await connection.execute(text(OLD_TERMINAL), TERMINAL)
    async with database.writing() as connection:
        await connection.run_sync(upgrade, HEAD)
        await connection.execute(insert(claim).values(**CLAIM))
    async with database.writing() as connection:
        await connection.run_sync(downgrade, "0001")
    async with database.writing() as connection:
        tables = await connection.run_sync(lambda known: inspect(known).get_table_names())
        assert "claim" not in tables and "terminal" in tables
        await connection.run_sync(upgrade, HEAD)
        (kept,) = (await connection.execute(select(terminal))).mappings()
        assert {name: kept[name] for name in TERMINAL} == TERMINAL
        assert not (await connection.execute(select(claim))).all()
        await connection.run_sync(downgrade, NOTHING)
        assert await connection.run_sync(lambda known: inspect(known).get_table_names()) == ["alembic_version"]


async def test_revoked_terminals_stay_so(database: Database) -> None:
    chain = "INSERT INTO chain VALUES (1, 's', 't', 1, '', '', '', 'revoked', 5, 0, 0, false, 7, 0)"
    kept = text("SELECT status, revoked_at FROM chain")
    async with database.writing() as connection:
        await connection.run_sync(upgrade, "0002")
        await connection.execute(text(chain))
        await connection.run_sync(upgrade, "0003")
        assert (await connection.execute(kept)).one() == ("active", 7)
        await connection.run_sync(downgrade, "0002")
        assert await connection.scalar(text("SELECT status FROM chain")) == "revoked"


async def test_a_step_that_fails_leaves_nothing_of_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Connection) -> None:
        upgrade(connection, HEAD)
        raise OSError("the power went")

    monkeypatch.setattr("server.db.upgrade", fail)
    with pytest.raises(OSError, match="power"):
        await database.migrate()
    assert await database.is_new()
    monkeypatch.undo()
    await database.migrate()


async def test_a_database_of_another_program_is_left_alone(database: Database) -> None:
    async with database.writing() as connection:
        await connection.run_sync(metadata.create_all)
    with pytest.raises(DatabaseUnusable, match="before its schema was counted"):
        await database.migrate()
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        await connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    with pytest.raises(DatabaseUnusable, match="9999, which only a newer program knows"):
        await database.migrate()
