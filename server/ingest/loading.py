"""Load what a transaction can reach into a book, locked.

Locks are taken in one order everywhere: chains by number, then cards by number. A step is only changed by who holds
its card, a hole or a branch by who holds its chain.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, RowMapping, ScalarSelect, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Operation
from protocol.ids import U32_MAX, CardKey, CardNo, Generation, ShiftNo, Tno
from protocol.instants import BusinessDay, CampusTime
from protocol.money import Cents
from protocol.trust import Trust
from server import tables
from server.ingest.book import Book, EntryRow, HoleStatus, Posted, ShiftStatus, StepRow
from server.ingest.reach import Reach
from server.ingest.rows import branch_of, card_of, chain_of, entry_of, hole_of, step_of
from server.ingest.saving import Work, copy_of
from server.ingest.totals import debt
from server.ledger.accounts import Account, AccountKind, Posting, drawer, shift_of
from server.sets import given
from server.token_tables import token_use

_WITHOUT_JWS = [column for column in tables.entry.c if column.name != "jws"]


async def load(
    connection: AsyncConnection,
    campus: CampusTime,
    tnos: Iterable[Tno],
    reach: Reach,
    *,
    seqs: tuple[int, int] = (0, -1),
    trust: Trust | None = None,
) -> Work:
    """Lock chains and cards and load what the reach names; `seqs`: the entries of the chains that are at hand.

    `trust`: needed where entries are posted.
    """
    book = Book(campus, trust.load, trust.ack) if trust else Book(campus)
    for tno in sorted(set(tnos)):
        await _load_chain(connection, book, tno, seqs)
    named = await _cards_of_prepared(connection, book, reach) | await _plastics_of(connection, reach.issued)
    await _load_cards(connection, book, reach.cards | named)
    await _load_debts(connection, book, reach)
    await _load_steps(connection, book, reach)
    await _load_provisional(connection, book, reach)
    await _load_shifts(connection, book, reach)
    await _load_products(connection, book, reach)
    await _load_uses(connection, book, reach)
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
    named = given(connection, ("tno", "branch", "seq"), places)
    same = and_(entry.tno == named.c.tno, entry.branch == named.c.branch, entry.seq == named.c.seq)
    query = select(tables.entry).join_from(named, tables.entry, same)
    return [entry_of(row) for row in await fetched(connection, query.order_by(entry.tno, entry.branch, entry.seq))]


async def fetched(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    """All rows of a query by column name."""
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def _load_chain(connection: AsyncConnection, book: Book, tno: Tno, seqs: tuple[int, int]) -> None:
    chain, branch, entry, hole, register = tables.chain, tables.branch, tables.entry, tables.hole, tables.terminal
    published = [_newest(name).label(f"{name}_published") for name in ("cards", "limits")]
    said = (register.c.can_load, register.c.can_issue, register.c.merchant, register.c.spare)
    query = select(chain, *said, *published).where(chain.c.tno == tno)
    query = query.outerjoin(register, register.c.tid == chain.c.tid).with_for_update(of=chain)
    row = (await fetched(connection, query))[0]
    branches = [branch_of(found) for found in await fetched(connection, select(branch).where(branch.c.tno == tno))]
    book.chains[tno] = chain_of(row, {known.number: known for known in branches})
    for found in await fetched(connection, select(hole).where(hole.c.tno == tno, hole.c.status != HoleStatus.FILLED)):
        book.holes[(tno, found["first"])] = hole_of(found)
    near: list[ColumnElement[bool]] = [entry.c.seq.between(*seqs)]
    near += [entry.c.seq == key[1] - 1 for key in book.holes if key[0] == tno]
    of_chain = (entry.c.tno == tno, entry.c.branch.in_([known.number for known in branches]))
    for found in await fetched(connection, select(*_WITHOUT_JWS).where(*of_chain, or_(*near))):
        known = entry_of(found)
        book.entries[(tno, known.branch, known.seq)] = known


async def _load_products(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    product, sites = tables.product.c, sorted({chain.site for chain in book.chains.values()})
    for site in sites if reach.products else ():
        of_site = select(product.product).where(product.site == site)
        known = await connection.scalars(of_site.where(product.product.in_(sorted(reach.products))))
        if await connection.scalar(of_site.limit(1)) is not None:
            book.products[site] = frozenset(known)


async def _load_uses(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    """Sales that are settled by what tokens have shown; so many rows at most as entries are at hand."""
    use = token_use.c
    for key, kind, counter in sorted(reach.shown):
        same = (use.card == key[0], use.generation == key[1], use.kind == kind, use.counter == counter)
        query = select(use.tno, use.branch, use.seq).where(*same, use.settled == 1)
        row = (await connection.execute(query)).one_or_none()
        if row is not None:
            book.token_uses[(key, kind, counter)] = (Tno(row.tno), row.branch, row.seq)


def _newest(name: str) -> ScalarSelect[int]:
    """The newest version of a list that was ever made for a chain's site."""
    lists, chain = tables.list_file.c, tables.chain
    newest = select(func.max(lists.version)).where(lists.site == chain.c.site, lists.name == name)
    return newest.correlate(chain).scalar_subquery()


