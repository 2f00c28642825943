"""What is decided later: unknown cards that appear, revoked and lost terminals, torn steps without proof."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import func, select

from protocol.entries import CashSale, Kind, Vend
from protocol.ids import Seq
from protocol.instants import DAY_MS
from protocol.money import Cents
from server import tables
from server.db import Database
from server.ingest.book import Book, CardRow
from server.ingest.service import Ingest
from server.ingest.waiting import INCONSISTENT, NO_SALE, SECOND_DELIVERY
from server.ledger.accounts import AccountKind
from server.upkeep import store
from server.upkeep.service import Upkeep
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, put_book, put_card, rows_of, sqlite_url
from tests.server.test_holes import sell
from tests.server.world import CAMPUS, LOAD_KEY, MERCHANT, Plastic, Till, pin_of, plastic, refund_of, sale_of
from tests.terminal.journals import TRUST


class Site:
    """Two tills and a known card."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database, self.clock = database, Clock()
        self.clock.pass_ms(3_600_000)
        self.one, self.two, self.card = Till(1), Till(2), plastic(7)
        self.ingest = Ingest(database, keys_in(directory), CAMPUS, self.clock)
        self.upkeep = Upkeep(database, TRUST, CAMPUS, self.clock)
        self.sent: dict[int, int] = {}

    async def send(self, *tills: Till) -> None:
        """Send what is new."""
        for till in tills:
            await self.ingest.take_lines(till.tid, till.lines[self.sent.get(till.tno, 0) :])
            self.sent[till.tno] = len(till.lines)

    async def balance(self, kind: AccountKind) -> int:
        posting = tables.posting.c
        query = select(func.sum(posting.cents)).where(posting.account_kind == kind)
        return int((await rows_of(self.database, query))[0][0] or 0)

    async def parked(self) -> list[str]:
        entry = tables.entry.c
        query = select(entry.parked).where(entry.parked != "").order_by(entry.tno, entry.branch, entry.seq)
        return [row[0] for row in await rows_of(self.database, query)]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        site = Site(database, tmp_path)
        book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in (site.one, site.two)})
        book.cards[site.card.id.key] = CardRow(site.card.id.key)
        await put_book(database, book)
        yield site
        await assert_balances_are_sums(database)


async def test_parked_entries_are_posted_when_their_card_appears(site: Site) -> None:
    stranger = plastic(99)
    sell(site.one, stranger, 250)
    site.one.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await site.send(site.one)
    assert await site.parked() == ["unknown card"] * 2
    assert (await site.balance(AccountKind.SUSPENSE), await site.balance(AccountKind.MERCHANT)) == (-250, 290)
    assert await site.upkeep.post_parked() == 0
    await put_card(site.database, CardRow(stranger.id.key))
    assert await site.upkeep.post_parked() == 2
    assert await site.parked() == []
    assert (await site.balance(AccountKind.SUSPENSE), await site.balance(AccountKind.MERCHANT)) == (0, 290)
    assert await site.balance(AccountKind.PURSE) == -250
    assert await site.upkeep.post_parked() == 0
    assert await rows_of(site.database, select(tables.parked)) == []


async def test_a_delivery_behind_a_hole_is_posted_once_its_sale_is_found(site: Site) -> None:
    """It names no card: its sale does, and that was missing when it came."""
    sold = sell(site.one, site.card, 250)
    site.one.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    sell(site.two, site.card, 30)
    await site.send(site.two)
    for _ in range(2):
        site.clock.pass_ms(10_000)
        await site.ingest.take_lines(site.one.tid, site.one.lines[2:])
    await site.upkeep.book_hole(site.one.tno, Seq(1))
    await site.ingest.take_lines(site.one.tid, site.one.lines[2:])
    assert await site.parked() == [NO_SALE]
    assert await site.upkeep.post_parked() == 0
    await site.ingest.take_lines(site.one.tid, site.one.lines[:2])
    assert await site.balance(AccountKind.MERCHANT) == 280
    assert await site.upkeep.post_parked() == 1
    assert await site.parked() == []
    assert (await site.balance(AccountKind.MERCHANT), await site.balance(AccountKind.PENDING)) == (30, 250)


