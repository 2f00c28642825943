"""Rows of terminals and the chains granted to them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import RowMapping, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import branch, card, chain, entry, parked, posting, terminal

BATCHED_ENTRIES_MAX = 1_000
"""Of a chain's newest entries so many are looked at for how they came in."""


async def find(connection: AsyncConnection, tid: str) -> RowMapping | None:
    """One terminal, locked: one epoch is granted at a time."""
    return (
        (await connection.execute(select(terminal).where(terminal.c.tid == tid).with_for_update()))
        .mappings()
        .one_or_none()
    )


async def look(connection: AsyncConnection, tid: str) -> RowMapping | None:
    """One terminal, to be looked at."""
    return (await connection.execute(select(terminal).where(terminal.c.tid == tid))).mappings().one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new terminal."""
    await connection.execute(insert(terminal).values(values))


async def change(connection: AsyncConnection, tid: str, values: dict[str, Any]) -> None:
    """New particulars."""
    await connection.execute(update(terminal).where(terminal.c.tid == tid).values(values))


_EVERY = select(terminal).order_by(terminal.c.tid)
_CHAINS = (
    select(chain, branch.c.tip_seq, branch.c.tip_hash)
    .join_from(chain, branch, (branch.c.tno == chain.c.tno) & (branch.c.branch == 0))
    .order_by(chain.c.tid, chain.c.epoch)
)
"""Made once: making a statement is a fifth of a read."""


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All terminals in the order of their names."""
    found: Sequence[RowMapping] = (await connection.execute(_EVERY)).mappings().all()
    return found


async def chains(connection: AsyncConnection, tid: str | None = None) -> Sequence[RowMapping]:
    """Chains with the tip of their first branch, oldest first; of one terminal or of all."""
    query = _CHAINS if tid is None else _CHAINS.where(chain.c.tid == tid)
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


async def chain_numbered(connection: AsyncConnection, tno: int) -> RowMapping | None:
    """A chain by its number."""
    return (await connection.execute(select(chain).where(chain.c.tno == tno))).mappings().one_or_none()


async def add_chain(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A granted epoch with nothing in it yet."""
    await connection.execute(insert(chain).values(values))
    start = {"tno": values["tno"], "branch": 0, "tip_seq": 0, "tip_hash": values["start_hash"]}
    await connection.execute(insert(branch).values(start))


async def batches(connection: AsyncConnection, tno: int, limit: int) -> Sequence[RowMapping]:
    """What came together of a chain's first history, newest first; of so many entries only."""
    tip = select(branch.c.tip_seq).where(branch.c.tno == tno, branch.c.branch == 0).scalar_subquery()
    newest = (entry.c.tno == tno, entry.c.branch == 0, entry.c.seq > tip - BATCHED_ENTRIES_MAX)
    seqs = func.min(entry.c.seq).label("first"), func.max(entry.c.seq).label("last"), func.count().label("entries")
    waiting = func.sum(case((entry.c.parked != "", 1), else_=0)).label("waiting")
    query = select(entry.c.received_at, *seqs, waiting).where(*newest).group_by(entry.c.received_at)
    query = query.order_by(entry.c.received_at.desc()).limit(limit)
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


async def parked_of(connection: AsyncConnection, tid: str, limit: int) -> Sequence[RowMapping]:
    """Entries of a terminal that wait to be posted, whole."""
    query = select(entry.c.tno, entry.c.branch, entry.c.seq, entry.c.kind, entry.c.at, entry.c.parked, entry.c.jws)
    same = (entry.c.tno == parked.c.tno) & (entry.c.branch == parked.c.branch) & (entry.c.seq == parked.c.seq)
    query = query.join_from(parked, entry, same).join(chain, chain.c.tno == parked.c.tno).where(chain.c.tid == tid)
    query = query.order_by(entry.c.tno, entry.c.branch, entry.c.seq).limit(limit)
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


async def legs_of(connection: AsyncConnection, causes: Sequence[str]) -> dict[str, list[RowMapping]]:
    """What is booked for each of these causes."""
    query = select(posting.c.cause, posting.c.account_kind, posting.c.owner, posting.c.cents)
    query = query.where(posting.c.cause.in_(causes)).order_by(posting.c.cause, posting.c.line)
    found: dict[str, list[RowMapping]] = {}
    for row in (await connection.execute(query)).mappings():
        found.setdefault(row["cause"], []).append(row)
    return found


async def holders(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, str | None]:
    """Who holds each of these cards now."""
    query = select(card.c.card, card.c.person).where(card.c.card.in_(sorted(numbers))).order_by(card.c.generation)
    return {row.card: row.person for row in await connection.execute(query)}
