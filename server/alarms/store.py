"""Rows of alarms."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.alarms.rules import AlarmKind
from server.alarms.tables import alarm


async def page(
    connection: AsyncConnection, kind: AlarmKind | None, *, still_open: bool, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """The newest alarms, newest first."""
    query = select(alarm)
    if still_open:
        query = query.where(alarm.c.current.is_not(None))
    if kind is not None:
        query = query.where(alarm.c.kind == kind)
    if before is not None:
        query = query.where(alarm.c.number < before)
    return (await connection.execute(query.order_by(alarm.c.number.desc()).limit(limit))).mappings().all()


async def numbered(connection: AsyncConnection, number: int) -> RowMapping | None:
    """One alarm, locked."""
    query = select(alarm).where(alarm.c.number == number).with_for_update()
    return (await connection.execute(query)).mappings().one_or_none()


async def change(connection: AsyncConnection, number: int, values: dict[str, object]) -> None:
    """Somebody has acknowledged it."""
    await connection.execute(update(alarm).where(alarm.c.number == number).values(**values))


async def lasting(connection: AsyncConnection, kind: AlarmKind) -> list[str]:
    """What alarms of a kind are about that have not ended."""
    rows = await connection.execute(
        select(alarm.c.about).where(alarm.c.kind == kind, alarm.c.current.is_not(None), alarm.c.ended_at == 0)
    )
    return [row.about for row in rows]


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """How many of each kind are open."""
    query = (
        select(alarm.c.kind, func.count().label("number")).where(alarm.c.current.is_not(None)).group_by(alarm.c.kind)
    )
    return {row.kind: row.number for row in await connection.execute(query)}
