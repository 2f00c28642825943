"""Entries that are missing for good: offered after two requests, booked from the cards' chains, filled when found."""

from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.entries import Kind, Reason
from protocol.ids import Seq
from protocol.journal import Tip
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.purse import PURSES, Technology
from server import tables
from server.db import Database
from server.errors import Conflict, NotFound
from server.ingest.book import Book, CardRow, CaseClass, HoleStatus
from server.ingest.holes import book_hole, post_provisional
from server.ingest.rules import Ack, Ask, take_batch
from server.ingest.service import Ingest
from server.ledger.accounts import AccountKind
from server.upkeep.service import Upkeep
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, put_book, rows_of, sqlite_url
from tests.server.test_ingest_posting import balance
from tests.server.world import CAMPUS, LOAD_KEY, NOON, Plastic, Till, plastic, sale_of
from tests.terminal.journals import TRUST

BOTH = pytest.mark.parametrize("technology", list(PURSES))


def sell(till: Till, card: Plastic, amount: int) -> int:
    body = sale_of(card, amount)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=prepared))
    return prepared


class Street:
    """Two tills; the first one's entries 3 and 4 (a sale of 300) are missing, the second has seen the card since."""

    def __init__(self, technology: Technology = Technology.CLASSIC) -> None:
        self.one, self.two, self.card = Till(1), Till(2), plastic(7, technology)
        for till, amount in ((self.one, 100), (self.one, 300), (self.two, 50), (self.one, 20)):
            sell(till, self.card, amount)
        self.book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in (self.one, self.two)})
        self.book.cards[self.card.id.key] = CardRow(self.card.id.key)
        self.clock = Clock()
        self.clock.pass_ms(3_600_000)

    def send(self, till: Till, start: int, end: int | None = None) -> object:
        self.clock.pass_ms(10_000)
        return take_batch(self.book, till.tno, till.lines[start:end], self.clock())

    def offered(self) -> None:
        self.send(self.one, 0, 2)
        self.send(self.two, 0)
        self.send(self.one, 4)
        self.send(self.one, 4)

    def booked(self) -> None:
        self.offered()
        hole = self.book.holes[(self.one.tno, 3)]
        witnesses = [step for step in self.book.steps.values() if any(seen.tno == self.one.tno for seen in step.last)]
        book_hole(self.book, hole, witnesses, CAMPUS.business_day(NOON))


def test_a_hole_is_offered_after_two_requests() -> None:
    street = Street()
    street.send(street.one, 0, 2)
    assert isinstance(street.send(street.one, 4), Ask)
    hole = street.book.holes[(street.one.tno, 3)]
    assert (hole.first, hole.last, hole.status) == (3, 4, HoleStatus.ASKED)
    assert hole.hash == street.one.chain[3].hash
    assert street.send(street.one, 4) == Ask(Seq(3), "entries are missing before this batch")
    assert hole.status is HoleStatus.OFFERED
    assert [case.cls for case in street.book.cases] == [CaseClass.HOLE]


def test_batches_in_flight_behind_a_gap_are_one_answer() -> None:
    street = Street()
    street.send(street.one, 0, 2)
    now = street.clock()
    for _ in range(4):
        take_batch(street.book, street.one.tno, street.one.lines[4:], now)
    assert street.book.holes[(street.one.tno, 3)].status is HoleStatus.ASKED


def test_an_offer_ends_when_the_entries_arrive() -> None:
    street = Street()
    street.offered()
    assert isinstance(street.send(street.one, 2), Ack)
    assert street.book.holes[(street.one.tno, 3)].status is HoleStatus.FILLED
    assert street.book.cards[street.card.id.key].main_cents == -470


def test_an_offer_ends_when_the_entries_arrive_as_a_further_history() -> None:
    """A restored server took the other history for the first one: what it asked for belongs to this one."""
    street = Street()
    image = street.one.restored(1)
    image.append(Kind.DRAWER_OPENED, Reason("another history"))
    street.send(image, 0)
    for _ in range(2):
        assert isinstance(street.send(street.one, 4), Ask)
    hole = street.book.holes[(street.one.tno, 3)]
    assert hole.status is HoleStatus.OFFERED
    assert isinstance(street.send(street.one, 0), Ack)
    assert (hole.status, sorted(street.book.chains[street.one.tno].branches)) == (HoleStatus.FILLED, [0, 1])


