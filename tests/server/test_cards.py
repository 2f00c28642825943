"""The card office: loads are cumulative and done once, a replaced card's rest waits, closing pays the lesser figure."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select, update

from protocol.card_bodies import Rekeyed
from protocol.entries import CardBegun, CardBlocked, CardIssued, CardRekeyed, Kind, ListVersions, Reason, Vend
from protocol.ids import CardNo, Generation, Seq, TerminalId
from protocol.instants import DAY_MS, UtcMs
from protocol.journal import seal
from protocol.load_record import decode_load, load_is_genuine
from protocol.messages import read_signed
from protocol.money import Cents
from protocol.policy import load_text
from protocol.signing import to_base64url
from server import tables
from server.cards.rules import Plastic as OfficePlastic
from server.cards.rules import Report, collects_no_more, exposure, grantable, paid_at_once, waiting_over
from server.ingest.book import CardRow, CardStatus, TerminalStatus
from server.numbers import leap
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_holes import sell
from tests.server.world import CAMPUS, NOON, SITE, Plastic, Till, load_of, plastic


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def enrol(desk: Desk, till: Till, *, can_load: bool = False, can_issue: bool = False) -> None:
    """Let the server itself grant the till its epoch."""
    rights = {"can_load": can_load, "can_issue": can_issue}
    known = {one["tid"]: one for one in await desk.get("/terminals")}.get(till.tid, {})
    if any(right and not known.get(name) for name, right in rights.items()):
        await desk.put(f"/terminals/{till.tid}", {"site": SITE, **rights}, who="bob", expect=202)
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, **rights})
    ask = f"/terminals/{till.tid}/epochs", {"journal_key": to_base64url(till.key.public.raw)}
    if can_load or can_issue:
        await desk.post(*ask, who="bob", expect=202)
    till.grant_jws = (await desk.post(*ask))["grant"].encode()
    till.grant = read_signed(till.grant_jws)  # type: ignore[assignment]
    till.tno = till.grant.tno


async def send(desk: Desk, till: Till, start: int = 0) -> None:
    taken = await desk.house.ingest.take_lines(till.tid, till.lines[start:])
    assert taken is not None


def collect(till: Till, card: Plastic, record: bytes) -> None:
    """A load-capable terminal puts what the record says onto the card."""
    load = decode_load(record)
    assert load is not None
    body = load_of(card, load.record.loaded_total_cents, load.record.load_seq)
    body = with_members(body, record=load_text(record))
    prepared = till.append(Kind.LOAD_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    card.loaded = load.record.loaded_total_cents
    till.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))


async def loaded_card(desk: Desk, till: Till, cents: int) -> Plastic:
    """A card with money on it."""
    no = (await desk.post("/cards", {"count": 1}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/loads", {"id": f"first-load-{no}", "cents": cents})
    card = plastic(no)
    ((_, record),) = await desk.house.cards.sign_loads()
    collect(till, card, record)
    await send(desk, till)
    return card


async def test_numbers_are_dense(desk: Desk) -> None:
    assert (await desk.post("/cards", {"count": 3}, expect=201))["numbers"] == [1, 2, 3]
    assert (await desk.post("/cards", {}, expect=201))["numbers"] == [4]


async def test_a_load_is_cumulative_signed_and_done_once(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    for request, cents in (("request-1", 500), ("request-2", 300), ("request-1", 500)):
        await desk.post(f"/cards/{no}/loads", {"id": request, "cents": cents})
    view = await desk.get(f"/cards/{no}")
    assert (view["pending_cents"], view["plastics"][0]["loaded_total_cents"]) == (800, 800)
    assert (await desk.post(f"/cards/{no}/loads", {"id": "request-1", "cents": 501}, expect=409))[
        "code"
    ] == "request_id_used"
    ((_, raw),) = await desk.house.cards.sign_loads()
    load = decode_load(raw)
    assert load is not None and load_is_genuine(load, desk.house.keys.load.public)
    assert (load.record.loaded_total_cents, load.record.load_seq) == (800, 2)
    assert await desk.house.cards.sign_loads() == [(no, raw)], "a record is signed once and kept"
    totals = select(tables.load.c.load_seq, tables.load.c.loaded_total_cents).order_by(tables.load.c.load_seq)
    assert await rows_of(desk.house.database, totals) == [(1, 500), (2, 800)]


async def test_a_collected_load_is_offered_no_more(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    assert await desk.house.cards.sign_loads() == []
    view = await desk.get(f"/cards/{card.id.no}")
    assert (view["pending_cents"], view["plastics"][0]["main_cents"]) == (0, 500)
    await desk.house.cards.run()
    assert await desk.house.cards.sign_loads() == []


async def test_pending_credit_is_granted_to_the_card(desk: Desk) -> None:
    """A failed delivery becomes pending credit, and the next load brings it."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    till.append(Kind.VEND_FAILED, Vend(Seq(sell(till, card, 200))))
    await send(desk, till)
    assert (await desk.house.cards.run())["loads_granted"] == 1
    ((_, raw),) = await desk.house.cards.sign_loads()
    load = decode_load(raw)
    assert load is not None and load.record.loaded_total_cents == 700
    assert (await desk.house.cards.run())["loads_granted"] == 0


