"""Load what reconciliation looks at: card after card, and everything around them.

However long histories are, memory holds the steps of one card and the few special rows of one chunk.
"""

from array import array
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping, Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Kind, Operation
from protocol.ids import U16_MAX, CardKey, CardNo, Generation, TerminalId, Tno
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.limits import LimitRules
from protocol.policy import read_file
from server.ingest.rows import entry_of
from server.ledger.accounts import AccountKind, owner_of
from server.reconcile import streaming
from server.reconcile.columns import case_fact, facts_of_card, step_of_row, terminal_of
from server.reconcile.facts import (
    Campus,
    CardFacts,
    CaseFact,
    Count,
    HoleFact,
    Move,
    Parked,
    ShiftFact,
    StepFact,
    Unbalanced,
    reason_of,
)
from server.reconcile.queries import (
    LISTED_CASES,
    cards_to_prove,
    moves_of,
    unbalanced_cards,
    unbalanced_causes,
    unknown_to_proofs_before,
)
from server.reconcile.rows import MISSING, card_of, count_of, latest_of, parked_fact, place_of_cause, shift_fact
from server.reconcile.store_refusals import refusals_of
from server.tables import (
    IS_OF_DRAWER,
    branch,
    card,
    case_file,
    chain,
    entry,
    hole,
    list_file,
    parked,
    posting,
    provisional,
    step,
    terminal,
)

UNBALANCED_MAX = 1_000
"""More contradictions of the ledger than that are not listed one by one."""

_STEP_COLUMNS = [column for column in step.c if column.name not in ("body", "number")]
_BODY_OF_LOAD = case((step.c.operation == Operation.LOAD, step.c.body), else_="").label("body_of_load")
"""Of bodies only what a load says of totals is needed; the figures of all others are columns."""


async def keys_to_prove(connection: AsyncConnection, after: CardKey) -> Sequence[int]:
    """The cards that must be looked at, in order, packed to eight bytes each; `unpacked` reads them."""
    packed = array("q")
    async with aclosing(streaming.rows_of(connection, cards_to_prove(after))) as rows:
        async for row in rows:
            packed.append(row["card"] << 16 | row["generation"])
    return packed


def unpacked(packed: Iterable[int]) -> list[CardKey]:
    """Cards as keys."""
    return [(CardNo(number >> 16), Generation(number & U16_MAX)) for number in packed]


async def unbalanced(connection: AsyncConnection) -> list[Unbalanced]:
    """Where the ledger contradicts itself."""
    causes = await connection.execute(unbalanced_causes())
    found = [Unbalanced(int(row.cents), cause=row.cause) for row in causes.fetchmany(UNBALANCED_MAX)]
    cards = await connection.execute(unbalanced_cards())
    return found + [
        Unbalanced(int(row.cents), card=(CardNo(row.card), Generation(row.generation)))
        for row in cards.fetchmany(UNBALANCED_MAX)
    ]


async def cards_of(
    connection: AsyncConnection, campus: CampusTime, keys: Sequence[CardKey]
) -> AsyncGenerator[CardFacts]:
    """These cards with all that is known of them."""
    rows = await _card_rows(connection, keys)
    moves, ledgers = await _moves_of(connection, keys)
    held, cases = await _parked_of(connection, keys), await _cases_of(connection, keys)
    done = set[CardKey]()

    def facts(key: CardKey, steps: list[StepFact]) -> CardFacts:
        rest = (moves.get(key, []), held.get(key, []), cases.get(key, []))
        return facts_of_card(rows[key], steps, *rest, ledgers.get(key, 0))

    async with aclosing(_steps_by_card(connection, campus, keys)) as histories:
        async for key, steps in histories:
            done.add(key)
            if key in rows:
                yield facts(key, steps)
    for key in rows:
        if key not in done:
            yield facts(key, [])


