"""A campus on either database, and what stands in that, read past the server."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from server import tables
from tests.integration.campus import Campus, Till
from tests.server.postgres import new_database, private_postgres, renew_database

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@contextmanager
def open_campus(engine: str = SQLITE, readers: int = 1, **more: Any) -> Iterator[Campus]:
    """A campus of real programs; what they said is shown when a test fails."""
    with ExitStack() as stack:
        url = new_database(stack.enter_context(private_postgres()), "campus") if engine == POSTGRESQL else ""
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-")))
        campus = stack.enter_context(Campus(directory / "c", readers, database=url, **more))
        try:
            yield campus
        finally:
            for program in (campus.server, *(till.program for till in campus.tills.values())):
                print(f"--- {program.log}\n{program.said()}")


def lose_data(campus: Campus) -> None:
    """The server's disk and database are gone; an empty database stands where it was. Nothing may use it."""
    (campus.directory / "server" / "data").rename(campus.directory / "server" / "lost")
    if campus.database:
        renew_database(campus.database)


def held(campus: Campus, till: Till) -> list[bytes]:
    """The entries of a terminal's first history in the server's database."""
    engine = create_engine(campus.database or f"sqlite:///{campus.directory}/server/data/server.db")
    mine = tables.entry.c.tno == till.tno, tables.entry.c.branch == 0
    try:
        with engine.connect() as connection:
            return list(connection.scalars(select(tables.entry.c.jws).where(*mine).order_by(tables.entry.c.seq)))
    finally:
        engine.dispose()
