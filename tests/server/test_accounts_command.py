"""Accounts made at the console, beside a server that runs or before one has."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from server import accounts_command
from server.accounts.secrets import OTP_KEY, OtpSecrets
from server.app import open_house
from server.config import read_settings
from server.db import Database
from server.keys import KeysUnusable
from server.schema import downgrade

BEFORE_ACCOUNTS = "0018"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "server.toml"
    (tmp_path / "data").mkdir()
    path.write_text('data = "data"\n')
    return path


def carried_out(config: Path, *arguments: str) -> tuple[int, list[str]]:
    said: list[str] = []
    status = accounts_command.main([*arguments, "--config", str(config)], said.append, said.append)
    return status, said


async def _start_once(config: Path) -> None:
    async with open_house(read_settings(config)):
        pass


def test_an_account_is_made_where_the_server_has_run(config: Path) -> None:
    status, said = carried_out(config, "add", "ann", "--roles", "admin")
    assert status == 2 and "Start the server once" in said[0]
    asyncio.run(_start_once(config))
    status, said = carried_out(config, "add", "ann", "--roles", "admin")
    assert status == 0 and [line.split()[0] for line in said] == ["name", "password"]
    assert carried_out(config, "list")[1] == [
        "ann                  admin                          has not signed in yet"
    ]


def test_a_database_of_an_older_version_is_left_to_its_server(config: Path) -> None:
    async def older() -> None:
        await _start_once(config)
        async with Database(read_settings(config).database) as database, database.writing() as connection:
            await connection.run_sync(lambda known: downgrade(known, BEFORE_ACCOUNTS))

    async def step() -> str:
        async with Database(read_settings(config).database) as database, database.reading() as connection:
            return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))

    asyncio.run(older())
    status, said = carried_out(config, "add", "ann", "--roles", "admin")
    assert status == 2 and "the server of this version has not run" in said[0]
    assert asyncio.run(step()) == BEFORE_ACCOUNTS


def test_the_console_makes_no_key_that_its_server_may_not_read(config: Path) -> None:
    asyncio.run(_start_once(config))
    key = config.parent / "data" / "keys" / OTP_KEY
    key.unlink()
    status, said = carried_out(config, "add", "ann", "--roles", "admin")
    assert status == 2 and "the server of this version has not run" in said[0] and not key.exists()


async def test_only_the_server_checkpoints(config: Path) -> None:
    async def pages(*, is_guest: bool) -> int:
        async with (
            Database(read_settings(config).database, is_guest=is_guest) as database,
            database.writing() as connection,
        ):
            return int(await connection.scalar(text("PRAGMA wal_autocheckpoint")) or 0)

    assert await pages(is_guest=True) == 0 < await pages(is_guest=False)


async def test_a_guest_that_goes_leaves_its_pages_to_the_server(config: Path) -> None:
    """More of them than SQLite checkpoints by itself; the server's next commit brings them into the file."""
    file, url = config.parent / "data" / "server.db", read_settings(config).database
    many = 6_000_000

    async def put(database: Database, count: int) -> None:
        async with database.writing() as connection:
            await connection.execute(text(f"INSERT INTO kept VALUES (zeroblob({count}))"))

    async with Database(url) as server:
        async with server.writing() as connection:
            await connection.execute(text("CREATE TABLE kept (it BLOB)"))
        before = file.read_bytes()
        async with Database(url, is_guest=True) as guest:
            await put(guest, many)
        assert file.read_bytes() == before and file.with_name("server.db-wal").stat().st_size > many
        await put(server, 1)
        assert file.stat().st_size > many


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / OTP_KEY).mkdir(mode=0o600)
    with pytest.raises(KeysUnusable, match=r"otp\.key: .* belongs to the user"):
        OtpSecrets(tmp_path / OTP_KEY)
