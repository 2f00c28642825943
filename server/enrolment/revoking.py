"""Takes back the certificates of a terminal, in the transaction that revokes it."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import TerminalId
from protocol.instants import UtcMs
from server.enrolment.tables import certificate


async def revoke_certificates(connection: AsyncConnection, tid: TerminalId, at: UtcMs) -> None:
    """For good: whoever is reinstated is enrolled again."""
    known = certificate.c.tid == tid, certificate.c.revoked_at == 0
    await connection.execute(update(certificate).where(*known).values(revoked_at=at))
