"""Binds phones to tokens, and signs what they show (SPEC, "Pay codes").

A code is made of the token and the second alone, so nothing is written when one is shown, and asking often costs nobody
anything: within a second it is the same code.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.authorise import Listed
from protocol.ids import CardNo
from protocol.instants import UtcMs
from protocol.pay_codes import make_pay_code
from protocol.purse import Technology
from server.db import Database
from server.errors import Conflict, NotFound
from server.keys import ServerKeys
from server.phones import store
from server.tokens.rules import id_of, listed_of

_SECRET_BYTES = 24


class Phones:
    """Who may show codes, and the codes."""

    def __init__(self, database: Database, keys: ServerKeys, clock: Callable[[], UtcMs]) -> None:
        self._database, self._keys, self._clock = database, keys, clock

    async def bind(self, no: CardNo) -> tuple[RowMapping, str]:
        """Give a phone its secret; the one before shows no more codes. Raises NotFound, Conflict."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)

        async def bind(connection: AsyncConnection) -> RowMapping:
            row = await store.newest_of(connection, no)
            if row is None:
                raise NotFound("no_such_card", f"no card has the number {no}")
            if row.technology != Technology.TOKEN:
                raise Conflict("not_a_token", "the purse of this card is on the card itself")
            if listed_of(row) is Listed.CLOSED:
                raise Conflict("card_closed", f"the card is {row.status}")
            await store.remove(connection, no)
            values = {"digest": _digest(secret), "card": no, "generation": row.key[1], "bound_at": self._clock()}
            await store.add(connection, values)
            bound = await store.phone_of(connection, no)
            assert bound is not None
            return bound

        return await self._database.transact(bind), secret

    async def unbind(self, no: CardNo) -> None:
        """It shows no more codes: it was lost, or somebody changes to a card. Raises NotFound."""

        async def unbind(connection: AsyncConnection) -> None:
            if not await store.remove(connection, no):
                raise NotFound("no_such_phone", "no phone shows codes for this number")

        await self._database.transact(unbind)

    async def of(self, no: CardNo) -> RowMapping:
        """The phone of a number. Raises NotFound."""
        async with self._database.glancing() as connection:
            found = await store.phone_of(connection, no)
        if found is None:
            raise NotFound("no_such_phone", "no phone shows codes for this number")
        return found

    async def code(self, secret: str) -> tuple[str, UtcMs]:
        """What the phone with this secret may show now, and when it was made. Raises NotFound, Conflict."""
        async with self._database.glancing() as connection:
            row = await store.card_of_phone(connection, _digest(secret))
        if row is None:
            raise NotFound("no_such_phone", "this phone shows codes for nobody; the card office binds it")
        if (listed := listed_of(row)) in (Listed.BLOCKED, Listed.CLOSED):
            raise Conflict(f"card_{listed}", f"the card is {listed}")
        now = self._clock()
        return make_pay_code(id_of(row), now, self._keys.ack), now


def _digest(secret: str) -> str:
    """A copy of the database shows no codes."""
    return sha256(b"fanka phone 1\n" + secret.encode()).hexdigest()
