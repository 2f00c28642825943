"""The night's proof over the database: the same as in memory, restartable, dry or kept; days close and are restated."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from protocol.entries import Kind, ShiftClosed, ShiftOpened
from protocol.ids import CardNo, Generation, ShiftNo
from protocol.instants import DAY_MS, BusinessDay, UtcMs
from protocol.money import Cents
from server import tables
from server.db import Database
from server.errors import Conflict, NotFound
from server.ingest.book import Book, CaseClass
from server.ingest.rules import take_batch
from server.ingest.saving import Work, copy_of, write
from server.ledger.accounts import Account, AccountKind, balanced
from server.reconcile.columns import digest_of
from server.reconcile.facts import Difference, Terms
from server.reconcile.float_proof import Document, Standing, findings_of, prove_float
from server.reconcile.rows import rows_of
from server.reconcile.rules import prove_campus, prove_cards
from server.reconcile.service import LEASE_MS, Around, Progress, Reconcile
from server.reconcile.tables import reconciliation
from tests.server.desk import Clock, put_book, sqlite_url
from tests.server.desk import rows_of as selected
from tests.server.world import CAMPUS, NOON, Lunch

TODAY = CAMPUS.business_day(NOON)
BANK = Account(AccountKind.BANK)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        yield database


async def put_lunch(database: Database, seed: int) -> tuple[Book, Clock]:
    """A lunch hour with everything that can go wrong, in memory and in the database."""
    lunch, clock = Lunch(seed), Clock()
    lunch.play(150)
    book = lunch.book()
    await put_book(database, book)
    empty = copy_of(book)
    for delivery in lunch.deliveries():
        clock.pass_ms(2_000)
        take_batch(book, delivery.tno, delivery.lines, clock())
    async with database.writing() as connection:
        await write(connection, Work(book, empty), clock())
    return book, clock


def found_in_memory(book: Book, clock: Clock) -> dict[str, tuple[str, int, int]]:
    cards, campus = rows_of(book)
    proofs = list(prove_cards(cards, campus, Terms(clock())))
    assert all(proof.unexplained_cents == 0 for proof in proofs)
    totals: Counter[Account] = Counter()
    for posted in book.posted.values():
        for posting in posted.postings:
            totals[posting.account] += posting.cents
    findings = [found for proof in proofs for found in proof.findings] + prove_campus(campus)
    findings += findings_of(prove_float(TODAY, totals, ()))
    return {digest_of(found): (found.cls, found.cents, found.amount) for found in findings}


@pytest.mark.parametrize("seed", range(12))
async def test_database_and_memory_find_the_same(database: Database, seed: int) -> None:
    """The one reads from tables what the other has at hand."""
    book, clock = await put_lunch(database, seed)
    proof = await Reconcile(database, CAMPUS, clock, chunk_cards=3).dry_run(TODAY)
    assert {found.key: (found.cls, found.cents, found.amount) for found in proof.findings} == found_in_memory(
        book, clock
    )
    assert proof.unexplained_cents == 0 and proof.is_dry
    assert proof.difference_cents == sum(found.cents for found in proof.findings)
    assert await selected(database, select(reconciliation)) == []


async def test_a_run_keeps_what_it_found_and_is_made_once(database: Database) -> None:
    _, clock = await put_lunch(database, 1)
    clock.pass_ms(DAY_MS)
    prepared: list[int] = []

    async def prepare() -> int:
        prepared.append(1)
        return 1

    reconcile = Reconcile(database, CAMPUS, clock, Around([prepare]), chunk_cards=2)
    seen: list[Progress] = []
    dry = await reconcile.dry_run(TODAY)
    proof = await reconcile.run(TODAY, seen.append)
    assert proof.is_finished and proof.classes == dry.classes and prepared == [1]
    assert (proof.number, dry.number, dry.lines) == (1, 0, proof.lines)
    assert {found.key for found in proof.findings} == {found.key for found in dry.findings}
    assert [progress.cards for progress in seen][-1] == proof.cards == dry.cards
    assert (await reconcile.run(TODAY)) == proof and prepared == [1]
    only = await reconcile.proof(TODAY, cls=Difference.FORK)
    assert {found.cls for found in only.findings} <= {Difference.FORK}


async def test_a_run_goes_on_where_it_was_stopped(database: Database) -> None:
    _, clock = await put_lunch(database, 2)
    clock.pass_ms(DAY_MS)
    expected = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)

    class PowerCut(Exception):
        pass

    def cut(progress: Progress) -> None:
        if progress.cards >= 2:
            raise PowerCut

    reconcile = Reconcile(database, CAMPUS, clock, chunk_cards=2)
    with pytest.raises(PowerCut):
        await reconcile.run(TODAY, cut)
    begun = await reconcile.proof(TODAY)
    assert not begun.is_finished and begun.cards == 2
    proof = await reconcile.run(TODAY)
    assert proof.is_finished and proof.cards == expected.cards
    assert proof.classes == expected.classes and proof.difference_cents == expected.difference_cents


async def test_cached_balances_that_drift_are_said_aloud(database: Database) -> None:
    _, clock = await put_lunch(database, 3)
    async with database.writing() as connection:
        await connection.execute(update(tables.card).values(main_cents=tables.card.c.main_cents + 7))
    proof = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)
    assert proof.unexplained_cents >= 7


async def test_only_cards_with_a_reason_are_looked_at(database: Database) -> None:
    """An honest card that links costs nothing but its place in the one pass."""
    await put_lunch(database, 4)
    async with database.writing() as connection:
        await connection.execute(tables.step.delete())
        await connection.execute(tables.parked.delete())
        await connection.execute(tables.provisional.delete())
        await connection.execute(update(tables.case_file).values(closed_at=1))
    proof = await Reconcile(database, CAMPUS, Clock()).dry_run(TODAY)
    assert proof.cards == 0


async def test_a_counted_drawer_and_a_provider_s_bill(database: Database) -> None:
    lunch, clock = Lunch(0), Clock()
    till = lunch.tills[0]
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(1_000)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), Cents(980), Cents(1_000)))
    book = lunch.book()
    await put_book(database, book)
    empty, channel = copy_of(book), Account(AccountKind.CLEARING, "wechat")
    take_batch(book, till.tno, till.lines, UtcMs(NOON + 60_000))
    book.post("movement:1", TODAY, balanced((channel, -90), (Account(AccountKind.FEES), 90)))
    async with database.writing() as connection:
        await write(connection, Work(book, empty), clock())

    reconcile = Reconcile(database, CAMPUS, clock)
    for document in (Document(Account(AccountKind.VAULT), -20, "count"), Document(channel, 100, "bill-1")):
        await reconcile.take_document(TODAY, document)
    clock.pass_ms(DAY_MS)
    proof = await reconcile.run(TODAY)
    assert sorted((found.cls, found.amount) for found in proof.findings) == [
        (Difference.PROVIDER_DIFFERENCE, 10),
        (Difference.SHIFT_DIFFERENCE, -20),
    ]
    assert [(line.account, line.booked_cents, line.document, line.standing) for line in proof.lines] == [
        (channel, 90, "bill-1", Standing.DIFFERS),
        (Account(AccountKind.VAULT), -20, "count", Standing.PROVEN),
    ]


async def test_a_closed_case_is_listed_no_longer(database: Database) -> None:
    book, clock = await put_lunch(database, 5)
    card = next(iter(book.cards))
    row = {"cls": CaseClass.PURSE_UNREADABLE, "card": card[0], "generation": card[1], "text": "no slot", "outcome": ""}
    async with database.writing() as connection:
        await connection.execute(insert(tables.case_file).values(row))
    reconcile = Reconcile(database, CAMPUS, clock)
    classes = {total.cls for total in (await reconcile.dry_run(TODAY)).classes}
    assert Difference.PURSE_UNREADABLE in classes
    async with database.writing() as connection:
        await connection.execute(update(tables.case_file).values(closed_at=1))
    classes = {total.cls for total in (await reconcile.dry_run(TODAY)).classes}
    assert Difference.PURSE_UNREADABLE not in classes


async def test_a_day_closes_once_and_is_restated_by_what_comes_late(database: Database) -> None:
    book, clock = await put_lunch(database, 6)
    reconcile = Reconcile(database, CAMPUS, clock)
    with pytest.raises(Conflict):
        await reconcile.close_day(TODAY)
    clock.pass_ms(DAY_MS)
    closed = await reconcile.close_day(TODAY)
    assert closed.revision == 1 and closed == await reconcile.close_day(TODAY)
    assert sum(line.happened_cents for line in closed.lines) == 0
    assert all(line.late_cents == 0 and line.happened_cents == line.settled_cents for line in closed.lines)
    first = await reconcile.run(TODAY)
    assert (first.number, first.revision) == (1, 1)
    before = copy_of(book)
    book.post("late:1", TODAY, balanced((BANK, -50), (Account(AccountKind.FEES), 50)))
    async with database.writing() as connection:
        await write(connection, Work(book, before), clock())
    restated = await reconcile.report(TODAY)
    assert restated.revision == 2
    fees = next(line for line in restated.lines if line.account_kind == AccountKind.FEES)
    assert (fees.happened_cents, fees.settled_cents, fees.late_cents) == (50, 0, 50)
    tomorrow = await reconcile.report(BusinessDay(TODAY + 1))
    assert [line.settled_cents for line in tomorrow.lines if line.account_kind == AccountKind.FEES] == [50]
    again = await reconcile.run(TODAY)
    assert (again.number, again.revision) == (2, 2)
    assert await reconcile.proof(TODAY, number=1) == first
    clock.pass_ms(1)
    await reconcile.take_document(TODAY, Document(BANK, 50, "statement"))
    assert (await reconcile.run(TODAY)).number == 3, "what was undocumented is not any more"
    assert (await reconcile.run(TODAY)).number == 3


async def test_with_a_day_all_earlier_ones_are_closed(database: Database) -> None:
    """Money of a day that nobody closed by itself cannot slip into a period that is over."""
    book, clock = await put_lunch(database, 6)
    reconcile, before = Reconcile(database, CAMPUS, clock), BusinessDay(TODAY - 1)
    assert (await reconcile.report(before)).closed_at == 0
    clock.pass_ms(DAY_MS)
    closed = await reconcile.close_day(TODAY)
    implied = await reconcile.close_day(before)
    assert (implied.closed_at, implied.revision, implied.lines) == (closed.closed_at, 1, ())
    for number in (1, 2):
        was = copy_of(book)
        book.post(f"late:{number}", before, balanced((BANK, -50), (Account(AccountKind.FEES), 50)))
        async with database.writing() as connection:
            await write(connection, Work(book, was), clock())
        restated = await reconcile.report(before)
        assert (restated.closed_at, restated.revision) == (closed.closed_at, number + 1)
        fees = next(line for line in restated.lines if line.account_kind == AccountKind.FEES)
        assert (fees.settled_cents, fees.late_cents) == (0, 50 * number)
    assert (await reconcile.report(TODAY)).revision == 1


async def test_no_proof_is_kept_of_a_day_that_is_not_over(database: Database) -> None:
    """What it did not see would never be proven."""
    clock = Clock()
    reconcile = Reconcile(database, CAMPUS, clock)
    for day in (TODAY, BusinessDay(TODAY + 1)):
        with pytest.raises(Conflict):
            await reconcile.run(day)
    assert (await reconcile.dry_run(TODAY)).is_dry
    with pytest.raises(NotFound):
        await reconcile.proof(TODAY)


async def test_the_float_against_documents(database: Database) -> None:
    book, clock = await put_lunch(database, 7)
    before = copy_of(book)
    book.post("fee:1", TODAY, balanced((BANK, -1_000), (Account(AccountKind.FEES), 1_000)))
    async with database.writing() as connection:
        await write(connection, Work(book, before), clock())
    reconcile = Reconcile(database, CAMPUS, clock)
    proof, findings = await reconcile.float_proof(TODAY)
    assert proof.unexplained_cents == 0 and not proof.holds
    assert [(found.cls, found.amount) for found in findings if "bank" in found.text] == [
        (Difference.PROVIDER_DIFFERENCE, -1_000)
    ]
    for line in proof.lines:
        await reconcile.take_document(TODAY, Document(line.account, line.booked_cents, "count"))
    proof, findings = await reconcile.float_proof(TODAY)
    assert proof.holds and findings == []
    await reconcile.take_document(TODAY, Document(BANK, 999, "statement"))
    proof, findings = await reconcile.float_proof(TODAY)
    assert [(found.cls, found.amount) for found in findings] == [(Difference.PROVIDER_DIFFERENCE, -1)]
    assert [line.standing for line in proof.lines if line.account == BANK] == [Standing.DIFFERS]
    assert (await reconcile.float_proof(BusinessDay(TODAY - 1)))[0].lines == ()


async def test_a_card_the_register_does_not_know_is_left_out(database: Database) -> None:
    """Its entries are parked; nothing of it is in the ledger's purses."""
    _, clock = await put_lunch(database, 8)
    columns = tables.parked.c
    unknown: Any = await selected(database, select(func.count()).where(columns.card == 900))
    proof = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)
    assert unknown[0][0] > 0
    assert all((found.card, found.generation) != (CardNo(900), Generation(1)) for found in proof.findings)


