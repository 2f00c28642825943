"""Read what terminals refused: entry after entry, of which memory holds as many lines as are told."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Stage
from protocol.ids import CardKey, CardNo, Generation, TerminalId, Tno
from protocol.instants import BusinessDay
from server.ingest.book import StepId
from server.ingest.rows import entry_of
from server.ledger.rules import Resolution
from server.reconcile.facts import Refusals, RefusedFact
from server.reconcile.queries import refusals_until
from server.reconcile.refusals import BESIDE_A_STEP, Telling
from server.reconcile.streaming import rows_of
from server.tables import card, step

CARDS_AT_ONCE = 500


async def refusals_of(connection: AsyncConnection, day: BusinessDay) -> Refusals:
    """What was refused on a day, and on days before whose proof could not know it yet."""
    telling = Telling()
    async with aclosing(rows_of(connection, refusals_until(day))) as rows:
        async for row in rows:
            telling.add(entry_of(row), TerminalId(row["tid"]))
    told = telling.told()
    lines: list[RefusedFact] = []
    for start in range(0, len(told.lines), CARDS_AT_ONCE):
        lines += await _known_of(connection, told.lines[start : start + CARDS_AT_ONCE])
    return replace(told, lines=tuple(lines))


async def _known_of(connection: AsyncConnection, lines: Sequence[RefusedFact]) -> list[RefusedFact]:
    """The same lines with what the books say of their cards and steps."""
    columns = card.c
    query = select(columns.card, columns.generation, (columns.main_cents + columns.subsidy_cents).label("cents"))
    query = query.where(columns.card.in_({line.card[0] for line in lines if line.card}))
    rows = await connection.execute(query)
    ledger: dict[CardKey, int] = {(CardNo(row.card), Generation(row.generation)): row.cents for row in rows}
    known: list[RefusedFact] = []
    for line in lines:
        tried = replace(line.tried, ledger_cents=ledger.get(line.card) if line.card else None)
        left_open = await _left_open(connection, line) if tried.reason in BESIDE_A_STEP else None
        known.append(replace(line, tried=tried, left_open=left_open))
    return known


async def _left_open(connection: AsyncConnection, line: RefusedFact) -> StepId | None:
    """The newest step without an outcome that one of its terminals had begun that day before it refused."""
    columns = step.c
    decided = (Resolution.ON_CARD, Resolution.NOT_ON_CARD)
    before = [
        and_(columns.tno == tno, columns.branch == branch, columns.seq < seq) for tno, branch, seq in line.entries
    ]
    undecided = columns.stage.in_((Stage.PREPARED, Stage.TORN)), func.coalesce(columns.resolved, "").not_in(decided)
    query = select(columns.tno, columns.branch, columns.seq).where(
        columns.day == line.day, columns.counter_after != columns.counter, *undecided
    )
    query = query.where(or_(*before)).order_by(columns.seq.desc(), columns.tno, columns.branch).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (Tno(row.tno), row.branch, row.seq)
