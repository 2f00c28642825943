"""What others say about the end of a day: about what there is, answered, withdrawn, final once the day is closed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS, MINUTE_MS
from protocol.money import Cents
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

TODAY = CAMPUS.business_day(NOON)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def put(desk: Desk, kind: str, cents: int, owner: str = "", *, day: int = TODAY, expect: int = 200) -> Any:
    form = {"cents": cents, "document": "statement 8"}
    return await desk.put(f"/days/{day}/documents/{kind}?owner={owner}", form, who="bob", expect=expect)


async def withdraw(desk: Desk, kind: str, owner: str = "", expect: int = 204) -> Any:
    return await desk.delete(f"/days/{TODAY}/documents/{kind}?owner={owner}", who="bob", expect=expect)


async def lines(desk: Desk) -> dict[str, tuple[int, str]]:
    found = (await desk.get(f"/days/{TODAY}/float"))["lines"]
    return {f"{line['account_kind']}:{line['owner']}": (line["documented_cents"], line["standing"]) for line in found}


async def wechat(desk: Desk) -> None:
    """Something was taken in over a channel."""
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    form = {"id": "request-1", "cents": 500, "into": "channel", "channel": "wechat"}
    await desk.post(f"/cards/{no}/loads", form)


async def test_what_is_kept_is_answered(desk: Desk) -> None:
    await wechat(desk)
    assert await put(desk, "bank", -70) == {
        "day": TODAY, "account_kind": "bank", "owner": "", "cents": -70, "document": "statement 8",
        "at": desk.clock(),
    }  # fmt: skip
    assert (await put(desk, "clearing", 500, "wechat"))["owner"] == "wechat"
    assert (await put(desk, "provider", 0, "wechat"))["owner"] == "wechat"
    assert (await lines(desk))["clearing:wechat"] == (500, "proven")


async def test_an_owner_that_does_not_exist_is_refused_with_those_that_do(desk: Desk) -> None:
    told = await put(desk, "clearing", 5, "wechta", expect=404)
    assert (told["code"], "there is none yet" in told["detail"]) == ("no_such_account", True)
    await wechat(desk)
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    till.shift = ShiftNo(2)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(2), Cents(0)))
    await send(desk, till)
    for kind, owner, named in (
        ("clearing", "wechta", "wechat"), ("provider", "x", "wechat"), ("drawer", "till-01", f"till-01/{till.tno}/1"),
        ("drawer", f"till-01/{till.tno}/3", f"till-01/{till.tno}/1"), ("drawer", "x/y/z", f"till-01/{till.tno}/1"),
    ):  # fmt: skip
        told = await put(desk, kind, 5, owner, expect=404)
        assert told["code"] == "no_such_account" and f"there are: {named}" in told["detail"]
    for kind, owner, said in (
        ("clearing", "", "there are: wechat"), ("drawer", "", "?owner="), ("vault", "wechat", "leave out owner"),
        ("bank", "icbc", "leave out owner"),
    ):  # fmt: skip
        told = await put(desk, kind, 5, owner, expect=422)
        assert told["code"] == "wrong_owner" and said in told["detail"]
    assert "bank, clearing, drawer, provider, vault" in (await put(desk, "purse", 5, expect=422))["detail"]
    await put(desk, "drawer", 70, f"till-01/{till.tno}/1")
    assert await put(desk, "drawer", 0, f"till-01/{till.tno}/2"), "a shift whose drawer is empty"
    assert (await put(desk, "bank", 5, day=TODAY + 1, expect=409))["code"] == "day_not_begun"


async def test_many_owners_are_not_all_named(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for number in range(1, 25):
        till.shift = ShiftNo(number)
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    await send(desk, till)
    detail = (await put(desk, "drawer", 5, "x", expect=404))["detail"]
    assert detail.count("till-01/") == 20 and detail.endswith(" and others")


async def test_what_was_withdrawn_is_said_no_more_and_the_day_is_proven_again(desk: Desk) -> None:
    assert (await withdraw(desk, "bank", expect=404))["code"] == "no_such_document"
    await put(desk, "bank", 90)
    desk.clock.pass_ms(DAY_MS)
    await desk.house.nightly.run_if_due()
    assert [case["about"] for case in await desk.get("/cases")] == [f"{TODAY}/bank:"]
    desk.clock.pass_ms(MINUTE_MS)
    await withdraw(desk, "bank")
    assert "bank:" not in await lines(desk)
    assert (await withdraw(desk, "bank", expect=404))["code"] == "no_such_document"
    proof = await desk.post(f"/days/{TODAY}/proof?dry=false", who="bob")
    assert (proof["number"], proof["lines"], await desk.get("/cases")) == (2, [], [])
    assert (await withdraw(desk, "purse", expect=422))["code"] == "not_ours"


async def test_what_was_said_about_a_closed_day_stands(desk: Desk) -> None:
    """What nobody had said by then may still come: the day is proven again with it."""
    await put(desk, "bank", 90)
    await put(desk, "bank", 80)
    desk.clock.pass_ms(DAY_MS)
    await desk.post(f"/days/{TODAY}/close", who="bob")
    for refused in (await put(desk, "bank", 0, expect=409), await withdraw(desk, "bank", expect=409)):
        assert refused["code"] == "day_closed"
    assert (await lines(desk))["bank:"] == (80, "differs")
    await put(desk, "vault", 5)
    assert (await put(desk, "vault", 6, expect=409))["code"] == "day_closed"
    assert (await lines(desk))["vault:"] == (5, "differs")
