"""Cards with their holders' names, by what they are looked for."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.card_tables import card_event
from server.cards.rules import KEEP_LOADS_AWAY
from server.ingest.book import ShiftStatus
from server.tables import card, case_file, chain, person, shift, terminal
from server.token_tables import token

_HELD = (card, person.c.name.label("holder"))


async def page(connection: AsyncConnection, after: tuple[int, int], status: str, limit: int) -> Sequence[RowMapping]:
    """Plastics in the order of their numbers and generations, behind one of them."""
    same = and_(card.c.card == after[0], card.c.generation > after[1])
    query = _held().where(or_(card.c.card > after[0], same))
    query = query.where(card.c.status == status) if status else query
    return await _rows(connection, query.order_by(card.c.card, card.c.generation).limit(limit))


async def of_persons(connection: AsyncConnection, ids: Iterable[str], limit: int) -> Sequence[RowMapping]:
    """The plastics of these persons."""
    query = _held().where(card.c.person.in_(list(ids)))
    return await _rows(connection, query.order_by(card.c.card, card.c.generation).limit(limit))


async def numbered(connection: AsyncConnection, numbers: Iterable[int]) -> Sequence[RowMapping]:
    """All plastics of these numbers."""
    query = _held().where(card.c.card.in_(sorted(numbers)))
    return await _rows(connection, query.order_by(card.c.card, card.c.generation))


async def with_uid(connection: AsyncConnection, uid: str) -> set[int]:
    """The numbers that a UID was made for, or is bound to."""
    made = select(card_event.c.card).where(card_event.c.uid == uid).distinct()
    bound = select(token.c.card).where(token.c.uid == uid)
    return {int(no) for query in (made, bound) for no in await connection.scalars(query)}


async def people(connection: AsyncConnection, who: str, begins: str, name: str, limit: int) -> Sequence[RowMapping]:
    """Persons with this id, or whose id begins so, or whose name holds this (in lower case)."""
    fits: list[ColumnElement[bool]] = [person.c.id == who] if who else []
    if begins:
        fits.append(person.c.id.startswith(begins, autoescape=True))
    if name:
        fits.append(func.lower(person.c.name).contains(name, autoescape=True))
    return await _rows(connection, select(person).where(or_(*fits)).order_by(person.c.id).limit(limit))


async def uids_of(connection: AsyncConnection, no: int) -> Sequence[RowMapping]:
    """Which UIDs the plastics of a number have, as terminals told when they made them."""
    event = card_event.c
    query = select(event.generation, event.uid).where(event.card == no, event.uid != "").distinct()
    return await _rows(connection, query.order_by(event.generation, event.uid))


async def open_cases(connection: AsyncConnection, no: int) -> Sequence[RowMapping]:
    """The open cases that keep value from plastics of a number."""
    query = select(case_file).where(
        case_file.c.cls.in_(KEEP_LOADS_AWAY), case_file.c.closed_at == 0, case_file.c.card == no
    )
    return await _rows(connection, query.order_by(case_file.c.id))


async def open_drawers(connection: AsyncConnection, limit: int) -> Sequence[RowMapping]:
    """The shifts whose drawers were not counted yet, with the names of their terminals."""
    query = select(shift.c.tno, shift.c.number, chain.c.tid, terminal.c.title)
    query = query.join_from(shift, chain, chain.c.tno == shift.c.tno)
    query = query.outerjoin(terminal, terminal.c.tid == chain.c.tid).where(shift.c.status == ShiftStatus.OPEN)
    return await _rows(connection, query.order_by(chain.c.tid, shift.c.tno, shift.c.number).limit(limit))


def _held() -> Select[Any]:
    return select(*_HELD).outerjoin_from(card, person, person.c.id == card.c.person)


async def _rows(connection: AsyncConnection, query: Any) -> Sequence[RowMapping]:
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found
