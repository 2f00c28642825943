"""A server with real chains and a sealed night, for audits, and the audit itself as an operator runs it."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_members

from protocol.entries import CashSale, Checkpoint, Kind, Reason, ShiftClosed, ShiftOpened, TopUpTo, Vend
from protocol.ids import Seq, ShiftNo, StaffId
from protocol.instants import DAY_MS, HOUR_MS
from protocol.messages import encode_batch
from protocol.money import Cents
from protocol.purse import Technology
from protocol.signing import sha256_of, to_base64url
from server.alarms.service import Alarms
from server.audit_command import main
from server.db import Database
from server.durable import replace_file
from server.ingest.book import CardRow
from server.ingest.service import Ingest
from server.keys import ServerKeys
from server.tree.service import Tree
from tests.server.desk import Clock, keys_in, put_card, put_chain, sqlite_url
from tests.server.world import CAMPUS, MERCHANT, NOON, Plastic, Till, plastic, refund_of, sale_of, topup_of

TODAY = CAMPUS.business_day(NOON)
UNKNOWN = 900
"""A card that no server ever gave out."""


def keys_of_world(directory: Path) -> ServerKeys:
    """Keys under which the chains and the load records of the tests' world are genuine."""
    keys = directory / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    replace_file(keys / "grant.key", to_base64url(sha256_of(b"grant")).encode(), 0o600)
    return keys_in(directory)


@dataclass
class Site:
    """A server's directory, with the acks that it has sent."""

    directory: Path
    acks: dict[str, bytes]
    database: str = ""
    """Of a PostgreSQL its URL."""

    @property
    def file(self) -> Path:
        return self.directory / "server.db"

    @property
    def config(self) -> Path:
        config = self.directory / "server.toml"
        if not config.exists():
            named = f'database = "{self.database}"\n' if self.database else ""
            config.write_text(f'data = "{self.directory}"\n{named}')
        return config

    def change(self, *statements: str) -> None:
        """What only somebody can do who owns the database."""
        with closing(sqlite3.connect(self.file)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement
            connection.commit()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(query).fetchall()


@dataclass(frozen=True)
class Audited:
    """What an audit answered."""

    status: int
    report: dict[str, Any]
    said: list[str]

    @property
    def found(self) -> list[str]:
        return [f"{one['check']} {one['row']}: {one['found']}" for one in self.report.get("differences", ())]

    def names(self, check: str, row: str) -> bool:
        return any(one["check"] == check and one["row"] == row for one in self.report["differences"])


def audit(site: Site, *more: str) -> Audited:
    """Run it in this process."""
    out, told = list[str](), list[str]()
    status = main(["--config", str(site.config), "--processes", "1", "--json", *more], out.append, told.append)
    return Audited(status, json.loads(out[0]) if out else {}, told)


async def lay_out(directory: Path, url: str = "") -> Site:
    """An ordinary day at two tills, sealed by its night, and a morning that is not sealed yet."""
    site, clock = Site(directory, {}, url), Clock()
    keys = keys_of_world(directory)
    async with Database(url or sqlite_url(directory)) as database:
        await database.migrate()
        ingest = Ingest(database, keys, CAMPUS, clock)
        tills, cards = [Till(1), Till(2)], [plastic(1), plastic(2, Technology.DESFIRE)]
        async with database.writing() as connection:
            for one in tills:
                await put_chain(connection, one.row(), one.grant_jws)
        for card in cards:
            await put_card(database, CardRow(card.id.key, technology=card.id.technology))
        await _a_day(site, ingest, clock, tills, cards)
        clock.pass_ms(DAY_MS)
        await Tree(database, keys, Alarms(database, clock), clock).run(TODAY)
        for one in tills:
            one.now = clock()
            _sell(one, cards[0], 120)
            await send(site, ingest, clock, one)
    return site


async def send(site: Site, ingest: Ingest, clock: Clock, till: Till, batch: int = 7) -> None:
    """All that the server does not have yet; the last ack is kept."""
    clock.pass_ms(HOUR_MS)
    start = getattr(till, "sent", 0)
    for at in range(start, len(till.lines), batch):
        answer = await ingest.take(till.tid, encode_batch(till.lines[at : at + batch]))
        assert answer is not None
        site.acks[till.tid] = answer
    till.sent = len(till.lines)  # type: ignore[attr-defined]


def _sell(till: Till, card: Plastic, cents: int, outcome: Kind = Kind.SALE_SETTLED) -> int:
    body = sale_of(card, cents)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    if outcome is Kind.SALE_SETTLED:
        card.write(till.tno, body, prepared)
    till.append(outcome, with_members(body, prepared=prepared))
    return prepared


async def _a_day(site: Site, ingest: Ingest, clock: Clock, tills: list[Till], cards: list[Plastic]) -> None:
    one, two = tills
    one.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(5_000)))
    for card in cards:
        body = topup_of(card, 2_000)
        prepared = one.append(Kind.TOPUP_PREPARED, body).seq
        card.write(one.tno, body, prepared)
        one.append(Kind.TOPUP_SETTLED, with_members(body, prepared=prepared))
    one.append(Kind.TOPUP_PREPARED, topup_of(cards[0], 700, TopUpTo.LOAD))
    first = _sell(one, cards[0], 350)
    _sell(one, cards[1], 420)
    await send(site, ingest, clock, one)
    one.append(Kind.CHECKPOINT, Checkpoint(Seq(3), site.acks[one.tid].decode()))
    _refund(one, cards[0], 100, first)
    vended = _sell(one, cards[0], 90)
    one.append(Kind.VEND_FAILED, Vend(Seq(vended), 4))
    one.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(55)))
    _sell(two, cards[1], 60, Kind.SALE_TORN)
    _sell(two, cards[1], 75)
    _sell(two, cards[0], 30, Kind.SALE_VOIDED)
    two.append(Kind.SALE_PREPARED, sale_of(plastic(UNKNOWN), 10))
    two.staff = StaffId("wu")
    two.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(site, ingest, clock, two)
    one.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), Cents(9_000)))
    await send(site, ingest, clock, one)


def _refund(till: Till, card: Plastic, cents: int, of: int) -> None:
    body = refund_of(card, cents, of)
    prepared = till.append(Kind.REFUND_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    till.append(Kind.REFUND_SETTLED, with_members(body, prepared=prepared))


def laid_out(directory: Path) -> Site:
    """The same for tests that are not asynchronous."""
    directory.mkdir(parents=True, exist_ok=True)
    return asyncio.run(lay_out(directory))
