"""Entries with their chains, and the steps of the card that one of them is about."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import branch, chain, entry, hole, list_file, step, terminal

_NEIGHBOURS_MAX = 8


async def entry_at(connection: AsyncConnection, tno: int, number: int, seq: int) -> RowMapping | None:
    """One entry."""
    query = select(entry).where(entry.c.tno == tno, entry.c.branch == number, entry.c.seq == seq)
    return (await connection.execute(query)).mappings().one_or_none()


async def behind(connection: AsyncConnection, tno: int, number: int, seq: int, limit: int) -> Sequence[RowMapping]:
    """The entries of a branch behind one, in their order."""
    query = select(entry).where(entry.c.tno == tno, entry.c.branch == number, entry.c.seq > seq)
    return await _rows(connection, query.order_by(entry.c.seq).limit(limit))


async def chain_numbered(connection: AsyncConnection, tno: int) -> RowMapping | None:
    """A chain, with the title and the merchant of its terminal."""
    query = select(chain, terminal.c.title, terminal.c.merchant)
    query = query.outerjoin_from(chain, terminal, terminal.c.tid == chain.c.tid).where(chain.c.tno == tno)
    return (await connection.execute(query)).mappings().one_or_none()


async def branches(connection: AsyncConnection, tno: int) -> dict[int, tuple[int, int]]:
    """Of every branch of a chain its parent and the last entry that both share."""
    query = select(branch.c.branch, branch.c.parent, branch.c.forked_after).where(branch.c.tno == tno)
    return {row.branch: (row.parent, row.forked_after) for row in await connection.execute(query)}


async def hole_over(connection: AsyncConnection, tno: int, seq: int) -> RowMapping | None:
    """The missing entries that this one is among."""
    query = select(hole).where(hole.c.tno == tno, hole.c.first <= seq, hole.c.last >= seq)
    return (await connection.execute(query.limit(1))).mappings().one_or_none()


async def step_at(connection: AsyncConnection, tno: int, number: int, seq: int) -> RowMapping | None:
    """The card operation that an entry prepared."""
    query = select(step).where(step.c.tno == tno, step.c.branch == number, step.c.seq == seq)
    return (await connection.execute(query)).mappings().one_or_none()


async def neighbours(connection: AsyncConnection, of: RowMapping) -> tuple[Sequence[RowMapping], Sequence[RowMapping]]:
    """The steps of the same plastic right below and above one by counter, and all others at its own.

    Tokens have no counter: with them it is the order in which they came.
    """
    mine = (step.c.card == of["card"], step.c.generation == of["generation"])
    order = step.c.counter_after if of["counter_after"] else step.c.number
    here = of["counter_after"] or of["number"]
    found: list[Sequence[RowMapping]] = []
    for side, nearest in ((order < here, order.desc()), (order > here, order.asc())):
        at = await connection.scalar(select(order).where(*mine, side).order_by(nearest).limit(1))
        query = select(step).where(*mine, order == at).order_by(step.c.number).limit(_NEIGHBOURS_MAX)
        found.append(await _rows(connection, query) if at is not None else [])
    return found[0], found[1]


async def beside(connection: AsyncConnection, of: RowMapping) -> Sequence[RowMapping]:
    """Other steps of the same plastic that reach the same counter: second uses, or what was begun and given up."""
    if not of["counter_after"]:
        return []
    same = (step.c.card == of["card"], step.c.generation == of["generation"])
    query = select(step).where(*same, step.c.counter_after == of["counter_after"], step.c.number != of["number"])
    return await _rows(connection, query.order_by(step.c.number).limit(_NEIGHBOURS_MAX))


async def list_body(connection: AsyncConnection, site: str, name: str, version: int) -> bytes | None:
    """A list as it was in force."""
    mine = (list_file.c.site == site, list_file.c.name == name, list_file.c.version == version)
    found: bytes | None = await connection.scalar(select(list_file.c.body).where(*mine))
    return found


async def forks_behind(connection: AsyncConnection, tno: int, number: int, seq: int) -> Sequence[RowMapping]:
    """The first entries of other histories that leave this one right behind an entry."""
    left = (branch.c.tno == tno, branch.c.parent == number, branch.c.forked_after == seq, branch.c.branch != number)
    first = (entry.c.tno == branch.c.tno) & (entry.c.branch == branch.c.branch) & (entry.c.seq == seq + 1)
    query = select(entry).join_from(branch, entry, first).where(*left)
    return await _rows(connection, query.order_by(entry.c.branch).limit(_NEIGHBOURS_MAX))


async def _rows(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found
