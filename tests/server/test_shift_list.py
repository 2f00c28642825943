"""What is known of shifts, of the journals and of the books: the two are set beside each other and add up."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS
from protocol.money import Cents
from server.errors import NotFound
from server.shifts.rules import DrawerBooks, drawer_books, sums_of
from server.shifts.service import Shifts
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

TODAY = CAMPUS.business_day(NOON)
WHY = {"reason": "till is broken", "evidence": "protocol 7"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def shifts_of(desk: Desk) -> Shifts:
    return Shifts(desk.house.database)


def opened(till: Till, number: int, cents: int, at: int = 0) -> None:
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(number), Cents(cents)), at=at or None)
    till.shift = ShiftNo(number)


def sold(till: Till, cents: int) -> None:
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(cents)))


def counted(till: Till, number: int, cents: int, at: int = 0) -> None:
    body = ShiftClosed(ShiftNo(number), counted=Cents(cents), expected=Cents(0), sales=1, sales_cents=Cents(700))
    till.append(Kind.SHIFT_CLOSED, body, at=at or None)


async def test_a_day_s_shifts_say_what_the_books_expected_whatever_the_till_says(desk: Desk) -> None:
    till, other = Till(1), Till(2)
    for one in (till, other):
        await enrol(desk, one)
    opened(till, 1, 10_000)
    sold(till, 700)
    counted(till, 1, 10_200)
    opened(other, 1, 5_000)
    await send(desk, till)
    await send(desk, other)
    first, second = await shifts_of(desk).on(TODAY)
    assert (first.tid, first.number, first.is_open) == (till.tid, 1, False)
    assert (first.counted_cents, first.expected_cents, first.difference_cents) == (10_200, 10_700, -500)
    assert (second.is_open, second.counted_cents, second.expected_cents) == (True, None, 5_000)
    sums = sums_of([first, second])
    assert sums.counted_cents == sums.expected_cents + sums.difference_cents == 10_200
    assert (sums.sales, sums.sales_cents) == (1, 700), "of the terminals' own totals"
    assert [shift.tid for shift in await shifts_of(desk).on(TODAY, other.tid)] == [other.tid]
    assert [shift.tid for shift in await shifts_of(desk).open_ones()] == [other.tid]
    assert await shifts_of(desk).open_ones(till.tid) == []


async def test_a_shift_over_midnight_is_whole_on_both_days(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    opened(till, 1, 1_000)
    await send(desk, till)
    desk.clock.pass_ms(DAY_MS)
    counted(till, 1, 1_000, at=NOON + DAY_MS)
    await send(desk, till, 1)
    for day in (TODAY, TODAY + 1):
        (shift,) = await shifts_of(desk).on(day)  # type: ignore[arg-type]
        assert shift.opened is not None and shift.closed is not None and shift.counted_cents == 1_000


async def test_a_second_count_is_told_and_changes_nothing(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    opened(till, 1, 1_000)
    counted(till, 1, 900)
    counted(till, 1, 1_000)
    await send(desk, till)
    (shift,) = await shifts_of(desk).on(TODAY)
    assert (shift.counted_cents, shift.difference_cents) == (900, -100)
    assert [told.waits for told in shift.again] == ["the drawer of this shift was counted before"]
    whole = await shifts_of(desk).one(till.tid, till.tno, ShiftNo(1), 1)
    assert (whole.shift, whole.drawer) == (shift, DrawerBooks(1_000, 0, 0, 1_000))


async def test_a_drawer_that_two_people_counted_names_them(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    opened(till, 1, 1_000)
    sold(till, 250)
    await send(desk, till)
    assert (await shifts_of(desk).one(till.tid, till.tno, ShiftNo(1))).drawer == DrawerBooks(1_000, 250, 0, 0)
    form = {"id": "drawer-1-1", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 1_300, **WHY}
    for path, body in ((f"/terminals/{till.tid}/declare-lost", None), ("/ledger/counts", form)):
        await desk.post(path, body, who="bob", expect=202)
        await desk.post(path, body, who="ann")
    whole = await shifts_of(desk).one(till.tid, till.tno, ShiftNo(1))
    assert whole.shift.by_people is not None
    assert (whole.shift.by_people.proposed_by, whole.shift.by_people.by) == ("bob", "ann")
    assert (whole.shift.counted_cents, whole.shift.expected_cents) == (1_300, 1_250)
    assert (whole.shift.difference_cents, whole.drawer) == (50, DrawerBooks(1_000, 250, 0, 1_250))


async def test_of_an_unknown_shift_nothing_is_made_up(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for tid, tno in ((till.tid, till.tno), (till.tid, 999), ("till-99", till.tno)):
        with pytest.raises(NotFound):
            await shifts_of(desk).one(tid, tno, ShiftNo(3))  # type: ignore[arg-type]


def test_a_drawer_s_books_add_up() -> None:
    legs = [("entry:1.0.1", -500), ("entry:1.0.2", -200), ("entry:1.0.4", 50), ("entry:1.0.9", 650)]
    books = drawer_books(legs, "entry:1.0.1", "entry:1.0.9")
    assert books == DrawerBooks(500, 200, 50, 650) and books.in_it == 0
