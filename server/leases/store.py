"""Rows of leases. Every instant is by the database's own clock, read by the statement that uses it."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import SiteId
from server.lease_tables import lease
from server.leases.rules import LEASE_MS, Lease
from server.sets import clock_ms, insert_new
from server.tables import terminal


async def renew(connection: AsyncConnection, holder: str) -> dict[str, int]:
    """Make everything that is this holder's hold longer; the terms of what is."""
    changed = update(lease).where(lease.c.holder == holder).values(ends_at=clock_ms(connection) + LEASE_MS)
    return {row.name: row.term for row in await connection.execute(changed.returning(lease.c.name, lease.c.term))}


async def add(connection: AsyncConnection, names: Iterable[str]) -> None:
    """Leases that nobody has had before."""
    now = await clock(connection)
    await insert_new(connection, lease, [{"name": name, "holder": "", "term": 0, "ends_at": now} for name in names])


async def every(connection: AsyncConnection) -> list[Lease]:
    """All leases."""
    return [Lease(*row) for row in await connection.execute(select(lease).order_by(lease.c.name))]


async def clock(connection: AsyncConnection) -> int:
    """The database's clock, UTC ms."""
    return int(await connection.scalar(select(clock_ms(connection))) or 0)


async def take(connection: AsyncConnection, seen: Sequence[Lease], holder: str) -> dict[str, int]:
    """Take what is still as it was seen, and what no transaction of its old holder is in the middle of: the terms."""
    if not seen:
        return {}
    row = lease.c.name, lease.c.holder, lease.c.term, lease.c.ends_at
    free = select(lease.c.name).where(tuple_(*row).in_(list(seen))).with_for_update(skip_locked=True)
    ends_at = clock_ms(connection) + LEASE_MS
    taken = update(lease).where(lease.c.name.in_(free)).values(holder=holder, term=lease.c.term + 1, ends_at=ends_at)
    return {row.name: row.term for row in await connection.execute(taken.returning(lease.c.name, lease.c.term))}


async def give_back(connection: AsyncConnection, names: Sequence[str], holder: str) -> None:
    """Leave these for others, at once."""
    mine = lease.c.name.in_(names), lease.c.holder == holder
    await connection.execute(update(lease).where(*mine).values(holder="", ends_at=clock_ms(connection)))


async def sites(connection: AsyncConnection) -> list[SiteId]:
    """Every site that has a terminal."""
    return [SiteId(site) for site in await connection.scalars(select(terminal.c.site).distinct())]


async def site_of(connection: AsyncConnection, tid: str) -> SiteId | None:
    """Where a terminal is registered."""
    found = await connection.scalar(select(terminal.c.site).where(terminal.c.tid == tid))
    return None if found is None else SiteId(found)
