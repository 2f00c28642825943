"""The reconciliation desk over HTTP: who may, and what it says."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from protocol.instants import DAY_MS
from server.auth.rules import Operator, Role
from server.auth.service import Operators
from server.db import Database
from server.problems import answer_problems
from server.reconcile.api import router
from server.reconcile.service import Reconcile
from tests.server.desk import Clock, sqlite_url
from tests.server.test_reconcile_service import TODAY, put_lunch
from tests.server.world import CAMPUS

PEOPLE = {"finance": Operator("lin", (Role.FINANCE,)), "viewer": Operator("mei", (Role.VIEWER,))}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        _, clock = await put_lunch(database, 1)
        app = FastAPI()
        answer_problems(app)
        app.include_router(router)
        app.state.operators = Operators({sha256(name.encode()).hexdigest(): who for name, who in PEOPLE.items()})
        clock.pass_ms(DAY_MS)
        app.state.reconcile = Reconcile(database, CAMPUS, clock)
        assert isinstance(clock, Clock)
        headers = {"Authorization": "Bearer finance"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://desk", headers=headers
        ) as client:
            yield client


async def test_a_day_is_proven_dry_and_then_kept(desk: httpx.AsyncClient) -> None:
    assert (await desk.get(f"/days/{TODAY}/proof")).status_code == 404
    dry = (await desk.post(f"/days/{TODAY}/proof")).json()
    assert dry["is_dry"] and dry["unexplained_cents"] == 0 and dry["findings"]
    assert (await desk.get(f"/days/{TODAY}/proof")).status_code == 404
    kept = (await desk.post(f"/days/{TODAY}/proof?dry=false")).json()
    assert not kept["is_dry"] and kept["is_finished"] and kept["classes"] == dry["classes"]
    largest = (await desk.get(f"/days/{TODAY}/proof?limit=1")).json()["findings"]
    rest = (await desk.get(f"/days/{TODAY}/proof?after={largest[0]['key']}")).json()["findings"]
    assert largest + rest == kept["findings"]
    early = await desk.post(f"/days/{TODAY + 1}/proof?dry=false")
    assert (early.status_code, early.json()["code"]) == (409, "day_not_over")
    forks = (await desk.get(f"/days/{TODAY}/proof?cls=fork")).json()
    assert {found["cls"] for found in forks["findings"]} <= {"fork"}


async def test_only_finance_proves_and_closes(desk: httpx.AsyncClient) -> None:
    viewer = {"Authorization": "Bearer viewer"}
    assert (await desk.post(f"/days/{TODAY}/proof", headers=viewer)).status_code == 403
    assert (await desk.get(f"/days/{TODAY}", headers=viewer)).status_code == 200
    refused = await desk.post(f"/days/{TODAY + 1}/close")
    assert (refused.status_code, refused.json()["code"]) == (409, "day_not_over")
    closed = await desk.post(f"/days/{TODAY - 1}/close")
    assert closed.status_code == 200 and closed.json()["revision"] == 1


async def test_the_float_is_set_against_documents(desk: httpx.AsyncClient) -> None:
    owed = (await desk.get(f"/days/{TODAY}/float")).json()
    assert owed["unexplained_cents"] == 0 and not owed["holds"]
    for line in owed["lines"]:
        said = {"cents": line["booked_cents"], "document": "count"}
        url = f"/days/{TODAY}/documents/{line['account_kind']}"
        assert (await desk.put(url, params={"owner": line["owner"]}, json=said)).status_code == 200
    assert (await desk.get(f"/days/{TODAY}/float")).json()["holds"]
    wrong = await desk.put(f"/days/{TODAY}/documents/purse", json={"cents": 1, "document": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_ours")
