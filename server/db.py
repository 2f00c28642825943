"""The database: one setting chooses SQLite or PostgreSQL; the ways to it are `writing`, `reading` and `glancing`.

Tables are in `server/tables.py` and `server/act_tables.py`. What is special to SQLite stands in `_sqlite_*` below and
nowhere else: exactly one connection of the server writes and checkpoints, all others only read.

Before 3.51.3 SQLite can corrupt a WAL: a checkpoint begins where an earlier one has left nothing to do, and meanwhile
somebody else's commit starts the WAL anew (sqlite.org/wal.html, "The WAL-reset bug"). Here none begins so. Every
checkpoint follows a commit of the one connection that checkpoints, whose frames are still to be copied, and as long as
they are nobody starts the WAL anew. That holds beside a guest (`accounts` at the console) too, which writes but never
checkpoints: guests and readers have `wal_autocheckpoint=0`, nothing says `PRAGMA wal_checkpoint`, a backup reads only,
and a connection that closes checkpoints only where it gets the file for itself, so that nobody else has it open.
`server/alone.py` lets one server work at a time.
"""

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

import aiosqlite
import psycopg
from sqlalchemy import Connection, event, func, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from server.fence import hold_fence
from server.note import leave_note
from server.numbers import CLOSED_THROUGH, read_setting, write_setting
from server.schema import SchemaUnknown, is_current, upgrade

