"""A drawer, a count and a bank's statement that differ from the books are each a case, until they differ no more."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo, StaffId
from protocol.instants import DAY_MS, MINUTE_MS
from protocol.money import Cents
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

TODAY = CAMPUS.business_day(NOON)
VAULT = f"/days/{TODAY}/documents/vault"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    is_small = request.param == "sqlite"
    name = f"counted_{abs(hash(request.node.name))}"
    url = "" if is_small else new_database(request.getfixturevalue("cluster"), name)
    async with open_desk(tmp_path, url) as desk:
        yield desk


async def drawer(desk: Desk, number: int, staff: str, counted: int) -> Till:
    """A shift that began with 10.00 and sold for 2.50."""
    till = Till(number)
    till.staff = StaffId(staff)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(1_000)))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(250)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), Cents(counted), Cents(1_250)))
    await send(desk, till)
    return till


async def night(desk: Desk) -> None:
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()


async def cases(desk: Desk, cls: str = "shift_difference", *, still_open: bool = True) -> list[dict[str, Any]]:
    found = await desk.get(f"/cases?cls={cls}&still_open={str(still_open).lower()}", who="bob")
    return sorted(found, key=lambda case: case["id"])


async def test_too_much_in_one_drawer_and_too_little_in_another_are_two_cases(desk: Desk) -> None:
    much, little = await drawer(desk, 1, "wang", 1_750), await drawer(desk, 2, "zhao", 750)
    await night(desk)
    found = {case["about"]: case for case in await cases(desk)}
    assert {about: case["cents"] for about, case in found.items()} == {
        f"drawer:till-01/{much.tno}/1": 500,
        f"drawer:till-02/{little.tno}/1": -500,
    }
    case = found[f"drawer:till-02/{little.tno}/1"]
    assert (case["tno"], case["branch"], case["seq"]) == (little.tno, 0, 3)
    assert case["text"] == "shift 1: zhao at till-02 counted 7.50 where the books expected 12.50: 5.00 too little"
    assert "wang at till-01 counted 17.50" in found[f"drawer:till-01/{much.tno}/1"]["text"]
    proof = await desk.get(f"/days/{TODAY}/proof?cls=shift_difference")
    total = next(one for one in proof["classes"] if one["cls"] == "shift_difference")
    vault = -500  # that nobody has counted
    assert (total["amount"], total["above"], total["below"]) == (vault, 500, vault - 500)
    await night(desk)
    assert len(await cases(desk)) == 2, "the same one is opened once"


async def test_a_drawer_that_is_right_is_no_case(desk: Desk) -> None:
    await drawer(desk, 1, "wang", 1_250)
    await night(desk)
    assert await cases(desk, still_open=False) == []


async def test_late_cash_changes_the_case_and_may_end_it(desk: Desk) -> None:
    till = await drawer(desk, 1, "wang", 1_950)
    await night(desk)
    for cents, left in ((300, 400), (400, 0)):
        desk.clock.pass_ms(MINUTE_MS)
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(cents)))
        await send(desk, till, len(till.chain) - 1)
        await night(desk)
        assert [case["cents"] for case in await cases(desk)] == [left][: 1 if left else 0]
    (case,) = await cases(desk, still_open=False)
    assert (case["closed_by"], case["outcome"]) == ("server", "it differs from the books no more")


async def test_a_closed_case_is_opened_again_for_another_difference_only(desk: Desk) -> None:
    till = await drawer(desk, 1, "wang", 1_950)
    await night(desk)
    (case,) = await cases(desk)
    await desk.post(f"/cases/{case['id']}/close", {"outcome": "wang pays it"}, who="bob", expect=204)
    desk.clock.pass_ms(MINUTE_MS)
    await desk.put(VAULT, {"cents": 0, "document": "count"}, who="bob")
    await night(desk)
    assert await cases(desk) == [case for case in await cases(desk) if case["about"] == f"{TODAY}/vault:"]
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(300)))
    desk.clock.pass_ms(MINUTE_MS)
    await send(desk, till, len(till.chain) - 1)
    await night(desk)
    assert [(one["about"], one["cents"]) for one in await cases(desk)][-1] == (f"drawer:till-01/{till.tno}/1", 400)


async def test_a_drawer_that_two_people_counted_names_no_cashier(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(1_000)))
    await send(desk, till)
    for who, expect in (("ann", 202), ("bob", 200)):
        await desk.post(f"/terminals/{till.tid}/declare-lost", who=who, expect=expect)
    form = {"id": "count-0001", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 900}
    form |= {"reason": "the till burned", "evidence": "slip 7"}
    for who, expect in (("ann", 202), ("bob", 200)):
        await desk.post("/ledger/counts", form, who=who, expect=expect)
    await night(desk)
    (case,) = await cases(desk)
    assert (case["cents"], case["seq"]) == (-100, 0)
    assert case["text"] == "shift 1: in the drawer of till-01 is 1.00 too little"


async def test_a_statement_that_differs_is_a_case_until_it_is_right(desk: Desk) -> None:
    """What nobody has told of yet is none: it comes in the morning."""
    await drawer(desk, 1, "wang", 1_250)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert await cases(desk) == []
    for number, (cents, text) in enumerate(((200, "'count 7' says 2.00, the books say 2.50"), (250, ""))):
        desk.clock.pass_ms(MINUTE_MS)
        await desk.put(VAULT, {"cents": cents, "document": f"count {7 + number}"}, who="bob")
        await desk.post(f"/days/{TODAY}/proof?dry=false", who="bob")
        found = [(case["about"], case["cents"], case["text"]) for case in await cases(desk)]
        assert found == [(f"{TODAY}/vault:", -50, f"vault: {text}")][: 1 if text else 0]
    (case,) = await cases(desk, still_open=False)
    assert case["closed_by"] == "server"
    desk.clock.pass_ms(MINUTE_MS)
    await desk.put(f"/days/{TODAY}/documents/bank", {"cents": 90, "document": "statement"}, who="bob")
    await desk.post(f"/days/{TODAY}/proof?dry=false", who="bob")
    (case,) = await cases(desk, "provider_difference")
    assert (case["cents"], case["text"]) == (90, "bank: 'statement' says 0.90, the books say 0.00")


async def test_a_difference_that_comes_back_after_it_was_gone_is_a_case_again(desk: Desk) -> None:
    """Somebody corrects a document by mistake and puts the true one back."""
    await drawer(desk, 1, "wang", 1_250)
    desk.clock.pass_ms(DAY_MS)
    for number, (cents, open_cents) in enumerate(((200, [-50]), (250, []), (200, [-50]))):
        desk.clock.pass_ms(MINUTE_MS)
        await desk.put(VAULT, {"cents": cents, "document": f"count {number}"}, who="bob")
        await desk.post(f"/days/{TODAY}/proof?dry=false", who="bob")
        assert [case["cents"] for case in await cases(desk)] == open_cents
