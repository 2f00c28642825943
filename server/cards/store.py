"""Rows of cards as the card office sees them, load records, and what terminals have reported."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Exists, RowMapping, Select, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import U16_MAX, CardKey, CardNo, Generation, TerminalId
from protocol.instants import UtcMs
from server.cards.rules import Plastic, Report
from server.ingest.book import CardRow, CardStatus, CaseClass, ShiftStatus, TerminalStatus
from server.ingest.rows import card_of
from server.ledger.accounts import AccountKind
from server.tables import card, case_file, chain, list_file, load, person, posting, shift, step, terminal

KEEP_LOADS_AWAY = (CaseClass.CARD_ABOVE_LEDGER, CaseClass.FORK)
"""While such a case is open its card gets no value."""


async def add(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """New cards."""
    await connection.execute(insert(card), rows)


async def generations(connection: AsyncConnection, no: int, *, lock: bool = True) -> Sequence[RowMapping]:
    """Every plastic of an issue number, oldest first."""
    query = select(card).where(card.c.card == no).order_by(card.c.generation)
    return await _rows(connection, query.with_for_update() if lock else query)


async def page(connection: AsyncConnection, after: int, person_id: str | None, limit: int) -> Sequence[RowMapping]:
    """Cards in the order of their numbers."""
    query = select(card).where(card.c.card > after)
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


async def newly_pending(connection: AsyncConnection, after_id: int) -> tuple[set[CardNo], int]:
    """Numbers whose pending credit was touched since a posting, and the newest posting seen."""
    query = select(posting.c.owner, posting.c.id).where(
        posting.c.id > after_id, posting.c.account_kind.in_((AccountKind.PENDING, AccountKind.PENDING_SUBSIDY))
    )
    rows = (await connection.execute(query)).all()
    return {CardNo(int(row.owner)) for row in rows}, max((row.id for row in rows), default=after_id)


async def all_pending(connection: AsyncConnection) -> set[CardNo]:
    """Numbers with pending credit."""
    total = func.sum(posting.c.cents)
    query = select(posting.c.owner).where(posting.c.account_kind == AccountKind.PENDING)
    return {
        CardNo(int(row.owner)) for row in await connection.execute(query.group_by(posting.c.owner).having(total > 0))
    }


async def waiting(connection: AsyncConnection) -> set[CardNo]:
    """Numbers with a closed card whose rest, or whose uncollected loads, are not settled yet."""
    closed = card.c.status.in_((CardStatus.CLOSED, CardStatus.RELEASED))
    query = select(card.c.card).where(closed, or_(card.c.status == CardStatus.CLOSED, card.c.moved_at == 0))
    return {CardNo(row.card) for row in await connection.execute(query)}


async def reports(connection: AsyncConnection) -> list[Report]:
    """How far each terminal is known, by its newest epoch; a terminal that was never granted one has sold nothing."""
    can_load = {row.tid: row.can_load for row in await connection.execute(select(terminal.c.tid, terminal.c.can_load))}
    found: dict[str, Report] = {}
    for row in await connection.execute(select(chain).order_by(chain.c.tid, chain.c.epoch)):
        found[row.tid] = Report(
            TerminalId(row.tid),
            TerminalStatus(row.status),
            UtcMs(row.reported_at or row.granted_at),
            row.cards_version,
            can_load.get(row.tid, False),
        )
    return list(found.values())


async def limit_lists(connection: AsyncConnection) -> list[bytes]:
    """The `limits` lists in force, one for each site."""
    newest = select(list_file.c.site, func.max(list_file.c.version).label("version"))
    newest_of = newest.where(list_file.c.name == "limits").group_by(list_file.c.site).subquery()
    same = (list_file.c.site == newest_of.c.site) & (list_file.c.version == newest_of.c.version)
    query = select(list_file.c.body).join(newest_of, same).where(list_file.c.name == "limits")
    return [bytes(row.body) for row in await connection.execute(query)]


async def hold_open_shift(connection: AsyncConnection, owner: str) -> bool:
    """Whether the newest shift with this drawer is open; nobody counts it until the transaction ends."""
    tid, _, number = owner.partition("/")
    query = select(shift.c.status).join_from(chain, shift, shift.c.tno == chain.c.tno)
    query = query.where(chain.c.tid == tid, shift.c.number == int(number)).order_by(chain.c.epoch.desc()).limit(1)
    return await connection.scalar(query.with_for_update(of=chain)) == ShiftStatus.OPEN


async def keep_record(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new signed load record."""
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


async def steps(connection: AsyncConnection, no: int, before: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest steps of all plastics of a number, newest first."""
    query = select(step).where(step.c.card == no)
    if before is not None:
        query = query.where(step.c.number < before)
    return await _rows(connection, query.order_by(step.c.number.desc()).limit(limit))


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