@BOTH
def test_a_booked_hole_is_posted_from_the_card_s_chain(technology: Technology) -> None:
    street = Street(technology)
    street.booked()
    assert street.book.chains[street.one.tno].branches[0].tip == Tip(Seq(4), street.one.chain[3].hash)
    assert balance(street.book, AccountKind.PURSE) == -450
    assert balance(street.book, AccountKind.SUSPENSE) == 300
    assert isinstance(street.send(street.one, 4), Ack)
    assert street.book.cards[street.card.id.key].main_cents == -470


@BOTH
def test_found_entries_take_the_provisional_posting_back(technology: Technology) -> None:
    street = Street(technology)
    street.booked()
    street.send(street.one, 4)
    assert isinstance(street.send(street.one, 0), Ack)
    assert street.book.holes[(street.one.tno, 3)].status is HoleStatus.FILLED
    assert balance(street.book, AccountKind.SUSPENSE) == 0
    assert balance(street.book, AccountKind.MERCHANT) == 470
    assert street.book.cards[street.card.id.key].main_cents == -470
    assert not street.book.provisional
    assert len(street.book.chains[street.one.tno].branches) == 1


def test_found_entries_come_in_pieces_and_are_proven_from_the_end() -> None:
    street = Street()
    street.booked()
    street.send(street.one, 4)
    assert isinstance(street.send(street.one, 2, 3), Ask), "entry 3 alone proves nothing"
    assert street.send(street.one, 3, 4) == Ask(Seq(3), "this belongs into a hole that is proven from its end")
    assert isinstance(street.send(street.one, 2, 4), Ack)
    assert street.book.holes[(street.one.tno, 3)].status is HoleStatus.FILLED
    assert street.book.cards[street.card.id.key].main_cents == -470


def test_a_long_hole_is_filled_with_as_many_batches_as_it_is_long() -> None:
    """A month of a till was booked as lost, and its memory card is found: nothing is sent again and again."""
    till, clock = Till(1), Clock()
    for _ in range(2_000):
        till.append(Kind.DRAWER_OPENED, Reason("x"))
    book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row()})
    for _ in range(2):
        clock.pass_ms(10_000)
        take_batch(book, till.tno, till.lines[-1:], clock())
    hole = book.holes[(till.tno, 1)]
    book_hole(book, hole, [], CAMPUS.business_day(NOON))
    assert isinstance(take_batch(book, till.tno, till.lines[-1:], clock()), Ack)
    start, batches = 0, 0
    while hole.status is HoleStatus.BOOKED:
        reply = take_batch(book, till.tno, till.lines[start : start + BATCH_ENTRIES_MAX], clock())
        start, batches = (reply.seq - 1 if isinstance(reply, Ask) else 0), batches + 1
        assert batches <= 1 + -(-len(till.lines) // BATCH_ENTRIES_MAX)
    assert len(book.entries) == len(till.lines)


def test_other_entries_than_the_demanded_ones_are_a_second_history() -> None:
    street = Street()
    street.booked()
    image = street.one.restored(2)
    sell(image, street.card, 999)
    assert isinstance(take_batch(street.book, image.tno, image.lines[1:], street.clock()), Ack)
    assert len(street.book.chains[image.tno].branches) == 2
    assert street.book.holes[(image.tno, 3)].status is HoleStatus.BOOKED


def test_behind_a_hole_every_entry_must_be_signed_itself() -> None:
    street = Street()
    street.booked()
    sell(street.one, street.card, 10)
    lines = street.one.lines[4:]
    head, _, _ = lines[0].rpartition(b".")
    lines[0] = head + b"." + lines[1].rpartition(b".")[2]
    reply = take_batch(street.book, street.one.tno, lines, street.clock())
    assert isinstance(reply, Ask)


def test_a_provisional_posting_is_made_once() -> None:
    street = Street()
    street.booked()
    hole = street.book.holes[(street.one.tno, 3)]
    assert post_provisional(street.book, hole, list(street.book.steps.values()), CAMPUS.business_day(NOON)) == 0


def test_a_sale_whose_outcome_fell_into_a_hole_is_posted_provisionally() -> None:
    one, two, card = Till(1), Till(2), plastic(7)
    sell(one, card, 100)
    sell(two, card, 50)
    street = Street()
    street.one, street.two, street.card = one, two, card
    street.book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in (one, two)})
    street.book.cards[card.id.key] = CardRow(card.id.key)
    sell(one, card, 20)
    street.send(one, 0, 1)
    street.send(two, 0)
    street.send(one, 2)
    street.send(one, 2)
    hole = street.book.holes[(one.tno, 2)]
    book_hole(street.book, hole, list(street.book.steps.values()), CAMPUS.business_day(NOON))
    assert street.book.cards[card.id.key].main_cents == -150
    street.send(one, 2)
    street.send(one, 0)
    assert street.book.cards[card.id.key].main_cents == -170
    assert balance(street.book, AccountKind.SUSPENSE) == 0


