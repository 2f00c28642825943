"""What others say about the end of a day: a count, a statement, a bill. The newest word about an account stands."""

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import BusinessDay
from server.errors import Conflict, Invalid, NotFound
from server.ledger.accounts import Account, AccountKind, shift_of
from server.numbers import closed_through
from server.reconcile.float_proof import Document
from server.reconcile.results import WITHDRAWN, Kept
from server.reconcile.tables import outside_document
from server.tables import chain, posting, shift

NAMED_MAX = 20
"""An answer names at most so many owners that there are."""
_CHANNELS = (AccountKind.CLEARING, AccountKind.PROVIDER)
"""Who collects for us is known by what was taken in over a channel, and owes it as a provider."""
_OF_OWNERS = {
    AccountKind.DRAWER: (AccountKind.DRAWER,),
    AccountKind.CLEARING: _CHANNELS,
    AccountKind.PROVIDER: _CHANNELS,
}
_DRAWER = re.compile(r"[a-z0-9-]{3,32}/[1-9][0-9]{0,9}/[1-9][0-9]{0,9}")


async def must_exist(connection: AsyncConnection, account: Account) -> None:
    """Refuse a document about nothing that the books know. Raises Invalid or NotFound, naming what there is."""
    kinds = _OF_OWNERS.get(account.kind)
    if kinds is None:
        if account.owner:
            raise Invalid("wrong_owner", f"{account.kind} is one account: leave out owner")
        return
    if not account.owner:
        raise Invalid("wrong_owner", f"say whose {account.kind} it is, as ?owner=; {await _choices(connection, kinds)}")
    is_known = await _is_posted(connection, kinds, account.owner)
    if not is_known and not (account.kind is AccountKind.DRAWER and await _is_shift(connection, account.owner)):
        raise NotFound("no_such_account", f"there is no account {account}; {await _choices(connection, kinds)}")


async def must_be_open(connection: AsyncConnection, day: BusinessDay) -> None:
    """Until the transaction ends the day stays open. Raises Conflict where it is closed."""
    if day <= await closed_through(connection):
        raise Conflict("day_closed", "this business day is closed: what was said about its end stands")


async def find(connection: AsyncConnection, day: BusinessDay, account: Account) -> RowMapping | None:
    """What is said about an account."""
    query = select(outside_document).where(*_same(day, account), outside_document.c.document != WITHDRAWN)
    return (await connection.execute(query)).mappings().first()


async def save(connection: AsyncConnection, day: BusinessDay, kept: Kept) -> None:
    """The newest word about an account; one that was withdrawn stays as such, so that the day is proven again."""
    account = Account(kept.account_kind, kept.owner)
    await connection.execute(delete(outside_document).where(*_same(day, account)))
    row = {"account_kind": account.kind, "owner": account.owner, "cents": kept.cents, "document": kept.document}
    await connection.execute(insert(outside_document).values(day=day, at=kept.at, **row))


async def documents_of(connection: AsyncConnection, day: BusinessDay) -> list[Document]:
    """What others say about the end of a day."""
    columns = outside_document.c
    query = select(outside_document).where(columns.day == day, columns.document != WITHDRAWN)
    rows = await connection.execute(query)
    return [Document(Account(AccountKind(row.account_kind), row.owner), row.cents, row.document) for row in rows]


async def _is_posted(connection: AsyncConnection, kinds: Sequence[AccountKind], owner: str) -> bool:
    query = select(posting.c.id).where(posting.c.account_kind.in_(kinds), posting.c.owner == owner)
    return await connection.scalar(query.limit(1)) is not None


async def _is_shift(connection: AsyncConnection, owner: str) -> bool:
    """Whether a till has opened this shift, whatever lies in its drawer."""
    if not _DRAWER.fullmatch(owner):
        return False
    tid, tno, number = shift_of(owner)
    query = select(shift.c.tno).join_from(shift, chain, shift.c.tno == chain.c.tno)
    query = query.where(chain.c.tid == tid, shift.c.tno == tno, shift.c.number == number)
    return await connection.scalar(query) is not None


async def _choices(connection: AsyncConnection, kinds: Sequence[AccountKind]) -> str:
    """The newest owners that there are."""
    columns = posting.c
    query = select(columns.owner).where(columns.account_kind.in_(kinds), columns.owner != "").distinct()
    rows = await connection.execute(query.order_by(columns.owner.desc()).limit(NAMED_MAX + 1))
    owners = [row.owner for row in rows]
    if not owners:
        return "there is none yet"
    more = " and others" if len(owners) > NAMED_MAX else ""
    return f"there are: {', '.join(owners[:NAMED_MAX])}{more}"


def _same(day: BusinessDay, account: Account) -> tuple[ColumnElement[bool], ...]:
    columns = outside_document.c
    return columns.day == day, columns.account_kind == account.kind, columns.owner == account.owner
