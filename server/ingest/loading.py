"""Load what a transaction can reach into a book, locked.

Locks are taken in one order everywhere: chains by number, then cards by number. A step is only changed by who holds
its card, a hole or a branch by who holds its chain.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey, CardNo, Generation, Tno
from protocol.instants import BusinessDay, CampusTime
from protocol.money import Cents
from server import tables
from server.ingest.book import Book, EntryRow, HoleStatus, Posted, Reached, StepRow
from server.ingest.reach import Reach
from server.ingest.rows import branch_of, card_of, chain_of, entry_of, hole_of, step_of
from server.ingest.saving import Work, copy_of
from server.ledger.accounts import Account, AccountKind, Posting

_PLACE = tuple_(tables.step.c.tno, tables.step.c.branch, tables.step.c.seq)
_REACHED = tuple_(tables.step.c.card, tables.step.c.generation, tables.step.c.counter_after)
_CARD = tuple_(tables.card.c.card, tables.card.c.generation)
_WITHOUT_JWS = [column for column in tables.entry.c if column.name != "jws"]


async def load(
    connection: AsyncConnection,
    campus: CampusTime,
    tnos: Iterable[Tno],
    reach: Reach,
    *,
    seqs: tuple[int, int] = (0, -1),
) -> Work:
    """Lock chains and cards and load what the reach names; `seqs`: the entries of the chains that are at hand."""
    book = Book(campus)
    for tno in sorted(set(tnos)):
        await _load_chain(connection, book, tno, seqs)
    prepared = await _ids_of_prepared(connection, book, reach)
    await _load_cards(connection, book, reach.cards | {card for _, card in prepared})
    await _load_steps(connection, book, [place for place, _ in prepared], reach.counters)
    await _load_refunded(connection, book, reach.prepared)
    await _load_provisional(connection, book, reach.counters)
    work = Work(book, copy_of(book))
    await load_posted(connection, work, book.provisional.values())
    return work


async def load_posted(connection: AsyncConnection, work: Work, causes: Iterable[str]) -> None:
    """Have the postings of these causes at hand."""
    posting = tables.posting.c
    wanted = sorted(set(causes))
    if not wanted:
        return
    found: dict[str, list[Posting]] = {}
    days: dict[str, BusinessDay] = {}
    query = select(tables.posting).where(posting.cause.in_(wanted)).order_by(posting.cause, posting.line)
    for row in await connection.execute(query):
        account = Account(AccountKind(row.account_kind), row.owner)
        found.setdefault(row.cause, []).append(Posting(account, Cents(row.cents)))
        days[row.cause] = BusinessDay(row.day)
    for cause, postings in found.items():
        work.book.posted[cause] = work.before.posted[cause] = Posted(cause, days[cause], tuple(postings))


async def load_entries(connection: AsyncConnection, work: Work, places: Sequence[tuple[int, int, int]]) -> None:
    """Have these entries at hand with their bytes."""
    for row in await read_entries(connection, places):
        key = (row.tno, row.branch, row.seq)
        work.book.entries[key] = work.before.entries[key] = row


async def read_entries(connection: AsyncConnection, places: Sequence[tuple[int, int, int]]) -> list[EntryRow]:
    """These entries with their bytes, in the order of their chains."""
    entry = tables.entry.c
    query = select(tables.entry).where(tuple_(entry.tno, entry.branch, entry.seq).in_(places))
    return [entry_of(row) for row in await fetched(connection, query.order_by(entry.tno, entry.branch, entry.seq))]


async def fetched(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    """All rows of a query by column name."""
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def _load_chain(connection: AsyncConnection, book: Book, tno: Tno, seqs: tuple[int, int]) -> None:
    chain, branch, entry, hole = tables.chain, tables.branch, tables.entry, tables.hole
    row = (await fetched(connection, select(chain).where(chain.c.tno == tno).with_for_update()))[0]
    branches = [branch_of(found) for found in await fetched(connection, select(branch).where(branch.c.tno == tno))]
    book.chains[tno] = chain_of(row, {known.number: known for known in branches})
    for found in await fetched(connection, select(hole).where(hole.c.tno == tno, hole.c.status != HoleStatus.FILLED)):
        book.holes[(tno, found["first"])] = hole_of(found)
    near: list[ColumnElement[bool]] = [entry.c.seq.between(*seqs)]
    near += [entry.c.seq == key[1] - 1 for key in book.holes if key[0] == tno]
    for found in await fetched(connection, select(*_WITHOUT_JWS).where(entry.c.tno == tno, or_(*near))):
        known = entry_of(found)
        book.entries[(tno, known.branch, known.seq)] = known


async def _ids_of_prepared(
    connection: AsyncConnection, book: Book, reach: Reach
) -> list[tuple[tuple[int, int, int], CardKey]]:
    step = tables.step.c
    if not reach.prepared:
        return []
    query = select(step.tno, step.branch, step.seq, step.card, step.generation)
    query = query.where(step.tno.in_(sorted(book.chains)), step.seq.in_(sorted(reach.prepared)))
    return [
        ((row.tno, row.branch, row.seq), (CardNo(row.card), Generation(row.generation)))
        for row in await connection.execute(query)
    ]


async def _load_cards(connection: AsyncConnection, book: Book, keys: Iterable[CardKey]) -> None:
    wanted = sorted(keys)
    if not wanted:
        return
    query = select(tables.card).where(_CARD.in_(wanted)).order_by(tables.card.c.card, tables.card.c.generation)
    for row in await fetched(connection, query.with_for_update()):
        card = card_of(row)
        book.cards[card.key] = card


async def _load_steps(
    connection: AsyncConnection, book: Book, places: Sequence[tuple[int, int, int]], counters: Iterable[Reached]
) -> None:
    found: dict[int, StepRow] = {}
    reached = sorted((card, generation, counter) for (card, generation), counter in counters)
    queries: list[Select[Any]] = []
    if places:
        queries.append(select(tables.step).where(_PLACE.in_(places)))
    if reached:
        queries.append(select(tables.step).where(_REACHED.in_(reached)))
    for query in queries:
        for row in await fetched(connection, query):
            found[row["number"]] = step_of(row)
    for number in sorted(found):
        book.add_step(found[number])


async def _load_refunded(connection: AsyncConnection, book: Book, seqs: Iterable[int]) -> None:
    refunded, wanted = tables.refunded.c, sorted(seqs)
    if not wanted:
        return
    query = select(tables.refunded).where(refunded.tno.in_(sorted(book.chains)), refunded.seq.in_(wanted))
    for row in await connection.execute(query):
        book.refunded[(Tno(row.tno), row.branch, row.seq)] = Cents(row.cents)


async def _load_provisional(connection: AsyncConnection, book: Book, counters: Iterable[Reached]) -> None:
    provisional = tables.provisional.c
    reached = sorted((card, generation, counter) for (card, generation), counter in counters)
    if not reached:
        return
    place = tuple_(provisional.card, provisional.generation, provisional.counter)
    for row in await connection.execute(select(tables.provisional).where(place.in_(reached))):
        book.provisional[((CardNo(row.card), Generation(row.generation)), row.counter)] = row.cause