async def test_the_database_books_and_fills_the_same_hole(tmp_path: Path) -> None:
    street = Street()
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, street.book)
        ingest = Ingest(database, keys_in(tmp_path), CAMPUS, street.clock)
        upkeep = Upkeep(database, TRUST, CAMPUS, street.clock)
        with pytest.raises(NotFound):
            await upkeep.book_hole(street.one.tno, Seq(3))
        for till, start, end in ((street.one, 0, 2), (street.two, 0, None), (street.one, 4, None)):
            street.clock.pass_ms(10_000)
            await ingest.take_lines(till.tid, till.lines[start:end])
        with pytest.raises(Conflict):
            await upkeep.book_hole(street.one.tno, Seq(3))
        street.clock.pass_ms(10_000)
        await ingest.take_lines(street.one.tid, street.one.lines[4:])
        hole = await upkeep.book_hole(street.one.tno, Seq(3))
        assert hole is not None and hole.status is HoleStatus.BOOKED
        assert await upkeep.extend_holes() == 0
        card = select(tables.card.c.main_cents)
        assert await rows_of(database, card) == [(-450,)]
        await ingest.take_lines(street.one.tid, street.one.lines[4:])
        taken = await ingest.take_file(street.one.tid, street.one.lines)
        assert taken.asked_for == 0
        assert await rows_of(database, card) == [(-470,)]
        assert await rows_of(database, select(tables.provisional)) == []
        assert await rows_of(database, select(tables.hole.c.status)) == [("filled",)]
        await assert_balances_are_sums(database)


async def test_a_file_with_a_gap_asks_for_the_hole_and_goes_on_behind_it_once_it_is_booked(tmp_path: Path) -> None:
    """A rescue brings what stands behind damage, too."""
    street = Street()
    till = street.one
    file = [*till.lines[:2], *till.lines[4:]]
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, street.book)
        ingest = Ingest(database, keys_in(tmp_path), CAMPUS, street.clock)
        for _ in range(2):
            street.clock.pass_ms(10_000)
            taken = await ingest.take_file(till.tid, file)
            assert (taken.entries, taken.upto, taken.asked_for) == (2, 2, 3)
            assert taken.fault == "line 3: entry 5 does not continue entry 2, which stands before it"
        hole = await Upkeep(database, TRUST, CAMPUS, street.clock).book_hole(till.tno, Seq(3))
        assert hole is not None and hole.status is HoleStatus.BOOKED
        taken = await ingest.take_file(till.tid, file)
        assert (taken.entries, taken.upto, taken.asked_for, taken.fault) == (len(file), len(till.lines), 0, "")


async def test_a_later_tap_extends_a_booked_hole(tmp_path: Path) -> None:
    """When the hole was booked nobody had seen the card since; a later tap shows the missing sale."""
    street = Street()
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, street.book)
        ingest = Ingest(database, keys_in(tmp_path), CAMPUS, street.clock)
        upkeep = Upkeep(database, TRUST, CAMPUS, street.clock)
        for start, end in ((0, 2), (4, None), (4, None)):
            street.clock.pass_ms(10_000)
            await ingest.take_lines(street.one.tid, street.one.lines[start:end])
        await upkeep.book_hole(street.one.tno, Seq(3))
        await ingest.take_lines(street.two.tid, street.two.lines)
        assert await upkeep.extend_holes() == 1
        assert await upkeep.extend_holes() == 0
        assert await rows_of(database, select(tables.card.c.main_cents)) == [(-450,)]
        await assert_balances_are_sums(database)
