"""The night: every day that is over is proven once, also after nights without a server, and anew if it changed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from protocol.entries import CashSale, Kind, ShiftClosed
from protocol.ids import CardNo, Generation, ShiftNo
from protocol.instants import DAY_MS, HOUR_MS, BusinessDay, UtcMs
from protocol.money import Cents
from server import nightly
from server.reconcile.service import Progress
from server.reconcile.tables import reconciliation
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

TODAY = CAMPUS.business_day(NOON)
PROOFS = select(reconciliation.c.day, reconciliation.c.number, reconciliation.c.finished_at > 0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def proofs(desk: Desk) -> list[tuple[int, int]]:
    """The days that were proven, as days after the first, and how often."""
    rows = await rows_of(desk.house.database, PROOFS.order_by(reconciliation.c.day))
    assert all(is_finished for *_, is_finished in rows)
    return [(day - TODAY, number) for day, number, _ in rows]


def count(till: Till, shift: int, counted: int = 5) -> None:
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(shift), counted=Cents(counted), expected=Cents(10)))


async def shifts_in(desk: Desk, day: int) -> list[str]:
    """The drawers that a day's proof lists, whatever it says of them."""
    proof = await desk.get(f"/days/{TODAY + day}/proof?cls=shift_difference")
    return sorted({found["text"].partition(":")[0] for found in proof["findings"] if found["terminals"]})


async def test_nights_without_a_server_are_made_up_for(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    desk.clock.pass_ms(4 * DAY_MS)
    assert await desk.house.nightly.run_if_due() == TODAY + 3
    assert await proofs(desk) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert await desk.house.nightly.run_if_due() is None
    desk.clock.pass_ms(2 * DAY_MS)
    assert await desk.house.nightly.run_if_due() == TODAY + 5
    assert await proofs(desk) == [(day, 1) for day in range(6)]


async def test_a_drawer_that_arrives_late_is_listed_by_the_next_proof(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    count(till, 2)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await shifts_in(desk, 0) == ["shift 1"]
    desk.clock.pass_ms(1_000)
    await send(desk, till, 1)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await shifts_in(desk, 1) == ["shift 2"]


async def test_a_late_drawer_is_listed_in_a_night_that_proves_an_older_day_again(desk: Desk) -> None:
    """The older day's new proof knows nothing of the drawers of later days."""
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    till.now = desk.clock()
    count(till, 2)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    desk.clock.pass_ms(HOUR_MS)
    await send(desk, till, 1)
    desk.clock.pass_ms(HOUR_MS)
    await desk.put(f"/days/{TODAY}/documents/vault", {"cents": 0, "document": "count 7"}, who="bob")
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await proofs(desk) == [(0, 1), (0, 2), (1, 1), (2, 1)]
    assert await shifts_in(desk, 1) == [] and await shifts_in(desk, 2) == ["shift 2"]


async def test_a_drawer_that_was_on_its_way_in_while_the_proof_looked_is_listed_by_the_next(desk: Desk) -> None:
    """What is not committed yet has its time before the proof's, and so has what a clock behind ours writes."""
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    count(till, 2)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    desk.clock.pass_ms(-5_000)
    await send(desk, till, 1)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await shifts_in(desk, 1) == ["shift 2"]


async def test_a_restated_day_is_proven_again(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    desk.clock.pass_ms(DAY_MS)
    await desk.post(f"/days/{TODAY}/close")
    await desk.house.nightly.run_if_due()
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    await send(desk, till, 1)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await proofs(desk) == [(0, 1), (0, 2), (1, 1)]
    proof = await desk.get(f"/days/{TODAY}/proof")
    assert (proof["number"], proof["revision"]) == (2, 2)
    assert (await desk.get(f"/days/{TODAY}/proof?number=1"))["revision"] == 1


async def test_an_interrupted_proof_of_an_older_day_is_finished(desk: Desk) -> None:
    values = {"day": TODAY - 5, "number": 1, "as_of": int(NOON), "run": 1, "revision": 0}
    async with desk.house.database.writing() as connection:
        await connection.execute(reconciliation.insert().values(leased_until=0, **values))
    assert await desk.house.nightly.run_if_due() == BusinessDay(TODAY - 1)
    assert await proofs(desk) == [(-5, 1), (-1, 1)]


async def test_a_night_that_breaks_off_is_finished_by_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    desk.clock.pass_ms(3 * DAY_MS)
    run = desk.house.reconcile.run

    async def broken(day: BusinessDay, told: Callable[[Progress], None]) -> object:
        if day == TODAY + 1:
            raise OSError("power cut")
        return await run(day)

    monkeypatch.setattr(desk.house.reconcile, "run", broken)
    with pytest.raises(OSError, match="power cut"):
        await desk.house.nightly.run_if_due()
    assert await proofs(desk) == [(0, 1)]
    monkeypatch.undo()
    assert await desk.house.nightly.run_if_due() == TODAY + 2
    assert await proofs(desk) == [(0, 1), (1, 1), (2, 1)]


async def test_nights_that_a_clock_ahead_has_done_too_early_are_done_again(desk: Desk) -> None:
    """A machine that has lost its clock starts in another month; no night after it is right again is left out."""
    till = Till(1)
    await enrol(desk, till)
    count(till, 1)
    await send(desk, till)
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.nightly.run_if_due() == TODAY
    desk.clock.pass_ms(30 * DAY_MS)
    assert await desk.house.nightly.run_if_due() == TODAY + 30
    desk.clock.pass_ms(-30 * DAY_MS)
    assert await desk.house.nightly.run_if_due() is None
    assert await desk.house.nightly.done_through() == TODAY
    (alarm,) = [one for one in await desk.get("/alarms") if one["kind"] == "clock_off"]
    assert f"business day {TODAY + 30}" in alarm["text"]
    assert await desk.house.nightly.run_if_due() is None and await desk.house.nightly.late(0) is None
    desk.clock.pass_ms(1_000)
    count(till, 2)
    await send(desk, till, 1)
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.nightly.late(0) == TODAY + 1
    assert await desk.house.nightly.run_if_due() == TODAY + 1
    assert (await proofs(desk))[:3] == [(0, 1), (1, 1), (1, 2)]
    assert await shifts_in(desk, 1) == ["shift 2"]
    assert [head["day"] - TODAY for head in await desk.get("/tree-heads", who="uma")] == [1, 30, 0]
    assert await desk.house.nightly.run_if_due() is None
    count(till, 3)
    await send(desk, till, 2)
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.nightly.run_if_due() == TODAY + 2
    assert await shifts_in(desk, 2) == ["shift 3"]
    assert [one for one in await desk.get("/alarms") if one["kind"] == "record_changed"] == []


async def test_a_day_that_a_clock_ahead_let_somebody_close_is_opened_again(desk: Desk) -> None:
    """Without that all of a month would count in the day after it."""
    desk.clock.pass_ms(DAY_MS)
    await desk.post(f"/days/{TODAY}/close", who="bob")
    desk.clock.pass_ms(30 * DAY_MS)
    await desk.house.nightly.run_if_due()
    await desk.post(f"/days/{TODAY + 30}/close", who="bob")
    desk.clock.pass_ms(-30 * DAY_MS)
    assert await desk.house.nightly.run_if_due() is None
    (alarm,) = [one for one in await desk.get("/alarms") if one["kind"] == "clock_off" and "closed" in one["text"]]
    assert alarm["text"].endswith(f"business day {TODAY + 30} is closed and not over: POST /days/{TODAY + 1}/reopen")
    for day, code in ((TODAY, "day_is_over"), (TODAY + 31, "day_is_open")):
        told = await desk.post(f"/days/{day}/reopen", who="bob", expect=409)
        assert told["code"] == code
    assert (await desk.get(f"/days/{TODAY + 9}"))["closed_at"] > 0
    assert (await desk.post(f"/days/{TODAY + 1}/reopen", who="bob"))["closed_at"] == 0
    opened = [(await desk.get(f"/days/{TODAY + day}"))["closed_at"] > 0 for day in (-1, 0, 1, 30)]
    assert opened == [True, True, False, False], "what is over stays closed"
    till = Till(1)
    await enrol(desk, till)
    till.now = desk.clock()
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    await send(desk, till)
    settled = {line["account_kind"]: line["settled_cents"] for line in (await desk.get(f"/days/{TODAY + 1}"))["lines"]}
    assert settled == {"drawer": -70, "merchant": 70}
    desk.clock.pass_ms(DAY_MS)
    assert (await desk.post(f"/days/{TODAY + 1}/close", who="bob"))["revision"] == 1


async def test_days_that_were_closed_with_a_later_one_stay_closed_where_that_is_opened_again(desk: Desk) -> None:
    """Nobody closed them by themselves, and they are over."""
    desk.clock.pass_ms(30 * DAY_MS)
    await desk.post(f"/days/{TODAY + 29}/close", who="bob")
    desk.clock.pass_ms(-28 * DAY_MS)
    shut = (await desk.get(f"/days/{TODAY}"))["closed_at"]
    await desk.post(f"/days/{TODAY + 2}/reopen", who="bob")
    closed = [(await desk.get(f"/days/{TODAY + day}"))["closed_at"] for day in (0, 1, 2, 29)]
    assert shut > 0 and closed == [shut, shut, 0, 0]


async def test_a_clock_that_is_put_back_a_little_behind_the_night_changes_nothing(desk: Desk) -> None:
    desk.clock.now = UtcMs(CAMPUS.day_starts_at(BusinessDay(TODAY + 1)) + nightly.STARTS_AFTER_MS)
    assert await desk.house.nightly.run_if_due() == TODAY
    desk.clock.pass_ms(-nightly.STARTS_AFTER_MS)
    assert await desk.house.nightly.run_if_due() is None
    assert await desk.house.nightly.done_through() == TODAY and await desk.get("/alarms") == []


async def test_a_long_night_says_how_far_it_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nightly, "TELLS_EVERY_S", 0.0)
    told = nightly._Told(TODAY, "proven")
    with caplog.at_level("INFO"):
        told.tell(Progress(400, (CardNo(12), Generation(1))))
    assert f"business day {TODAY}: proven up to now: 400 cards, the last one is 12/1" in caplog.text
