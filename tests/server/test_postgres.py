"""PostgreSQL is one setting away: the same code, the same money, and terminals that really work at the same time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import CardBlocked, CardIssued, CashSale, Kind, Reason
from protocol.ids import CardNo, ChannelId
from protocol.instants import DAY_MS, BusinessDay
from protocol.money import Cents
from server import act_tables, tables
from server.app import open_house
from server.card_tables import card_event
from server.config import Settings
from server.db import Database
from server.importing.rules import read_old_cards
from server.importing.service import Importing, sums_agree
from server.ingest import saving
from server.ingest.book import Book
from server.ingest.rules import Ack, take_batch
from server.ingest.saving import Work, write
from server.ingest.service import Ingest
from server.ledger.accounts import OPERATOR_LOSS, balanced, pending
from server.numbers import CARD_NUMBER, RESTORE_LEAP, leap, next_number, server_epoch, write_setting
from server.reconcile.results import DayReport
from server.reconcile.service import Reconcile
from server.terminals.service import Particulars
from server.upkeep.service import decided
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, put_book, rows_of
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_cards import enrol, send
from tests.server.test_erased import erase_at
from tests.server.test_handing_in import hand_in_at
from tests.server.test_holes import sell
from tests.server.test_ingest_differential import assert_same
from tests.server.test_rights import top_up
from tests.server.test_trail import Walk, told, walk_cards, walk_money, walk_terminals
from tests.server.token_world import ask, new_token, prepared, purse_of, question, settled
from tests.server.world import CAMPUS, MERCHANT, NOON, SITE, Lunch, Till, plastic

pytestmark = pytest.mark.integration

_numbers = count()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture
def url(cluster: str) -> str:
    return new_database(cluster, f"fanka{next(_numbers)}")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        await database.migrate()
        yield database


@pytest.mark.parametrize("seed", range(3))
async def test_postgres_and_memory_agree(database: Database, seed: int, tmp_path: Path) -> None:
    lunch = Lunch(seed)
    lunch.play(150)
    clock, book = Clock(), lunch.book()
    clock.pass_ms(3_600_000)
    await put_book(database, lunch.book())
    ingest = Ingest(database, keys_in(tmp_path), CAMPUS, clock)
    for delivery in lunch.deliveries():
        clock.pass_ms(2_000)
        taken = await ingest.take_lines(delivery.tid, delivery.lines)
        assert taken is not None
        assert taken.reply == take_batch(book, delivery.tno, delivery.lines, clock())
    await assert_same(database, book)
    await assert_balances_are_sums(database)


async def test_terminals_that_share_cards_work_at_the_same_time(database: Database, tmp_path: Path) -> None:
    """Twelve tills sell to the same five cards; batches of all tills run at once, in random order and twice."""
    chance = random.Random(1)
    tills, cards = [Till(number) for number in range(1, 13)], [plastic(number) for number in range(1, 6)]
    lunch = Lunch(1)
    lunch.tills, lunch.cards = tills, cards
    book = lunch.book()
    for _ in range(240):
        sell(chance.choice(tills), chance.choice(cards), chance.randint(1, 500))
    await put_book(database, book)
    clock = Clock()
    clock.pass_ms(3_600_000)
    ingest = Ingest(database, keys_in(tmp_path), CAMPUS, clock)

    async def drain(till: Till) -> None:
        for start in range(0, len(till.lines), 6):
            for _ in range(2):
                taken = await ingest.take_lines(till.tid, till.lines[start : start + 6])
                assert taken is not None and isinstance(taken.reply, Ack)

    await asyncio.gather(*(drain(till) for till in tills), *(drain(till) for till in tills))
    entries = await rows_of(database, select(func.count()).select_from(tables.entry))
    assert entries == [(sum(len(till.chain) for till in tills),)]
    balances = select(tables.card.c.card, tables.card.c.main_cents).order_by(tables.card.c.card)
    assert await rows_of(database, balances) == [(card.id.no, card.main) for card in cards]
    assert await rows_of(database, select(tables.case_file)) == []
    await assert_balances_are_sums(database)


async def test_one_card_appears_at_two_terminals_at_once(database: Database, tmp_path: Path) -> None:
    """Both batches make the same new card row; one of them is done again."""
    tills = [Till(number) for number in range(1, 9)]
    lunch = Lunch(1)
    lunch.tills, lunch.cards = tills, []
    await put_book(database, lunch.book())
    for till in tills:
        till.append(Kind.CARD_ISSUED, CardIssued(plastic(77).id, "04a1b2c3"))
        till.append(Kind.CARD_BLOCKED, CardBlocked(plastic(77).id, "found"))
    ingest = Ingest(database, keys_in(tmp_path), CAMPUS, Clock())
    await asyncio.gather(*(ingest.take_lines(till.tid, till.lines) for till in tills))
    assert await rows_of(database, select(tables.card.c.card, tables.card.c.status)) == [(77, "blocked")]


async def test_the_whole_house_runs_on_postgres(url: str, tmp_path: Path) -> None:
    clock = Clock()
    clock.pass_ms(3_600_000)
    async with open_house(Settings(str(tmp_path), url), clock) as house:
        numbers = await asyncio.gather(*(house.cards.issue(2, 1, "", None) for _ in range(8)))
        assert sorted(no for some in numbers for no in some) == list(range(1, 17))
        till = Till(1)
        values = Particulars(title="", merchant="", can_load=True, can_issue=False, spare=False)
        assert await house.terminals.put(till.tid, SITE, values, decided, alone=True)
        till.append(Kind.DRAWER_OPENED, Reason("change"))
        assert await house.policy.publication(SITE, even_if_same=False) is not None
        assert await house.nightly.run_if_due() is not None
        assert not any((await house.upkeep.run()).values())
        assert (await house.ledger.trial_balance()).total_cents == 0


@pytest.mark.parametrize("story", [hand_in_at, erase_at])
async def test_a_card_is_handed_in_and_one_erased(
    story: Callable[[Desk], Awaitable[None]], url: str, tmp_path: Path
) -> None:
    async with open_desk(tmp_path, url) as desk:
        await story(desk)
        assert (await desk.house.ledger.trial_balance()).total_cents == 0
        await assert_balances_are_sums(desk.house.database)


async def test_money_cannot_enter_a_day_that_is_being_closed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch has found the day open and not committed yet: who closes the day waits for it."""
    till, clock = Till(1), Clock()
    await put_book(database, Book(CAMPUS, chains={till.tno: till.row()}))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    clock.pass_ms(DAY_MS)
    day, open_days = CAMPUS.business_day(NOON), saving._open_days
    reconcile = Reconcile(database, CAMPUS, clock)
    closing: list[asyncio.Task[DayReport]] = []

    async def slow(*args: Any) -> dict[BusinessDay, BusinessDay]:
        counted_in = await open_days(*args)
        closing.append(asyncio.create_task(reconcile.close_day(day)))
        await asyncio.sleep(0.5)
        assert not closing[0].done()
        return counted_in

    monkeypatch.setattr(saving, "_open_days", slow)
    await Ingest(database, keys_in(tmp_path), CAMPUS, clock).take_lines(till.tid, till.lines)
    report = await closing[0]
    assert report.revision == 1
    assert sorted(line.settled_cents for line in report.lines) == [-70, 70]
    assert await reconcile.report(day) == report


