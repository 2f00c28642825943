"""Entries in the order of their branches, and how far each branch is audited."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import branch, chain, entry


@dataclass(frozen=True, slots=True)
class Stretch:
    """A branch whose entries from `after` to `tip` are still to be audited."""

    tno: int
    branch: int
    after: int
    tip: int
    key: bytes
    tid: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it is kept."""

    seq: int
    hash: bytes
    jws: bytes


async def stretches(connection: AsyncConnection) -> list[Stretch]:
    """What came in since the last audit."""
    query = select(branch, chain.c.key, chain.c.tid).join_from(branch, chain, chain.c.tno == branch.c.tno)
    query = query.where(branch.c.tip_seq > branch.c.audited_seq, branch.c.tip_seq > branch.c.forked_after)
    rows = await connection.execute(query.order_by(branch.c.tno, branch.c.branch))
    return [Stretch(row.tno, row.branch, row.audited_seq, row.tip_seq, bytes(row.key), row.tid) for row in rows]


async def entries(connection: AsyncConnection, of: Stretch, limit: int) -> Sequence[Kept]:
    """The next entries of a stretch; none where only a hole is left of it."""
    query = select(entry.c.seq, entry.c.hash, entry.c.jws).where(entry.c.tno == of.tno, entry.c.branch == of.branch)
    query = query.where(entry.c.seq > of.after, entry.c.seq <= of.tip).order_by(entry.c.seq).limit(limit)
    return [Kept(row.seq, bytes(row.hash), bytes(row.jws)) for row in await connection.execute(query)]


async def note(connection: AsyncConnection, of: Stretch, seq: int) -> None:
    """The entries of a branch up to here are audited."""
    same = (branch.c.tno == of.tno, branch.c.branch == of.branch, branch.c.audited_seq < seq)
    await connection.execute(update(branch).where(*same).values(audited_seq=seq))
