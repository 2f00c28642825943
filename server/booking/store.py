"""Acts of people, and what they look at in the books."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey, CardNo, Generation, TerminalId, Tno
from protocol.money import Cents
from server.act_tables import act
from server.ingest.book import CardStatus, TerminalStatus
from server.ledger.accounts import Account, AccountKind, Posting, Postings, shift_of
from server.tables import card, chain, posting, shift, terminal

_NAMED_MAX = 8


async def balance(connection: AsyncConnection, account: Account) -> int:
    """What one account holds, credit positive."""
    same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
    return int(await connection.scalar(select(func.sum(posting.c.cents)).where(*same)) or 0)


async def exists(connection: AsyncConnection, account: Account) -> bool:
    """Whether an account is one that everybody has, was posted to, or belongs to what a register knows."""
    if not account.owner:
        return True
    same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
    if await connection.scalar(select(posting.c.id).where(*same).limit(1)) is not None:
        return True
    query = _registered(account)
    return query is not None and await connection.scalar(query.limit(1)) is not None


async def owners(connection: AsyncConnection, kind: AccountKind) -> list[str]:
    """The first accounts of a kind with something on them."""
    query = select(posting.c.owner).where(posting.c.account_kind == kind).group_by(posting.c.owner)
    query = query.having(func.sum(posting.c.cents) != 0).order_by(posting.c.owner).limit(_NAMED_MAX)
    return [row.owner for row in await connection.execute(query)]


def _registered(account: Account) -> Select[Any] | None:
    """Cards by number or plastic, merchants by their terminals, drawers and what they lacked by their shifts."""
    first, _, rest = account.owner.partition("/")
    match account.kind:
        case AccountKind.PURSE | AccountKind.SUBSIDY:
            return select(card.c.card).where(card.c.card == int(first), card.c.generation == int(rest))
        case AccountKind.PENDING | AccountKind.PENDING_SUBSIDY:
            return select(card.c.card).where(card.c.card == int(first))
        case AccountKind.MERCHANT:
            return select(terminal.c.tid).where(terminal.c.merchant == account.owner)
        case AccountKind.DRAWER | AccountKind.OPERATOR_LOSS:
            tid, tno, number = shift_of(account.owner)
            query = select(shift.c.tno).join_from(chain, shift, shift.c.tno == chain.c.tno)
            return query.where(chain.c.tid == tid, shift.c.tno == tno, shift.c.number == number)
        case _:
            return None


async def is_in_use(connection: AsyncConnection, tid: TerminalId, tno: Tno) -> bool:
    """Whether a chain is the newest of a terminal that keeps its place, neither revoked nor declared lost."""
    query = select(chain.c.tno, chain.c.status, chain.c.revoked_at, terminal.c.replaced_by)
    query = query.join_from(chain, terminal, terminal.c.tid == chain.c.tid).where(chain.c.tid == tid)
    newest = (await connection.execute(query.order_by(chain.c.epoch.desc()).limit(1))).one()
    return tuple(newest) == (tno, TerminalStatus.ACTIVE, 0, "")


async def in_use(connection: AsyncConnection, keys: Iterable[CardKey], *, lock: bool = False) -> set[CardKey]:
    """Which of these cards are neither closed nor replaced; locked, they stay so until the transaction ends."""
    query = select(card.c.card, card.c.generation, card.c.status)
    query = query.where(tuple_(card.c.card, card.c.generation).in_(sorted(keys)))
    query = query.order_by(card.c.card, card.c.generation)
    rows = await connection.execute(query.with_for_update() if lock else query)
    open_ = (CardStatus.ACTIVE, CardStatus.BLOCKED)
    return {(CardNo(row.card), Generation(row.generation)) for row in rows if row.status in open_}


async def legs_of(connection: AsyncConnection, cause: str) -> Postings:
    """What was posted for a cause."""
    query = select(posting).where(posting.c.cause == cause).order_by(posting.c.line)
    return tuple(
        Posting(Account(AccountKind(row.account_kind), row.owner), Cents(row.cents))
        for row in await connection.execute(query)
    )


async def keep_act(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Who booked the postings of a cause, and why."""
    await connection.execute(insert(act).values(values))


async def acts(connection: AsyncConnection, before: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest acts, newest first."""
    query = select(act).order_by(act.c.number.desc()).limit(limit)
    found: Sequence[RowMapping] = (
        (await connection.execute(query.where(act.c.number < before) if before is not None else query)).mappings().all()
    )
    return found
