"""Takes back the certificates of a terminal, in the transaction that decides it."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import Epoch, TerminalId
from protocol.instants import UtcMs
from server.due import Due, leave
from server.enrolment.tables import certificate


async def revoke_certificates(
    connection: AsyncConnection, tid: TerminalId, at: UtcMs, epoch: Epoch | None = None
) -> None:
    """For good, of one epoch or of all: whoever is reinstated or found again is enrolled again."""
    known = [certificate.c.tid == tid, certificate.c.revoked_at == 0]
    if epoch is not None:
        known.append(certificate.c.epoch == epoch)
    await connection.execute(update(certificate).where(*known).values(revoked_at=at))
    await leave(connection, Due.REGISTER)
