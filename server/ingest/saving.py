"""Write back what a transaction changed in a book, set by set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Table, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Stage
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.purse import Technology
from server import tables
from server.card_tables import card_event
from server.due import Due, leave
from server.ingest.book import Book, Case, Reached, ShiftStatus
from server.ingest.card_events import event_columns, made_token
from server.ingest.reach import card_named_by
from server.ingest.rows import (
    Columns,
    branch_columns,
    card_columns,
    case_columns,
    chain_columns,
    entry_columns,
    hole_columns,
    step_columns,
)
from server.ledger.accounts import AccountKind
from server.numbers import closed_through
from server.sets import insert_rows, update_rows
from server.token_tables import hold, token, token_use

_LISTED_COLUMNS = ("status", "exchange", "load_seq", "load_seq_floor", "loaded_total_cents", "collected_cents")
"""What the lists of terminals say of a card, its load records included."""

_OWED = (AccountKind.PENDING, AccountKind.PENDING_SUBSIDY)
_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Work:
    """A book in the middle of a transaction, and what it was when it was loaded."""

    book: Book
    before: Book


def copy_of(book: Book) -> Book:
    """A book that does not change when the other one does."""
    return Book(
        book.campus,
        book.load_key,
        book.code_key,
        products=book.products,
        chains={tno: replace(chain, branches=dict(chain.branches)) for tno, chain in book.chains.items()},
        cards={key: replace(card) for key, card in book.cards.items()},
        entries=dict(book.entries),
        steps={place: replace(step) for place, step in book.steps.items()},
        posted=dict(book.posted),
        cases=list(book.cases),
        provisional=dict(book.provisional),
        holes={place: replace(hole) for place, hole in book.holes.items()},
        shifts=dict(book.shifts),
        drawers=dict(book.drawers),
        debts=dict(book.debts),
        token_uses=dict(book.token_uses),
    )


async def write(connection: AsyncConnection, work: Work, now: UtcMs) -> None:
    """Write what differs from what was loaded."""
    await _write_chains(connection, work.book, work.before, now)
    await _write_entries(connection, work.book, work.before, now)
    await _write_rows(connection, work.book, work.before)
    await _write_postings(connection, work.book, work.before, now)
    await _write_rest(connection, work.book, work.before, now)
    await leave(connection, Due.PENDING, _with_pending(work.book, work.before))


async def open_case(connection: AsyncConnection, case: Case, now: UtcMs) -> None:
    """Put something in front of people outside of a book."""
    await _write_cases(connection, [case], now)


async def _write_cases(connection: AsyncConnection, cases: Sequence[Case], now: UtcMs) -> None:
    """Some cases keep loads from their cards."""
    await insert_rows(connection, tables.case_file, [{**case_columns(case), "opened_at": now} for case in cases])
    if any(case.card for case in cases):
        await leave(connection, Due.LISTS)


async def open_case_once(connection: AsyncConnection, case: Case, now: UtcMs, *, again: bool = True) -> bool:
    """The same, unless a case of this class is about the very same thing already; whether it was opened.

    `again`: one that was closed does not count.
    """
    known, key = tables.case_file.c, case.card or (None, None)
    about = (known.card == key[0], known.generation == key[1]) if case.card else (known.card.is_(None),)
    place = zip((known.tno, known.branch, known.seq), case.step, strict=True)
    same = (known.cls == case.cls, *about, *(column == value for column, value in place))
    query = select(known.id).where(*same, known.closed_at == 0 if again else known.closed_at >= 0)
    if await connection.scalar(query.limit(1)) is not None:
        return False
    await open_case(connection, case, now)
    return True


async def _write_chains(connection: AsyncConnection, book: Book, before: Book, now: UtcMs) -> None:
    changed: list[Columns] = []
    tips: list[tuple[Columns | None, Columns]] = []
    for tno, chain in book.chains.items():
        was = before.chains[tno]
        if chain_columns(chain) != chain_columns(was) or chain.branches != was.branches:
            changed.append({"tno": tno, **chain_columns(chain), "received_at": now})
        for number, known in chain.branches.items():
            old = was.branches.get(number)
            tips.append((branch_columns(tno, old) if old else None, branch_columns(tno, known)))
    await update_rows(connection, tables.chain, ("tno",), changed)
    await _save(connection, tables.branch, ("tno", "branch"), tips)


async def _write_entries(connection: AsyncConnection, book: Book, before: Book, now: UtcMs) -> None:
    entry_places, new_parked, gone = ("tno", "branch", "seq"), list[Columns](), list[Columns]()
    fresh: list[Columns] = []
    changed: list[Columns] = []
    events: list[Columns] = []
    tokens: list[Columns] = []
    for place, row in book.entries.items():
        was = before.entries.get(place)
        where = dict(zip(entry_places, place, strict=True))
        if was is None:
            fresh.append(entry_columns(row, now))
            if row.parked:
                card, generation = card_named_by(row.jws) or (None, None)
                new_parked.append({**where, "card": card, "generation": generation})
        elif was.parked != row.parked:
            changed.append({**where, "parked": row.parked})
            if not row.parked:
                gone.append({f"k_{name}": value for name, value in where.items()})
        if (was is None or was.parked) and (event := event_columns(row)):
            events.append(event)
            tokens += [{**made, "bound_at": now}] if (made := made_token(row)) else []
    await insert_rows(connection, tables.entry, fresh)
    await insert_rows(connection, card_event, events)
    await _bind_tokens(connection, tokens)
    await insert_rows(connection, tables.parked, new_parked)
    await update_rows(connection, tables.entry, entry_places, changed)
    await _delete(connection, tables.parked, entry_places, gone)


async def _bind_tokens(connection: AsyncConnection, made: Sequence[Columns]) -> None:
    """A plastic is what it was made last, and a card has one plastic: what was bound otherwise is so no more."""
    for row in made:
        of_card = and_(token.c.card == row["card"], token.c.generation == row["generation"])
        await connection.execute(delete(token).where(or_(token.c.uid == row["uid"], of_card)))
        await connection.execute(insert(token).values(row))


async def _write_rows(connection: AsyncConnection, book: Book, before: Book) -> None:
    cards = _changed(before.cards, book.cards, card_columns)
    steps = _changed(before.steps, book.steps, step_columns)
    holes = _changed(before.holes, book.holes, hole_columns)
    await _save(connection, tables.card, ("card", "generation"), cards)
    if any(_is_listed_otherwise(old, new) for old, new in cards):
        await leave(connection, Due.LISTS)
    await _save(connection, tables.step, ("tno", "branch", "seq"), steps)
    await _end_holds(connection, [new for _, new in steps])
    await _save(connection, tables.hole, ("tno", "first"), holes)
    await _write_uses(connection, book, before)


def _is_listed_otherwise(old: Columns | None, new: Columns) -> bool:
    return old is None or _owes(old) != _owes(new) or any(old[name] != new[name] for name in _LISTED_COLUMNS)


def _owes(card: Columns) -> bool:
    """Whether it is a token that is listed as blocked because it owes us something."""
    return bool(card["technology"] == Technology.TOKEN and min(card["main_cents"], card["subsidy_cents"]) < 0)


async def _end_holds(connection: AsyncConnection, steps: Sequence[Columns]) -> None:
    """Sales of tokens whose outcome is posted hold nothing back any more."""
    over = [step for step in steps if step["shape"] == "sale" and step["counter_after"] == 0 == step["branch"]]
    rows = [{"k_tno": step["tno"], "k_seq": step["seq"]} for step in over if step["stage"] != Stage.PREPARED]
    if rows:
        same = (hold.c.tno == bindparam("k_tno"), hold.c.seq == bindparam("k_seq"))
        await connection.execute(update(hold).where(*same).values(ends_at=0), rows)


async def _write_uses(connection: AsyncConnection, book: Book, before: Book) -> None:
    """What tokens have shown for settled sales, in the place of what was only asked about."""
    keys = ("card", "generation", "kind", "counter")
    new = {shown: place for shown, place in book.token_uses.items() if shown not in before.token_uses}
    rows = [dict(zip(keys, (*card, kind, counter), strict=True)) for card, kind, counter in new]
    await _delete(connection, token_use, keys, [{f"k_{key}": row[key] for key in keys} for row in rows])
    places = [dict(zip(("tno", "branch", "seq"), place, strict=True)) for place in new.values()]
    settled = [{**row, **place, "settled": 1} for row, place in zip(rows, places, strict=True)]
    await insert_rows(connection, token_use, settled)


def _with_pending(book: Book, before: Book) -> set[int]:
    """Cards whose pending credit moves now, and those that may be granted some although nothing moves."""
    causes = book.posted.keys() - before.posted.keys()
    legs = (leg.account for cause in causes for leg in book.posted[cause].postings)
    touched = {int(account.owner) for account in legs if account.kind in _OWED}
    known = {key: row.status for key, row in before.cards.items()}
    return touched | {key[0] for key, row in book.cards.items() if known.get(key) != row.status}


def _changed(
    before: Mapping[_Key, _Row], now: Mapping[_Key, _Row], columns: Callable[[_Row], Columns]
) -> list[tuple[Columns | None, Columns]]:
    """What is new or differs, as columns before and now."""
    found: list[tuple[Columns | None, Columns]] = []
    for key, row in now.items():
        was = before.get(key)
        if was is None or was != row:
            found.append((None if was is None else columns(was), columns(row)))
    return found


async def _write_postings(connection: AsyncConnection, book: Book, before: Book, now: UtcMs) -> None:
    new = [posted for cause, posted in book.posted.items() if cause not in before.posted]
    counted_in = await _open_days(connection, book.campus, {posted.day for posted in new}, now)
    lines = [
        {
            "cause": posted.cause,
            "line": line,
            "day": posted.day,
            "period_day": counted_in[posted.day],
            "account_kind": posting.account.kind,
            "owner": posting.account.owner,
            "cents": posting.cents,
            "at": now,
        }
        for posted in new
        for line, posting in enumerate(posted.postings)
    ]
    await insert_rows(connection, tables.posting, lines)


async def _open_days(
    connection: AsyncConnection, campus: CampusTime, days: set[BusinessDay], now: UtcMs
) -> dict[BusinessDay, BusinessDay]:
    """In which open day the postings of a day count. A closed day that gets more is restated: its revision rises."""
    if not days:
        return {}
    closed = await closed_through(connection)
    today = BusinessDay(max(campus.business_day(now), closed + 1))
    for day in sorted(day for day in days if day <= closed):
        await _restate(connection, day)
    return {day: today if day <= closed else day for day in days}


async def _restate(connection: AsyncConnection, day: BusinessDay) -> None:
    """A day that nobody closed by itself was closed with the next one that somebody did."""
    table = tables.business_day
    raised = await connection.execute(update(table).where(table.c.day == day).values(revision=table.c.revision + 1))
    if not raised.rowcount:
        closed_with = select(table.c.closed_at).where(table.c.day > day).order_by(table.c.day).limit(1)
        row = {"day": day, "closed_at": await connection.scalar(closed_with), "revision": 2}
        await insert_rows(connection, table, [row])


async def _write_rest(connection: AsyncConnection, book: Book, before: Book, now: UtcMs) -> None:
    def provisional_columns(reached: Reached, cause: str) -> Columns:
        (card, generation), counter = reached
        return {"card": card, "generation": generation, "counter": counter, "cause": cause}

    def shift_columns(at: tuple[int, int], status: ShiftStatus) -> Columns:
        return {"tno": at[0], "number": at[1], "status": status}

    new = [provisional_columns(*item) for item in book.provisional.items() if item[0] not in before.provisional]
    gone = [provisional_columns(*item) for item in before.provisional.items() if item[0] not in book.provisional]
    await insert_rows(connection, tables.provisional, new)
    keys = ("card", "generation", "counter")
    await _delete(connection, tables.provisional, keys, [{f"k_{key}": row[key] for key in keys} for row in gone])
    shifts = [
        (shift_columns(at, before.shifts[at]) if at in before.shifts else None, shift_columns(at, status))
        for at, status in book.shifts.items()
    ]
    await _save(connection, tables.shift, ("tno", "number"), shifts)
    await _write_cases(connection, book.cases[len(before.cases) :], now)
    await _end_cases(connection, book, now)


async def _end_cases(connection: AsyncConnection, book: Book, now: UtcMs) -> None:
    known = tables.case_file.c
    names = ("cls", "tno", "branch", "seq", "text")
    same = [known.closed_at == 0, *(known[name] == bindparam(f"k_{name}") for name in names)]
    rows = [
        {f"k_{name}": value for name, value in zip(names, (cls, *step, text), strict=True)}
        for cls, step, text in book.ended_cases
    ]
    if rows:
        values = {"closed_at": now, "closed_by": "server", "outcome": "what was missing has come"}
        await connection.execute(update(tables.case_file).where(*same).values(values), rows)


async def _save(
    connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[tuple[Columns | None, Columns]]
) -> None:
    """Insert what is new, update what differs."""
    await insert_rows(connection, table, [new for old, new in rows if old is None])
    await update_rows(connection, table, keys, [new for old, new in rows if old is not None and old != new])


async def _delete(connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[Columns]) -> None:
    if rows:
        statement = delete(table).where(*(table.c[key] == bindparam(f"k_{key}") for key in keys))
        await connection.execute(statement, rows)
