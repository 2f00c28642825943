"""Two clerks have the same number before them at once: whoever comes second sees what the first one did."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, or_, select, text

from protocol.ids import CardNo
from server import tables
from server.db import Database
from server.ledger.accounts import AccountKind
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres

pytestmark = pytest.mark.integration

_numbers = count()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture
async def desk(cluster: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, new_database(cluster, f"clerks{next(_numbers)}")) as desk:
        yield desk


async def new_card(desk: Desk, cents: int) -> CardNo:
    """A card whose purse holds so much."""
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    legs = [{"kind": "operator_loss", "cents": -cents}, {"kind": "purse", "owner": f"{no}/1", "cents": cents}]
    form = {"id": f"purse-of-{no}", "legs": legs, "reason": "what it had", "evidence": "note 1"}
    await desk.post("/ledger/corrections", form, expect=202)
    await desk.post("/ledger/corrections", form, who="bob")
    return CardNo(no)


async def one_after_another(desk: Desk, no: CardNo, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Have all of them wait for the plastics of a number, and go on in this order."""
    tasks: list[asyncio.Task[Any]] = []
    async with desk.house.database.writing() as connection:
        await connection.execute(select(tables.card).where(tables.card.c.card == no).with_for_update())
        for work in works:
            tasks.append(asyncio.create_task(work))
            await waiting(desk.house.database, len(tasks))
    return await asyncio.gather(*tasks)


async def waiting(database: Database, many: int) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while True:
        async with database.reading() as connection:
            if await connection.scalar(query) == many:
                return
        await asyncio.sleep(0.01)


async def ask(desk: Desk, path: str, form: Any = None, who: str = "cleo") -> tuple[int, Any]:
    answer = await desk.client.post(f"/api/1{path}", json=form, headers={"Authorization": f"Bearer {who}-token"})
    return answer.status_code, answer.json() if answer.content else None


async def owed(desk: Desk, no: CardNo) -> tuple[int, int]:
    """What the holder is still to get, and what the newest plastic may collect."""
    holding = await desk.get(f"/cards/{no}")
    newest = holding["plastics"][-1]
    return holding["pending_cents"], newest["loaded_total_cents"] - newest["collected_cents"]


async def test_what_a_replacement_promises_its_new_plastic_is_not_paid_out_as_well(desk: Desk) -> None:
    no = await new_card(desk, 1_000)
    replaced, paid = await one_after_another(
        desk,
        no,
        ask(desk, f"/cards/{no}/replace"),
        ask(desk, f"/cards/{no}/payouts", {"id": "payout-01", "cents": 1_000}),
    )
    assert replaced[0] in (200, 201), replaced
    assert paid[0] == 409 and paid[1]["code"] == "not_free", paid
    assert await owed(desk, no) == (1_000, 1_000)
    await assert_balances_are_sums(desk.house.database)


WORKS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "load": ("loads", {"cents": 300}),
    "replace": ("replace", None),
    "close": ("close", {"card_cents": 1_000}),
    "pay out": ("payouts", {"cents": 200}),
    "subsidise": ("subsidies", {"cents": 150, "period": 3}),
}
PAIRS = [(one, two) for one in WORKS for two in WORKS]


async def test_no_two_works_at_once_promise_or_pay_the_same_cent(desk: Desk) -> None:
    for one, two in PAIRS:
        no = await new_card(desk, 1_000)
        asked = [request(desk, no, work, f"{no}-request-{place}") for place, work in enumerate((one, two))]
        answers = await one_after_another(desk, no, *asked)
        assert {status for status, _ in answers} <= {200, 409}, (one, two, answers)
        holding = await desk.get(f"/cards/{no}")
        plastics, pending = holding["plastics"], holding["pending_cents"]
        promised = sum(p["loaded_total_cents"] - p["collected_cents"] for p in plastics if p["status"] == "active")
        assert pending >= promised, (one, two, holding)
        done = [work for (status, _), work in zip(answers, (one, two), strict=True) if status == 200]
        loaded = 300 * done.count("load")
        in_purses = sum(p["main_cents"] for p in plastics)
        assert in_purses + pending + await paid_out(desk, no) == 1_000 + loaded, (one, two, holding)
    await assert_balances_are_sums(desk.house.database)


def request(desk: Desk, no: CardNo, work: str, name: str) -> Coroutine[Any, Any, tuple[int, Any]]:
    path, form = WORKS[work]
    return ask(desk, f"/cards/{no}/{path}", {"id": name, **form} if form and "card_cents" not in form else form)


async def paid_out(desk: Desk, no: CardNo) -> int:
    """Cash that was paid to the holder of a number."""
    posting = tables.posting.c
    causes = or_(
        posting.cause.startswith(f"payout:{no}-"), posting.cause == f"close:{no}/1", posting.cause == f"close:{no}/2"
    )
    query = select(func.coalesce(func.sum(posting.cents), 0)).where(causes, posting.account_kind == AccountKind.VAULT)
    ((cents,),) = await rows_of(desk.house.database, query)
    return int(cents)
