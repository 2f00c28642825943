"""Whole sets in one statement: keys handed to a query, and rows written together.

The one place where SQLite and PostgreSQL are told apart in SQL: keys come as arrays there and as JSON here, many rows
are COPYed there, and changed ones come as one array a column.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import ARRAY, BigInteger, FromClause, Table, bindparam, func, insert, select, update
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