async def test_what_stays_parked_for_good_is_not_tried_again(site: Site) -> None:
    """Neither a contradiction nor a second word for what is decided becomes true; what waits beside them is tried."""
    sold, stranger = sell(site.one, site.card, 100), plastic(99)
    site.one.append(Kind.SALE_VOIDED, with_members(sale_of(site.card, 70), prepared=sold))
    site.one.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    site.one.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    sell(site.one, stranger, 40)
    await site.send(site.one)
    contradicts = INCONSISTENT + "says something else than the step it names"
    assert await site.parked() == [contradicts, SECOND_DELIVERY, "unknown card", "unknown card"]
    async with site.database.reading() as connection:
        assert await store.chains_with_parked(connection) == []
    await put_card(site.database, CardRow(stranger.id.key))
    async with site.database.reading() as connection:
        assert await store.parked_places(connection, site.one.tno) == [(site.one.tno, 0, 6), (site.one.tno, 0, 7)]
    assert await site.upkeep.release(await site.upkeep.waiting_of(site.one.tid)) == 2
    assert await site.parked() == [contradicts, SECOND_DELIVERY]


async def test_a_revoked_terminal_s_entries_are_posted_once_their_cards_confirm_them(site: Site) -> None:
    await site.upkeep.revoke(site.one.tid)
    sell(site.one, site.card, 100)
    await site.send(site.one)
    assert len(await site.parked()) == 2
    assert await site.upkeep.post_parked() == 0, "no other tap has seen it"
    sell(site.two, site.card, 30)
    await site.send(site.two)
    assert await site.upkeep.post_parked() == 2
    assert (await site.balance(AccountKind.PURSE), await site.balance(AccountKind.MERCHANT)) == (-130, 130)


async def test_a_revoked_terminal_that_is_declared_lost_stays_quarantined(site: Site) -> None:
    await site.upkeep.revoke(site.one.tid)
    await site.upkeep.declare_lost(site.one.tid)
    site.one.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    sell(site.one, site.card, 100)
    await site.send(site.one)
    assert await site.balance(AccountKind.MERCHANT) == 0, "a thief's sales are paid to nobody"


async def test_two_people_accept_the_rest_of_a_quarantine(site: Site) -> None:
    await site.upkeep.revoke(site.one.tid)
    sell(site.one, site.card, 100)
    site.one.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await site.send(site.one)
    assert await site.balance(AccountKind.MERCHANT) == 0
    assert await site.upkeep.release(await site.upkeep.waiting_of(site.one.tid)) == 3
    assert await site.balance(AccountKind.MERCHANT) == 140


def torn(till: Till, card: Plastic, amount: int) -> None:
    body = sale_of(card, amount)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared))


async def test_after_thirty_days_without_proof_the_student_is_right(site: Site) -> None:
    torn(site.one, site.card, 500)
    await site.send(site.one)
    site.clock.pass_ms(29 * DAY_MS)
    assert await site.upkeep.resolve_due() == 0
    site.clock.pass_ms(2 * DAY_MS)
    assert await site.upkeep.resolve_due() == 1
    assert (await site.balance(AccountKind.PENDING), await site.balance(AccountKind.MERCHANT)) == (500, 0)
    assert await site.upkeep.resolve_due() == 0


async def test_a_torn_sale_and_a_second_history_s_are_proven_through_pin_tries(site: Site) -> None:
    """Nothing but the PIN try builds on their marks; the sale behind it proves all three."""
    site.one.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    image = site.one.restored(0)
    sell(image, site.card, 70)
    body = sale_of(site.card, 500)
    prepared = site.two.append(Kind.SALE_PREPARED, body).seq
    site.card.write(site.two.tno, body, prepared)
    site.two.append(Kind.SALE_TORN, with_members(body, prepared=prepared))
    tried = pin_of(site.card)
    site.card.write(site.two.tno, tried, site.two.append(Kind.PIN_TRIED, tried).seq)
    sell(site.two, site.card, 30)
    await site.send(site.one, site.two)
    await site.ingest.take_lines(image.tid, image.lines)
    kinds = (AccountKind.PURSE, AccountKind.MERCHANT, AccountKind.PENDING, AccountKind.SUSPENSE)
    assert [await site.balance(kind) for kind in kinds] == [-100, 70, 0, 70]
    assert await site.upkeep.resolve_due() == 2
    assert [await site.balance(kind) for kind in kinds] == [-600, 140, 500, 0]
    assert await site.upkeep.resolve_due() == 0