async def test_pending_credit_is_granted_whatever_commits_first(url: str, tmp_path: Path) -> None:
    """Numbers of postings are given before the commit: the lower one may become visible later."""
    async with open_house(Settings(str(tmp_path), url), Clock()) as house:
        first, second = await house.cards.issue(2, 1, "", None)
        async with house.database.writing() as slow:
            await owe(slow, first, 300)
            async with house.database.writing() as fast:
                await owe(fast, second, 200)
            assert (await house.cards.run())["loads_granted"] == 1
        assert (await house.cards.run())["loads_granted"] == 1
        assert (await house.cards.get(first)).rows[0]["loaded_total_cents"] == 300


async def test_every_change_is_written_down_here_too(url: str, tmp_path: Path) -> None:
    async with open_desk(tmp_path, url) as desk:
        walk = Walk(desk)
        for part in (walk_terminals, walk_cards, walk_money):
            await part(walk)
        assert {row["subject"] for row in await told(desk, "?subject=cards/2&operator=ann")} == {
            *("cards/2/close", "cards/2/payouts")
        }


@pytest.mark.parametrize("together", [["bob"] * 4, ["ann", "bob"] * 2], ids=["one clicks twice", "both at once"])
async def test_parked_entries_are_let_through_once_whoever_asks_at_once(
    url: str, tmp_path: Path, together: list[str]
) -> None:
    """Requests of two people, the server's own work and the next batch meet; no cent is moved twice."""
    async with open_desk(tmp_path, url) as desk:
        till, card = Till(1), plastic(1)
        await enrol(desk, till)
        assert (await desk.post("/cards", {}, expect=201))["numbers"] == [card.id.no]
        for cents in (700, 300):
            top_up(till, card, cents)
        await send(desk, till)
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
        accept = f"/api/1/terminals/{till.tid}/accept-quarantined"
        if "ann" not in together:
            await desk.post(f"/terminals/{till.tid}/accept-quarantined", expect=202)
        asked = [desk.client.post(accept, headers={"Authorization": f"Bearer {who}-token"}) for who in together]
        answers, _, _ = await asyncio.gather(asyncio.gather(*asked), desk.house.upkeep.run(), send(desk, till, 4))
        assert sum(answer.json().get("count", 0) for answer in answers if answer.status_code == 200) == 4
        assert await desk.get(f"/terminals/{till.tid}/parked") == []
        sums = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
        moved = {kind: cents for kind, cents in sums.items() if cents}
        assert moved == {"purse": 1_000, "merchant": 70, "drawer": -1_070}
        await assert_balances_are_sums(desk.house.database)


