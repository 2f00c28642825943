"""Whole sets in one statement: keys handed to a query, and rows written together.

The one place where SQLite and PostgreSQL are told apart in SQL: keys come as arrays there and as JSON here, many rows
are COPYed there, and changed ones come as one array a column; each has its own words for its clock.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.schema import ScalarElementColumnDefault

COPY_FROM_ROWS = 16
"""Fewer rows are inserted one by one: a COPY costs a round trip more."""


def given(connection: AsyncConnection, names: Sequence[str], keys: Iterable[tuple[int, ...]]) -> FromClause:
    """A table of integer keys, as if it stood in the database: join it."""
    rows = sorted(set(keys))
    if connection.dialect.name == "postgresql":
        columns = [[row[index] for row in rows] for index in range(len(names))]
        arrays = [bindparam(None, column, type_=ARRAY(BigInteger), unique=True) for column in columns]
        return func.unnest(*arrays).table_valued(*names).render_derived()
    each = func.json_each(json.dumps(rows)).table_valued("value")
    parts = [func.json_extract(each.c.value, f"$[{index}]").label(name) for index, name in enumerate(names)]
    return select(*parts).subquery()


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    if connection.dialect.name != "postgresql" or len(rows) < COPY_FROM_ROWS:
        await connection.execute(insert(table), rows)
        return
    defaults = {
        column.name: column.default.arg
        for column in table.columns
        if column.name not in rows[0] and isinstance(column.default, ScalarElementColumnDefault)
    }
    names = [*rows[0], *defaults]
    raw = await connection.get_raw_connection()
    driver = cast("psycopg.AsyncConnection[tuple[Any, ...]]", raw.driver_connection)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row([*row.values(), *defaults.values()])


async def update_rows(
    connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Write rows that are there, by their keys; all have the same columns, and no two the same keys."""
    if not rows:
        return
    changed = [name for name in rows[0] if name not in keys]
    if connection.dialect.name == "postgresql":
        names = [*keys, *changed]
        arrays = [bindparam(None, [row[name] for row in rows], type_=ARRAY(table.c[name].type)) for name in names]
        new = func.unnest(*arrays).table_valued(*names, name="new").render_derived()
        statement = update(table).where(*(table.c[key] == new.c[key] for key in keys))
        await connection.execute(statement.values({name: new.c[name] for name in changed}))
        return
    statement = update(table).where(*(table.c[key] == bindparam(f"k_{key}") for key in keys))
    values = [
        {**{f"k_{key}": row[key] for key in keys}, **{f"v_{name}": row[name] for name in changed}} for row in rows
    ]
    await connection.execute(statement.values({name: bindparam(f"v_{name}") for name in changed}), values)


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet, whoever else inserts them at the same time."""
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        await connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def clock_ms(connection: AsyncConnection) -> ColumnElement[int]:
    """The database's own clock, UTC ms, as it is when the statement reads it."""
    if connection.dialect.name == "postgresql":
        return cast_to(func.extract("epoch", func.clock_timestamp()) * 1_000, BigInteger)
    return cast_to((func.julianday("now") - 2_440_587.5) * 86_400_000, BigInteger)


def idle_at_most(connection: AsyncConnection, ms: int) -> ColumnElement[Any]:
    """Selected in a transaction: from then on the database ends it where its program says nothing for so long."""
    if connection.dialect.name == "postgresql":
        return func.set_config("idle_in_transaction_session_timeout", str(ms), True)
    return literal(ms)
