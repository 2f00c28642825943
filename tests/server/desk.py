"""A server in a temporary directory for tests, and what its tables say."""

from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from protocol.signing import to_base64url
from server import tables
from server.db import Database
from server.durable import replace_file
from server.ingest.book import Book, CardRow, ChainRow
from server.ingest.rows import branch_columns, card_columns, chain_columns
from server.keys import ServerKeys, open_keys
from tests.server.world import LOAD_SEED, NOON


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: UtcMs = NOON) -> None:
        self.now = now

    def __call__(self) -> UtcMs:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now = UtcMs(self.now + ms)


def keys_in(directory: Path, load_seed: bytes = LOAD_SEED) -> ServerKeys:
    """Keys of a server whose load records the world of the tests can sign."""
    keys = directory / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    replace_file(keys / "load.key", to_base64url(load_seed).encode(), 0o600)
    return open_keys(keys)


def sqlite_url(directory: Path) -> str:
    return f"sqlite+aiosqlite:///{directory / 'server.db'}"


async def put_chain(connection: AsyncConnection, chain: ChainRow, grant_jws: bytes = b"") -> None:
    rights = {"can_load": chain.can_load, "can_issue": chain.can_issue}
    if not await connection.scalar(select(tables.terminal.c.tid).where(tables.terminal.c.tid == chain.tid)):
        await connection.execute(insert(tables.terminal).values(tid=chain.tid, site=chain.site, **rights))
    columns = {
        "tno": chain.tno, "site": chain.site, "tid": chain.tid, "epoch": chain.epoch, "key": chain.key.raw,
        "start_hash": chain.start.hash, "grant_jws": grant_jws, **chain_columns(chain),
    }  # fmt: skip
    await connection.execute(insert(tables.chain).values(columns))
    await connection.execute(insert(tables.branch).values(branch_columns(chain.tno, chain.branches[0])))


async def put_book(database: Database, book: Book) -> None:
    """Register the chains and cards of an empty book."""
    async with database.writing() as connection:
        for chain in book.chains.values():
            await put_chain(connection, chain)
        for card in book.cards.values():
            await connection.execute(insert(tables.card).values(card_columns(card)))


async def put_card(database: Database, card: CardRow) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(tables.card).values(card_columns(card)))


async def rows_of(database: Database, query: Any) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def let_change(connection: AsyncConnection, table: str) -> None:
    """Take away what keeps rows of a table from being changed, as only the owner of the database can."""
    if connection.dialect.name == "sqlite":
        for kind in ("update", "delete"):
            await connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{kind}"))
    else:
        await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


async def postings_in(database: Database) -> list[tuple[Any, ...]]:
    posting = tables.posting.c
    query = select(posting.cause, posting.day, posting.account_kind, posting.owner, posting.cents)
    return await rows_of(database, query.order_by(posting.id))


def postings_of(book: Book) -> list[tuple[Any, ...]]:
    return [
        (posted.cause, posted.day, posting.account.kind.value, posting.account.owner, posting.cents)
        for posted in book.posted.values()
        for posting in posted.postings
    ]


async def assert_balances_are_sums(database: Database) -> None:
    """The cached balances of every card equal the sums of its postings, and everything together is zero."""
    posting = tables.posting.c
    totals = await rows_of(
        database,
        select(posting.account_kind, posting.owner, func.sum(posting.cents)).group_by(
            posting.account_kind, posting.owner
        ),
    )
    assert sum(cents for *_, cents in totals) == 0
    sums = Counter({(kind, owner): cents for kind, owner, cents in totals})
    card = tables.card.c
    for no, generation, main, subsidy in await rows_of(
        database, select(card.card, card.generation, card.main_cents, card.subsidy_cents)
    ):
        assert (main, subsidy) == (sums[("purse", f"{no}/{generation}")], sums[("subsidy", f"{no}/{generation}")])
    causes = select(posting.cause, func.sum(posting.cents)).group_by(posting.cause).having(func.sum(posting.cents) != 0)
    assert not await rows_of(database, causes)
