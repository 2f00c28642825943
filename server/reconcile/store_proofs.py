"""Keep proofs, business days and outside documents, and sum up accounts."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey
from protocol.instants import BusinessDay, UtcMs
from server.ledger.accounts import WE_HAVE, Account, AccountKind
from server.numbers import CLOSED_THROUGH, closed_through, write_setting
from server.reconcile import queries, streaming
from server.reconcile.columns import digest_of, finding_columns
from server.reconcile.facts import Finding
from server.reconcile.float_proof import Line, Standing
from server.reconcile.tables import finding, float_line, outside_document, reconciliation
from server.sets import insert_rows
from server.tables import business_day, entry, posting

_DETAILED = (*WE_HAVE, AccountKind.MERCHANT)
"""Kinds whose owners stand in a day's report one by one."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """What a chunk came to."""

    upto: CardKey
    cards: int
    difference_cents: int
    unexplained_cents: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One run of one proof, and the card it goes on after; None: the proof is finished."""

    day: BusinessDay
    number: int
    run: int
    after: CardKey | None


async def totals_until(connection: AsyncConnection, day: BusinessDay) -> dict[Account, int]:
    """The balance of every account that others have documents about, and of all others by kind, at the end of a day."""
    async with aclosing(streaming.rows_of(connection, queries.totals_until(day))) as rows:
        return {Account(AccountKind(row["account_kind"]), row["owner"]): int(row["cents"]) async for row in rows}


async def find_proof(
    connection: AsyncConnection, day: BusinessDay, number: int | None = None, *, lock: bool = False
) -> RowMapping | None:
    """The proof of a day: of this number, or the newest."""
    query = select(reconciliation).where(reconciliation.c.day == day)
    if number is not None:
        query = query.where(reconciliation.c.number == number)
    query = query.order_by(reconciliation.c.number.desc()).limit(1)
    rows = await connection.execute(query.with_for_update() if lock else query)
    return rows.mappings().first()


async def begin_proof(
    connection: AsyncConnection, day: BusinessDay, number: int, revision: int, as_of: UtcMs, leased_until: UtcMs
) -> None:
    """Start a proof of a day."""
    values = {"number": number, "revision": revision, "as_of": as_of, "run": 1, "leased_until": leased_until}
    await connection.execute(insert(reconciliation).values(day=day, **values))


async def change_run(connection: AsyncConnection, claim: Claim, values: dict[str, Any]) -> bool:
    """Write what a run has come to; False: another run has taken its place."""
    columns = reconciliation.c
    mine = (columns.day == claim.day, columns.number == claim.number, columns.run == claim.run)
    return bool((await connection.execute(update(reconciliation).where(*mine).values(values))).rowcount)


async def add_signatures(connection: AsyncConnection, claim: Claim, count: int) -> bool:
    """So many signatures were checked for this proof; False: another run has taken its place."""
    return await change_run(connection, claim, {"signatures": reconciliation.c.signatures + count})


async def save_chunk(
    connection: AsyncConnection, claim: Claim, findings: Iterable[Finding], chunk: Progressed, leased_until: UtcMs
) -> bool:
    """Keep the findings of a chunk and how far the proof has come; False: another run has taken its place."""
    columns = reconciliation.c
    sums = {
        "card": chunk.upto[0],
        "generation": chunk.upto[1],
        "cards": columns.cards + chunk.cards,
        "difference_cents": columns.difference_cents + chunk.difference_cents,
        "unexplained_cents": columns.unexplained_cents + chunk.unexplained_cents,
        "leased_until": leased_until,
    }
    if not await change_run(connection, claim, sums):
        return False
    await _insert_findings(connection, claim, findings)
    return True


async def finish_proof(
    connection: AsyncConnection,
    claim: Claim,
    findings: Iterable[Finding],
    lines: Iterable[Line],
    sums: Mapping[str, int],
    now: UtcMs,
) -> bool:
    """Keep what is no card's, and that the proof is complete; False: another run has taken its place.

    `sums` are added to the proof's columns of these names.
    """
    values = {name: reconciliation.c[name] + cents for name, cents in sums.items()}
    if not await change_run(connection, claim, {"finished_at": now, **values}):
        return False
    await _insert_findings(connection, claim, findings)
    rows = [
        {
            "day": claim.day,
            "number": claim.number,
            "account_kind": line.account.kind,
            "owner": line.account.owner,
            "booked_cents": line.booked_cents,
            "documented_cents": line.documented_cents,
            "document": line.document,
            "standing": line.standing,
        }
        for line in lines
    ]
    await insert_rows(connection, float_line, rows)
    return True


async def lines_of(connection: AsyncConnection, day: BusinessDay, number: int) -> list[Line]:
    """The right-hand side of the float as a proof found it."""
    columns = float_line.c
    query = select(float_line).where(columns.day == day, columns.number == number)
    return [
        Line(
            Account(AccountKind(row.account_kind), row.owner),
            row.booked_cents,
            row.documented_cents,
            row.document,
            Standing(row.standing),
        )
        for row in await connection.execute(query.order_by(columns.account_kind, columns.owner))
    ]


async def findings_of(
    connection: AsyncConnection, day: BusinessDay, number: int, cls: str, after: str, limit: int
) -> Sequence[RowMapping]:
    """The findings of a proof, largest amounts first, from the one after the key `after` on."""
    columns, size = finding.c, func.abs(finding.c.amount)
    of_proof = (columns.day == day, columns.number == number)
    query = select(finding).where(*of_proof)
    if cls:
        query = query.where(columns.cls == cls)
    if after:
        last = select(size).where(*of_proof, columns.key == after).scalar_subquery()
        query = query.where(or_(size < last, and_(size == last, columns.key > after)))
    return (await connection.execute(query.order_by(size.desc(), columns.key).limit(limit))).mappings().all()


async def days_to_prove_again(connection: AsyncConnection, until: BusinessDay) -> list[BusinessDay]:
    """Days whose newest proof is not finished, or that have had late postings or documents since."""
    proof, day, document = reconciliation.c, business_day.c, outside_document.c
    newest = select(proof.day, func.max(proof.number).label("number")).group_by(proof.day).subquery()
    same = and_(proof.day == newest.c.day, proof.number == newest.c.number)
    restated = exists().where(day.day == proof.day, day.revision > proof.revision)
    documented = exists().where(document.day == proof.day, document.at > proof.as_of)
    query = select(proof.day).join_from(reconciliation, newest, same)
    query = query.where(proof.day <= until, or_(proof.finished_at == 0, restated, documented))
    return [BusinessDay(row.day) for row in await connection.execute(query.order_by(proof.day))]


async def documented_since(connection: AsyncConnection, day: BusinessDay, since: UtcMs) -> bool:
    """Whether somebody has said something about the end of a day since."""
    document = outside_document.c
    query = select(document.day).where(document.day == day, document.at > since).limit(1)
    return await connection.scalar(query) is not None


async def first_arrival(connection: AsyncConnection) -> UtcMs | None:
    """When the first entry of all came in."""
    at: int | None = await connection.scalar(select(func.min(entry.c.received_at)))
    return None if at is None else UtcMs(at)


async def class_totals(connection: AsyncConnection, day: BusinessDay, number: int) -> Sequence[RowMapping]:
    """Count and sums of each class of a proof."""
    columns = finding.c
    above, below = (
        case((columns.amount > 0, columns.amount), else_=0),
        case((columns.amount < 0, columns.amount), else_=0),
    )
    added = {"cents": columns.cents, "amount": columns.amount, "above": above, "below": below}
    sums = (func.sum(column).label(name) for name, column in added.items())
    query = select(columns.cls, func.count().label("count"), *sums)
    query = query.where(columns.day == day, columns.number == number).group_by(columns.cls).order_by(columns.cls)
    return (await connection.execute(query)).mappings().all()


async def _insert_findings(connection: AsyncConnection, claim: Claim, findings: Iterable[Finding]) -> None:
    proof = {"day": claim.day, "number": claim.number}
    rows = [{**proof, "key": digest_of(found), **finding_columns(found)} for found in findings]
    await insert_rows(connection, finding, rows)


async def closed_day(connection: AsyncConnection, day: BusinessDay) -> tuple[UtcMs, int]:
    """When a business day was closed, and the revision of its report; zeros while it is open.

    With a day all earlier ones are closed.
    """
    columns = business_day.c
    query = select(business_day).where(columns.day >= day).order_by(columns.day).limit(1)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return UtcMs(0), 0
    return UtcMs(row.closed_at), row.revision if row.day == day else 1


async def close_day(connection: AsyncConnection, day: BusinessDay, now: UtcMs) -> None:
    """From now on late entries of this day, and of all before it, count in an open one."""
    if day > await closed_through(connection, to_close=True):
        await connection.execute(insert(business_day).values(day=day, closed_at=now, revision=1))
        await write_setting(connection, CLOSED_THROUGH, str(day))


async def reopen_from(connection: AsyncConnection, day: BusinessDay) -> bool:
    """This day and all after it are open again; False: it is not closed. Earlier ones stay closed."""
    if day > await closed_through(connection, to_close=True):
        return False
    columns, before = business_day.c, BusinessDay(day - 1)
    closed_at, _ = await closed_day(connection, before)
    await connection.execute(delete(business_day).where(columns.day >= day))
    if not await connection.scalar(select(exists().where(columns.day == before))):
        await connection.execute(insert(business_day).values(day=before, closed_at=closed_at, revision=1))
    await write_setting(connection, CLOSED_THROUGH, str(before))
    return True


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
