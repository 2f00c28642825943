"""Keeps a program that has slept through its lease from writing.

Work under a lease carries its fence; every transaction of such work looks first whether that very term still is, and
holds it so until it ends: nobody takes a lease in the middle of one. Work without a fence asks for nothing. A program
that stops in the middle of either keeps others waiting for a while, and not for ever.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.lease_tables import lease
from server.sets import idle_at_most

IDLE_MS = 10_000
"""A transaction whose program says nothing for so long is ended by the database: it keeps others from the lease."""
IDLE_ELSE_MS = 60_000
"""The same of one without a fence: it keeps others from the rows it has locked."""


class LeaseLost(Exception):
    """Somebody else has the lease by now, or nobody: nothing was written. The text names it."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One term of a lease."""

    name: str
    holder: str
    term: int
    """0: nobody else is there (SQLite), and nothing is asked."""


_FENCE: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def under(fence: Fence) -> Generator[None]:
    """Everything that is written meanwhile, by this task or those it starts, is written in this term or not at all."""
    token = _FENCE.set(fence)
    try:
        yield
    finally:
        _FENCE.reset(token)


async def hold_fence(connection: AsyncConnection) -> None:
    """Hold the present work's lease until the transaction ends. Raises LeaseLost."""
    fence = _FENCE.get()
    if fence is None or not fence.term:
        if connection.dialect.name == "postgresql":
            await connection.execute(select(idle_at_most(connection, IDLE_ELSE_MS)))
        return
    row = lease.c.name == fence.name, lease.c.holder == fence.holder, lease.c.term == fence.term
    # KEY SHARE stands in the way of a taker, who locks FOR UPDATE, and in no renewal's
    query = select(lease.c.term, idle_at_most(connection, IDLE_MS)).where(*row)
    if (await connection.execute(query.with_for_update(read=True, key_share=True, of=lease))).first() is None:
        raise LeaseLost(f"the lease of {fence.name} (term {fence.term}) is somebody else's by now")
