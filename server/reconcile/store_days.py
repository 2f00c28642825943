"""What is known of many business days at once: closed or not, and what their newest proofs came to."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.reconcile.tables import finding, outside_document, reconciliation
from server.tables import business_day


async def first_proven(connection: AsyncConnection) -> int | None:
    """The oldest business day of which there is a proof."""
    found: int | None = await connection.scalar(select(func.min(reconciliation.c.day)))
    return found


async def closed_from(connection: AsyncConnection, first: int) -> Sequence[RowMapping]:
    """Days that were closed, from one on; all days before each of them are closed with it."""
    query = select(business_day).where(business_day.c.day >= first).order_by(business_day.c.day)
    return (await connection.execute(query)).mappings().all()


async def newest_proofs(connection: AsyncConnection, first: int, last: int) -> Sequence[RowMapping]:
    """The newest proof of each day, its findings' count and money, and whether a document is newer."""
    proof = reconciliation.c
    newest = select(proof.day, func.max(proof.number).label("number")).where(proof.day.between(first, last))
    newest_of = newest.group_by(proof.day).subquery()
    same = and_(proof.day == newest_of.c.day, proof.number == newest_of.c.number)
    found = (
        select(
            finding.c.day,
            finding.c.number,
            func.count().label("findings"),
            func.sum(func.abs(finding.c.amount)).label("amount"),
        )
        .join(newest_of, and_(finding.c.day == newest_of.c.day, finding.c.number == newest_of.c.number))
        .group_by(finding.c.day, finding.c.number)
        .subquery()
    )
    documented = exists().where(outside_document.c.day == proof.day, outside_document.c.at > proof.as_of)
    counted = and_(found.c.day == proof.day, found.c.number == proof.number)
    query = select(
        reconciliation,
        func.coalesce(found.c.findings, 0).label("findings"),
        func.coalesce(found.c.amount, 0).label("amount"),
        documented.label("documented"),
    )
    query = query.join(newest_of, same).outerjoin(found, counted)
    return (await connection.execute(query)).mappings().all()


async def proofs_of(connection: AsyncConnection, day: int) -> Sequence[RowMapping]:
    """All proofs of a day, newest first."""
    query = select(reconciliation).where(reconciliation.c.day == day).order_by(reconciliation.c.number.desc())
    return (await connection.execute(query)).mappings().all()
