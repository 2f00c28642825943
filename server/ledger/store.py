"""Sums of postings; nothing here changes one."""

from collections.abc import Sequence

from sqlalchemy import Integer, RowMapping, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import posting, step


async def sums_by_kind(connection: AsyncConnection, through_day: int | None) -> dict[str, int]:
    """What each kind of account holds, up to the end of a period day."""
    query = select(posting.c.account_kind, func.sum(posting.c.cents)).group_by(posting.c.account_kind)
    if through_day is not None:
        query = query.where(posting.c.period_day <= through_day)
    return {kind: int(cents) for kind, cents in await connection.execute(query)}


_SUMS_OF_KIND = (
    select(posting.c.owner, func.sum(posting.c.cents))
    .where(posting.c.account_kind == bindparam("kind"))
    .group_by(posting.c.owner)
    .order_by(posting.c.owner)
    .limit(bindparam("most", type_=Integer))
)
"""Made once: making a statement is a fifth of a read."""


async def sums_by_account(
    connection: AsyncConnection, kind: str, owner: str | None, limit: int, after: str | None
) -> list[tuple[str, int]]:
    """The accounts of a kind by owner, from the one after `after` on; the only one of some kinds has no owner."""
    query = _SUMS_OF_KIND
    if owner is not None:
        query = query.where(posting.c.owner == owner)
    elif after is not None:
        query = query.where(posting.c.owner > after)
    given = {"kind": kind, "most": limit}
    return [(found, int(cents)) for found, cents in await connection.execute(query, given)]


async def by_causes(connection: AsyncConnection, causes: Sequence[str]) -> Sequence[RowMapping]:
    """The postings of some causes in order."""
    query = select(posting).where(posting.c.cause.in_(causes)).order_by(posting.c.id)
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


async def by_account(
    connection: AsyncConnection, kind: str, owner: str, before_id: int | None, limit: int
) -> Sequence[RowMapping]:
    """The newest postings of one account, newest first."""
    query = select(posting).where(posting.c.account_kind == kind, posting.c.owner == owner)
    if before_id is not None:
        query = query.where(posting.c.id < before_id)
    found: Sequence[RowMapping] = (
        (await connection.execute(query.order_by(posting.c.id.desc()).limit(limit))).mappings().all()
    )
    return found


async def card_reached(connection: AsyncConnection, tno: int, branch: int, seq: int) -> str:
    """The card and counter that a step reached, as a hole's provisional posting of it is named; empty for no step."""
    place = (step.c.tno == tno, step.c.branch == branch, step.c.seq == seq)
    query = select(step.c.card, step.c.generation, step.c.counter_after).where(*place)
    row = (await connection.execute(query)).one_or_none()
    return "" if row is None else f"{row.card}/{row.generation}@{row.counter_after}"
