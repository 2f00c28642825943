"""Rows of phones."""

from typing import Any

from sqlalchemy import RowMapping, and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardNo
from server.ingest.book import CardRow
from server.ingest.rows import card_of
from server.tables import card
from server.token_tables import phone


async def newest_of(connection: AsyncConnection, no: CardNo) -> CardRow | None:
    """The plastic that a number has now, locked: two desks bind one after the other."""
    query = select(card).where(card.c.card == no).order_by(card.c.generation.desc()).limit(1)
    row = (await connection.execute(query.with_for_update())).mappings().one_or_none()
    return card_of(row) if row is not None else None


async def phone_of(connection: AsyncConnection, no: CardNo) -> RowMapping | None:
    """The phone of a number."""
    return (await connection.execute(select(phone).where(phone.c.card == no))).mappings().one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A phone may show codes."""
    await connection.execute(insert(phone).values(values))


async def remove(connection: AsyncConnection, no: CardNo) -> bool:
    """The phone of a number may no more; whether there was one."""
    return bool((await connection.execute(delete(phone).where(phone.c.card == no))).rowcount)


async def card_of_phone(connection: AsyncConnection, digest: str) -> CardRow | None:
    """The token for which a phone shows codes."""
    same = and_(card.c.card == phone.c.card, card.c.generation == phone.c.generation)
    query = select(card).join_from(phone, card, same).where(phone.c.digest == digest)
    row = (await connection.execute(query)).mappings().one_or_none()
    return card_of(row) if row is not None else None
