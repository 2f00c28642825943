"""Answers who did what, and notes who looked at whom."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from sqlalchemy import RowMapping

from protocol.instants import HOUR_MS, UtcMs
from server.auth.rules import Operator
from server.db import Database
from server.note import Note, noted
from server.trail import store


class Trail:
    """Reads the trail, which the transactions of changes write; who only looks makes none, and is noted here."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs]) -> None:
        self._database, self._clock = database, clock

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
        async with self._database.glancing() as connection:
            return await store.page(
                connection, subject=subject, operator=operator, since=since, until=until, before=before, limit=limit
            )

    async def looked(self, operator: Operator, action: str, subject: str) -> None:
        """Somebody looks at a person: noted once an hour for each operator and subject, so that it floods nothing."""
        now = self._clock()
        async with self._database.glancing() as connection:
            if await store.is_noted(connection, operator.name, action, subject, now - HOUR_MS):
                return
        note = Note(operator.name, ",".join(operator.roles), now, lambda: action, subject, sha256().hexdigest)
        with noted(note):
            async with self._database.writing():
                pass  # the note is the whole of it
