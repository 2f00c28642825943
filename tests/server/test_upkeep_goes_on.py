"""One broken thing stops nothing else: a clone in a booked hole, a card whose work fails, a step before the proof."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from protocol.ids import Counter, Seq
from protocol.instants import DAY_MS
from server import tables
from server.db import Database
from server.ingest.book import Book, CardRow, CaseClass
from server.ledger.accounts import AccountKind
from server.reconcile.service import Around, Reconcile
from tests.server.desk import assert_balances_are_sums, put_book, put_card, put_chain, rows_of, sqlite_url
from tests.server.test_holes import Street, sell
from tests.server.test_ingest_posting import balance
from tests.server.test_upkeep import Site, torn
from tests.server.world import CAMPUS, NOON, Plastic, Till, plastic

STUCK = select(tables.case_file.c.tno, tables.case_file.c.seq).where(tables.case_file.c.cls == CaseClass.STUCK)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        site = Site(database, tmp_path)
        book = Book(CAMPUS, chains={till.tno: till.row() for till in (site.one, site.two)})
        book.cards[site.card.id.key] = CardRow(site.card.id.key)
        await put_book(database, book)
        yield site


async def booked_hole(site: Site, three: Till) -> Plastic:
    """The first till's entries 3 and 4 (a sale of 300) are missing; a clone of the card has not been seen yet."""
    one, two, card = site.one, site.two, site.card
    async with site.database.writing() as connection:
        await put_chain(connection, three.row())
    sell(one, card, 100)
    clone = card.copy()
    for till, amount in ((one, 300), (two, 50), (one, 20)):
        sell(till, card, amount)
    for till, start, end in ((one, 0, 2), (two, 0, None), (one, 4, None), (one, 4, None)):
        site.clock.pass_ms(10_000)
        await site.ingest.take_lines(till.tid, till.lines[start:end])
    await site.upkeep.book_hole(one.tno, Seq(3))
    return clone


async def test_a_clone_in_a_booked_hole_is_a_fork_and_stops_no_upkeep(site: Site) -> None:
    """The clone's use of the counter takes back nothing that stands for the missing entry; it is the second use."""
    one, three = site.one, Till(3)
    clone = await booked_hole(site, three)
    sell(three, clone, 70)
    await site.ingest.take_lines(three.tid, three.lines)
    assert (await site.upkeep.run())["hole_steps_posted"] == 0
    assert await site.balance(AccountKind.PURSE) == -450
    assert (await site.balance(AccountKind.FRAUD_LOSS), await site.balance(AccountKind.SUSPENSE)) == (-70, 300)
    taken = await site.ingest.take_file(one.tid, one.lines)
    assert taken.asked_for == 0
    assert await rows_of(site.database, select(tables.hole.c.status)) == [("filled",)]
    assert (await site.balance(AccountKind.PURSE), await site.balance(AccountKind.SUSPENSE)) == (-470, 0)
    assert (await site.balance(AccountKind.FRAUD_LOSS), await site.balance(AccountKind.MERCHANT)) == (-70, 540)
    await assert_balances_are_sums(site.database)


def test_a_hole_s_step_under_a_used_counter_is_not_posted() -> None:
    """The clone's use came before the hole was booked: the card's purse moves once for one counter."""
    street, three, clone = Street(), Till(3), plastic(7)
    street.book.chains[three.tno] = three.row()
    clone.counter, clone.main, clone.slots = Counter(1), -100, street.card.slots[:1]
    sell(three, clone, 70)
    street.send(three, 0)
    street.booked()
    assert not street.book.provisional
    assert balance(street.book, AccountKind.PURSE) == -220


async def test_one_step_that_cannot_be_decided_stops_no_other(site: Site) -> None:
    """The cause of the first is taken already, whatever the reason; it opens one case, not one a round."""
    other = plastic(8)
    await put_card(site.database, CardRow(other.id.key))
    torn(site.one, site.card, 500)
    torn(site.one, other, 70)
    await site.send(site.one)
    line = {"cause": f"resolve:{site.one.tno}.0.1", "line": 0, "day": 1, "period_day": 1, "cents": 0, "at": 0}
    async with site.database.writing() as connection:
        await connection.execute(insert(tables.posting).values(**line, account_kind="vault", owner=""))
    site.clock.pass_ms(31 * DAY_MS)
    assert (await site.upkeep.run())["torn_resolved"] == 1
    assert await site.balance(AccountKind.PENDING) == 70
    assert (await site.upkeep.run())["torn_resolved"] == 0
    assert await rows_of(site.database, STUCK) == [(site.one.tno, 1)]


async def test_one_parked_entry_that_cannot_be_posted_stops_no_other(site: Site) -> None:
    stranger = plastic(99)
    sell(site.one, stranger, 250)
    sell(site.one, stranger, 30)
    await site.send(site.one)
    line = {"cause": f"entry:{site.one.tno}.0.2", "line": 0, "day": 1, "period_day": 1, "cents": 0, "at": 0}
    async with site.database.writing() as connection:
        await connection.execute(insert(tables.posting).values(**line, account_kind="vault", owner=""))
    await put_card(site.database, CardRow(stranger.id.key))
    assert await site.upkeep.post_parked() == 3
    assert await site.upkeep.post_parked() == 0
    assert await site.parked() == ["unknown card"]
    assert await rows_of(site.database, STUCK) == [(site.one.tno, 2)]


async def test_a_step_before_the_proof_that_fails_does_not_stop_the_proof(site: Site) -> None:
    done: list[str] = []

    async def broken() -> int:
        raise ValueError("something nobody thought of")

    async def sound() -> int:
        done.append("sound")
        return 1

    site.clock.pass_ms(DAY_MS)
    proof = await Reconcile(site.database, CAMPUS, site.clock, Around([broken, sound])).run(CAMPUS.business_day(NOON))
    assert proof.is_finished and done == ["sound"]
    assert await rows_of(site.database, STUCK) == [(0, 0)]