async def campus_of(connection: AsyncConnection, day: BusinessDay) -> Campus:
    """Everything that is not about one card: chains, holes, open cases; drawers and refusals of the day and late."""
    ended = select(entry.c.kind).where(
        entry.c.tno == chain.c.tno, entry.c.branch == 0, entry.c.seq == branch.c.tip_seq, entry.c.kind == "epoch_ended"
    )
    at_tip = and_(branch.c.tno == chain.c.tno, branch.c.branch == 0)
    query = select(chain, branch.c.tip_seq, terminal.c.can_load, ended.scalar_subquery().label("ended"))
    query = query.join_from(chain, branch, at_tip, isouter=True).outerjoin(terminal, terminal.c.tid == chain.c.tid)
    rows = (await connection.execute(query.order_by(chain.c.tno))).mappings().all()
    tids = {Tno(row["tno"]): TerminalId(row["tid"]) for row in rows}
    limits = await _limits_of(connection)
    terminals = tuple(terminal_of(row, limits) for row in rows)
    return Campus(
        terminals,
        tuple(await _shifts_of(connection, day)),
        tuple(await _holes(connection, tids)),
        tuple(await _cases_of_chains(connection)),
        await refusals_of(connection, day),
    )


async def _limits_of(connection: AsyncConnection) -> dict[str, tuple[tuple[UtcMs, LimitRules], ...]]:
    columns = list_file.c
    query = select(columns.site, columns.at, columns.body).where(columns.name == "limits")
    found: dict[str, tuple[tuple[UtcMs, LimitRules], ...]] = {}
    for row in await connection.execute(query.order_by(columns.site, columns.version)):
        listed = (UtcMs(row.at), read_file(bytes(row.body), LimitRules))
        found[row.site] = (*found.get(row.site, ()), listed)
    return found


async def _card_rows(connection: AsyncConnection, keys: Sequence[CardKey]) -> dict[CardKey, RowMapping]:
    rows = (await connection.execute(select(card).where(card.c.card.in_([key[0] for key in keys])))).mappings()
    found = {(CardNo(row["card"]), Generation(row["generation"])): row for row in rows}
    return {key: found[key] for key in keys if key in found}


async def _steps_by_card(
    connection: AsyncConnection, campus: CampusTime, keys: Sequence[CardKey]
) -> AsyncGenerator[tuple[CardKey, list[StepFact]]]:
    query = select(*_STEP_COLUMNS, _BODY_OF_LOAD).where(step.c.card.in_([key[0] for key in keys]))
    query = query.order_by(step.c.card, step.c.generation, step.c.counter_after)
    wanted = set(keys)
    current: CardKey | None = None
    steps: list[StepFact] = []
    async with aclosing(streaming.rows_of(connection, query)) as rows:
        async for row in rows:
            key = (CardNo(row["card"]), Generation(row["generation"]))
            if key != current:
                if current is not None and current in wanted:
                    yield current, steps
                current, steps = key, []
            if key in wanted:
                steps.append(step_of_row(row, campus))
    if current is not None and current in wanted:
        yield current, steps


async def _moves_of(
    connection: AsyncConnection, keys: Sequence[CardKey]
) -> tuple[dict[CardKey, list[Move]], dict[CardKey, int]]:
    """Moves that are no step's, and the balance that all postings of a card come to."""
    columns = provisional.c
    rows = await connection.execute(select(provisional).where(columns.card.in_([key[0] for key in keys])))
    counters = {row.cause: row.counter for row in rows}
    moves: dict[CardKey, list[Move]] = {}
    ledgers: dict[CardKey, int] = {}
    for row in (await connection.execute(moves_of([owner_of(key) for key in keys]))).mappings():
        key, cents = card_of(row["owner"]), int(row["cents"])
        ledgers[key] = ledgers.get(key, 0) + cents
        reason = reason_of(row["cause"]) if row["cause"] else None
        if reason is not None:
            move = Move(row["cause"], reason, cents, counters.get(row["cause"], 0), BusinessDay(row["day"]))
            moves.setdefault(key, []).append(move)
    return moves, ledgers