_DRIVERS = ("sqlite+aiosqlite", "postgresql+psycopg")
DEFERRED = "BEGIN"
"""SQLite takes no lock before the first statement."""
READERS_MAX = 8
POSTGRES_CONNECTIONS_MAX = 32
POSTGRES_PATIENCE = {
    "connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}  # fmt: skip
"""A machine that is gone says nothing: so soon (s, ms) it is given up, unless the URL says otherwise."""
START_LOCK = 0x66616E6B61
"""The advisory lock of a program that looks whether the database is new, and brings it up to date."""
WAIT_FOR_WRITER_S = 60
ATTEMPTS_MAX = 5
FRESH_S = 1.0
"""A connection that was used so lately is taken to live; one that died in between fails as one does in use."""
_LAST_USED = "last used"
_VIEWLESS = "fanka_viewless"
_FORGETFUL = ("off", "local", "remote_write")
_WAL = "journal_mode=WAL"
SQLITE_PRAGMAS = (_WAL, "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000")
SQLITE_GUEST_PRAGMAS = ("wal_autocheckpoint=0",)
SQLITE_READER_PRAGMAS = ("query_only=ON", *SQLITE_GUEST_PRAGMAS)

_Result = TypeVar("_Result")


class DatabaseUnusable(Exception):
    """The database that the settings name cannot be opened; the text says why, and shows no password."""


class Database:
    """Transactions on the server's tables."""

    def __init__(self, url: str, *, is_guest: bool = False) -> None:
        """Take `sqlite+aiosqlite:///file` or `postgresql+psycopg://…`. Nothing is opened yet.

        `is_guest`: a server may have it open, which does the checkpoints. Raises DatabaseUnusable for anything else.
        """
        guest = SQLITE_GUEST_PRAGMAS if is_guest else ()
        self._shown = _shown(url)
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self._writer = _sqlite_engine(
                url, connections=1, begin="BEGIN IMMEDIATE", pragmas=(*SQLITE_PRAGMAS, *guest)
            )
            self._reader = _sqlite_engine(
                url, connections=READERS_MAX, begin=DEFERRED, pragmas=(*SQLITE_PRAGMAS, *SQLITE_READER_PRAGMAS)
            )
            self._glance = self._reader.execution_options(**{_VIEWLESS: True})
        else:
            self._writer = create_async_engine(
                _patient(url),
                pool_size=POSTGRES_CONNECTIONS_MAX,
                pool_use_lifo=True,  # the one used last has the statements prepared
                hide_parameters=True,
            )
            _ask_the_idle(self._writer)
            self._aside = create_async_engine(
                _patient(url), pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
            )
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._glance = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def is_new(self) -> bool:
        """Whether nothing was ever kept here: the first thing that is asked. Raises DatabaseUnusable."""
        with self.telling():
            async with self.writing() as connection:
                if not self.is_sqlite and await connection.scalar(text("SHOW synchronous_commit")) in _FORGETFUL:
                    why = "synchronous_commit must be on, or remote_apply: what was acknowledged must survive"
                    raise DatabaseUnusable(f"the database {self._shown}: {why}")
                return not await connection.run_sync(lambda known: inspect(known).get_table_names())

    @asynccontextmanager
    async def starting(self) -> AsyncGenerator[None]:
        """One program at a time makes the keys and the schema; others wait for it. Raises DatabaseUnusable."""
        async with AsyncExitStack() as stack:
            if not self.is_sqlite:
                with self.telling():
                    connection = await stack.enter_async_context(self.aside())
                    await connection.execute(select(func.pg_advisory_xact_lock(START_LOCK)))
            yield

    @contextmanager
    def telling(self) -> Generator[None]:
        """What the driver says of a database that does not answer, in a sentence. Raises DatabaseUnusable."""
        try:
            yield
        except (DBAPIError, psycopg.Error) as error:
            cause = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
            raise DatabaseUnusable(f"the database {self._shown} cannot be opened: {cause}") from error

    async def migrate(self) -> None:
        """Bring the schema up to this program's. Raises DatabaseUnusable where it is of another."""
        async with self.writing() as connection:
            try:
                await connection.run_sync(upgrade)
            except SchemaUnknown as error:
                raise DatabaseUnusable(f"the database {self._shown}: {error}") from error
            if await read_setting(connection, CLOSED_THROUGH) is None:  # a row that is not there cannot be locked
                await write_setting(connection, CLOSED_THROUGH, "0")

    async def is_current(self) -> bool:
        """Whether its schema is this program's."""
        async with self.writing() as connection:
            return await connection.run_sync(is_current)

    async def close(self) -> None:
        """Close every connection, the writer last."""
        if not self.is_sqlite:
            await self._aside.dispose()
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """One transaction that may write: committed when the block ends well, else rolled back.

        On SQLite it is the only writer from its first moment; on PostgreSQL the caller locks the rows it needs. The
        first one of an operator's request says in the trail who asked for it; work under a lease is fenced, and
        raises LeaseLost.
        """
        async with self._writer.begin() as connection:
            await hold_fence(connection)
            yield connection
            note = await leave_note(connection)
        if note is not None:
            note.is_written = True
            note.tell()

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        """Do some work in one transaction and return its answer after the commit.

        Where another transaction was in the way (a deadlock, or both made the same new row) it is done again.
        """
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                async with self.writing() as connection:
                    answer = await work(connection)
            except (DBAPIError, psycopg.Error) as error:
                if not _was_in_the_way(error):
                    raise
            else:
                return answer
        async with self.writing() as connection:
            return await work(connection)

    @asynccontextmanager
    async def aside(self) -> AsyncGenerator[AsyncConnection]:
        """One transaction that waits for none of the others' connections: leases are renewed however busy we are."""
        async with (self._writer if self.is_sqlite else self._aside).begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """One consistent view that writes nothing and waits for nobody."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def glancing(self) -> AsyncGenerator[AsyncConnection]:
        """For one SELECT, which is a consistent view by itself: no round trips to begin and to end one.

        A second statement may see what was committed since.
        """
        async with self._glance.connect() as connection:
            yield connection


def _shown(url: str) -> str:
    """A URL without its password. Raises DatabaseUnusable where it is none of ours."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        found = None  # what cannot be read may hold a password anywhere: it is not repeated
    if found is None or found.drivername not in _DRIVERS:
        given = f" It begins with {found.drivername}://" if found is not None else ""
        expected = "sqlite+aiosqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        raise DatabaseUnusable(f"database: expected {expected}.{given}")
    return found.render_as_string(hide_password=True)


def _patient(url: str) -> URL:
    """The URL with what it does not say about how long to wait for a machine that is gone."""
    found = make_url(url)
    return found.update_query_dict(
        {name: value for name, value in POSTGRES_PATIENCE.items() if name not in found.query}
    )


def _was_in_the_way(error: DBAPIError | psycopg.Error) -> bool:
    """Unique violation, serialization failure, deadlock (PostgreSQL's SQLSTATE; SQLite knows only the first)."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(error, IntegrityError) or getattr(cause, "sqlstate", None) in ("23505", "40001", "40P01")


def _ask_the_idle(engine: AsyncEngine) -> None:
    """Look whether a connection still lives before it is used, unless it was a moment ago."""

    def on_checkin(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_LAST_USED] = time.monotonic()

    def on_checkout(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get(_LAST_USED, math.inf) < FRESH_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error

    event.listen(engine.sync_engine, "checkin", on_checkin)
    event.listen(engine.sync_engine, "checkout", on_checkout)


def _begin(connection: aiosqlite.Connection) -> Awaitable[object]:
    return connection.execute(DEFERRED)


def _sqlite_engine(url: str, *, connections: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=WAIT_FOR_WRITER_S, hide_parameters=True
    )

    def on_connect(connection: Any, _record: object) -> None:
        """SQLite that cannot begin a write-ahead log (after a failed fsync, say) keeps its mode and raises nothing."""
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
            if pragma == _WAL and (mode := cursor.fetchone()) != ("wal",):
                raise DatabaseUnusable(
                    f"database: SQLite keeps its journal mode {mode}, and acknowledged rows need WAL"
                )
        cursor.close()

    def on_begin(connection: Connection) -> None:
        if begin != DEFERRED:
            connection.exec_driver_sql(begin)
            return
        if connection.get_execution_options().get(_VIEWLESS):
            return
        driver: Any = connection.connection.dbapi_connection
        driver.run_async(_begin)  # fails never: one hop to its thread, where a cursor's life is three

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine
