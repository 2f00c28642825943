"""Business days in a list: each with its newest proof, and whether something came later."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS, BusinessDay
from protocol.money import Cents
from server.reconcile.days import Days, DayState
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import MERCHANT, Till


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def listed(desk: Desk, last: int | None = None, limit: int = 31) -> list[DayState]:
    days: Days = desk.house.app.state.days
    return await days.page(None if last is None else BusinessDay(last), limit)


async def short_by_50(desk: Desk) -> int:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    till.shift = ShiftNo(1)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(650)))
    await send(desk, till)
    days: Days = desk.house.app.state.days
    return days.today


async def test_before_anything_there_is_today(desk: Desk) -> None:
    (today,) = await listed(desk)
    assert (today.is_over, today.closed_at, today.proof, today.is_outdated) == (False, 0, None, False)


async def test_a_day_is_proven_documented_and_closed(desk: Desk) -> None:
    day = await short_by_50(desk)
    desk.clock.pass_ms(2 * DAY_MS)
    assert [(one.day, one.is_over) for one in await listed(desk)] == [
        (day + 2, False),
        (day + 1, True),
        (day, True),
    ]
    await desk.post(f"/days/{day}/proof?dry=false")
    state = (await listed(desk))[-1]
    assert state.proof is not None and state.proof.is_finished and not state.is_outdated
    assert (state.proof.findings, state.proof.amount_cents, state.proof.unexplained_cents) == (2, 50 + 650, 0)
    desk.clock.pass_ms(1_000)
    await desk.put(f"/days/{day}/documents/vault", {"cents": 650, "document": "count"})
    assert (await listed(desk))[-1].is_outdated
    await desk.post(f"/days/{day}/proof?dry=false")
    state = (await listed(desk))[-1]
    assert state.proof is not None and (state.proof.number, state.proof.findings) == (2, 1)
    assert not state.is_outdated
    days: Days = desk.house.app.state.days
    assert [one.number for one in await days.proofs(BusinessDay(day))] == [2, 1]
    await desk.post(f"/days/{day + 1}/close")
    assert [bool(one.closed_at) for one in await listed(desk)] == [False, True, True]


async def test_pages_of_days_end_at_the_first(desk: Desk) -> None:
    day = await short_by_50(desk)
    desk.clock.pass_ms(10 * DAY_MS)
    assert [one.day for one in await listed(desk, limit=4)] == [day + 10, day + 9, day + 8, day + 7]
    assert [one.day for one in await listed(desk, day + 6, limit=4)] == [day + 6, day + 5, day + 4, day + 3]
    assert [one.day for one in await listed(desk, day + 2, limit=4)] == [day + 2, day + 1, day]
    assert [one.day for one in await listed(desk, day + 99, limit=2)] == [day + 10, day + 9], "none lies ahead"
    assert await listed(desk, day - 1, limit=4) == []
