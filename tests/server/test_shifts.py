"""A drawer is counted once, against what the books have in it, whatever a terminal says it expected."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS
from protocol.money import Cents
from server import tables
from server.ingest.posting import post_entry
from server.ledger.accounts import AccountKind
from server.reconcile.rows import rows_of as facts_of
from server.reconcile.rules import prove_campus
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_ingest_posting import balance, book_for
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

SHIFT = ShiftNo(1)
FAR = 2**53 - 1


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


def opened(till: Till, cents: int = 0) -> None:
    till.append(Kind.SHIFT_OPENED, ShiftOpened(SHIFT, Cents(cents)))


def sold(till: Till, cents: int) -> None:
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(cents)))


def counted(till: Till, cents: int, expected: int = 0) -> None:
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(SHIFT, counted=Cents(cents), expected=Cents(expected)))


async def kinds(desk: Desk) -> Any:
    return {kind: cents for kind, cents in (await desk.get("/ledger/trial-balance"))["cents_by_kind"].items() if cents}


async def parked(desk: Desk, till: Till) -> list[str]:
    return [row["why"] for row in await desk.get(f"/terminals/{till.tid}/parked")]


async def load_into_drawer(desk: Desk, till: Till, expect: int = 200) -> Any:
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    form = {
        "id": f"request-{no}",
        "cents": 500,
        "into": "drawer",
        "drawer": {"tid": till.tid, "tno": till.tno, "shift": SHIFT},
    }
    return await desk.post(f"/cards/{no}/loads", form, expect=expect)


async def test_cash_of_the_desk_in_a_drawer_is_counted_once(desk: Desk) -> None:
    """The terminal does not know of it and expects nothing; the books do."""
    till = Till(1)
    await enrol(desk, till)
    opened(till)
    await send(desk, till)
    await load_into_drawer(desk, till)
    counted(till, 500)
    await send(desk, till, 1)
    assert await kinds(desk) == {"vault": -500, "pending": 500}
    proof = await desk.post(f"/days/{CAMPUS.business_day(NOON)}/proof")
    assert not [found for found in proof["findings"] if found["text"].startswith("shift")]


async def test_the_desk_puts_cash_into_an_open_drawer_only(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    assert (await load_into_drawer(desk, till, expect=409))["code"] == "shift_not_open"
    opened(till)
    counted(till, 0)
    await send(desk, till)
    assert (await load_into_drawer(desk, till, expect=409))["code"] == "shift_not_open"
    assert await kinds(desk) == {}


async def test_a_drawer_that_is_counted_twice_is_handed_in_once(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    opened(till, 100)
    sold(till, 500)
    counted(till, 590, 600)
    counted(till, 590, 600)
    await send(desk, till)
    assert await kinds(desk) == {"vault": -490, "merchant": 500, "operator_loss": -10}
    assert await rows_of(
        desk.house.database, select(tables.entry.c.seq, tables.entry.c.parked).where(tables.entry.c.parked != "")
    ) == [(4, "the drawer of this shift was counted before")]


@pytest.mark.parametrize("expected", [FAR, -FAR])
async def test_totals_that_no_drawer_has_are_parked_and_every_page_answers(desk: Desk, expected: int) -> None:
    till = Till(1)
    await enrol(desk, till)
    for number in (1, 2):
        body = ShiftClosed(ShiftNo(number), counted=Cents(0), expected=Cents(expected))
        till.append(Kind.SHIFT_CLOSED, body)
    await send(desk, till)
    assert await parked(desk, till) == ["inconsistent: no drawer has such totals"] * 2
    day = CAMPUS.business_day(NOON)
    for path in ("/ledger/trial-balance", "/ledger/accounts/operator_loss", f"/days/{day}", f"/days/{day}/float"):
        await desk.get(path)


async def test_pages_show_sums_of_any_size(desk: Desk) -> None:
    async with desk.house.database.writing() as connection:
        for line, cents in enumerate([FAR, FAR, -FAR, -FAR]):
            kind = "vault" if cents > 0 else "operator_loss"
            leg = {"cause": "x", "line": line, "day": 1, "period_day": 1, "account_kind": kind, "owner": "", "at": 1}
            await connection.execute(tables.posting.insert().values(cents=cents, **leg))
    assert (await desk.get("/ledger/trial-balance"))["held_cents"] == -2 * FAR
    assert (await desk.get("/ledger/accounts/vault"))[0]["cents"] == 2 * FAR


@pytest.mark.parametrize("late", [False, True])
def test_cash_sold_before_the_count_comes_to_the_same_whenever_its_entry_arrives(late: bool) -> None:
    """A hole is found after the count: what was counted held that cash already."""
    till = Till(1)
    opened(till)
    sold(till, 300)
    counted(till, 300)
    book = book_for(till)
    chain, day = book.chains[till.tno], CAMPUS.business_day(NOON)
    for index in (0, 2, 1) if late else (0, 1, 2):
        assert post_entry(book, chain, 0, till.chain[index].entry, day) == ""
    found = [balance(book, kind) for kind in (AccountKind.VAULT, AccountKind.MERCHANT, AccountKind.OPERATOR_LOSS)]
    assert found == [-300, 300, 0] and balance(book, AccountKind.DRAWER) == 0
    assert prove_campus(facts_of(book)[1]) == []


async def test_a_drawer_is_listed_again_when_cash_of_its_shift_is_told_late(desk: Desk) -> None:
    """What the first night took for a surplus was a sale; what the cashier is wrong by stays."""
    till = Till(1)
    await enrol(desk, till)
    opened(till)
    counted(till, 290)
    await send(desk, till)
    assert await differences(desk, 0) == [(290, ["entry:1.0.2"])]
    sold(till, 300)
    desk.clock.pass_ms(1_000)
    await send(desk, till, 2)
    assert await differences(desk, 1) == [(-10, ["entry:1.0.2", "entry:1.0.3"])]
    assert await differences(desk, 2) == []


async def differences(desk: Desk, day: int) -> list[tuple[int, list[str]]]:
    """What the next night finds of drawers, and by which causes."""
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    proof = await desk.get(f"/days/{CAMPUS.business_day(NOON) + day}/proof?cls=shift_difference")
    return [(found["amount"], found["causes"]) for found in proof["findings"] if found["terminals"]]


@pytest.mark.parametrize("first", [0, 1])
def test_each_epoch_of_a_terminal_counts_its_own_drawers(first: int) -> None:
    """Both call their shift 1; whichever reports first."""
    epochs = [Till(1, epoch=1), Till(1, epoch=2)]
    book = book_for(*epochs)
    for till, cents in zip(epochs, (300, 700), strict=True):
        opened(till)
        sold(till, cents)
        counted(till, cents)
    ordered = epochs[first], epochs[1 - first]
    for index, till in ((0, ordered[0]), (1, ordered[0]), (0, ordered[1]), (1, ordered[1]), (2, ordered[0])):
        post_entry(book, book.chains[till.tno], 0, till.chain[index].entry, CAMPUS.business_day(NOON))
    assert balance(book, AccountKind.OPERATOR_LOSS) == 0
    assert balance(book, AccountKind.DRAWER) == -(300, 700)[1 - first]