async def test_what_time_decided_is_mended_by_pin_tries_and_a_sale(site: Site) -> None:
    """Two tries lie between: the sale behind them saw nothing of the torn one itself."""
    torn(site.one, site.card, 500)
    await site.send(site.one)
    site.clock.pass_ms(31 * DAY_MS)
    assert await site.upkeep.resolve_due() == 1
    for _ in range(2):
        tried = pin_of(site.card)
        site.card.write(site.two.tno, tried, site.two.append(Kind.PIN_TRIED, tried).seq)
    await site.send(site.two)
    assert await site.upkeep.reconsider() == 0, "nothing proves the tries yet"
    sell(site.two, site.card, 30)
    await site.send(site.two)
    kinds = (AccountKind.PURSE, AccountKind.PENDING, AccountKind.OPERATOR_LOSS)
    assert [await site.balance(kind) for kind in kinds] == [-530, 500, 0]
    assert await site.upkeep.reconsider() == 1
    assert [await site.balance(kind) for kind in kinds] == [-30, 500, -500]
    assert await site.upkeep.reconsider() == 0


async def test_an_open_sale_is_never_decided_by_time(site: Site) -> None:
    site.one.append(Kind.SALE_PREPARED, sale_of(site.card, 500))
    await site.send(site.one)
    site.clock.pass_ms(90 * DAY_MS)
    assert await site.upkeep.resolve_due() == 0


async def test_a_lost_terminal_s_open_sale_is_decided_by_the_card(site: Site) -> None:
    """Debited, not delivered: the student is credited. When the terminal turns up, its merchant is paid, our loss."""
    body = sale_of(site.card, 500)
    prepared = site.one.append(Kind.SALE_PREPARED, body).seq
    site.card.write(site.one.tno, body, prepared)
    sell(site.two, site.card, 30)
    await site.send(site.one, site.two)
    assert await site.balance(AccountKind.PURSE) == -30
    assert await site.upkeep.declare_lost(site.one.tid) == 1
    assert (await site.balance(AccountKind.PURSE), await site.balance(AccountKind.PENDING)) == (-530, 500)
    site.one.append(Kind.SALE_SETTLED, with_members(body, prepared=prepared))
    await site.send(site.one)
    assert await site.parked() == []
    assert (await site.balance(AccountKind.PURSE), await site.balance(AccountKind.PENDING)) == (-530, 500)
    assert (await site.balance(AccountKind.MERCHANT), await site.balance(AccountKind.OPERATOR_LOSS)) == (530, -500)


async def test_a_lost_terminal_s_open_sale_is_decided_by_a_later_tap_too(site: Site) -> None:
    site.one.append(Kind.SALE_PREPARED, sale_of(site.card, 500))
    await site.send(site.one)
    await site.upkeep.declare_lost(site.one.tid)
    sell(site.two, site.card, 30)
    await site.send(site.two)
    resolved = select(tables.step.c.resolved).where(tables.step.c.tno == site.one.tno)
    assert await rows_of(site.database, resolved) == [("not_on_card",)]


@pytest.mark.parametrize("late", ["settled", "torn", "voided"])
async def test_a_lost_terminal_s_refund_is_paid_once(site: Site, late: str) -> None:
    sale = sell(site.one, site.card, 500)
    body = refund_of(site.card, 200, sale)
    prepared = site.one.append(Kind.REFUND_PREPARED, body).seq
    site.card.write(site.one.tno, body, prepared)
    sell(site.two, site.card, 30)
    await site.send(site.one, site.two)
    await site.upkeep.declare_lost(site.one.tid)
    expected = (-330, 330, 0)
    kinds = (AccountKind.PURSE, AccountKind.MERCHANT, AccountKind.SUSPENSE)
    assert tuple([await site.balance(kind) for kind in kinds]) == expected
    site.one.append(Kind(f"refund_{late}"), with_members(body, prepared=prepared))
    await site.send(site.one)
    assert tuple([await site.balance(kind) for kind in kinds]) == expected


async def test_a_lost_terminal_s_step_without_proof_is_decided_after_thirty_days(site: Site) -> None:
    site.one.append(Kind.SALE_PREPARED, sale_of(site.card, 500))
    await site.send(site.one)
    await site.upkeep.declare_lost(site.one.tid)
    site.clock.pass_ms(31 * DAY_MS)
    assert await site.upkeep.resolve_due() == 1
    assert await site.balance(AccountKind.PENDING) == 500