@pytest.mark.parametrize("together", [["bob"] * 4, ["ann", "bob"] * 2], ids=["one clicks twice", "both at once"])
async def test_a_correction_is_booked_once_whoever_asks_at_once(url: str, tmp_path: Path, together: list[str]) -> None:
    async with open_desk(tmp_path, url) as desk:
        (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
        legs = [
            {"kind": "operator_loss", "cents": -40},
            {"kind": "purse", "owner": f"{no}/1", "cents": 40},
        ]
        form = {"id": "request-1", "legs": legs, "reason": "typed in twice", "evidence": "note 17"}
        if "ann" not in together:
            await desk.post("/ledger/corrections", form, expect=202)
        headers = [{"Authorization": f"Bearer {who}-token"} for who in together]
        asked = [desk.client.post("/api/1/ledger/corrections", json=form, headers=known) for known in headers]
        statuses = sorted([answer.status_code for answer in await asyncio.gather(*asked)])
        assert 200 in statuses and set(statuses) <= {200, 202, 409}
        assert [act["cause"] for act in await desk.get("/ledger/acts")] == ["correction:request-1"]
        assert (await desk.house.cards.get(CardNo(no))).rows[0]["main_cents"] == 40
        assert await rows_of(desk.house.database, select(act_tables.proposal)) == []
        await assert_balances_are_sums(desk.house.database)


async def owe(connection: AsyncConnection, no: CardNo, cents: int) -> None:
    """Post pending credit as every transaction does."""
    book = Book(CAMPUS)
    book.post(f"owed:{no}", BusinessDay(20_787), balanced((OPERATOR_LOSS, -cents), (pending(no), cents)))
    await write(connection, Work(book, Book(CAMPUS)), NOON)


async def test_two_programs_never_approve_the_same_money_of_a_token(url: str, tmp_path: Path) -> None:
    """Eight tills ask two programs of the server at once; what they settle takes no purse below zero."""
    async with open_desk(tmp_path, url) as one, open_desk(tmp_path, url) as other:
        card, tills = await new_token(one, 1_000), [Till(number) for number in range(1, 9)]
        for till in tills:
            await enrol(one, till)
        begun = [prepared(till, card, 300) for till in tills]
        asked = zip(tills, begun, cycle((one, other)), strict=False)
        answers = await asyncio.gather(*(ask(desk, till, question(till, entry)) for till, entry, desk in asked))
        paid = [answer is not None and answer.refused is None for answer in answers]
        assert sum(paid) == 3
        for till, entry, answer, is_paid in zip(tills, begun, answers, paid, strict=True):
            settled(till, entry, answer if is_paid else None, Kind.SALE_SETTLED if is_paid else Kind.SALE_VOIDED)
        await asyncio.gather(*(send(desk, till) for till, desk in zip(tills, cycle((one, other)), strict=False)))
        assert await purse_of(other, card) == (100, 0)
        await assert_balances_are_sums(one.house.database)


async def waiting(database: Database, many: int) -> None:
    """Until so many transactions stand before a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while True:
        async with database.reading() as connection:
            if await connection.scalar(query) == many:
                return
        await asyncio.sleep(0.01)


async def test_two_leaps_at_once_do_not_lower_the_epoch(database: Database) -> None:
    """A restored server is found out by many terminals at once."""
    await database.transact(lambda connection: leap(connection, 1))
    async with database.writing() as first:
        assert await leap(first, 5) == 6
        second = asyncio.create_task(database.transact(lambda connection: leap(connection, 2)))
        await waiting(database, 1)
    assert await second == 7
    async with database.reading() as connection:
        assert await server_epoch(connection) == 7


async def test_a_number_taken_between_two_leaps_is_taken_once(database: Database) -> None:
    await database.transact(lambda connection: leap(connection, 1))
    await database.transact(lambda connection: write_setting(connection, CARD_NUMBER, "100"))
    async with database.writing() as first:
        await leap(first, 2)
        taken = asyncio.create_task(database.transact(lambda connection: next_number(connection, CARD_NUMBER)))
        await waiting(database, 1)
        second = asyncio.create_task(database.transact(lambda connection: leap(connection, 2)))
        await waiting(database, 2)
    numbers = [await taken]
    await second
    numbers.append(await database.transact(lambda connection: next_number(connection, CARD_NUMBER)))
    assert numbers[0] == 100 + RESTORE_LEAP + 1 and numbers[0] < numbers[1], numbers


async def test_an_old_system_is_taken_over_while_the_desk_works(url: str, tmp_path: Path) -> None:
    """Sums agree, and no number is given out twice."""
    lines = "".join(f"{number},s{number},王{number},student,{number % 90}.50\n" for number in range(1, 41))
    old = read_old_cards(("card,person,name,class,balance\n" + lines).encode("gb18030"))
    async with open_desk(tmp_path, url) as desk:
        house = desk.house
        importing = Importing(house.database, house.cards, house.people, house.clock, ChannelId("old-system"))

        async def give_out() -> list[int]:
            return [(await house.cards.issue(1, 1, "", None))[0] for _ in range(40)]

        done, again, given = await asyncio.gather(
            importing.run(old.cards, "desfire"), importing.objections(old.cards), give_out()
        )
        assert not again and sums_agree(old.cards, done) and not set(done.numbers.values()) & set(given)
        twice = await importing.run(old.cards, "desfire")
        assert (twice.new, twice.numbers, twice.posted_cents) == (0, done.numbers, done.posted_cents)
        await assert_balances_are_sums(house.database)


async def test_a_word_that_postgres_cannot_hold_keeps_no_terminal_from_being_taken_in(
    database: Database, tmp_path: Path
) -> None:
    """An entry may hold any character, and PostgreSQL's text may not hold U+0000."""
    till, card = Till(1), plastic(77)
    await put_book(database, Book(CAMPUS, chains={till.tno: till.row()}))
    till.append(Kind.CARD_ISSUED, CardIssued(card.id, "04a1b2c3"))
    till.append(Kind.CARD_BLOCKED, CardBlocked(card.id, "found\0 on the \U0001f35a\u202ecounter"))
    taken = await Ingest(database, keys_in(tmp_path), CAMPUS, Clock()).take_lines(till.tid, till.lines)
    assert taken is not None and isinstance(taken.reply, Ack)
    told = await rows_of(database, select(card_event.c.outcome).where(card_event.c.kind == Kind.CARD_BLOCKED))
    assert told == [("found  on the \U0001f35a\u202ecounter",)]


async def test_the_longest_title_fits_and_a_longer_one_is_refused_in_words(url: str, tmp_path: Path) -> None:
    async with open_desk(tmp_path, url) as desk:
        await desk.put("/terminals/till-01", {"site": SITE, "title": "\U0001f35a" * 80})
        assert (await desk.get("/terminals/till-01"))["title"] == "\U0001f35a" * 80
        refused = await desk.put("/terminals/till-01", {"site": SITE, "title": "x" * 81}, expect=422)
        assert "80 characters" in refused["detail"]
