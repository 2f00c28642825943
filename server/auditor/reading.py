"""Opens the database so that nothing can be written, as it was at one moment, while a server works on it."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from server.schema import is_current
from server.tables import setting


class CannotRead(Exception):
    """There is no audit: the database does not open, or is of another program; the text says why."""


@contextmanager
def snapshot(url: str) -> Generator[Connection]:
    """One read-only transaction that sees the database as it is now. Raises CannotRead."""
    engine = _engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            connection.scalar(select(func.count()).select_from(setting))  # from here on nothing changes
            if not is_current(connection):
                raise CannotRead("the database's schema is not this program's: use the program that the server runs")
            yield connection
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        shown = make_url(url).render_as_string(hide_password=True)
        raise CannotRead(f"the database {shown} cannot be read: {cause}") from error
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    found = make_url(url)
    if not found.drivername.startswith("sqlite"):
        return create_engine(url, hide_parameters=True).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    file = Path(found.database or "")
    if not file.is_file():
        raise CannotRead(f"there is no database {file}")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, hide_parameters=True)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def on_connect(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", begin)
    return engine
