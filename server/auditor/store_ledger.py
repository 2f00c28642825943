"""Reads the ledger: rows one after the other for sums, and whole causes that are no entry's."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, and_, exists, func, or_, select

from protocol.entries import Operation
from protocol.ids import CardKey
from server.act_tables import act, request, trail
from server.auditor.parts import Leg
from server.auditor.scope import Scope
from server.auditor.store_legs import leg_of
from server.ingest.book import ShiftStatus
from server.ledger.rules import Use
from server.sets import given
from server.tables import branch, card, chain, entry, parked, posting, shift, step

_LETTING = ("revoke", "reinstate", "accept")
"""Words of the requests after which entries of a terminal come in, or are posted, in another way than usual."""
ROWS_AT_ONCE = 5_000
CAUSES_AT_ONCE = 500
IS_OF_ENTRY = func.substr(posting.c.cause, 1, 6) == "entry:"
"""By bytes: no collation puts the causes of entries in one row, and LIKE takes ENTRY: for one on SQLite."""


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
    query = select(func.count(posting.c.cause.distinct())).where(~IS_OF_ENTRY)
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
    query = select(posting.c.cause).where(IS_OF_ENTRY).distinct().order_by(posting.c.cause)
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
        query = select(posting.c.cause).where(posting.c.cause > after, ~IS_OF_ENTRY)
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


def acts_among(connection: Connection, causes: Iterable[str]) -> dict[str, RowMapping]:
    """What people booked, of these causes."""
    rows = connection.execute(select(act).where(act.c.cause.in_(list(causes)))).mappings()
    return {row["cause"]: row for row in rows}


def requests_among(connection: Connection, causes: Iterable[str]) -> dict[str, str]:
    """Which of these were asked for, each with the digest of what was."""
    query = select(request).where(request.c.cause.in_(list(causes)))
    return {row.cause: row.digest for row in connection.execute(query)}


def cards_among(connection: Connection, keys: Iterable[CardKey]) -> dict[CardKey, RowMapping]:
    """Which of these cards there are."""
    named = given(cast("Any", connection), ("card", "generation"), keys)
    same = and_(card.c.card == named.c.card, card.c.generation == named.c.generation)
    rows = connection.execute(select(card).join_from(named, card, same)).mappings()
    return {(row["card"], row["generation"]): row for row in rows}


def steps_next_to(connection: Connection, reached: Iterable[tuple[CardKey, int]]) -> Sequence[RowMapping]:
    """Of each card the steps that reach a counter, the one below or the one above it."""
    keys = {(*key, counter + more) for key, counter in reached for more in (-1, 0, 1)}
    named = given(cast("Any", connection), ("card", "generation", "counter"), keys)
    same = and_(
        step.c.card == named.c.card, step.c.generation == named.c.generation, step.c.counter_after == named.c.counter
    )
    found: Sequence[RowMapping] = connection.execute(select(step).join_from(named, step, same)).mappings().all()
    return found


def chains_with_holes(connection: Connection) -> set[int]:
    """Chains of which a hole was booked at some time."""
    return set(connection.scalars(select(chain.c.tno).where(chain.c.each_signature)))


def shut_out(connection: Connection) -> set[str]:
    """Terminals that were revoked at some time, or whose entries two people have let through, as far as is known."""
    revoked = set(connection.scalars(select(chain.c.tid).where(chain.c.revoked_at != 0)))
    said = [column.like(f"%{word}%") for column in (trail.c.action, trail.c.subject) for word in _LETTING]
    subjects = connection.scalars(select(trail.c.subject).where(or_(*said)).distinct())
    return revoked.union(*(re.split("[/ ]", subject) for subject in subjects))


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
    """Card steps of which something was decided later, some at a time, with the standing of their chain.

    `of_second`: a second history of their chain can have told of them.
    """
    columns = step.c
    decided = or_(
        columns.claimed, columns.lost, columns.resolved.is_not(None), columns.given_back_cents != 0,
        columns.use == Use.DISPUTED, columns.returned,
    )  # fmt: skip
    forked = exists().where(branch.c.tno == columns.tno, branch.c.forked_after >= columns.seq)
    of_second = or_(columns.branch > 0, forked)
    query = select(step, chain.c.status.label("standing"), of_second.label("of_second"))
    query = query.join(chain, chain.c.tno == columns.tno)
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
