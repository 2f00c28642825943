"""What somebody must hear of at once: the ledger against itself, and a card that shows more than it explains."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select, update

from protocol.entries import Kind, Reason
from protocol.instants import DAY_MS, HOUR_MS, UtcMs
from protocol.money import Cents
from server import tables
from server.ledger.accounts import AccountKind
from tests.server.desk import let_change, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, loaded_card, send
from tests.server.test_holes import sell
from tests.server.world import CAMPUS, NOON, SITE, Plastic, Till

TODAY = CAMPUS.business_day(NOON)
CASES = select(tables.case_file.c.cls, tables.case_file.c.card).where(tables.case_file.c.closed_at == 0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def proven(desk: Desk) -> Any:
    """The kept proof of the day, the night after."""
    return await desk.post(f"/days/{TODAY}/proof?dry=false")


def alarms_in(proof: Any) -> list[tuple[str, int | None, int]]:
    return [
        (found["cls"], found["card"], found["amount"])
        for found in proof["findings"]
        if found["cls"] in ("ledger_broken", "card_above_ledger")
    ]


async def test_the_night_proves_its_own_ledger(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    sent = len(till.lines)
    sell(till, card, 100)
    await send(desk, till, sent)
    desk.clock.pass_ms(DAY_MS)
    assert (await desk.post(f"/days/{TODAY}/proof"))["unexplained_cents"] == 0
    posting = tables.posting.c
    async with desk.house.database.writing() as connection:
        await let_change(connection, "posting")
        merchant = posting.account_kind == AccountKind.MERCHANT
        await connection.execute(update(tables.posting).where(merchant).values(cents=150))
    dry = await desk.post(f"/days/{TODAY}/proof")
    assert alarms_in(dry) == [("ledger_broken", None, 50)]
    assert await rows_of(desk.house.database, CASES) == []
    async with desk.house.database.writing() as connection:
        debit = (posting.account_kind == AccountKind.PURSE, posting.cents == -100)
        await connection.execute(update(tables.posting).where(*debit).values(cents=-90))
    proof = await proven(desk)
    assert alarms_in(proof) == [("ledger_broken", None, 60), ("ledger_broken", card.id.no, 10)]
    assert proof["unexplained_cents"] == 70
    assert await rows_of(desk.house.database, CASES) == [("ledger_broken", None), ("ledger_broken", card.id.no)]


async def card_above_its_ledger(desk: Desk, till: Till) -> Plastic:
    """A step of the card brought 777 that no terminal can have put there; all have reported past it."""
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    sent = len(till.lines)
    sell(till, card, 10)
    card.counter, card.main = card.counter + 1, card.main + 777
    card.slots[-1] = with_members(card.slots[-1], counter=card.counter - 1, main=Cents(card.main))
    sell(till, card, 10)
    till.now = UtcMs(desk.clock() + HOUR_MS)
    till.append(Kind.DRAWER_OPENED, Reason("x"))
    desk.clock.pass_ms(DAY_MS)
    await send(desk, till, sent)
    return card


async def test_a_card_above_its_ledger_gets_no_load_until_its_case_is_solved(desk: Desk) -> None:
    card = await card_above_its_ledger(desk, Till(1))
    no = card.id.no
    await desk.post(f"/cards/{no}/loads", {"id": "request-1", "cents": 100})
    assert len(await desk.house.cards.sign_loads()) == 1
    proof = await proven(desk)
    assert alarms_in(proof) == [("card_above_ledger", no, 777)]
    assert await rows_of(desk.house.database, CASES) == [("card_above_ledger", no)]
    assert await desk.house.cards.sign_loads() == [], "what was granted before is not on the list any more"
    refused = await desk.post(f"/cards/{no}/loads", {"id": "request-2", "cents": 100}, expect=409)
    assert refused["code"] == "cannot_load"
    await desk.post(f"/cards/{no}/subsidies", {"id": "request-3", "cents": 100, "period": 1}, expect=409)
    (case,) = await desk.get("/cases?cls=card_above_ledger")
    await desk.house.upkeep.close_case(case["id"], "bob", "a station was rebuilt")
    await desk.post(f"/cards/{no}/loads", {"id": "request-2", "cents": 100})
    assert len(await desk.house.cards.sign_loads()) == 1


async def test_pending_credit_waits_while_a_card_is_in_question(desk: Desk) -> None:
    card = await card_above_its_ledger(desk, Till(1))
    await proven(desk)
    rows = [
        {"cause": "test:1", "line": line, "day": TODAY, "period_day": TODAY, "at": 1, **leg}
        for line, leg in enumerate(
            (
                {"account_kind": "vault", "owner": "", "cents": -60},
                {"account_kind": "pending", "owner": str(card.id.no), "cents": 60},
            )
        )
    ]
    async with desk.house.database.writing() as connection:
        await connection.execute(tables.posting.insert(), rows)
    assert (await desk.house.cards.run())["loads_granted"] == 0
    held = await desk.get(f"/cards/{card.id.no}")
    assert (held["pending_cents"], held["plastics"][0]["loaded_total_cents"]) == (60, 500)


async def test_a_silent_till_explains_only_what_its_site_s_limits_allow(desk: Desk) -> None:
    till, silent = Till(1), Till(2)
    await enrol(desk, till, can_load=True)
    await enrol(desk, silent)
    rules = {"rules": {"classes": [{"card_class": 1, "sale": 2_000, "day": 3_000}]}}
    await desk.put(f"/sites/{SITE}/limits", rules)
    till.now = silent.now = UtcMs(desk.clock() + 60_000)
    desk.clock.pass_ms(HOUR_MS)
    card = await loaded_card(desk, till, 45_000)
    for amount, cls in ((2_000, "silent_till"), (30_000, "gap")):
        sent = len(till.lines)
        sell(silent, card, amount)
        sell(till, card, 100)
        await send(desk, till, sent)
        dry = await desk.post(f"/days/{TODAY}/proof")
        assert (cls, -amount) in [(found["cls"], found["cents"]) for found in dry["findings"]]
