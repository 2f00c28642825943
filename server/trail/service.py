"""Answers who did what."""

from collections.abc import Sequence

from sqlalchemy import RowMapping

from server.db import Database
from server.trail import store


class Trail:
    """Reads the trail; the transactions that make the changes write it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        *,
        subject: str | None,
        operator: str | None,
        since: int,
        until: int,
        before: int | None,
        limit: int,
    ) -> Sequence[RowMapping]:
        """The newest rows that fit, newest first; `before` is the number of the last one read."""
        async with self._database.reading() as connection:
            return await store.page(
                connection, subject=subject, operator=operator, since=since, until=until, before=before, limit=limit
            )
