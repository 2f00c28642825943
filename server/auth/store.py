"""Proposals that wait for a second person."""

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.act_tables import proposal
from server.auth.rules import Proposal


async def find(connection: AsyncConnection, action: str, subject: str) -> Proposal | None:
    """What is proposed for this subject, locked."""
    query = select(proposal).where(proposal.c.action == action, proposal.c.subject == subject).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Proposal(row.action, row.subject, row.body, row.by, UtcMs(row.at))


async def every(connection: AsyncConnection) -> list[Proposal]:
    """All that waits, oldest first."""
    rows = await connection.execute(select(proposal).order_by(proposal.c.at, proposal.c.action, proposal.c.subject))
    return [Proposal(row.action, row.subject, row.body, row.by, UtcMs(row.at)) for row in rows]


async def put(connection: AsyncConnection, asked: Proposal) -> None:
    """Remember a proposal. One that came in between is in the way: the second person may have made it."""
    values = {"action": asked.action, "subject": asked.subject, "body": asked.body, "by": asked.by, "at": asked.at}
    await connection.execute(insert(proposal).values(values))


async def remove(connection: AsyncConnection, asked: Proposal) -> None:
    """Forget what is proposed for this subject."""
    where = (proposal.c.action == asked.action, proposal.c.subject == asked.subject)
    await connection.execute(delete(proposal).where(*where))
