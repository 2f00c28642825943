"""A subsidy stays one of its period: onto the next plastic, back after a refund, or to its funder when it lapses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind, RefundTo
from protocol.ids import Seq
from protocol.instants import DAY_MS
from protocol.load_record import decode_load
from protocol.money import Cents
from protocol.policy import load_text
from protocol.purse import LoadRecord
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_ingest_posting import settled_sale
from tests.server.world import Plastic, Till, load_of, plastic, refund_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def newest_record(desk: Desk) -> tuple[LoadRecord, bytes]:
    ((_, raw),) = await desk.house.cards.sign_loads()
    load = decode_load(raw)
    assert load is not None
    return load.record, raw


async def collect_subsidy(desk: Desk, station: Till, card: Plastic, had: int = 0) -> None:
    """A station brings what the newest record says; `had`: of the same period's subsidy before."""
    record, raw = await newest_record(desk)
    gain = record.subsidy_total_cents - had
    body = load_of(card, record.loaded_total_cents, record.load_seq)
    body = with_members(
        body, amount=Cents(body.amount + gain), subsidy_after=Cents(card.subsidy + gain), record=load_text(raw)
    )
    prepared = station.append(Kind.LOAD_PREPARED, body).seq
    card.write(station.tno, body, prepared)
    station.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))


async def aided(desk: Desk, station: Till, cents: int = 300) -> Plastic:
    """A card that has collected a subsidy of period 1; its entries are not sent yet."""
    await enrol(desk, station, can_load=True)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-01", "cents": cents, "period": 1})
    card = plastic(no)
    await collect_subsidy(desk, station, card)
    return card


async def sums(desk: Desk) -> dict[str, int]:
    found: dict[str, int] = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    return {kind: cents for kind, cents in found.items() if cents}


async def test_the_rest_of_a_subsidy_goes_to_the_next_plastic(desk: Desk) -> None:
    station = Till(1)
    card = await aided(desk, station)
    settled_sale(station, card, 100)
    await send(desk, station)
    await desk.post(f"/cards/{card.id.no}/replace")
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.house.cards.run()
    record, _ = await newest_record(desk)
    assert (record.generation, record.period, record.subsidy_total_cents) == (2, 1, 200)
    assert await sums(desk) == {"funder": -300, "pending_subsidy": 200, "merchant": 100}
    before = (await desk.get(f"/cards/{card.id.no}"))["plastics"][-1]["load_seq"]
    await desk.house.cards.run()
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][-1]["load_seq"] == before, "it is granted once"


async def test_a_subsidy_that_no_station_can_bring_any_more_goes_to_the_next_plastic(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-01", "cents": 300, "period": 1})
    await desk.post(f"/cards/{no}/replace")
    assert await desk.house.cards.sign_loads() == []
    await desk.house.policy.publication("north-campus", even_if_same=True)  # type: ignore[arg-type]
    await desk.house.cards.run()
    record, _ = await newest_record(desk)
    assert (record.generation, record.subsidy_total_cents) == (2, 300)


async def test_what_a_refund_gives_back_to_a_subsidy_is_granted_as_one(desk: Desk) -> None:
    station = Till(1)
    card = await aided(desk, station)
    sold = settled_sale(station, card, 100)
    station.append(Kind.REFUND_SETTLED, refund_of(card, 100, Seq(sold), RefundTo.PENDING))
    await send(desk, station)
    assert await sums(desk) == {"funder": -300, "pending_subsidy": 100, "subsidy": 200}
    await desk.house.cards.run()
    await collect_subsidy(desk, station, card, had=300)
    await send(desk, station, len(station.lines) - 2)
    assert await sums(desk) == {"funder": -300, "subsidy": 300}
    await desk.house.cards.run()
    assert await desk.house.cards.sign_loads() == []


async def test_a_load_that_is_told_after_its_period_ended_is_paid_by_its_funder(desk: Desk) -> None:
    """What was owed of the old period has gone back; the new period's is not touched."""
    station = Till(1)
    card = await aided(desk, station)
    await desk.post(f"/cards/{card.id.no}/subsidies", {"id": "grant-02", "cents": 50, "period": 2})
    assert await sums(desk) == {"funder": -50, "pending_subsidy": 50}
    await send(desk, station)
    assert await sums(desk) == {"funder": -350, "pending_subsidy": 50, "subsidy": 300}
    record, _ = await newest_record(desk)
    assert (record.period, record.subsidy_total_cents) == (2, 50)


async def test_a_replaced_card_s_subsidy_lapses_with_its_period(desk: Desk) -> None:
    station = Till(1)
    card = await aided(desk, station)
    await send(desk, station)
    await desk.post(f"/cards/{card.id.no}/replace")
    await desk.post(f"/cards/{card.id.no}/subsidies", {"id": "grant-02", "cents": 50, "period": 2})
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.house.cards.run()
    assert await sums(desk) == {"funder": -50, "pending_subsidy": 50}
    assert (await newest_record(desk))[0].subsidy_total_cents == 50
