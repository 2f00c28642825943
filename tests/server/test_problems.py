"""Whatever fails, the answer is problem JSON; who may do what is the role's word; an id is used for one thing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.world import CAMPUS


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ZeroDivisionError("secret"), 500, "unexpected"),
        (PoolTimeout("secret"), 503, "database_busy"),
        (OperationalError("SELECT secret", {}, Exception("database is locked")), 503, "database_busy"),
    ],
)
async def test_what_nobody_expected_is_a_problem_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(desk.house.ledger, "trial_balance", fail)
    told = await desk.get("/ledger/trial-balance", expect=status)
    assert told["code"] == code and "secret" not in told["detail"]


async def test_a_clerk_at_the_card_desk_is_not_the_finance_office(desk: Desk) -> None:
    day = CAMPUS.business_day(desk.clock()) - 1
    (no,) = (await desk.post("/cards", {}, who="cleo", expect=201))["numbers"]
    await desk.post(f"/cards/{no}/loads", {"id": "request-1", "cents": 5}, who="cleo")
    statement = {"cents": 5, "document": "my own statement"}
    await desk.put(f"/days/{day}/documents/bank", statement, who="cleo", expect=403)
    await desk.post(f"/days/{day}/close", who="cleo", expect=403)
    await desk.post(f"/days/{day}/proof?dry=false", who="cleo", expect=403)
    await desk.delete(f"/days/{day}/documents/bank", who="cleo", expect=403)
    assert (await desk.put(f"/days/{day}/documents/bank", statement, who="bob"))["cents"] == 5
    await desk.post(f"/days/{day}/close", who="bob")


@pytest.mark.parametrize(
    ("what", "first", "second"),
    [
        ("loads", {"cents": 5}, {"cents": 5, "into": "channel", "channel": "wechat"}),
        ("subsidies", {"cents": 5, "period": 1}, {"cents": 5, "period": 9}),
        ("loads", {"cents": 5}, {"cents": 6}),
    ],
)
async def test_a_request_id_stands_for_one_whole_request(
    desk: Desk, what: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    numbers = (await desk.post("/cards", {"count": 2}, expect=201))["numbers"]
    same = [desk.post(f"/cards/{numbers[0]}/{what}", {"id": "request-1", **first}) for _ in range(2)]
    views = await asyncio.gather(*same)
    assert views[0]["pending_cents"] + views[0]["pending_subsidy_cents"] == 5 and views[0] == views[1]
    for no, form in ((numbers[0], second), (numbers[1], first)):
        told = await desk.post(f"/cards/{no}/{what}", {"id": "request-1", **form}, expect=409)
        assert told["code"] == "request_id_used"


async def test_the_document_says_what_kind_of_answer_a_problem_is(desk: Desk) -> None:
    document = (await desk.client.get("/openapi.json")).json()
    described = [
        set(answer["content"])
        for path in document["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if status in ("4XX", "5XX")
    ]
    assert described and all(kinds == {"application/problem+json"} for kinds in described)
    assert (await desk.client.get("/openapi.json")).json() == document
