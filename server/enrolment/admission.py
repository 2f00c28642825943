"""What the broker must know of the register: who may connect, and which certificates are believed no longer."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import SiteId, TerminalId
from protocol.instants import UtcMs
from server.broker.certificates import Revoked
from server.enrolment.tables import certificate
from server.ingest.book import TerminalStatus
from server.tables import chain, terminal


async def admitted(connection: AsyncConnection) -> dict[TerminalId, SiteId]:
    """Registered terminals and their sites, but for the replaced, and those whose newest epoch is revoked or lost."""
    chains = select(chain.c.tid, chain.c.status, chain.c.revoked_at).order_by(chain.c.epoch)
    newest = {row.tid: row for row in await connection.execute(chains)}
    out = {tid for tid, row in newest.items() if row.revoked_at or row.status == TerminalStatus.LOST}
    rows = await connection.execute(select(terminal.c.tid, terminal.c.site).where(terminal.c.replaced_by == ""))
    return {TerminalId(row.tid): SiteId(row.site) for row in rows if row.tid not in out}


async def revoked(connection: AsyncConnection, at: UtcMs) -> list[Revoked]:
    """Certificates that are believed no longer and have not ended by themselves."""
    wanted = select(certificate.c.serial, certificate.c.revoked_at).where(
        certificate.c.revoked_at > 0, certificate.c.ends_at > at
    )
    rows = await connection.execute(wanted.order_by(certificate.c.serial))
    return [Revoked(int(row.serial, 16), UtcMs(row.revoked_at)) for row in rows]


async def taken_from(connection: AsyncConnection, since: UtcMs) -> dict[str, TerminalId]:
    """Certificates that were taken back since, and from whom: somebody may still have a session with one."""
    wanted = select(certificate.c.serial, certificate.c.tid).where(certificate.c.revoked_at >= max(since, 1))
    return {row.serial: TerminalId(row.tid) for row in await connection.execute(wanted)}
