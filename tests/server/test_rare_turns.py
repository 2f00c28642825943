"""Turns of money that a campus sees once in years, to the cent: what comes late, twice, wrong or from a lost till."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import CashSale, CloseTo, Kind, Reason, ShiftClosed, ShiftOpened
from protocol.ids import Counter, LoadSeq, ShiftNo
from protocol.instants import DAY_MS, UtcMs
from protocol.money import Cents
from protocol.purse import SeenStep
from server.db import Database
from server.ingest.book import Book, ShiftStatus
from server.ingest.deciding import resolve
from server.ingest.holes import book_hole
from server.ingest.rules import take_batch
from server.ingest.saving import Work, copy_of, write
from server.ledger.accounts import FUNDER, Account, AccountKind, balanced, subsidy
from server.ledger.rules import Resolution, Share, Use, share_of
from server.reconcile.service import Reconcile
from server.tokens.rules import missing_since
from tests.server.desk import Clock, put_book, sqlite_url
from tests.server.test_giving_back import aided
from tests.server.test_handing_in import handed_in
from tests.server.test_ingest_posting import balance, book_for, send, settled_sale
from tests.server.world import CAMPUS, MERCHANT, NOON, Till, load_of, plastic, sale_of

TODAY = CAMPUS.business_day(NOON)
BANK = Account(AccountKind.BANK)


def test_a_forgotten_load_has_not_arrived() -> None:
    till, other, card = Till(1), Till(2), plastic(7, main=500)
    card.counter = 5
    book = book_for(till, other, cards=(card,))
    row = book.cards[card.id.key]
    row.load_seq, row.loaded_total_cents = LoadSeq(1), Cents(1_000)
    before = card.copy()
    body = load_of(card, 1_000, 1)
    prepared = till.append(Kind.LOAD_PREPARED, body).seq
    till.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))
    send(book, till)
    assert row.arrived_cents == 1_000
    before.slots = [SeenStep(0, 0, 0, Counter(0))]
    settled_sale(other, before, 10)
    send(book, other)
    assert book.steps[(other.tno, 0, 1)].use is Use.FALLBACK
    assert balance(book, AccountKind.PENDING) == 0, "what was owed before it came is owed again"
    assert row.arrived_cents == 0


def test_an_older_step_that_comes_late_says_nothing_of_what_was_spent() -> None:
    station, till, card = Till(1), Till(2), plastic(7)
    book = book_for(station, till, cards=(card,))

    def collect(total: int, seq: int) -> None:
        body = load_of(card, total, seq)
        prepared = station.append(Kind.LOAD_PREPARED, body).seq
        card.write(station.tno, body, prepared)
        station.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))
        card.loaded = total

    collect(1_000, 1)
    settled_sale(till, card, 100)
    collect(1_500, 2)
    send(book, station)
    send(book, till)
    row = book.cards[card.id.key]
    assert row.main_cents == 1_400 <= row.loaded_total_cents - row.spent_known_cents


def test_a_drawer_that_was_counted_stays_so_when_its_opening_is_found() -> None:
    till, clock = Till(1), Clock()
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(200)))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(500)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), Cents(700), Cents(700)))
    book = book_for(till)
    clock.pass_ms(3_600_000)

    def deliver(start: int, end: int | None = None) -> None:
        clock.pass_ms(10_000)
        take_batch(book, till.tno, till.lines[start:end], clock())

    for start, end in ((0, 1), (3, None), (3, None)):
        deliver(start, end)
    book_hole(book, book.holes[(till.tno, 2)], [], TODAY)
    deliver(3)
    assert balance(book, AccountKind.OPERATOR_LOSS) == 700
    deliver(1)
    assert book.shifts[(till.tno, 1)] is ShiftStatus.CLOSED
    assert (balance(book, AccountKind.OPERATOR_LOSS), balance(book, AccountKind.DRAWER)) == (0, 0)


def test_nothing_is_taken_from_a_holder_after_too_much_was_given_back() -> None:
    assert share_of(sale_of(aided(), 500), 100, 600) == Share(Cents(0), Cents(0), Cents(100))


def test_cash_that_a_lost_terminal_paid_for_a_card_has_left_its_drawer() -> None:
    book, till, _, prepared = handed_in(CloseTo.CASH)
    step = book.steps[(till.tno, 0, prepared)]
    step.lost = True
    resolve(book, step, Resolution.ON_CARD, TODAY)
    assert balance(book, AccountKind.PENDING) == 1_000
    till.append(Kind.CLOSE_SETTLED, with_members(step.body, prepared=prepared))
    send(book, till)
    assert (balance(book, AccountKind.PENDING), balance(book, AccountKind.DRAWER)) == (0, 0)


def test_a_purse_that_was_exactly_empty_lacks_nothing() -> None:
    assert missing_since(-500, [(UtcMs(60), -500), (UtcMs(1), -300), (UtcMs(0), 300)]) == 60


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        yield database


async def _put(database: Database, book: Book, before: Book, clock: Clock) -> None:
    async with database.writing() as connection:
        await write(connection, Work(book, before), clock())


async def test_a_wrong_correction_of_a_subsidy_is_found(database: Database) -> None:
    till, card, clock = Till(1), plastic(7, main=0), Clock()
    card.subsidy = 0
    book = book_for(till, cards=(card,))
    await put_book(database, book)
    empty = copy_of(book)
    clock.pass_ms(3_600_000)
    settled_sale(till, card, 0)
    take_batch(book, till.tno, till.lines, clock())
    book.post("correction:a", TODAY, balanced((subsidy(card.id.key), 500), (FUNDER, -500)))
    await _put(database, book, empty, clock)
    proof = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)
    assert proof.difference_cents == -500


async def test_a_closed_day_s_float_stays(database: Database) -> None:
    book, clock = book_for(Till(1)), Clock()
    await put_book(database, book)
    reconcile = Reconcile(database, CAMPUS, clock)
    before = copy_of(book)
    book.post("movement:a", TODAY, balanced((BANK, -70), (Account(AccountKind.FEES), 70)))
    await _put(database, book, before, clock)
    clock.pass_ms(DAY_MS)
    await reconcile.close_day(TODAY)
    before = copy_of(book)
    book.post("late:1", TODAY, balanced((BANK, -50), (Account(AccountKind.FEES), 50)))
    await _put(database, book, before, clock)
    proof, _ = await reconcile.float_proof(TODAY)
    assert [(line.account, line.booked_cents) for line in proof.lines] == [(BANK, 70)]


async def test_a_day_that_a_clock_ahead_has_closed_stays(database: Database) -> None:
    book, clock = book_for(Till(1)), Clock()
    await put_book(database, book)
    clock.pass_ms(DAY_MS)
    reconcile = Reconcile(database, CAMPUS, clock)
    await reconcile.close_day(TODAY)
    clock.pass_ms(-DAY_MS)
    before = copy_of(book)
    book.post("late:1", TODAY, balanced((BANK, -50), (Account(AccountKind.FEES), 50)))
    await _put(database, book, before, clock)
    report = await reconcile.report(TODAY)
    assert [(line.settled_cents, line.late_cents) for line in report.lines if line.account_kind == "fees"] == [(0, 50)]
