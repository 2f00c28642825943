"""Reads what is known of shifts. Nothing here changes anything."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Kind, Operation, ShiftClosed, ShiftOpened, Stage
from protocol.ids import ShiftNo, TerminalId, Tno
from protocol.instants import UtcMs
from server.act_tables import act
from server.ingest.book import CaseClass, ShiftStatus
from server.ingest.reach import entry_in
from server.ledger.accounts import Account, AccountKind, drawer
from server.ledger.rules import Resolution
from server.shifts.rules import Books, Counted, Key, Moved, Told
from server.tables import case_file, chain, entry, posting, shift, step, terminal

KINDS = (Kind.SHIFT_OPENED, Kind.SHIFT_CLOSED)
SHIFT_ENTRIES_MAX = 20_000
"""So far apart the two entries of a shift are looked for; a busy till writes a few thousand a day."""
COUNTS_MAX = 5
"""Of one shift so many counts are looked for; a drawer is counted once."""


async def told_on(connection: AsyncConnection, day: int, tnos: Collection[Tno] | None) -> list[Told]:
    """The entries about shifts that were written on a business day, in the order of their instants."""
    query = _entries().where(entry.c.day == day)
    if tnos is not None:
        query = query.where(entry.c.tno.in_(tnos))
    return await _told(connection, query.order_by(entry.c.at, entry.c.tno, entry.c.seq))


async def opened_before(connection: AsyncConnection, key: Key, seq: int) -> list[Told]:
    """The opening of a shift that an entry of a chain's first history is of, where it was written before that."""
    near = entry.c.seq.between(seq - SHIFT_ENTRIES_MAX, seq)
    query = _of_first_history(key[0], Kind.SHIFT_OPENED).where(near).order_by(entry.c.seq.desc()).limit(1)
    return [told for told in await _told(connection, query) if told.key == key]


async def closed_after(connection: AsyncConnection, key: Key, seq: int) -> list[Told]:
    """The counts of a shift that an entry of a chain's first history is of, where they were written after that."""
    near = entry.c.seq.between(seq, seq + SHIFT_ENTRIES_MAX)
    query = _of_first_history(key[0], Kind.SHIFT_CLOSED).where(near).order_by(entry.c.seq).limit(COUNTS_MAX)
    return [told for told in await _told(connection, query) if told.key == key]


async def all_of(connection: AsyncConnection, key: Key) -> list[Told]:
    """Every entry about one shift, however far back: one walk through its chain."""
    query = _entries().where(entry.c.tno == key[0]).order_by(entry.c.branch, entry.c.seq)
    return [told for told in await _told(connection, query) if told.key == key]


async def chains_of(connection: AsyncConnection, tid: TerminalId) -> list[Tno]:
    """The chains of a terminal."""
    return [Tno(row.tno) for row in await connection.execute(select(chain.c.tno).where(chain.c.tid == tid))]


async def open_ones(connection: AsyncConnection, tnos: Collection[Tno] | None, limit: int) -> list[Key]:
    """Shifts whose drawer was never counted, oldest chains first."""
    query = select(shift.c.tno, shift.c.number).where(shift.c.status == ShiftStatus.OPEN)
    if tnos is not None:
        query = query.where(shift.c.tno.in_(tnos))
    rows = await connection.execute(query.order_by(shift.c.tno, shift.c.number).limit(limit))
    return [(Tno(row.tno), ShiftNo(row.number)) for row in rows]


async def books_of(connection: AsyncConnection, keys: Collection[Key]) -> Books:
    """What the books have of these shifts."""
    tnos = sorted({tno for tno, _ in keys})
    query = select(chain.c.tno, chain.c.tid, terminal.c.title)
    query = query.join_from(chain, terminal, terminal.c.tid == chain.c.tid).where(chain.c.tno.in_(tnos))
    rows = (await connection.execute(query)).all()
    tids = {Tno(row.tno): TerminalId(row.tid) for row in rows}
    owners = [drawer(tids[tno], tno, number).owner for tno, number in keys]
    wanted = select(shift.c.tno, shift.c.number, shift.c.status)
    wanted = wanted.where(tuple_(shift.c.tno, shift.c.number).in_(sorted(keys)))
    statuses = {
        (Tno(row.tno), ShiftNo(row.number)): ShiftStatus(row.status) for row in await connection.execute(wanted)
    }
    return Books(
        tids,
        {TerminalId(row.tid): row.title for row in rows},
        statuses,
        {owner: -cents for owner, cents in (await _sums(connection, AccountKind.DRAWER, owners)).items()},
        await _sums(connection, AccountKind.OPERATOR_LOSS, owners),
        await _cases(connection, owners),
        await _counts(connection, owners),
    )


