"""Answers who sat at which drawer, what was counted there, and which drawers nobody has counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo, TerminalId, Tno
from protocol.instants import BusinessDay
from server.db import Database
from server.errors import NotFound
from server.ledger.accounts import drawer
from server.shifts import store
from server.shifts.rules import DrawerBooks, Key, Moved, Shift, Told, drawer_books, keys_of, shift_of

OPEN_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Whole:
    """One shift with all that the journal and the books have of it."""

    shift: Shift
    moved: Sequence[Moved]
    """What cards paid and got, as far as the journal is here."""
    drawer: DrawerBooks


class Shifts:
    """Reads shifts; entries and acts make them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def on(self, day: BusinessDay, tid: TerminalId | None = None) -> list[Shift]:
        """The shifts that were opened or closed on a business day, of one terminal or of all."""
        async with self._database.reading() as connection:
            tnos = await store.chains_of(connection, tid) if tid is not None else None
            told = await store.told_on(connection, day, tnos)
            keys = keys_of(told)
            for one in tuple(told):
                if isinstance(one.body, ShiftClosed) and not _has(told, one.key, ShiftOpened):
                    told += await store.opened_before(connection, one.key, one.seq)
                if isinstance(one.body, ShiftOpened) and not _has(told, one.key, ShiftClosed):
                    told += await store.closed_after(connection, one.key, one.seq)
            books = await store.books_of(connection, keys)
        return [shift_of(key, told, books) for key in keys]

    async def open_ones(self, tid: TerminalId | None = None) -> list[Shift]:
        """Shifts whose drawer was never counted: what should lie in each. At most `OPEN_SHOWN_MAX`."""
        async with self._database.reading() as connection:
            tnos = await store.chains_of(connection, tid) if tid is not None else None
            keys = await store.open_ones(connection, tnos, OPEN_SHOWN_MAX)
            books = await store.books_of(connection, keys)
        return [shift_of(key, (), books) for key in keys]

    async def one(self, tid: TerminalId, tno: Tno, number: ShiftNo, near: int | None = None) -> Whole:
        """One shift; `near` is the number of an entry of it, where somebody knows one. Raises NotFound."""
        key: Key = (tno, number)
        async with self._database.reading() as connection:
            if tno not in await store.chains_of(connection, tid):
                raise NotFound("no_such_shift", f"{tid} has no chain {tno}")
            legs = await store.drawer_legs(connection, drawer(tid, tno, number).owner)
            told = await _told_of(connection, key, near if near is not None else _seq_in(tno, legs))
            shift = shift_of(key, told, await store.books_of(connection, [key]))
            if not told and shift.status is None:
                raise NotFound("no_such_shift", f"{tid} has told of no shift {number} in chain {tno}")
            first = shift.opened.seq if shift.opened is not None else 1
            last = shift.closed.seq if shift.closed is not None else await store.tip_of(connection, tno)
            moved = await store.moved_in(connection, tno, number, first, last)
        counts = [cause for cause, _ in legs if cause.startswith("count:")]
        counted = _cause(shift.closed) if shift.by_people is None else next(iter(counts), "")
        return Whole(shift, moved, drawer_books(legs, _cause(shift.opened), counted))


async def _told_of(connection: AsyncConnection, key: Key, near: int | None) -> list[Told]:
    if near is not None:
        opened = await store.opened_before(connection, key, near)
        if opened:
            return opened + await store.closed_after(connection, key, opened[0].seq)
    return await store.all_of(connection, key)


def _seq_in(tno: Tno, legs: Sequence[tuple[str, int]]) -> int | None:
    """An entry of the chain's first history that moved cash of the drawer."""
    starts = f"entry:{tno}.0."
    return next((int(cause.removeprefix(starts)) for cause, _ in legs if cause.startswith(starts)), None)


def _has(told: Sequence[Told], key: Key, kind: type[ShiftOpened] | type[ShiftClosed]) -> bool:
    return any(one.key == key and isinstance(one.body, kind) for one in told)


def _cause(told: Told | None) -> str:
    return f"entry:{told.tno}.{told.branch}.{told.seq}" if told is not None else ""
