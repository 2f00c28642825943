"""What a replaced card may still have spent where nobody has reported yet: every chain counts, by the list it holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.entries import EpochEnded, Kind, ListVersions, Reason
from protocol.ids import TerminalId
from protocol.instants import DAY_MS, HOUR_MS, UtcMs
from protocol.limits import ClassLimits, LimitRules
from protocol.policy import encode_file
from protocol.signing import to_base64url
from server.cards.rules import Report, day_limit
from server.ingest.book import TerminalStatus
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, loaded_card, send
from tests.server.test_holes import sell
from tests.server.world import NOON, SITE, Till, plastic, sale_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def limit(desk: Desk, cents: int) -> ListVersions:
    rules = {"classes": [{"card_class": 1, "day": cents}]}
    return ListVersions(limits=(await desk.put(f"/sites/{SITE}/limits", {"rules": rules}))["version"])


async def report(desk: Desk, till: Till, kind: Kind = Kind.DRAWER_OPENED) -> None:
    """The till writes something now, and it arrives a little later."""
    till.now = desk.clock()
    till.append(kind, EpochEnded("full") if kind is Kind.EPOCH_ENDED else Reason("change"))
    desk.clock.pass_ms(2_000)
    await send(desk, till, len(till.lines) - 1)


async def paid_at_once(desk: Desk, no: int) -> int:
    view = await desk.post(f"/cards/{no}/replace")
    paid: int = view["plastics"][-1]["loaded_total_cents"]
    return paid


async def test_an_old_epoch_may_still_hold_sales(desk: Desk) -> None:
    """The SD card was changed; the old one lies in a drawer with what it sold and never sent."""
    till, again = Till(1), Till(1, 2)
    await enrol(desk, till, can_load=True)
    till.lists = again.lists = await limit(desk, 1_000)
    card = await loaded_card(desk, till, 5_000)
    count = len(till.lines)
    sell(till, card, 800)
    desk.clock.pass_ms(HOUR_MS)
    await enrol(desk, again, can_load=True)
    await report(desk, again)
    assert await paid_at_once(desk, card.id.no) == 4_000
    await report(desk, again)
    assert (await desk.house.cards.run())["cards_released"] == 0
    await send(desk, till, count)
    await report(desk, till)
    await desk.house.cards.run()
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    assert (kinds["pending"], kinds.get("operator_loss", 0)) == (4_200, 0)


async def test_an_epoch_that_ended_on_purpose_holds_nothing(desk: Desk) -> None:
    till, again = Till(1), Till(1, 2)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 5_000)
    await report(desk, till, Kind.EPOCH_ENDED)
    desk.clock.pass_ms(HOUR_MS)
    await enrol(desk, again, can_load=True)
    await report(desk, again)
    desk.clock.pass_ms(-2_000)
    assert await paid_at_once(desk, card.id.no) == 5_000


async def test_an_epoch_declared_lost_delays_nobody(desk: Desk) -> None:
    """Its SD card is broken, the till goes on with a new one; two people say that the old one will not come back."""
    till, again = Till(1), Till(1, 2)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 5_000)
    sold = len(till.lines)
    sell(till, card, 800)
    desk.clock.pass_ms(HOUR_MS)
    await enrol(desk, again, can_load=True)
    await desk.post(f"/terminals/{till.tid}/epochs/3/declare-lost", expect=404)
    path = f"/terminals/{till.tid}/epochs/1/declare-lost"
    assert (await desk.post(path, expect=202))["subject"] == "till-01/1"
    await desk.post(path, who="bob")
    assert [epoch["status"] for epoch in (await desk.get(f"/terminals/{till.tid}"))["epochs"]] == ["lost", "active"]
    await report(desk, again)
    desk.clock.pass_ms(-2_000)
    assert await paid_at_once(desk, card.id.no) == 5_000
    await report(desk, again)
    assert (await desk.house.cards.run())["cards_released"] == 1
    await comes_back(desk, till, sold)


async def comes_back(desk: Desk, till: Till, sold: int) -> None:
    """What it sold is posted: its merchant is paid, and the operator bears what the holder has been paid already."""
    await send(desk, till, sold)
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    assert (kinds["merchant"], kinds["operator_loss"], kinds.get("purse", 0)) == (800, -800, 0)
    till.append(Kind.SALE_PREPARED, sale_of(plastic(1), 300))
    await send(desk, till, len(till.lines) - 1)
    desk.clock.pass_ms(HOUR_MS)
    assert (await desk.house.upkeep.run())["steps_given_up"] == 1


async def test_an_epoch_granted_in_between_is_not_meant(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/declare-lost", expect=202)
    await enrol(desk, Till(1, 2))
    assert (await desk.post(f"/terminals/{till.tid}/declare-lost", who="bob", expect=202))["by"] == "bob"
    assert {epoch["status"] for epoch in (await desk.get(f"/terminals/{till.tid}"))["epochs"]} == {"active"}


@pytest.mark.seeds
async def test_a_site_without_limits_hides_any_sum(desk: Desk) -> None:
    till, elsewhere = Till(1), Till(2)
    await enrol(desk, till, can_load=True)
    till.lists = await limit(desk, 1_000)
    await desk.put(f"/terminals/{elsewhere.tid}", {"site": "south-campus"})
    key = {"journal_key": to_base64url(elsewhere.key.public.raw)}
    await desk.post(f"/terminals/{elsewhere.tid}/epochs", key)
    card = await loaded_card(desk, till, 5_000)
    desk.clock.pass_ms(HOUR_MS)
    assert await paid_at_once(desk, card.id.no) == 0


async def test_a_silent_till_sells_by_the_limits_it_has(desk: Desk) -> None:
    """They were lowered after it was heard of last."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    till.lists = await limit(desk, 3_000)
    card = await loaded_card(desk, till, 5_000)
    await limit(desk, 1_000)
    desk.clock.pass_ms(HOUR_MS)
    assert await paid_at_once(desk, card.id.no) == 2_000


@pytest.mark.parametrize(
    ("shown", "expected"),
    [([1], 300), ([2], 200), ([3], 250), ([2, 3], 250), ([0], None), ([3, 0], None), ([3, 9], None), ([], None)],
)
def test_each_silent_terminal_may_hold_its_own_list_or_a_later_one(shown: list[int], expected: int | None) -> None:
    lists = {SITE: {n: limits_file(cents) for n, cents in enumerate((300, 200, 250), 1)}}
    if shown == [2]:
        del lists[SITE][3]
    silent = [
        Report(TerminalId("till-01"), TerminalStatus.ACTIVE, UtcMs(NOON - DAY_MS), 0, False, SITE, version)
        for version in shown
    ]
    assert day_limit(silent, lists, 1) == expected


def limits_file(day: int) -> bytes:
    return encode_file(LimitRules(classes=(ClassLimits(1, day=day),)))  # type: ignore[arg-type]
