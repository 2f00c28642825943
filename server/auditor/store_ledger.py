"""Reads the ledger: rows one after the other for sums, and whole causes that are no entry's."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, and_, func, or_, select

from protocol.entries import Operation
from server.act_tables import act
from server.auditor.parts import Leg
from server.auditor.scope import Scope
from server.auditor.store_legs import leg_of
from server.ingest.book import ShiftStatus
from server.ledger.rules import Use
from server.sets import given
from server.tables import card, chain, entry, parked, posting, shift, step

ROWS_AT_ONCE = 5_000
CAUSES_AT_ONCE = 500
_OF_ENTRY = (posting.c.cause >= "entry:", posting.c.cause < "entry;")


@dataclass(slots=True)
class Sums:
    """What all rows of the ledger come to."""

    accounts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    rows: int = 0
    of_entries: int = 0


def count_legs(connection: Connection) -> int:
    """How many rows the ledger has."""
    return connection.scalar(select(func.count()).select_from(posting)) or 0


def count_causes(connection: Connection, scope: Scope) -> int:
    """How many causes there are that are no entry's."""
    if scope.terminal:
        return 0
    query = select(func.count(posting.c.cause.distinct())).where(or_(*(~one for one in _OF_ENTRY)))
    return connection.scalar(query.where(*scope.days(posting.c.day))) or 0


def add_up(connection: Connection) -> Iterator[Sums]:
    """The same sums, growing: every row of the table once, in the order of arrival."""
    columns, sums = posting.c, Sums()
    query = select(columns.cause, columns.account_kind, columns.owner, columns.cents).order_by(columns.id)
    result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    for rows in result.partitions():
        for cause, kind, owner, cents in rows:
            sums.accounts[(kind, owner)] += cents
            sums.of_entries += cause.startswith("entry:")
        sums.rows += len(rows)
        yield sums


def causes_of_entries(connection: Connection) -> Iterator[list[str]]:
    """The causes that entries have, some at a time."""
    query = select(posting.c.cause).where(*_OF_ENTRY).distinct().order_by(posting.c.cause)
    result = connection.execute(query, execution_options={"yield_per": CAUSES_AT_ONCE})
    for rows in result.partitions():
        yield [row.cause for row in rows]


def places_there(connection: Connection, places: Iterable[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Which of these entries there are."""
    named = given(cast("Any", connection), ("tno", "branch", "seq"), places)
    columns = entry.c
    same = and_(columns.tno == named.c.tno, columns.branch == named.c.branch, columns.seq == named.c.seq)
    query = select(columns.tno, columns.branch, columns.seq).join_from(named, entry, same)
    return {(row.tno, row.branch, row.seq) for row in connection.execute(query)}


def other_causes(connection: Connection, scope: Scope) -> Iterator[dict[str, tuple[Leg, ...]]]:
    """Everything that is posted for other causes than entries, some whole causes at a time."""
    after = ""
    while True:
        query = select(posting.c.cause).where(posting.c.cause > after, or_(*(~one for one in _OF_ENTRY)))
        query = query.where(*scope.days(posting.c.day)).distinct().order_by(posting.c.cause)
        causes = list(connection.scalars(query.limit(CAUSES_AT_ONCE)))
        if not causes:
            return
        after = causes[-1]
        found: dict[str, list[Leg]] = {}
        rows = (
            select(posting).where(posting.c.cause.in_(causes)).order_by(posting.c.cause, posting.c.line, posting.c.id)
        )
        for row in connection.execute(rows).mappings():
            found.setdefault(row["cause"], []).append(leg_of(row))
        yield {cause: tuple(legs) for cause, legs in found.items()}


def acts_among(connection: Connection, causes: Iterable[str]) -> set[str]:
    """Which of these causes a person booked."""
    return set(connection.scalars(select(act.c.cause).where(act.c.cause.in_(list(causes)))))


def acts_without_postings(connection: Connection) -> list[RowMapping]:
    """Acts that moved something, and nothing is posted for them."""
    query = (
        select(act).outerjoin(posting, posting.c.cause == act.c.cause).where(posting.c.id.is_(None), act.c.cents != 0)
    )
    return list(connection.execute(query).mappings())


def cards(connection: Connection) -> Iterator[Sequence[RowMapping]]:
    """All cards with their kept balances, some at a time."""
    columns = card.c
    query = select(columns.card, columns.generation, columns.main_cents, columns.subsidy_cents)
    result = connection.execute(
        query.order_by(columns.card, columns.generation), execution_options={"yield_per": ROWS_AT_ONCE}
    )
    yield from result.mappings().partitions()


def counted_drawers(connection: Connection) -> set[str]:
    """The owners of drawers that were counted."""
    query = select(chain.c.tid, shift.c.tno, shift.c.number).join_from(shift, chain, chain.c.tno == shift.c.tno)
    rows = connection.execute(query.where(shift.c.status == ShiftStatus.CLOSED))
    return {f"{row.tid}/{row.tno}/{row.number}" for row in rows}


def waiting_for_nothing(connection: Connection) -> list[tuple[int, int, int]]:
    """Rows of the list of waiting entries that no entry belongs to."""
    columns = parked.c
    same = and_(entry.c.tno == columns.tno, entry.c.branch == columns.branch, entry.c.seq == columns.seq)
    query = select(columns.tno, columns.branch, columns.seq).outerjoin(entry, same).where(entry.c.seq.is_(None))
    return [(row.tno, row.branch, row.seq) for row in connection.execute(query)]


def judged(connection: Connection, scope: Scope) -> Iterator[Sequence[RowMapping]]:
    """Card steps of which something was decided later, some at a time, with the standing of their chain."""
    columns = step.c
    decided = or_(
        columns.claimed, columns.lost, columns.resolved.is_not(None), columns.given_back_cents != 0,
        columns.use == Use.DISPUTED,
    )  # fmt: skip
    query = select(step, chain.c.status.label("standing")).join(chain, chain.c.tno == columns.tno)
    query = query.where(decided, *scope.days(columns.day))
    if scope.terminal:
        query = query.where(columns.tid == scope.terminal)
    result = connection.execute(query.order_by(columns.number), execution_options={"yield_per": CAUSES_AT_ONCE})
    yield from result.mappings().partitions()


def refunds(connection: Connection) -> Iterator[Sequence[RowMapping]]:
    """All card steps that are refunds, some at a time."""
    query = select(step).where(step.c.operation == Operation.REFUND).order_by(step.c.number)
    result = connection.execute(query, execution_options={"yield_per": CAUSES_AT_ONCE})
    yield from result.mappings().partitions()