async def _parked_of(connection: AsyncConnection, keys: Sequence[CardKey]) -> dict[CardKey, list[Parked]]:
    at = and_(entry.c.tno == parked.c.tno, entry.c.branch == parked.c.branch, entry.c.seq == parked.c.seq)
    query = select(entry, chain.c.tid).join_from(parked, entry, at).join(chain, chain.c.tno == entry.c.tno)
    query = query.where(parked.c.card.in_([key[0] for key in keys]))
    rows = (await connection.execute(query.order_by(entry.c.tno, entry.c.branch, entry.c.seq))).mappings().all()
    read = (parked_fact(entry_of(row), TerminalId(row["tid"])) for row in rows)
    return latest_of([found for found in read if found is not None])


async def _cases_of(connection: AsyncConnection, keys: Sequence[CardKey]) -> dict[CardKey, list[CaseFact]]:
    columns = case_file.c
    query = select(case_file).where(columns.card.in_([key[0] for key in keys]))
    cases: dict[CardKey, list[CaseFact]] = {}
    for row in await _open_cases(connection, query):
        cases.setdefault((CardNo(row["card"]), Generation(row["generation"])), []).append(case_fact(row))
    return cases


async def _cases_of_chains(connection: AsyncConnection) -> list[CaseFact]:
    query = select(case_file).where(case_file.c.card.is_(None))
    return [case_fact(row) for row in await _open_cases(connection, query)]


async def _open_cases(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    columns = case_file.c
    query = query.where(columns.closed_at == 0, columns.cls.in_(LISTED_CASES)).order_by(columns.id)
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def _holes(connection: AsyncConnection, tids: Mapping[Tno, TerminalId]) -> list[HoleFact]:
    query = select(hole).where(hole.c.status.in_(MISSING)).order_by(hole.c.tno, hole.c.first)
    rows = (await connection.execute(query)).mappings().all()
    return [HoleFact(Tno(row["tno"]), tids[Tno(row["tno"])], row["first"], row["last"]) for row in rows]


async def _shifts_of(connection: AsyncConnection, day: BusinessDay) -> list[ShiftFact]:
    """The drawers whose difference moved on a day, or later than the newest proof of the day before it could know.

    A proof of an older day, made since, has not listed what is of the days between.
    """
    columns = posting.c
    is_late = and_(columns.day < day, columns.at > unknown_to_proofs_before(day))
    moved = select(columns.owner).where(IS_OF_DRAWER, or_(columns.day == day, is_late))
    query = select(columns.owner, columns.cause, columns.day, columns.cents).where(IS_OF_DRAWER)
    rows = await connection.execute(query.where(columns.owner.in_(moved)).order_by(columns.owner, columns.id))
    found = {owner: [tuple(row)[1:] for row in legs] for owner, legs in groupby(rows, lambda row: row.owner)}
    emptied = await _emptied_by(connection, sorted(found))
    counts = {owner: await _count_of(connection, emptied.get(owner) or legs[0][0]) for owner, legs in found.items()}
    return [shift_fact(owner, legs, counts[owner]) for owner, legs in found.items()]


async def _emptied_by(connection: AsyncConnection, owners: Sequence[str]) -> dict[str, str]:
    """What last moved the cash of these drawers: nothing does after the count."""
    columns = posting.c
    of_drawers = columns.account_kind == AccountKind.DRAWER, columns.owner.in_(owners)
    newest = select(func.max(columns.id)).where(*of_drawers).group_by(columns.owner)
    rows = await connection.execute(select(columns.owner, columns.cause).where(columns.id.in_(newest)))
    return {row.owner: row.cause for row in rows}


async def _count_of(connection: AsyncConnection, cause: str) -> Count | None:
    place = place_of_cause(cause)
    if place is None:
        return None
    columns = entry.c
    at = zip((columns.tno, columns.branch, columns.seq), place, strict=True)
    query = select(entry).where(*(column == value for column, value in at), columns.kind == Kind.SHIFT_CLOSED)
    row = (await connection.execute(query)).mappings().one_or_none()
    return count_of(entry_of(row)) if row else None
