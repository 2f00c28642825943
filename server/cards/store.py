"""Rows of cards as the card office sees them, load records, and what terminals have reported."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Exists, Integer, RowMapping, Select, and_, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import U16_MAX, CardKey, CardNo, Generation
from protocol.instants import UtcMs
from server.card_tables import card_event
from server.cards.rules import KEEP_LOADS_AWAY, Plastic
from server.ingest.book import CardRow, CardStatus, CaseClass
from server.ingest.rows import card_of
from server.ledger.accounts import AccountKind
from server.numbers import CARD_NUMBER, next_number
from server.tables import card, case_file, load, person, posting, step


async def add(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """New cards."""
    await connection.execute(insert(card), rows)


async def generations(connection: AsyncConnection, no: int, *, lock: bool = True) -> Sequence[RowMapping]:
    """Every plastic of an issue number, oldest first; locked, nobody gives out another until the transaction ends."""
    query = select(card).where(card.c.card == no).order_by(card.c.generation)
    if lock:  # once more: PostgreSQL does not show what was given out while it waited
        await connection.execute(query.with_for_update())
    return await _rows(connection, query.with_for_update() if lock else query)


async def holder_of(connection: AsyncConnection, no: int) -> dict[str, str | None]:
    """Whose card it is now, as two people are shown it."""
    query = select(card.c.person).where(card.c.card == no).order_by(card.c.generation.desc()).limit(1)
    return {"person": await connection.scalar(query)}


async def new_number(connection: AsyncConnection) -> CardNo:
    """The next issue number that no terminal has told of."""
    while True:
        number = CardNo(await next_number(connection, CARD_NUMBER))
        if not await generations(connection, number):
            return number


async def page(
    connection: AsyncConnection, after: tuple[int, int], person_id: str | None, limit: int
) -> Sequence[RowMapping]:
    """Plastics in the order of their numbers and generations, behind one of them."""
    same = and_(card.c.card == after[0], card.c.generation > after[1])
    query = select(card).where(or_(card.c.card > after[0], same))
    if person_id is not None:
        query = query.where(card.c.person == person_id)
    return await _rows(connection, query.order_by(card.c.card, card.c.generation).limit(limit))


async def change(connection: AsyncConnection, key: CardKey, values: dict[str, Any]) -> None:
    """Columns that only the card office writes."""
    await connection.execute(update(card).where(card.c.card == key[0], card.c.generation == key[1]).values(values))


async def has_person(connection: AsyncConnection, person_id: str) -> bool:
    """Whether a person is registered."""
    return await connection.scalar(select(person.c.id).where(person.c.id == person_id)) is not None


async def pending_of(connection: AsyncConnection, no: int, kind: AccountKind = AccountKind.PENDING) -> int:
    """What the holder of a number is still to get."""
    query = select(func.sum(posting.c.cents)).where(posting.c.account_kind == kind, posting.c.owner == str(no))
    return int(await connection.scalar(query) or 0)


async def waiting(connection: AsyncConnection) -> set[CardNo]:
    """Numbers with a closed card whose rest, or whose uncollected loads, are not settled yet."""
    closed = card.c.status.in_((CardStatus.CLOSED, CardStatus.RELEASED))
    query = select(card.c.card).where(closed, or_(card.c.status == CardStatus.CLOSED, card.c.moved_at == 0))
    return {CardNo(row.card) for row in await connection.execute(query)}


async def has_open_fork(connection: AsyncConnection, no: int) -> bool:
    """Whether people have still to find out why a card of this number was used twice."""
    open_fork = (case_file.c.cls == CaseClass.FORK, case_file.c.card == no, case_file.c.closed_at == 0)
    return await connection.scalar(select(case_file.c.id).where(*open_fork).limit(1)) is not None


async def keep_record(connection: AsyncConnection, row: CardRow, record: bytes, at: int) -> None:
    """A new signed record of what a card may collect in all."""
    values = {
        "card": row.key[0],
        "generation": row.key[1],
        "load_seq": row.load_seq,
        "loaded_total_cents": row.loaded_total_cents,
        "spent_known_cents": row.spent_known_cents,
        "period": row.period,
        "subsidy_total_cents": row.subsidy_total_cents,
        "record": record,
        "at": at,
    }
    await connection.execute(insert(load).values(values))


async def has_record(connection: AsyncConnection, card_row: CardRow) -> bool:
    """Whether the record of the card's newest load was signed before."""
    where = (load.c.card == card_row.key[0], load.c.generation == card_row.key[1], load.c.load_seq == card_row.load_seq)
    return await connection.scalar(select(load.c.load_seq).where(*where)) is not None


async def is_in_question(connection: AsyncConnection, key: CardKey) -> bool:
    """Whether an open case keeps value from this card."""
    mine = (card.c.card == key[0], card.c.generation == key[1])
    return await connection.scalar(select(card.c.card).where(*mine, _in_question())) is not None


async def uncollected(connection: AsyncConnection) -> list[tuple[CardRow, bytes | None]]:
    """Cards that a load is waiting for, with its signed record where there is one."""
    more = (card.c.loaded_total_cents > card.c.collected_cents) | (card.c.subsidy_seq > card.c.load_seq_floor)
    same = (
        (load.c.card == card.c.card) & (load.c.generation == card.c.generation) & (load.c.load_seq == card.c.load_seq)
    )
    query = select(card, load.c.record).join_from(card, load, same, isouter=True)
    said = (card.c.load_seq > card.c.load_seq_floor) & (card.c.load_seq <= U16_MAX)
    query = query.where(card.c.status == CardStatus.ACTIVE, said, more, ~_in_question())
    rows = await _rows(connection, query.order_by(card.c.card, card.c.generation))
    return [(card_of(row), bytes(row["record"]) if row["record"] else None) for row in rows]


_STEPS = (
    select(step)
    .where(step.c.card == bindparam("no"))
    .order_by(step.c.number.desc())
    .limit(bindparam("most", type_=Integer))
)
"""Made once: making a statement is a fifth of a read."""


async def steps(connection: AsyncConnection, no: int, before: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest steps of all plastics of a number, newest first."""
    query = _STEPS if before is None else _STEPS.where(step.c.number < before)
    found: Sequence[RowMapping] = (await connection.execute(query, {"no": no, "most": limit})).mappings().all()
    return found


async def events(connection: AsyncConnection, no: int, limit: int) -> Sequence[RowMapping]:
    """What terminals told of the plastics of a number, newest first."""
    query = select(card_event).where(card_event.c.card == no)
    return await _rows(connection, query.order_by(card_event.c.at.desc(), card_event.c.seq.desc()).limit(limit))


def plastics_of(rows: Iterable[RowMapping], cards: Mapping[CardKey, CardRow]) -> list[Plastic]:
    """The rows of one number as the rules see them, with the very cards of a book."""
    return [
        Plastic(
            cards[(CardNo(row["card"]), Generation(row["generation"]))],
            UtcMs(row["closed_at"]),
            row["closed_version"],
            UtcMs(row["moved_at"]),
            row["closed_for"] == "handed_in",
        )
        for row in rows
    ]


def _in_question() -> Exists:
    case = case_file.c
    same = (case.card == card.c.card, case.generation == card.c.generation)
    return exists().where(*same, case.closed_at == 0, case.cls.in_(KEEP_LOADS_AWAY)).correlate(card)


async def _rows(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found