async def test_pending_credit_of_a_blocked_card_is_granted_when_it_may_pay_again(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    await desk.post(f"/cards/{card.id.no}/block")
    till.append(Kind.VEND_FAILED, Vend(Seq(sell(till, card, 200))))
    await send(desk, till, 2)
    assert (await desk.house.cards.run())["loads_granted"] == 0
    await desk.post(f"/cards/{card.id.no}/unblock")
    assert (await desk.house.cards.run())["loads_granted"] == 1
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][0]["loaded_total_cents"] == 700


async def test_one_person_does_not_unblock_a_card_that_was_used_twice(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    card = plastic((await desk.post("/cards", {}, expect=201))["numbers"][0])
    sell(till, card, 10)
    copied = card.copy()
    sell(till, card, 10)
    sell(till, copied, 20)
    await send(desk, till)
    unblock = f"/cards/{card.id.no}/unblock"
    assert (await desk.post(unblock, expect=409))["code"] == "case_open"
    ((number,),) = await rows_of(desk.house.database, select(tables.case_file.c.id))
    bob = {"Authorization": "Bearer bob-token"}
    await desk.client.post(f"/api/1/cases/{number}/close", json={"outcome": "a copy was made"}, headers=bob)
    assert (await desk.post(unblock))["plastics"][0]["status"] == "active"


async def test_a_subsidy_lapses_once_whenever_its_load_is_heard_of(desk: Desk) -> None:
    """The card had collected the old period's subsidy; its entry comes after the new period began."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = plastic((await desk.post("/cards", {}, expect=201))["numbers"][0])
    records: list[bytes] = []
    for request, cents, period in (("grant-001", 100, 1), ("grant-002", 50, 2)):
        await desk.post(f"/cards/{card.id.no}/subsidies", {"id": request, "cents": cents, "period": period})
        records += [record for _, record in await desk.house.cards.sign_loads()]
    for record in records:
        load = decode_load(record)
        assert load is not None
        body = load_of(card, load.record.loaded_total_cents, load.record.load_seq)
        granted, expired = Cents(load.record.subsidy_total_cents), Cents(card.subsidy)
        body = with_members(body, amount=granted, subsidy_after=granted, expired=expired, record=to_base64url(record))
        prepared = till.append(Kind.LOAD_PREPARED, body).seq
        card.write(till.tno, body, prepared)
        till.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))
    await send(desk, till)
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    assert {kind: cents for kind, cents in kinds.items() if cents} == {"funder": -50, "subsidy": 50}


async def test_a_subsidy_of_a_new_period_takes_the_old_one_s_rest_back(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-01", "cents": 300, "period": 1})
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-02", "cents": 200, "period": 1})
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-03", "cents": 50, "period": 2})
    assert (await desk.get(f"/cards/{no}"))["pending_subsidy_cents"] == 50
    assert (await desk.get("/ledger/trial-balance"))["cents_by_kind"] == {"funder": -50, "pending_subsidy": 50}
    ((_, raw),) = await desk.house.cards.sign_loads()
    load = decode_load(raw)
    assert load is not None
    assert (load.record.period, load.record.subsidy_total_cents, load.record.load_seq) == (2, 50, 3)


async def test_a_blocked_card_is_not_loaded(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    assert (await desk.post(f"/cards/{no}/block"))["plastics"][0]["status"] == "blocked"
    assert (await desk.post(f"/cards/{no}/loads", {"id": "request-1", "cents": 5}, expect=409))["code"] == "cannot_load"
    assert (await desk.post(f"/cards/{no}/unblock"))["plastics"][0]["status"] == "active"


async def test_a_replaced_card_s_rest_waits_for_the_silent_till(desk: Desk) -> None:
    """With a day limit of 100 and one till silent since yesterday, two days' spending is held back."""
    till, silent = Till(1), Till(2)
    await enrol(desk, till, can_load=True)
    await enrol(desk, silent)
    limits = {"classes": [{"card_class": 1, "day": 100}]}
    silent.lists = ListVersions(limits=(await desk.put(f"/sites/{SITE}/limits", {"rules": limits}))["version"])
    card = await loaded_card(desk, till, 1_000)
    silent.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, silent)
    desk.clock.pass_ms(DAY_MS)
    till.append(Kind.DRAWER_OPENED, Reason("change"), at=desk.clock())
    await send(desk, till)
    desk.clock.pass_ms(-1_000)
    view = await desk.post(f"/cards/{card.id.no}/replace")
    assert [one["status"] for one in view["plastics"]] == ["closed", "active"]
    assert (view["pending_cents"], view["plastics"][0]["main_cents"]) == (800, 200)
    assert view["plastics"][1]["loaded_total_cents"] == 800
    assert (await desk.house.cards.run())["cards_released"] == 0
    sell(silent, card, 60)
    silent.append(Kind.DRAWER_OPENED, Reason("change"), at=desk.clock() + 1)
    desk.clock.pass_ms(5_000)
    await send(desk, silent)
    assert await desk.house.cards.run() == {"cards_released": 1, "loads_granted": 1}
    view = await desk.get(f"/cards/{card.id.no}")
    assert [one["status"] for one in view["plastics"]] == ["released", "active"]
    assert (view["pending_cents"], view["plastics"][1]["loaded_total_cents"]) == (940, 940)


