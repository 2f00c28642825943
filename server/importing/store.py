"""Rows of imported cards, and what was posted for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.importing.tables import imported_card
from server.ledger.accounts import Account
from server.tables import card, posting

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Known:
    """A card of a source that was imported, as its first plastic was made out."""

    card: int
    cents: int
    person: str
    card_class: int


async def known(connection: AsyncConnection, source: str) -> dict[str, Known]:
    """Every card of a source that was imported, by its old number."""
    was, now = imported_card.c, card.c
    first = (now.card == was.card) & (now.generation == 1)
    query = select(was.number, was.card, was.cents, now.person, now.card_class).join_from(imported_card, card, first)
    rows = await connection.execute(query.where(was.source == source))
    return {row.number: Known(row.card, row.cents, row.person or "", row.card_class) for row in rows}


async def add(connection: AsyncConnection, source: str, number: str, no: int, cents: int, at: int) -> None:
    """A card that gets its money next."""
    values = {"source": source, "number": number, "card": no, "cents": cents, "at": at}
    await connection.execute(insert(imported_card).values(values))


async def posted(connection: AsyncConnection, account: Account, causes: Sequence[str]) -> int:
    """What was taken from an account for these causes."""
    total = 0
    for at in range(0, len(causes), _AT_ONCE):
        same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
        query = select(func.sum(posting.c.cents)).where(*same, posting.c.cause.in_(causes[at : at + _AT_ONCE]))
        total -= int(await connection.scalar(query) or 0)
    return total
