"""Persons: who a card belongs to."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import PersonId
from protocol.instants import UtcMs
from server.db import Database
from server.errors import NotFound
from server.people import store


@dataclass(frozen=True, slots=True)
class Person:
    """A student, a member of staff, a visitor."""

    id: PersonId
    name: str
    card_class: int
    created_at: UtcMs


class People:
    """Keeps persons."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs]) -> None:
        self._database, self._clock = database, clock

    async def put(self, who: PersonId, name: str, card_class: int) -> Person:
        """A new person, or new particulars of a known one."""

        async def put(connection: AsyncConnection) -> Person:
            known = await store.find(connection, who)
            if known is None:
                await store.add(connection, who, name, card_class, self._clock())
            else:
                await store.change(connection, who, name, card_class)
            return Person(who, name, card_class, UtcMs(known["created_at"]) if known else self._clock())

        return await self._database.transact(put)

    async def get(self, who: PersonId) -> Person:
        """One person. Raises NotFound."""
        async with self._database.glancing() as connection:
            known = await store.find(connection, who)
        if known is None:
            raise NotFound("no_such_person", f"no person has the id {who}")
        return _person(known)

    async def page(self, after: str, limit: int) -> list[Person]:
        """Persons in the order of their ids, from the one after `after` on."""
        async with self._database.glancing() as connection:
            return [_person(row) for row in await store.page(connection, after, limit)]


def _person(row: RowMapping) -> Person:
    return Person(PersonId(row["id"]), row["name"], row["card_class"], UtcMs(row["created_at"]))