async def test_after_seven_days_later_debits_are_our_loss(desk: Desk) -> None:
    till, silent = Till(1), Till(2)
    await enrol(desk, till, can_load=True)
    await enrol(desk, silent)
    card = await loaded_card(desk, till, 1_000)
    view = await desk.post(f"/cards/{card.id.no}/replace")
    assert view["pending_cents"] == 0, "without a day limit any silence can hide the whole balance"
    desk.clock.pass_ms(7 * DAY_MS - 1)
    assert (await desk.house.cards.run())["cards_released"] == 0
    desk.clock.pass_ms(1)
    assert (await desk.house.cards.run())["cards_released"] == 1
    sell(silent, card, 60)
    await send(desk, silent)
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    assert (kinds["pending"], kinds["operator_loss"], kinds["merchant"]) == (1_000, -60, 60)


async def test_an_uncollected_load_moves_only_when_no_station_can_collect_it(desk: Desk) -> None:
    """The station must have shown a `cards` list that says closed before the credit goes to the new card."""
    station = Till(1)
    await enrol(desk, station, can_load=True)
    card = await loaded_card(desk, station, 100)
    await desk.post(f"/cards/{card.id.no}/loads", {"id": "request-2", "cents": 400})
    await desk.post(f"/cards/{card.id.no}/replace")
    await desk.house.policy.publication(SITE, even_if_same=True)
    version = (await desk.get(f"/sites/{SITE}/lists/cards"))["version"]
    await desk.house.cards.run()
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][1]["loaded_total_cents"] == 0
    entry = station.append(Kind.DRAWER_OPENED, Reason("change"), at=desk.clock()).entry
    station.chain[-1] = seal(with_members(entry, lists=ListVersions(cards=version)), station.key)
    await send(desk, station)
    await desk.house.cards.run()
    await desk.house.cards.run()
    view = await desk.get(f"/cards/{card.id.no}")
    assert (view["pending_cents"], view["plastics"][1]["loaded_total_cents"]) == (500, 500)


async def test_closing_pays_the_lesser_of_card_and_ledger(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 1_000)
    await desk.post(f"/cards/{card.id.no}/loads", {"id": "request-2", "cents": 50})
    assert await desk.post(f"/cards/{card.id.no}/close", {"card_cents": 930}) == {"cents": 980}
    sell(till, card, 70)
    await send(desk, till)
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.house.cards.run()
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    assert {kind: cents for kind, cents in kinds.items() if cents} == {"vault": -70, "merchant": 70}
    await desk.post(f"/cards/{card.id.no}/close", {"card_cents": 930}, expect=409)


