"""Rows of the database, one after the other."""

from collections.abc import AsyncGenerator

from sqlalchemy import Executable, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

ROWS_AT_ONCE = 500
"""Rows that are taken from the database in one go: one by one, each pays for a switch to the database's thread."""


async def rows_of(connection: AsyncConnection, query: Executable) -> AsyncGenerator[RowMapping]:
    """Row after row, of which memory holds as many as are taken at once."""
    async with connection.stream(query) as result:
        async for rows in result.mappings().partitions(ROWS_AT_ONCE):
            for row in rows:
                yield row