async def moved_in(connection: AsyncConnection, tno: Tno, number: ShiftNo, first: int, last: int) -> list[Moved]:
    """What cards paid and got in a shift: steps that came to an end well, of entries `first` to `last`."""
    done = (step.c.stage == Stage.SETTLED) | (step.c.resolved == Resolution.ON_CARD)
    where = (step.c.tno == tno, step.c.branch == 0, step.c.seq.between(first, last), step.c.shift == number, done)
    query = select(step.c.operation, func.count(), func.coalesce(func.sum(step.c.amount), 0)).where(*where)
    rows = await connection.execute(query.group_by(step.c.operation))
    found = {row[0]: Moved(str(row[0]), int(row[1]), int(row[2])) for row in rows}
    return [found[operation] for operation in Operation if operation in found]


async def drawer_legs(connection: AsyncConnection, owner: str) -> list[tuple[str, int]]:
    """What moved the cash of a drawer: cause and cents, oldest first."""
    same = posting.c.account_kind == AccountKind.DRAWER, posting.c.owner == owner
    rows = await connection.execute(select(posting.c.cause, posting.c.cents).where(*same).order_by(posting.c.id))
    return [(row.cause, int(row.cents)) for row in rows]


async def tip_of(connection: AsyncConnection, tno: Tno) -> int:
    """The newest entry of a chain's first history."""
    query = select(func.max(entry.c.seq)).where(entry.c.tno == tno, entry.c.branch == 0)
    return int(await connection.scalar(query) or 0)


def _of_first_history(tno: Tno, kind: Kind) -> Select[int, int, int, int, str, bytes]:
    return _entries().where(entry.c.tno == tno, entry.c.branch == 0, entry.c.kind == kind)


def _entries() -> Select[int, int, int, int, str, bytes]:
    columns = (entry.c.tno, entry.c.branch, entry.c.seq, entry.c.at, entry.c.parked, entry.c.jws)
    return select(*columns).where(entry.c.kind.in_(KINDS))


async def _told(connection: AsyncConnection, query: Select[int, int, int, int, str, bytes]) -> list[Told]:
    return [
        Told(Tno(row.tno), row.branch, row.seq, UtcMs(row.at), one.staff, row.parked, one.body)
        for row in await connection.execute(query)
        for one in entry_in(row.jws)
        if isinstance(one.body, ShiftOpened | ShiftClosed)
    ]


async def _sums(connection: AsyncConnection, kind: AccountKind, owners: Sequence[str]) -> dict[str, int]:
    same = posting.c.account_kind == kind, posting.c.owner.in_(owners)
    query = select(posting.c.owner, func.sum(posting.c.cents)).where(*same).group_by(posting.c.owner)
    return {owner: int(cents) for owner, cents in await connection.execute(query)}


async def _cases(connection: AsyncConnection, owners: Iterable[str]) -> dict[str, int]:
    names = {str(Account(AccountKind.DRAWER, owner)): owner for owner in owners}
    same = case_file.c.about.in_(names), case_file.c.cls == CaseClass.SHIFT_DIFFERENCE
    query = select(case_file.c.about, func.max(case_file.c.id)).where(*same).group_by(case_file.c.about)
    return {names[about]: int(number) for about, number in await connection.execute(query)}


async def _counts(connection: AsyncConnection, owners: Sequence[str]) -> dict[str, Counted]:
    query = select(act).where(act.c.name == "count", act.c.owner.in_(owners))
    return {
        row.owner: Counted(int(row.cents), UtcMs(row.at), row.proposed_by, row.by, row.reason)
        for row in await connection.execute(query)
    }