async def _cards_of_prepared(connection: AsyncConnection, book: Book, reach: Reach) -> set[CardKey]:
    """The cards of steps that are named by their prepared entries."""
    step = tables.step.c
    if not reach.prepared or not book.chains:
        return set()
    places = _places(connection, book, reach.prepared)
    same = and_(step.tno == places.c.tno, step.branch == places.c.branch, step.seq == places.c.seq)
    query = select(step.card, step.generation).distinct().join_from(places, tables.step, same)
    return {(CardNo(row.card), Generation(row.generation)) for row in await connection.execute(query)}


async def _plastics_of(connection: AsyncConnection, numbers: Iterable[CardNo]) -> set[CardKey]:
    """Every generation that is known of these cards."""
    card = tables.card.c
    query = select(card.card, card.generation).where(card.card.in_(sorted(numbers)))
    rows = await connection.execute(query) if numbers else ()
    return {(CardNo(row.card), Generation(row.generation)) for row in rows}


async def _load_cards(connection: AsyncConnection, book: Book, keys: Iterable[CardKey]) -> None:
    card, wanted = tables.card, set(keys)
    if not wanted:
        return
    named = given(connection, ("no", "generation"), wanted)
    same = and_(card.c.card == named.c.no, card.c.generation == named.c.generation)
    query = select(card).join(named, same).order_by(card.c.card, card.c.generation).with_for_update(of=card)
    for row in await fetched(connection, query):
        known = card_of(row)
        book.cards[known.key] = known