async def test_pending_credit_of_a_closed_card_is_paid_out(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 1_000)
    await desk.post(f"/cards/{card.id.no}/close", {"card_cents": 900})
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.house.cards.run()
    form = {"id": "payout-01", "cents": 100}
    assert (await desk.post(f"/cards/{card.id.no}/payouts", form))["pending_cents"] == 0
    assert (await desk.post(f"/cards/{card.id.no}/payouts", form))["pending_cents"] == 0, "the same request again"
    more = {"id": "payout-02", "cents": 1}
    assert (await desk.post(f"/cards/{card.id.no}/payouts", more, expect=409))["code"] == "not_free"


def report(
    reported_at: int, *, status: TerminalStatus = TerminalStatus.ACTIVE, version: int = 0, can_load: bool = False
) -> Report:
    return Report(TerminalId("till-01"), status, UtcMs(reported_at), version, can_load)


@pytest.mark.parametrize(
    ("limit", "silent_days", "expected"),
    [(100, [], 0), (100, [0], 100), (100, [0, 3], 400), (None, [0], None), (None, [], 0), (0, [5], 0)],
)
def test_exposure_is_the_longest_silence_times_the_day_limit(
    limit: int | None, silent_days: list[int], expected: int | None
) -> None:
    reports = [report(NOON + 1), *(report(NOON - days * DAY_MS - 1) for days in silent_days)]
    assert exposure(limit, reports, NOON, CAMPUS) == expected


def test_a_lost_terminal_is_waited_for_by_nobody() -> None:
    assert exposure(100, [report(0, status=TerminalStatus.LOST)], NOON, CAMPUS) == 0
    closed = OfficePlastic(CardRow((CardNo(1), Generation(1))), closed_at=NOON)
    assert waiting_over(closed, [report(0, status=TerminalStatus.LOST)], NOON)
    assert not waiting_over(closed, [report(NOON - 1)], NOON)
    assert waiting_over(closed, [report(NOON - 1)], UtcMs(NOON + 7 * DAY_MS))


def test_what_is_paid_at_once_is_never_negative() -> None:
    assert [paid_at_once(ledger, exposed) for ledger, exposed in ((500, 200), (500, 900), (-5, 0), (500, None))] == [
        300,
        0,
        0,
        0,
    ]


def test_only_stations_hold_back_an_uncollected_load() -> None:
    closed = OfficePlastic(CardRow((CardNo(1), Generation(1))), closed_at=NOON, closed_version=9)
    assert collects_no_more(closed, [report(0), report(0, version=9, can_load=True)])
    assert not collects_no_more(closed, [report(0, version=8, can_load=True)])
    assert collects_no_more(closed, [report(0, version=8, can_load=True, status=TerminalStatus.LOST)])


def test_what_a_closed_card_may_still_collect_is_promised() -> None:
    old = CardRow((CardNo(1), Generation(1)), status=CardStatus.CLOSED, loaded_total_cents=Cents(500))
    new = CardRow((CardNo(1), Generation(2)), loaded_total_cents=Cents(200))
    assert grantable(900, [OfficePlastic(old), OfficePlastic(new)]) == 200
    assert grantable(900, [OfficePlastic(old, moved_at=NOON), OfficePlastic(new)]) == 700


async def test_what_a_silent_station_has_loaded_is_not_granted_again(desk: Desk) -> None:
    """A later load's entry arrives first: the earlier one is on the card, though its entry is still on its way."""
    till, silent = Till(1), Till(2)
    await enrol(desk, till, can_load=True)
    await enrol(desk, silent, can_load=True)
    no = (await desk.post("/cards", {"count": 1}, expect=201))["numbers"][0]
    card = plastic(no)
    for request, station, cents in (("load-one", silent, 100), ("load-two", till, 50)):
        await desk.post(f"/cards/{no}/loads", {"id": request, "cents": cents})
        ((_, record),) = await desk.house.cards.sign_loads()
        collect(station, card, record)
    await send(desk, till)
    assert (await desk.house.cards.run())["loads_granted"] == 0
    refused = await desk.post(f"/cards/{no}/payouts", {"id": "payout-1", "cents": 1}, expect=409)
    assert refused["code"] == "not_free"
    await send(desk, silent)
    view = await desk.get(f"/cards/{no}")
    assert (view["pending_cents"], view["plastics"][0]["main_cents"]) == (0, 150)


