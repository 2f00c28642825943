"""Shows alarms, takes acknowledgements, and keeps those that last in step with what is seen."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.alarms import store
from server.alarms.raising import end_alarm, raise_alarm
from server.alarms.rules import LASTING, AlarmKind
from server.db import Database
from server.errors import Conflict, NotFound
from server.note import note_subject


class Alarms:
    """The alarms of this installation."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs]) -> None:
        self._database, self._clock = database, clock

    async def page(
        self, kind: AlarmKind | None, *, still_open: bool, before: int | None, limit: int
    ) -> Sequence[RowMapping]:
        """The newest alarms, newest first."""
        async with self._database.glancing() as connection:
            return await store.page(connection, kind, still_open=still_open, before=before, limit=limit)

    async def acknowledge(self, number: int, by: str, answer: str) -> None:
        """Somebody looks after it. One that has happened is done with that; one that lasts stays until it is over."""

        async def acknowledge(connection: AsyncConnection) -> None:
            known = await store.numbered(connection, number)
            if known is None:
                raise NotFound("no_such_alarm", f"no alarm has the number {number}")
            if known["acknowledged_at"]:
                raise Conflict("acknowledged_before", f"{known['acknowledged_by']} acknowledged this alarm")
            note_subject(f"alarms/{number}/{known['kind']}/{known['about']}")
            values: dict[str, object] = {"acknowledged_at": self._clock(), "acknowledged_by": by, "answer": answer}
            if known["kind"] not in LASTING or known["ended_at"]:
                values["current"] = None
            await store.change(connection, number, values)

        await self._database.transact(acknowledge)

    async def see(self, kind: AlarmKind, wrong: Mapping[str, str]) -> None:
        """All that is wrong of a kind now, and the evidence of each; what is not among it is over."""
        async with self._database.glancing() as connection:
            known = await store.lasting(connection, kind)
        if not wrong and not known:
            return
        now = self._clock()

        async def keep(connection: AsyncConnection) -> None:
            for about, text in sorted(wrong.items()):
                await raise_alarm(connection, kind, about, text, now)
            for about in sorted(set(known) - wrong.keys()):
                await end_alarm(connection, kind, about, now)

        await self._database.transact(keep)

    async def happened(self, kind: AlarmKind, about: str, text: str) -> None:
        """Raise an alarm that no other transaction belongs to."""
        await self._database.transact(lambda connection: raise_alarm(connection, kind, about, text, self._clock()))

    async def counts(self) -> dict[str, int]:
        """How many of each kind are open."""
        async with self._database.glancing() as connection:
            return await store.counts(connection)
