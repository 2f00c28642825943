"""Acts of people, and what they look at in the books."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.money import Cents
from server.act_tables import act
from server.ledger.accounts import Account, AccountKind, Posting, Postings
from server.tables import posting


async def balance(connection: AsyncConnection, account: Account) -> int:
    """What one account holds, credit positive."""
    same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
    return int(await connection.scalar(select(func.sum(posting.c.cents)).where(*same)) or 0)


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
