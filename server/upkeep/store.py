"""Finds what waits: parked entries, torn steps, open steps of lost terminals, holes and their witnesses."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, RowMapping, Select, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Operation, Stage
from protocol.ids import Epoch, TerminalId, Tno
from protocol.instants import UtcMs
from server import tables
from server.ingest.book import HoleRow, HoleStatus, StepRow, TerminalStatus
from server.ingest.loading import fetched
from server.ingest.rows import hole_of, step_of
from server.ingest.waiting import FOR_GOOD, NO_SALE
from server.ledger.rules import Resolution, Use


def _parked_for_now() -> Select[int, int, int]:
    """Parked entries, but for those that stay so."""
    parked, entry = tables.parked.c, tables.entry.c
    same = and_(entry.tno == parked.tno, entry.branch == parked.branch, entry.seq == parked.seq)
    for_good = or_(*(entry.parked.startswith(why, autoescape=True) for why in FOR_GOOD))
    query = select(parked.tno, parked.branch, parked.seq).join_from(tables.parked, tables.entry, same)
    return query.where(~for_good).order_by(parked.tno, parked.branch, parked.seq)


def _may_be_given_up() -> ColumnElement[bool]:
    """Steps that may have an outcome to come: those that write a card, and sales of tokens."""
    step = tables.step.c
    return or_(step.counter_after != step.counter, step.operation == Operation.SALE)


async def parked_places(connection: AsyncConnection, tno: Tno) -> list[tuple[int, int, int]]:
    """The parked entries of a chain that may be posted yet."""
    rows = await connection.execute(_parked_for_now().where(tables.parked.c.tno == tno))
    return [(row.tno, row.branch, row.seq) for row in rows]


async def chains_with_parked(connection: AsyncConnection) -> list[Tno]:
    """Chains with parked entries whose card is known by now, or with a delivery whose sale may have come."""
    parked, card = tables.parked.c, tables.card.c
    known = and_(parked.card == card.card, parked.generation == card.generation)
    query = _parked_for_now().outerjoin(tables.card, known)
    query = query.where(or_(card.card.is_not(None), tables.entry.c.parked == NO_SALE))
    return sorted({Tno(row.tno) for row in await connection.execute(query)})


async def has_chain(connection: AsyncConnection, tno: Tno) -> bool:
    """Whether this number was ever given to a chain."""
    return await connection.scalar(select(tables.chain.c.tno).where(tables.chain.c.tno == tno)) is not None


async def undecided(connection: AsyncConnection) -> list[StepRow]:
    """Torn steps of known cards without a decision, and sales of second histories that no tap has confirmed."""
    step, card, branch = tables.step.c, tables.card.c, tables.branch.c
    of_card = and_(step.card == card.card, step.generation == card.generation)
    given_up = or_(step.stage == Stage.TORN, and_(step.stage == Stage.PREPARED, step.lost))
    torn = select(tables.step).join_from(tables.step, tables.card, of_card)
    torn = torn.where(given_up, step.resolved.is_(None)).order_by(step.number)
    of_branch = and_(step.tno == branch.tno, step.branch == branch.branch, branch.branch > 0)
    sold = select(tables.step).join_from(tables.branch, tables.step, of_branch)
    sold = sold.where(step.use == Use.BRANCH, step.claimed.is_(False)).order_by(step.number)
    return [step_of(row) for query in (torn, sold) for row in await fetched(connection, query)]


async def decided_by_time(connection: AsyncConnection) -> list[StepRow]:
    """Steps decided by time next to others that are not settled: a chain of marks may prove otherwise by now."""
    step, other = tables.step.c, tables.step.alias("other")
    near = other.c.counter_after.in_((step.counter_after, step.counter_after + 1))
    same = and_(other.c.card == step.card, other.c.generation == step.generation, near, other.c.number != step.number)
    beside = exists().where(same, other.c.stage != Stage.SETTLED)
    query = select(tables.step).where(step.stage.in_((Stage.TORN, Stage.PREPARED)), beside)
    query = query.where(step.resolved == Resolution.STUDENT).order_by(step.number)
    return [step_of(row) for row in await fetched(connection, query)]


async def open_steps(connection: AsyncConnection, tno: Tno, *, before: int | None = None) -> list[StepRow]:
    """Steps of a chain without an outcome; `before`: only those prepared before that entry."""
    step = tables.step.c
    query = select(tables.step).where(step.tno == tno, step.stage == Stage.PREPARED, step.shape != "pin")
    query = query.where(_may_be_given_up(), step.resolved.is_(None)).order_by(step.number)
    if before is not None:
        query = query.where(step.branch == 0, step.seq < before)
    return [step_of(row) for row in await fetched(connection, query)]


async def lost_with_open_steps(connection: AsyncConnection, silent_since: UtcMs) -> list[Tno]:
    """Lost chains that brought steps without an outcome, and nothing more since."""
    step, chain = tables.step.c, tables.chain.c
    query = select(step.tno).distinct().join_from(tables.step, tables.chain, step.tno == chain.tno)
    query = query.where(chain.status == TerminalStatus.LOST, chain.received_at <= silent_since, ~step.lost)
    query = query.where(step.stage == Stage.PREPARED, step.shape != "pin", _may_be_given_up())
    rows = await connection.execute(query.where(step.resolved.is_(None)).order_by(step.tno))
    return [Tno(row.tno) for row in rows]


async def is_registered(connection: AsyncConnection, tid: TerminalId) -> bool:
    """Whether a terminal is in the register, enrolled or not."""
    query = select(tables.terminal.c.tid).where(tables.terminal.c.tid == tid)
    return await connection.scalar(query) is not None


async def chains_of(connection: AsyncConnection, tid: TerminalId) -> list[tuple[Tno, Epoch]]:
    """The chains of a terminal, each with its epoch, oldest first."""
    chain = tables.chain.c
    rows = await connection.execute(select(chain.tno, chain.epoch).where(chain.tid == tid).order_by(chain.tno))
    return [(Tno(row.tno), Epoch(row.epoch)) for row in rows]


async def revoked_of(connection: AsyncConnection, tid: TerminalId) -> list[tuple[Tno, Epoch]]:
    """The chains of a terminal that are revoked and were not declared lost, each with its epoch, oldest first."""
    chain = tables.chain.c
    query = select(chain.tno, chain.epoch).where(chain.tid == tid, chain.revoked_at > 0)
    rows = await connection.execute(query.where(chain.status == TerminalStatus.ACTIVE).order_by(chain.tno))
    return [(Tno(row.tno), Epoch(row.epoch)) for row in rows]


async def marks_above(
    connection: AsyncConnection, tno: Tno, seqs: Iterable[int], first: int, last: int
) -> list[StepRow]:
    """Settled steps whose card showed a mark of this chain: one of `seqs`, or from `first` to `last`."""
    step = tables.step.c
    marked = or_(step.below_seq.between(first, last), step.below_seq.in_(sorted(seqs)))
    query = select(tables.step).where(step.below_tno == tno, marked, step.stage == Stage.SETTLED)
    return [step_of(row) for row in await fetched(connection, query.order_by(step.number))]


async def holes(connection: AsyncConnection, *statuses: HoleStatus) -> list[HoleRow]:
    """Holes of every chain in one of these states."""
    hole = tables.hole.c
    query = select(tables.hole).where(hole.status.in_(statuses)).order_by(hole.tno, hole.first)
    return [hole_of(row) for row in await fetched(connection, query)]


async def cases(
    connection: AsyncConnection, cls: str | None, *, still_open: bool, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """The newest cases, newest first."""
    case = tables.case_file
    query = select(case).where(case.c.closed_at == 0 if still_open else case.c.closed_at >= 0)
    if cls is not None:
        query = query.where(case.c.cls == cls)
    if before is not None:
        query = query.where(case.c.id < before)
    return await fetched(connection, query.order_by(case.c.id.desc()).limit(limit))


async def case(connection: AsyncConnection, number: int) -> RowMapping | None:
    """One case, locked."""
    rows = await fetched(connection, select(tables.case_file).where(tables.case_file.c.id == number).with_for_update())
    return rows[0] if rows else None


async def case_numbered(connection: AsyncConnection, number: int) -> RowMapping | None:
    """One case, to look at."""
    rows = await fetched(connection, select(tables.case_file).where(tables.case_file.c.id == number))
    return rows[0] if rows else None


async def close_case(connection: AsyncConnection, number: int, by: str, outcome: str, at: UtcMs) -> None:
    """It is closed, by whom and how."""
    values = {"closed_at": at, "closed_by": by, "outcome": outcome}
    await connection.execute(update(tables.case_file).where(tables.case_file.c.id == number).values(values))
