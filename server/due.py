"""Work that a transaction leaves for later: written with it, so that none is passed over, and deleted by who does it.

No watermark would do: numbers are given to rows before their transactions commit, in another order.
"""

import enum
from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardNo
from server.act_tables import due
from server.sets import insert_rows


class Due(enum.StrEnum):
    """What is to be done."""

    PENDING = "pending"
    """Pending credit of a card was touched, or the card may be granted some again."""
    LISTS = "lists"
    """A list that terminals get has changed."""
    REGISTER = "register"
    """The broker must hear who may connect."""


NO_CARD = CardNo(0)


async def leave(connection: AsyncConnection, what: Due, cards: Iterable[int] = (NO_CARD,)) -> None:
    """Have something done after the commit."""
    await insert_rows(connection, due, [{"what": what, "card": card} for card in sorted(set(cards))])


async def cards_due(connection: AsyncConnection, what: Due) -> list[CardNo]:
    """For which cards something is to be done."""
    rows = await connection.execute(select(due.c.card).distinct().where(due.c.what == what).order_by(due.c.card))
    return [CardNo(row.card) for row in rows]


async def take(connection: AsyncConnection, what: Due, card: CardNo = NO_CARD) -> bool:
    """Take it upon this transaction, before it looks at what is to be done; whether there was anything."""
    done = await connection.execute(delete(due).where(due.c.what == what, due.c.card == card))
    return bool(done.rowcount)
