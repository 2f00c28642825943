"""Keep proofs, business days and outside documents, and sum up accounts."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey
from protocol.instants import BusinessDay, UtcMs
from server.ledger.accounts import WE_HAVE, Account, AccountKind
from server.reconcile.columns import finding_columns
from server.reconcile.facts import Finding
from server.reconcile.float_proof import Document
from server.tables import business_day, finding, outside_document, posting, reconciliation

_DETAILED = (*WE_HAVE, AccountKind.MERCHANT)
"""Kinds whose owners stand in a day's report one by one."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """What a chunk came to."""

    upto: CardKey
    cards: int
    difference_cents: int
    unexplained_cents: int


def digest_of(found: Finding) -> str:
    """The key of a finding at a fixed length."""
    return hashlib.sha256(found.key.encode()).hexdigest()


async def totals_until(connection: AsyncConnection, day: BusinessDay) -> dict[Account, int]:
    """The balance of every account that others have documents about, and of all others by kind, at the end of a day."""
    columns = posting.c
    detailed = columns.account_kind.in_(WE_HAVE)
    totals: dict[Account, int] = {}
    for query in (
        select(columns.account_kind, columns.owner, func.sum(columns.cents).label("cents"))
        .where(detailed, columns.period_day <= day)
        .group_by(columns.account_kind, columns.owner),
        select(columns.account_kind, func.sum(columns.cents).label("cents"))
        .where(~detailed, columns.period_day <= day)
        .group_by(columns.account_kind),
    ):
        for row in (await connection.execute(query)).mappings():
            totals[Account(AccountKind(row["account_kind"]), row.get("owner", ""))] = int(row["cents"])
    return totals


async def documents_of(connection: AsyncConnection, day: BusinessDay) -> list[Document]:
    """What others say about the end of a day."""
    rows = await connection.execute(select(outside_document).where(outside_document.c.day == day))
    return [Document(Account(AccountKind(row.account_kind), row.owner), row.cents, row.document) for row in rows]


async def save_document(connection: AsyncConnection, day: BusinessDay, document: Document, now: UtcMs) -> None:
    """Keep the newest word about an account for a day."""
    columns, account = outside_document.c, document.account
    this = (columns.day == day, columns.account_kind == account.kind, columns.owner == account.owner)
    await connection.execute(delete(outside_document).where(*this))
    row = {"account_kind": account.kind, "owner": account.owner, "cents": document.cents, "document": document.name}
    await connection.execute(insert(outside_document).values(day=day, at=now, **row))


async def find_proof(connection: AsyncConnection, day: BusinessDay, revision: int | None = None) -> RowMapping | None:
    """The proof of a day: of this revision, or the newest."""
    query = select(reconciliation).where(reconciliation.c.day == day)
    if revision is not None:
        query = query.where(reconciliation.c.revision == revision)
    rows = await connection.execute(query.order_by(reconciliation.c.revision.desc()).limit(1))
    return rows.mappings().first()


async def begin_proof(connection: AsyncConnection, day: BusinessDay, revision: int, as_of: UtcMs) -> None:
    """Start the proof of a day."""
    await connection.execute(insert(reconciliation).values(day=day, revision=revision, as_of=as_of))


async def save_chunk(
    connection: AsyncConnection,
    day: BusinessDay,
    revision: int,
    findings: Iterable[Finding],
    chunk: Progressed,
) -> None:
    """Keep the findings of a chunk and how far the proof has come, in one transaction."""
    columns = reconciliation.c
    await _insert_findings(connection, day, revision, findings)
    sums = {
        "card": chunk.upto[0],
        "generation": chunk.upto[1],
        "cards": columns.cards + chunk.cards,
        "difference_cents": columns.difference_cents + chunk.difference_cents,
        "unexplained_cents": columns.unexplained_cents + chunk.unexplained_cents,
    }
    this = (columns.day == day, columns.revision == revision)
    await connection.execute(update(reconciliation).where(*this).values(sums))


async def finish_proof(
    connection: AsyncConnection,
    day: BusinessDay,
    revision: int,
    findings: Iterable[Finding],
    unexplained_cents: int,
    now: UtcMs,
) -> None:
    """Keep what is no card's, and that the proof is complete."""
    columns = reconciliation.c
    await _insert_findings(connection, day, revision, findings)
    this = (columns.day == day, columns.revision == revision)
    values = {"finished_at": now, "unexplained_cents": columns.unexplained_cents + unexplained_cents}
    await connection.execute(update(reconciliation).where(*this).values(values))


async def findings_of(
    connection: AsyncConnection, day: BusinessDay, revision: int, cls: str = "", limit: int = 1_000
) -> Sequence[RowMapping]:
    """The findings of a proof, largest amounts first."""
    query = select(finding).where(finding.c.day == day, finding.c.revision == revision)
    if cls:
        query = query.where(finding.c.cls == cls)
    query = query.order_by(func.abs(finding.c.amount).desc(), finding.c.key).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def class_totals(connection: AsyncConnection, day: BusinessDay, revision: int) -> Sequence[RowMapping]:
    """Count and sums of each class of a proof."""
    columns = finding.c
    sums = (func.sum(columns.cents).label("cents"), func.sum(columns.amount).label("amount"))
    query = select(columns.cls, func.count().label("count"), *sums)
    query = query.where(columns.day == day, columns.revision == revision).group_by(columns.cls).order_by(columns.cls)
    return (await connection.execute(query)).mappings().all()


async def _insert_findings(
    connection: AsyncConnection, day: BusinessDay, revision: int, findings: Iterable[Finding]
) -> None:
    rows = [{"day": day, "revision": revision, "key": digest_of(found), **finding_columns(found)} for found in findings]
    if rows:
        await connection.execute(insert(finding), rows)


async def day_row(connection: AsyncConnection, day: BusinessDay) -> RowMapping | None:
    """A business day that was closed; None while it is open."""
    query = select(business_day).where(business_day.c.day == day, business_day.c.closed_at > 0)
    return (await connection.execute(query)).mappings().first()


async def close_day(connection: AsyncConnection, day: BusinessDay, now: UtcMs) -> None:
    """From now on late entries of the day count in an open one."""
    columns = business_day.c
    known = await connection.scalar(select(columns.day).where(columns.day == day).with_for_update())
    if known is None:
        await connection.execute(insert(business_day).values(day=day, closed_at=now, revision=1))
    else:
        values = {"closed_at": now, "revision": columns.revision + 1}
        await connection.execute(update(business_day).where(columns.day == day, columns.closed_at == 0).values(values))


async def report_lines(connection: AsyncConnection, day: BusinessDay) -> Sequence[RowMapping]:
    """What each account (purses and the like by kind) moved on a day and in it."""
    columns = posting.c
    owner = case((columns.account_kind.in_(_DETAILED), columns.owner), else_="").label("owner")
    happened = func.sum(case((columns.day == day, columns.cents), else_=0)).label("happened")
    settled = func.sum(case((columns.period_day == day, columns.cents), else_=0)).label("settled")
    is_late = (columns.day == day) & (columns.period_day != day)
    late = func.sum(case((is_late, columns.cents), else_=0)).label("late")
    query = select(columns.account_kind, owner, happened, settled, late)
    query = query.where(columns.period_day >= day, (columns.day == day) | (columns.period_day == day))
    query = query.group_by(columns.account_kind, owner)
    return (await connection.execute(query.order_by(columns.account_kind, owner))).mappings().all()