async def test_one_run_at_a_time_proves_a_day(database: Database) -> None:
    """A lease keeps others away; a run that died lets go, and one that only slept finds its place taken."""
    _, clock = await put_lunch(database, 2)
    clock.pass_ms(DAY_MS)
    expected = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)
    second = Reconcile(database, CAMPUS, clock, chunk_cards=2)
    slow, go = asyncio.Event(), asyncio.Event()

    async def prepare() -> int:
        slow.set()
        await go.wait()
        return 0

    first = Reconcile(database, CAMPUS, clock, Around([prepare]), chunk_cards=2)
    running = asyncio.create_task(first.run(TODAY))
    await slow.wait()
    with pytest.raises(Conflict) as refused:
        await second.run(TODAY)
    assert refused.value.code == "proof_running"
    clock.pass_ms(LEASE_MS)
    proof = await second.run(TODAY)
    go.set()
    with pytest.raises(Conflict):
        await running
    assert await second.proof(TODAY) == proof and proof.classes == expected.classes


async def test_every_finding_can_be_read_page_by_page(database: Database) -> None:
    _, clock = await put_lunch(database, 1)
    clock.pass_ms(DAY_MS)
    reconcile = Reconcile(database, CAMPUS, clock)
    proof = await reconcile.run(TODAY)
    assert len(proof.findings) > 4
    read: list[str] = []
    while page := (await reconcile.proof(TODAY, after=read[-1] if read else "", limit=2)).findings:
        assert len(page) <= 2
        read += [found.key for found in page]
    assert read == [found.key for found in proof.findings]