async def test_closing_pays_nothing_that_an_older_plastic_may_still_collect(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    no = (await desk.post("/cards", {"count": 1}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/loads", {"id": "load-one", "cents": 500})
    ((_, record),) = await desk.house.cards.sign_loads()
    lost = plastic(no)
    await desk.post(f"/cards/{no}/replace")
    assert (await desk.post(f"/cards/{no}/close", {"card_cents": 0}))["cents"] == 0
    collect(till, lost, record)
    await send(desk, till)
    assert (await desk.get(f"/cards/{no}"))["pending_cents"] == 0


async def test_a_number_that_a_terminal_made_up_does_not_stop_the_issuing(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_issue=True)
    for number in (1, 2):
        till.append(Kind.CARD_ISSUED, CardIssued(plastic(number).id, "04a1b2c3"))
    await send(desk, till)
    assert (await desk.post("/cards", {"count": 2}, expect=201))["numbers"] == [3, 4]


async def test_what_was_done_with_a_card_itself_stands_in_its_history(desk: Desk) -> None:
    """Made, given other keys, blocked: newest first. What a terminal has no right to say waits, and shows later."""
    office, till = Till(1), Till(2)
    await enrol(desk, office, can_issue=True)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    card = plastic(no).id
    office.append(Kind.CARD_BEGUN, CardBegun(card, "04a1b2c3", 1))
    office.append(Kind.CARD_ISSUED, CardIssued(card, "04a1b2c3", 1))
    for outcome in (Rekeyed.BEGUN, Rekeyed.DONE):
        office.append(Kind.CARD_REKEYED, CardRekeyed(card, 2, outcome, 1))
    office.append(Kind.CARD_REKEYED, CardRekeyed(plastic(no + 1).id, 2, Rekeyed.DONE, 1))
    await send(desk, office)
    till.append(Kind.CARD_BEGUN, CardBegun(card, "04a1b2c4", 1))
    till.append(Kind.CARD_REKEYED, CardRekeyed(card, 3, Rekeyed.DONE, 2))
    till.append(Kind.CARD_BLOCKED, CardBlocked(card, "found in a bin"))
    await send(desk, till)
    told = [
        (event["kind"], event["was"], event["now"], event["outcome"]) for event in await desk.get(f"/cards/{no}/events")
    ]
    assert sorted(told) == [
        ("card_begun", 0, 1, ""),
        ("card_blocked", 0, 0, "found in a bin"),
        ("card_issued", 0, 1, ""),
        ("card_rekeyed", 1, 2, "begun"),
        ("card_rekeyed", 1, 2, "done"),
    ]
    assert await desk.get(f"/cards/{no + 1}/events") == [], "nobody has heard of that card"
    assert (await desk.post("/cards", {}, expect=201))["numbers"] == [no + 1]
    assert (await desk.get(f"/cards/{no}"))["plastics"][0]["status"] == "blocked"


async def test_a_subsidy_beyond_what_a_record_can_say_is_refused(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    half = {"id": "grant-01", "cents": 60_000_000, "period": 1}
    await desk.post(f"/cards/{no}/subsidies", half, who="bob", expect=202)
    await desk.post(f"/cards/{no}/subsidies", half)
    more = {"id": "grant-02", "cents": 60_000_000, "period": 1}
    assert (await desk.post(f"/cards/{no}/subsidies", more, expect=409))["code"] == "cannot_load"


async def test_a_card_whose_loads_are_used_up_keeps_no_other_from_its_load(desk: Desk) -> None:
    """A restored server moves every card's number of loads ahead, also past the last one there is."""
    for number, load_seq in ((1, 65_530), (2, 0)):
        await desk.post("/cards", {}, expect=201)
        async with desk.house.database.writing() as connection:
            same = tables.card.c.card == number
            await connection.execute(update(tables.card).where(same).values(load_seq=load_seq))
        await desk.post(f"/cards/{number}/loads", {"id": f"load-one-{number}", "cents": 5})
    async with desk.house.database.writing() as connection:
        await leap(connection, 1)
    assert [no for no, _ in await desk.house.cards.sign_loads()] == [2]
