"""What is given back goes to the purse that paid it, and the same price is given back once."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.entries import Kind, RefundTo, SaleStep, Vend
from protocol.ids import Seq
from protocol.instants import BusinessDay
from protocol.journal import Tip
from protocol.money import Cents
from protocol.purse import SeenStep
from protocol.sync_receiver import Branch
from server import tables
from server.db import Database
from server.ingest.book import Book, CaseClass, HoleRow, HoleStatus
from server.ingest.deciding import resolve
from server.ingest.giving_back import SALE_UNKNOWN
from server.ingest.service import Ingest
from server.ledger.accounts import Account, AccountKind
from server.ledger.rules import Resolution, Share, share_of
from server.upkeep.service import Upkeep
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, postings_in, put_book, rows_of, sqlite_url
from tests.server.test_ingest_posting import balance, book_for, send, settled_sale
from tests.server.world import CAMPUS, Plastic, Till, plastic, refund_of, sale_of
from tests.terminal.journals import TRUST


def aided() -> Plastic:
    """300 of a subsidy and 1,000 of its own."""
    card = plastic(7, main=1_000)
    card.subsidy = 300
    return card


def owed(book: Book) -> tuple[int, int]:
    return balance(book, AccountKind.PENDING), balance(book, AccountKind.PENDING_SUBSIDY)


def refund(till: Till, card: Plastic, cents: int, of: int, outcome: Kind = Kind.REFUND_SETTLED) -> None:
    body = refund_of(card, cents, of, RefundTo.PENDING)
    till.append(outcome, with_members(body, prepared=till.append(Kind.REFUND_PREPARED, body).seq))


def test_a_share_goes_to_main_as_far_as_main_paid() -> None:
    sale = sale_of(aided(), 500)
    assert share_of(sale, 500) == Share(Cents(200), Cents(300))
    assert share_of(sale, 250) == Share(Cents(200), Cents(50))
    assert share_of(sale, 250, 250) == Share(Cents(0), Cents(250))
    assert share_of(sale, 150, 400) == Share(Cents(0), Cents(100), Cents(50))
    marks = (0, 90, 199, 200, 201, 470, 500)
    parts = [share_of(sale, after - before, before) for before, after in pairwise(marks)]
    assert sum(part.main_cents for part in parts) == 200
    assert sum(part.subsidy_cents for part in parts) == 300


@pytest.mark.parametrize("outcome", [Kind.REFUND_SETTLED, Kind.REFUND_VOIDED])
def test_a_pending_refund_gives_each_purse_back_what_it_paid(outcome: Kind) -> None:
    till, card = Till(1), aided()
    sold = settled_sale(till, card)
    refund(till, card, 250, sold, outcome)
    refund(till, card, 250, sold, outcome)
    book = book_for(till, cards=(card,))
    send(book, till)
    assert owed(book) == (200, 300)
    assert balance(book, AccountKind.MERCHANT) == 0


def test_a_refund_that_is_decided_late_gets_the_share_it_had_when_it_began() -> None:
    till, card = Till(1), aided()
    sold = settled_sale(till, card)
    body = refund_of(card, 300, sold, RefundTo.CARD)
    begun = till.append(Kind.REFUND_PREPARED, body).seq
    till.append(Kind.REFUND_TORN, with_members(body, prepared=begun))
    refund(till, card, 200, sold)
    till.append(Kind.REFUND_VOIDED, with_members(body, prepared=begun))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert owed(book) == (200, 300)
    assert balance(book, AccountKind.SUSPENSE) == 0
    assert not book.cases


def test_a_failed_delivery_gives_each_purse_back_what_it_paid() -> None:
    till, card = Till(1), aided()
    till.append(Kind.VEND_FAILED, Vend(Seq(settled_sale(till, card))))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert owed(book) == (200, 300)


def test_a_failed_delivery_gives_back_only_what_no_refund_gave() -> None:
    till, card = Till(1), aided()
    sold = settled_sale(till, card)
    refund(till, card, 400, sold)
    till.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert owed(book) == (200, 300)
    assert balance(book, AccountKind.MERCHANT) == 0


def torn_sale(till: Till, card: Plastic) -> int:
    body = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared))
    return prepared


@pytest.mark.parametrize("resolution", [Resolution.ON_CARD, Resolution.STUDENT])
def test_a_purchase_that_was_not_delivered_gives_each_purse_back_what_it_paid(resolution: Resolution) -> None:
    till, card = Till(1), aided()
    prepared = torn_sale(till, card)
    book = book_for(till, cards=(card,))
    send(book, till)
    resolve(book, book.steps[(till.tno, 0, prepared)], resolution, BusinessDay(0))
    assert owed(book) == (200, 300)


def uses_again(till: Till, card: Plastic) -> None:
    """The card has forgotten its newest step, and shows that its other slot is invalid."""
    body: SaleStep = with_members(sale_of(card, 100), card_last=(SeenStep(), *card.last[:1]))
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=till.append(Kind.SALE_PREPARED, body).seq))


def sale_that_is_forgotten(first: Till, second: Till, *, how: str) -> tuple[Book, Plastic]:
    card = aided()
    settled_sale(first, card, 10)
    before = card.copy()
    book = book_for(first, second, cards=(card,))
    if how == "torn and proven":
        prepared = torn_sale(first, card)
        send(book, first)
        resolve(book, book.steps[(first.tno, 0, prepared)], Resolution.ON_CARD, BusinessDay(0))
    else:
        sold = settled_sale(first, card)
        if how == "not delivered":
            first.append(Kind.VEND_FAILED, Vend(Seq(sold)))
        else:
            refund(first, card, 500, sold)
        send(book, first)
    uses_again(second, before)
    return book, before


@pytest.mark.parametrize("how", ["not delivered", "refunded", "torn and proven"])
def test_a_purchase_that_was_given_back_and_then_forgotten_credits_its_holder_once(how: str) -> None:
    """The card never paid it: its balance is back, so the credit for it goes."""
    first, second = Till(1), Till(2)
    book, card = sale_that_is_forgotten(first, second, how=how)
    send(book, second)
    row = book.cards[card.id.key]
    assert (row.main_cents, row.subsidy_cents) == (0, -110)
    assert owed(book) == (0, 0)
    assert (balance(book, AccountKind.OPERATOR_LOSS), balance(book, AccountKind.MERCHANT)) == (0, 110)


def test_the_same_comes_out_when_the_other_use_is_known_first() -> None:
    first, second = Till(1), Till(2)
    book, card = sale_that_is_forgotten(first, second, how="not delivered")
    book = book_for(first, second, cards=(card,))
    send(book, first, 0, 2)
    send(book, second)
    send(book, first, 2)
    assert owed(book) == (0, 0)
    assert (balance(book, AccountKind.OPERATOR_LOSS), balance(book, AccountKind.MERCHANT)) == (0, 110)


def leave_out(book: Book, till: Till, first: int) -> None:
    """Entry 2, or 1 and 2, are missing, and two people have booked them as a hole."""
    known = till.chain[1]
    book.holes[(till.tno, first)] = HoleRow(till.tno, Seq(first), Seq(2), known.hash, status=HoleStatus.BOOKED)
    book.chains[till.tno].branches[0] = Branch(0, Tip(Seq(2), known.hash))


def accounts(book: Book) -> dict[Account, int]:
    sums: Counter[Account] = Counter()
    for posted in book.posted.values():
        for leg in posted.postings:
            sums[leg.account] += leg.cents
    return {account: cents for account, cents in sums.items() if cents}


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("cents", [(500,), (250, 100), (400, 400), (700,)])
@pytest.mark.parametrize("outcome", [Kind.REFUND_SETTLED, Kind.REFUND_VOIDED])
def test_a_refund_that_comes_before_its_sale_counts_when_the_sale_comes(
    first: int, cents: tuple[int, ...], outcome: Kind
) -> None:
    """Whether all of the sale was missing or only its outcome; what fails to be delivered is given back once."""
    till, card = Till(1), aided()
    sold = settled_sale(till, card)
    for part in cents:
        refund(till, card, part, sold, outcome)
    till.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    in_order = book_for(till, cards=(card,))
    send(in_order, till)
    book = book_for(till, cards=(card,))
    if first > 1:
        send(book, till, 0, 1)
    leave_out(book, till, first)
    send(book, till, 2, len(till.lines) - 1)
    assert balance(book, AccountKind.PENDING_SUBSIDY) == 0, "nobody knows yet which purse has paid"
    send(book, till, first - 1, 2)
    send(book, till, len(till.lines) - 1)
    assert accounts(book) == accounts(in_order)
    step = book.steps[(till.tno, 0, sold)]
    assert step.given_back_cents == in_order.steps[step.id].given_back_cents
    assert [case for case in book.cases if case.cls is CaseClass.OVER_REFUND] == in_order.cases


async def test_the_database_counts_it_too(tmp_path: Path) -> None:
    till, card, clock = Till(1), aided(), Clock()
    clock.pass_ms(3_600_000)
    sold = settled_sale(till, card)
    refund(till, card, 400, sold)
    till.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    in_order = book_for(till, cards=(card,))
    send(in_order, till)
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, book_for(till, cards=(card,)))
        ingest = Ingest(database, keys_in(tmp_path), CAMPUS, clock)
        upkeep = Upkeep(database, TRUST, CAMPUS, clock)
        for _ in range(2):
            clock.pass_ms(10_000)
            await ingest.take_lines(till.tid, till.lines[2:4])
        assert await upkeep.book_hole(till.tno, Seq(1)) is not None
        for start, end in ((2, 4), (0, 2), (4, 5)):
            await ingest.take_lines(till.tid, till.lines[start:end])
            is_open = (tables.case_file.c.closed_at == 0, tables.case_file.c.text == SALE_UNKNOWN)
            assert len(await rows_of(database, select(tables.case_file.c.id).where(*is_open))) == (start == 2)
        sums: Counter[Account] = Counter()
        for _, _, kind, owner, cents in await postings_in(database):
            sums[Account(AccountKind(kind), owner)] += cents
        assert {account: cents for account, cents in sums.items() if cents} == accounts(in_order)
        await assert_balances_are_sums(database)
