"""Takes back the certificates of a terminal, in the transaction that decides it; and holds it meanwhile."""

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import Epoch, TerminalId
from protocol.instants import UtcMs
from server.due import Due, leave
from server.enrolment.tables import certificate
from server.tables import terminal


async def revoke_certificates(
    connection: AsyncConnection, tid: TerminalId, at: UtcMs, epoch: Epoch | None = None
) -> None:
    """For good, of one epoch or of all: whoever is reinstated or found again is enrolled again."""
    known = [certificate.c.tid == tid, certificate.c.revoked_at == 0]
    if epoch is not None:
        known.append(certificate.c.epoch == epoch)
    await connection.execute(update(certificate).where(*known).values(revoked_at=at))
    await leave(connection, Due.REGISTER)


async def terminal_named(connection: AsyncConnection, tid: str) -> RowMapping | None:
    """A registered terminal, locked before its standing is looked at: one code, certificate or revocation at a time.

    Rows that refer to it may be written meanwhile, else a claim and an enrolment with it wait for each other.
    """
    query = select(terminal).where(terminal.c.tid == tid).with_for_update(key_share=True)
    return (await connection.execute(query)).mappings().one_or_none()
