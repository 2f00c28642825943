"""Rows of imported cards, and what was posted for them."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.importing.tables import imported_card
from server.ledger.accounts import Account
from server.tables import posting

_AT_ONCE = 500


async def known(connection: AsyncConnection, source: str) -> dict[str, tuple[int, int]]:
    """Our number and the balance of every card of a source that was imported."""
    table = imported_card.c
    rows = await connection.execute(select(table.number, table.card, table.cents).where(table.source == source))
    return {row.number: (row.card, row.cents) for row in rows}


async def add(connection: AsyncConnection, source: str, number: str, card: int, cents: int, at: int) -> None:
    """A card that gets its money next."""
    values = {"source": source, "number": number, "card": card, "cents": cents, "at": at}
    await connection.execute(insert(imported_card).values(values))


async def posted(connection: AsyncConnection, account: Account, causes: Sequence[str]) -> int:
    """What was taken from an account for these causes."""
    total = 0
    for at in range(0, len(causes), _AT_ONCE):
        same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
        query = select(func.sum(posting.c.cents)).where(*same, posting.c.cause.in_(causes[at : at + _AT_ONCE]))
        total -= int(await connection.scalar(query) or 0)
    return total
