"""Rows of the trail. Nothing here, or anywhere, changes or removes one."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.act_tables import trail


async def page(
    connection: AsyncConnection,
    *,
    subject: str | None,
    operator: str | None,
    since: int,
    until: int,
    before: int | None,
    limit: int,
) -> Sequence[RowMapping]:
    """The newest rows, newest first; a subject is one with everything below it."""
    query = select(trail).where(trail.c.at >= since, trail.c.at < until)
    if subject is not None:
        below = trail.c.subject.startswith(f"{subject}/", autoescape=True)
        query = query.where(or_(trail.c.subject == subject, below))
    if operator is not None:
        query = query.where(trail.c.operator == operator)
    if before is not None:
        query = query.where(trail.c.number < before)
    found: Sequence[RowMapping] = (
        (await connection.execute(query.order_by(trail.c.number.desc()).limit(limit))).mappings().all()
    )
    return found


async def is_noted(connection: AsyncConnection, operator: str, action: str, subject: str, since: int) -> bool:
    """Whether an operator has left this since an instant."""
    same = trail.c.subject == subject, trail.c.operator == operator, trail.c.action == action
    query = select(trail.c.number).where(*same, trail.c.at > since).limit(1)
    return await connection.scalar(query) is not None
