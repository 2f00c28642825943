"""Rows of persons."""

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import person


async def find(connection: AsyncConnection, who: str) -> RowMapping | None:
    """One person."""
    return (await connection.execute(select(person).where(person.c.id == who))).mappings().one_or_none()


async def add(connection: AsyncConnection, who: str, name: str, card_class: int, at: int) -> None:
    """A new person."""
    await connection.execute(insert(person).values(id=who, name=name, card_class=card_class, created_at=at))


async def change(connection: AsyncConnection, who: str, name: str, card_class: int) -> None:
    """New name or class."""
    await connection.execute(update(person).where(person.c.id == who).values(name=name, card_class=card_class))


async def page(connection: AsyncConnection, after: str, limit: int) -> list[RowMapping]:
    """Persons in the order of their ids."""
    query = select(person).where(person.c.id > after).order_by(person.c.id).limit(limit)
    return list((await connection.execute(query)).mappings())
