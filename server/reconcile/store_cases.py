"""The cases of counts and documents: one for each account as long as it differs from the books."""

from collections.abc import Collection

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.ingest.book import Case
from server.ingest.saving import open_case
from server.tables import case_file

SETTLED = "it differs from the books no more"


async def keep_cases(connection: AsyncConnection, cases: Collection[Case], now: UtcMs) -> None:
    """Open what is new, and say in an open one what is different now.

    One that somebody closed is opened again only for another difference; one that was over by itself, for any.
    """
    columns = case_file.c
    for case in cases:
        same = columns.cls == case.cls, columns.about == case.about
        known = (await connection.execute(select(case_file).where(*same).order_by(columns.id.desc()).limit(1))).first()
        if known is None or (known.closed_at and (known.outcome == SETTLED or known.cents != case.cents)):
            await open_case(connection, case, now)
        elif not known.closed_at:
            values = {"cents": case.cents, "text": case.text}
            await connection.execute(update(case_file).where(columns.id == known.id).values(values))


async def end_cases(
    connection: AsyncConnection, accounts: Collection[str], documents: str, still: Collection[str], now: UtcMs
) -> None:
    """Close what is about these accounts, or about documents that begin so, and is not among what is still so."""
    columns = case_file.c
    gone = or_(columns.about.in_(accounts), columns.about.startswith(documents, autoescape=True))
    values = {"closed_at": now, "closed_by": "server", "outcome": SETTLED}
    query = update(case_file).where(columns.closed_at == 0, gone, columns.about.not_in(still))
    await connection.execute(query.values(values))