async def _load_debts(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    """What the numbers have beyond what they are owed, over all plastics whose loads have not moved on."""
    card, posting, wanted = tables.card, tables.posting.c, sorted(reach.topped_up)
    if not wanted:
        return
    owed = select(posting.owner, func.sum(posting.cents).label("cents")).group_by(posting.owner)
    owed = owed.where(posting.account_kind == AccountKind.PENDING, posting.owner.in_([str(no) for no in wanted]))
    pending = {row.owner: int(row.cents) for row in await connection.execute(owed)}
    rows = await fetched(connection, select(card).where(card.c.card.in_(wanted), card.c.moved_at == 0))
    for no in wanted:
        book.debts[no] = debt(pending.get(str(no), 0), [card_of(row) for row in rows if row["card"] == no])


async def _load_steps(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    found: dict[int, StepRow] = {}
    step = tables.step
    if reach.prepared and book.chains:
        places = _places(connection, book, reach.prepared)
        same = and_(step.c.tno == places.c.tno, step.c.branch == places.c.branch, step.c.seq == places.c.seq)
        for row in await fetched(connection, select(step).join_from(places, step, same)):
            found[row["number"]] = step_of(row)
        for row in await _later_refunds(connection, book, reach):
            found[row["number"]] = step_of(row)
    if reach.counters:
        named = _reached(connection, reach)
        same = and_(
            step.c.card == named.c.no, step.c.generation == named.c.generation, step.c.counter_after == named.c.counter
        )
        for row in await fetched(connection, select(step).join_from(named, step, same)):
            found[row["number"]] = step_of(row)
    for number in sorted(found):
        book.add_step(found[number])


async def _later_refunds(connection: AsyncConnection, book: Book, reach: Reach) -> list[RowMapping]:
    """Refunds of sales that are settled now: only where a sale comes after entries behind it there can be any."""
    step = tables.step.c
    branches = {
        (chain.tno, branch.number, branch.tip.seq)
        for chain in book.chains.values()
        for branch in chain.branches.values()
    }
    first = min(reach.sold, default=U32_MAX)
    found: list[RowMapping] = []
    for tno, branch, tip in branches:
        if tip > first:
            query = select(tables.step).where(step.tno == tno, step.branch == branch, step.seq > first)
            found += await fetched(connection, query.where(step.operation == Operation.REFUND))
    return [row for row in found if (row["card"], row["generation"]) in book.cards]


def _places(connection: AsyncConnection, book: Book, seqs: Iterable[int]) -> FromClause:
    """These entries on every branch of every chain at hand."""
    wanted = list(seqs)
    keys = ((tno, branch, seq) for tno, chain in book.chains.items() for branch in chain.branches for seq in wanted)
    return given(connection, ("tno", "branch", "seq"), keys)


def _reached(connection: AsyncConnection, reach: Reach) -> FromClause:
    keys = ((card, generation, counter) for (card, generation), counter in reach.counters)
    return given(connection, ("no", "generation", "counter"), keys)


async def _load_provisional(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    table = tables.provisional
    if not reach.counters:
        return
    named = _reached(connection, reach)
    same = and_(
        table.c.card == named.c.no, table.c.generation == named.c.generation, table.c.counter == named.c.counter
    )
    for row in await connection.execute(select(table).join_from(named, table, same)):
        book.provisional[((CardNo(row.card), Generation(row.generation)), row.counter)] = row.cause


async def _load_shifts(connection: AsyncConnection, book: Book, reach: Reach) -> None:
    shift, posting = tables.shift.c, tables.posting.c
    if not reach.shifts or not book.chains:
        return
    query = select(tables.shift).where(shift.tno.in_(list(book.chains)), shift.number.in_(sorted(reach.shifts)))
    for row in await connection.execute(query):
        book.shifts[(Tno(row.tno), row.number)] = ShiftStatus(row.status)
    owners = [
        drawer(chain.tid, tno, ShiftNo(number)).owner for tno, chain in book.chains.items() for number in reach.counted
    ]
    sums = select(posting.owner, func.sum(posting.cents).label("cents")).group_by(posting.owner)
    if owners:
        sums = sums.where(posting.account_kind == AccountKind.DRAWER, posting.owner.in_(owners))
        book.drawers.update({row.owner: int(row.cents) for row in await connection.execute(sums)})


async def hold_drawer(connection: AsyncConnection, owner: str) -> ShiftStatus | None:
    """How the shift with this drawer stands, if it is known; nobody counts it until the transaction ends."""
    chain, shift = tables.chain.c, tables.shift.c
    tid, tno, number = shift_of(owner)
    held = select(chain.tno).where(chain.tno == tno, chain.tid == tid).with_for_update()
    if await connection.scalar(held) is None:
        return None
    # on its own: PostgreSQL reads what it did not wait for as it was before the wait
    query = select(shift.status).where(shift.tno == tno, shift.number == number)
    status = await connection.scalar(query)
    return ShiftStatus(status) if status else None
