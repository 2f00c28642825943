"""Tokens: what is owed is on them at once, an approval holds money back, only an entry debits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.authorise import Listed, Refusal
from protocol.entries import CardBegun, CardIssued, Kind, Reason, TopUpStep, TopUpTo
from protocol.ids import ChannelId, SiteId, TerminalId
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from protocol.limits import ClassLimits, LimitRules, Meal
from protocol.messages import Answer
from protocol.money import Cents
from protocol.policy import CardsFile, read_file
from protocol.purse import Technology
from server import tables
from server.ingest.waiting import INCONSISTENT, UNPROVEN
from server.tokens.rules import HOLD_MS, QUESTIONS_MAX, QUESTIONS_MS, Pace
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.token_world import (
    UID,
    ask,
    given_back,
    new_token,
    prepared,
    purse_of,
    question,
    settled,
    token_id,
    who,
)
from tests.server.world import CAMPUS, NOON, SITE, Till, plastic, refund_of, sale_of, topup_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


@pytest.fixture
async def till(desk: Desk) -> Till:
    till = Till(1)
    await enrol(desk, till)
    return till


async def approved(desk: Desk, till: Till, cents: int, card_no: int = 1) -> Answer:
    found = await ask(desk, till, question(till, prepared(till, token_id(card_no), cents)))
    assert found is not None and found.refused is None, found
    return found


async def refused(desk: Desk, till: Till, cents: int, card_no: int = 1) -> tuple[Refusal | None, int]:
    found = await ask(desk, till, question(till, prepared(till, token_id(card_no), cents)))
    assert found is not None and found.main == found.main_after == 0
    return found.refused, found.figure


async def parked(desk: Desk) -> list[str]:
    return [row[0] for row in await rows_of(desk.house.database, select(tables.entry.c.parked)) if row[0]]


async def held_by(desk: Desk, kind: str) -> int:
    return int((await desk.get("/ledger/trial-balance"))["cents_by_kind"].get(kind, 0))


async def merchant(desk: Desk) -> int:
    return await held_by(desk, "merchant")


# Money on tokens -----------------------------------------------------------------------------------------------------


async def test_what_is_taken_in_is_on_a_token_at_once_and_no_load_is_signed(desk: Desk) -> None:
    card = await new_token(desk, 5_000)
    assert await purse_of(desk, card) == (5_000, 0)
    view = await desk.get(f"/cards/{card.no}")
    assert (view["pending_cents"], view["plastics"][0]["loaded_total_cents"]) == (0, 0)
    assert await desk.house.cards.sign_loads() == []
    await desk.post(f"/cards/{card.no}/loads", {"id": f"first-load-{card.no}", "cents": 5_000})
    assert await purse_of(desk, card) == (5_000, 0), "once"


async def test_a_subsidy_is_on_a_token_at_once_and_the_rest_of_another_period_goes_back(desk: Desk) -> None:
    card = await new_token(desk, 100)
    await desk.post(f"/cards/{card.no}/subsidies", {"id": "aid-00001", "cents": 700, "period": 1})
    await desk.post(f"/cards/{card.no}/subsidies", {"id": "aid-00002", "cents": 50, "period": 1})
    assert await purse_of(desk, card) == (100, 750)
    await desk.post(f"/cards/{card.no}/subsidies", {"id": "aid-00003", "cents": 300, "period": 2})
    assert await purse_of(desk, card) == (100, 300)
    assert await desk.house.cards.sign_loads() == []


async def test_a_load_that_was_taken_back_is_set_off_against_the_next(desk: Desk) -> None:
    card = await new_token(desk, 0)
    await desk.post(f"/cards/{card.no}/loads", {"id": "load-00001", "cents": 500})
    form = {"cause": "desk:load-00001", "reason": "typed twice", "evidence": "the till roll"}
    await desk.post("/ledger/reversals", form, who="ann", expect=202)
    await desk.post("/ledger/reversals", form, who="bob")
    await desk.house.cards.run()
    assert await purse_of(desk, card) == (500, 0)
    await desk.post(f"/cards/{card.no}/loads", {"id": "load-00002", "cents": 800})
    assert await purse_of(desk, card) == (800, 0)


async def test_a_top_up_at_a_station_is_on_the_token_with_its_posting(desk: Desk) -> None:
    card, station = await new_token(desk, 100), Till(2)
    await enrol(desk, station, can_load=True)
    station.append(Kind.TOPUP_PREPARED, TopUpStep(card, Cents(900), channel=ChannelId("cash"), to=TopUpTo.LOAD))
    await send(desk, station)
    assert await purse_of(desk, card) == (1_000, 0) and not await parked(desk)


async def test_a_refund_is_on_the_token_with_its_posting(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 600)
    sold = settled(till, begun, await ask(desk, till, question(till, begun)))
    given_back(till, sold, 250)
    await send(desk, till)
    assert await purse_of(desk, card) == (650, 0)
    assert await merchant(desk) == 350


# Whose a UID is ------------------------------------------------------------------------------------------------------


async def test_a_uid_is_bound_to_one_card_and_a_card_to_one_uid(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 0)
    other = (await desk.post("/cards", {"technology": "token"}, expect=201))["numbers"][0]
    purse = (await desk.post("/cards", {"technology": "classic"}, expect=201))["numbers"][0]

    async def code(uid: str, no: int, expect: int = 409) -> str:
        return str((await desk.put(f"/tokens/{uid}", {"no": no}, expect=expect))["code"])

    assert (await desk.put(f"/tokens/{UID}", {"no": card.no}))["no"] == card.no, "the same once more changes nothing"
    assert await code(UID, other) == "uid_bound"
    assert await code("04aaaaaa", card.no) == "card_bound"
    assert await code("04aaaaaa", purse) == "not_a_token"
    assert await code("04aaaaaa", 99, 404) == "no_such_card"
    for says_nothing in ("08aaaaaa", "01fe010203040506", "00000000"):
        assert await code(says_nothing, other, 422) == "uid_says_nothing"
    await desk.put("/tokens/04aaaaaaaaaa", {"no": other}, expect=422)
    felica = (await desk.post("/cards", {"technology": "token"}, expect=201))["numbers"][0]
    await desk.put("/tokens/012e4cd4544d451a", {"no": felica})
    transit = await who(desk, till, "012e4cd4544d451a")
    assert transit is not None and transit.card is not None and transit.card.no == felica
    found = await who(desk, till, UID)
    assert found is not None and (found.card, found.listed) == (card, Listed.GOOD)
    await desk.delete(f"/tokens/{UID}")
    await desk.delete(f"/tokens/{UID}", expect=404)
    nobody = await who(desk, till, UID)
    assert nobody is not None and nobody.card is None
    assert (await desk.put(f"/tokens/{UID}", {"no": other}))["no"] == other
    assert [row["uid"] for row in await desk.get(f"/tokens?card={other}")] == [UID] and not await desk.get(
        f"/tokens?card={card.no}"
    )


async def test_a_tag_is_bound_by_the_entry_of_its_making_and_its_bare_uid_stays_nobody_s(
    desk: Desk, till: Till
) -> None:
    """What was bound by hand before is so no more: the plastic became another card's, the card another plastic's."""
    other, card = await new_token(desk, 1_000, "04aaaaaa"), await new_token(desk, 1_000)
    office = Till(2)
    await enrol(desk, office, can_issue=True)
    office.append(Kind.CARD_BEGUN, CardBegun(card, "04aaaaaa", 1))
    await send(desk, office)
    assert [row["proves"] for row in await desk.get("/tokens")] == [False, False], "begun is not made"
    office.append(Kind.CARD_ISSUED, CardIssued(card, "04aaaaaa", 1))
    await send(desk, office)
    bound = await desk.get("/tokens")
    assert [(row["uid"], row["no"], row["proves"]) for row in bound] == [("04aaaaaa", card.no, True)]
    for uid in (UID, "04aaaaaa"):
        nobody = await who(desk, till, uid)
        assert nobody is not None and nobody.card is None, "a copy of its UID buys nothing"
    assert (await desk.delete("/tokens/04aaaaaa", expect=409))["code"] == "token_proves_itself"
    assert (await desk.put("/tokens/04aaaaaa", {"no": other.no}, expect=409))["code"] == "uid_bound"
    begun = prepared(till, card, 300, shown=1)
    answer = await ask(desk, till, question(till, begun))
    assert answer is not None and answer.refused is None
    settled(till, begun, answer)
    await send(desk, till)
    assert await purse_of(desk, card) == (700, 0)


async def test_who_may_not_make_cards_binds_none(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    till.append(Kind.CARD_ISSUED, CardIssued(card, "04aaaaaa", 1))
    await send(desk, till)
    assert [row["uid"] for row in await desk.get("/tokens")] == [UID]


async def test_a_blocked_token_is_known_as_blocked_and_may_not_pay(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    await desk.post(f"/cards/{card.no}/block")
    found = await who(desk, till, UID)
    assert found is not None and found.listed is Listed.BLOCKED
    assert await refused(desk, till, 100) == (Refusal.CARD_BLOCKED, 0)
    await desk.post(f"/cards/{card.no}/unblock")
    await approved(desk, till, 100)


async def test_a_replaced_token_s_money_is_on_the_next_one_but_what_was_asked_about(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 300)
    answer = await ask(desk, till, question(till, begun))
    await desk.post(f"/cards/{card.no}/replace")
    assert await purse_of(desk, card) == (300, 0)
    assert await purse_of(desk, token_id(card.no, 2)) == (700, 0)
    found = await who(desk, till, UID)
    assert found is not None and (found.card, found.listed) == (card, Listed.CLOSED)
    settled(till, begun, answer)
    await send(desk, till)
    assert await purse_of(desk, card) == (0, 0) and await merchant(desk) == 300


async def test_a_closed_token_is_paid_out_by_the_ledger(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    await approved(desk, till, 300)
    assert (await desk.post(f"/cards/{card.no}/close", {"card_cents": 0}))["cents"] == 700
    assert (await ask(desk, till, question(till, prepared(till, card, 1)))).refused is Refusal.CARD_CLOSED  # type: ignore[union-attr]


# Asking --------------------------------------------------------------------------------------------------------------


async def test_an_approval_holds_back_and_the_entry_debits(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 600)
    answer = await ask(desk, till, question(till, begun))
    assert answer is not None and (answer.main, answer.main_after) == (1_000, 400)
    assert await purse_of(desk, card) == (1_000, 0)
    assert await refused(desk, till, 401) == (Refusal.BALANCE_TOO_LOW, 400)
    settled(till, begun, answer)
    await send(desk, till)
    assert await purse_of(desk, card) == (400, 0) and await merchant(desk) == 600
    await approved(desk, till, 400)


async def test_the_subsidy_pays_first_at_the_server_too(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    await desk.house.policy.put_limits(SITE, LimitRules(subsidy_period=3))
    await desk.post(f"/cards/{card.no}/subsidies", {"id": "aid-00001", "cents": 200, "period": 3})
    begun = prepared(till, card, 500)
    answer = await ask(desk, till, question(till, begun))
    assert answer is not None
    assert (answer.main, answer.main_after, answer.subsidy, answer.subsidy_after) == (1_000, 700, 200, 0)
    settled(till, begun, answer)
    await send(desk, till)
    assert await purse_of(desk, card) == (700, 0)


async def test_a_subsidy_that_is_over_and_a_class_s_meals_hold_at_the_server_too(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    today, minute = CAMPUS.business_day(desk.clock()), CAMPUS.minute_of_day(desk.clock())
    meals = (Meal(1, minute, (minute + 30) % 1_440, 3),)
    rules = LimitRules((ClassLimits(1, meal=1),), meals, subsidy_period=3, subsidy_until=today)
    await desk.house.policy.put_limits(SITE, rules)
    await desk.post(f"/cards/{card.no}/subsidies", {"id": "aid-00001", "cents": 900, "period": 3})
    assert (await approved(desk, till, 100)).subsidy_after == 800
    assert await refused(desk, till, 100) == (Refusal.MEAL_LIMIT, 1)
    desk.clock.pass_ms(DAY_MS)
    over = await approved(desk, till, 300)
    assert (over.main_after, over.subsidy_after) == (700, over.subsidy)


async def test_the_same_question_has_the_same_answer_and_another_under_its_number_is_refused(
    desk: Desk, till: Till
) -> None:
    await new_token(desk, 1_000)
    asked = question(till, prepared(till, token_id(1), 600))
    first = await ask(desk, till, asked)
    desk.clock.pass_ms(1_000)
    assert await ask(desk, till, asked) == first
    for changed in ({"amount": 1}, {"hash": "A" * 43}, {"card": token_id(2)}):
        other = await ask(desk, till, with_members(asked, **changed))
        assert other is not None and other.refused is Refusal.TERMINAL_REVOKED
    assert await refused(desk, till, 401) == (Refusal.BALANCE_TOO_LOW, 400), "and nothing more is held back"


async def test_what_is_held_back_is_free_after_ten_minutes(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 600)
    late = await ask(desk, till, question(till, begun))
    desk.clock.pass_ms(HOLD_MS)
    answer = await approved(desk, till, 1_000)
    assert answer.main == 1_000
    settled(till, begun, late)
    settled(till, till.chain[1], answer)
    await send(desk, till)
    assert await purse_of(desk, card) == (-600, 0) and await merchant(desk) == 1_600


async def test_a_voided_sale_holds_nothing_back(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 600)
    await ask(desk, till, question(till, begun))
    settled(till, begun, None, Kind.SALE_VOIDED)
    await send(desk, till)
    await approved(desk, till, 1_000)
    assert await ask(desk, till, question(till, begun)) is not None, "the old answer, and nothing is held back for it"
    assert await purse_of(desk, card) == (1_000, 0) and await merchant(desk) == 0


async def test_a_question_about_a_sale_that_is_over_is_not_answered(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    begun = prepared(till, card, 600)
    settled(till, begun, None, Kind.SALE_VOIDED)
    await send(desk, till)
    assert await ask(desk, till, question(till, begun)) is None


async def test_a_question_that_its_entry_contradicts_is_another_history_s(desk: Desk, till: Till) -> None:
    card, copy = await new_token(desk, 1_000), till.restored(0)
    prepared(till, card, 600)
    await send(desk, till)
    other = await ask(desk, copy, question(copy, prepared(copy, card, 700)))
    assert other is not None and other.refused is Refusal.TERMINAL_REVOKED


async def test_strangers_are_not_answered(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    asked = question(till, prepared(till, card, 600))
    other = Till(2)
    await enrol(desk, other)
    assert await ask(desk, other, asked) is None, "under another terminal's number"
    assert await ask(desk, Till(3), asked) is None and await who(desk, Till(3), UID) is None
    assert await desk.house.tokens.answer(till.tid, b"{}") is None
    await desk.house.upkeep.revoke(TerminalId(till.tid))
    assert await who(desk, till, UID) is None
    found = await ask(desk, till, asked)
    assert found is not None and found.refused is Refusal.TERMINAL_REVOKED


async def test_only_so_many_questions_of_a_terminal_are_answered(desk: Desk, till: Till) -> None:
    assert [await who(desk, till, UID) is not None for _ in range(QUESTIONS_MAX + 1)] == [True] * QUESTIONS_MAX + [
        False
    ]
    desk.clock.pass_ms(QUESTIONS_MS)
    assert await who(desk, till, UID) is not None


def test_a_clock_that_is_set_back_silences_no_terminal() -> None:
    pace, tid = Pace(), TerminalId("till-1")
    assert all(pace.lets_in(tid, NOON) for _ in range(QUESTIONS_MAX))
    assert not pace.lets_in(tid, NOON) and pace.lets_in(tid, UtcMs(NOON - HOUR_MS))


async def test_limits_are_counted_at_the_server_with_what_is_under_way(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 100_000)
    minute = CAMPUS.minute_of_day(desk.clock())
    limits = ClassLimits(1, sale=Cents(900), day=Cents(2_000), month=Cents(2_500))
    rules = LimitRules((limits,), (Meal(1, minute, (minute + 30) % 1_440, 3),))
    await desk.house.policy.put_limits(SiteId(SITE), rules)
    till.now = desk.clock()
    assert await refused(desk, till, 901) == (Refusal.SALE_LIMIT, 900)
    begun = prepared(till, card, 900)
    settled(till, begun, await ask(desk, till, question(till, begun)))
    await send(desk, till)
    await approved(desk, till, 900)
    assert await refused(desk, till, 201) == (Refusal.DAY_LIMIT, 2_000)
    await approved(desk, till, 200)
    assert await refused(desk, till, 0) == (Refusal.MEAL_LIMIT, 3)
    staff = await new_token(desk, 500, "04bbbbbb", card_class=2)
    assert await refused(desk, till, 1, staff.no) == (Refusal.CLASS_NOT_SERVED, 0)
    desk.clock.pass_ms(DAY_MS)
    await approved(desk, till, 900)
    desk.clock.pass_ms(HOLD_MS)
    await approved(desk, till, 900)


async def test_a_month_is_counted_over_its_days(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 100_000)
    await desk.house.policy.put_limits(SiteId(SITE), LimitRules((ClassLimits(1, month=Cents(1_000)),)))
    begun = prepared(till, card, 900)
    settled(till, begun, await ask(desk, till, question(till, begun)))
    await send(desk, till)
    assert await refused(desk, till, 200) == (Refusal.MONTH_LIMIT, 1_000)
    desk.clock.pass_ms(DAY_MS)
    await approved(desk, till, 1_000)


# What entries may say ------------------------------------------------------------------------------------------------


async def test_a_sale_of_a_second_history_waits_for_two_people(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    copy = till.restored(0)
    await send(desk, till)
    begun = prepared(copy, card, 600)
    settled(copy, begun, None)
    await send(desk, copy)
    assert await parked(desk) == [UNPROVEN, UNPROVEN]
    assert await purse_of(desk, card) == (1_000, 0) and await merchant(desk) == 0
    await desk.house.upkeep.post_parked()
    assert await purse_of(desk, card) == (1_000, 0)
    await desk.house.upkeep.release(await desk.house.upkeep.waiting_of(till.tid))
    assert await purse_of(desk, card) == (400, 0) and await merchant(desk) == 600


async def test_a_torn_or_lost_sale_of_a_token_debited_nothing(desk: Desk, till: Till) -> None:
    card, other = await new_token(desk, 1_000), Till(2)
    await enrol(desk, other)
    begun = prepared(till, card, 600)
    settled(till, begun, None, Kind.SALE_TORN)
    await send(desk, till)
    open_one = prepared(other, card, 300)
    answer = await ask(desk, other, question(other, open_one))
    await send(desk, other)
    await desk.house.upkeep.declare_lost(other.tid)
    step = tables.step.c
    said = [row[0] for row in await rows_of(desk.house.database, select(step.resolved).order_by(step.number))]
    assert said == ["not_on_card", "not_on_card"]
    assert await purse_of(desk, card) == (1_000, 0)
    settled(other, open_one, answer)
    await send(desk, other, 1)
    assert await purse_of(desk, card) == (700, 0) and await merchant(desk) == 300


async def test_a_purse_and_a_token_are_never_taken_for_one_another(desk: Desk, till: Till) -> None:
    """A purse without a counter could be debited as often as somebody likes; and the other way round."""
    card = await new_token(desk, 1_000)
    no = (await desk.post("/cards", {"technology": "classic"}, expect=201))["numbers"][0]
    purse, office = plastic(no), Till(2)
    await enrol(desk, office, can_load=True, can_issue=True)
    settled(till, prepared(till, token_id(no), 100), None)
    wrong = plastic(card.no)
    wrong.id = with_members(card, technology=Technology.CLASSIC)
    begun = till.append(Kind.SALE_PREPARED, sale_of(wrong, 100))
    till.append(Kind.SALE_SETTLED, with_members(sale_of(wrong, 100), prepared=begun.seq))
    touching = plastic(card.no)
    touching.id = card
    till.append(Kind.SALE_PREPARED, sale_of(touching, 100))
    till.append(Kind.REFUND_PREPARED, refund_of(touching, 100, 1))
    await send(desk, till)
    office.append(Kind.CARD_ISSUED, CardIssued(with_members(card, technology=Technology.CLASSIC), "04a1b2c3"))
    office.append(Kind.TOPUP_PREPARED, topup_of(touching, 100))
    await send(desk, office)
    assert [why.startswith(INCONSISTENT) for why in await parked(desk)] == [True] * 8
    assert await purse_of(desk, card) == (1_000, 0)
    assert await purse_of(desk, with_members(purse.id, technology=Technology.CLASSIC)) == (0, 0)


# Below zero ----------------------------------------------------------------------------------------------------------


async def listed(desk: Desk) -> list[tuple[int, Listed]]:
    publication = await desk.house.policy.publication(SiteId(SITE), even_if_same=True)
    assert publication is not None
    (raw,) = [body for body in publication.parts.values() if b"rows" in body] or [b"{}"]
    return [(row.no, row.listed) for row in read_file(raw, CardsFile).rows]


async def test_a_stand_in_overdraws_is_listed_and_after_thirty_days_is_our_loss(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 100)
    settled(till, prepared(till, card, 600), None)
    await send(desk, till)
    assert await purse_of(desk, card) == (-500, 0) and await merchant(desk) == 600
    assert await listed(desk) == [(card.no, Listed.BLOCKED)]
    found = await who(desk, till, UID)
    assert found is not None and found.listed is Listed.BLOCKED
    desk.clock.pass_ms(29 * DAY_MS)
    await desk.post(f"/cards/{card.no}/loads", {"id": "load-00002", "cents": 200})
    assert await desk.house.tokens.run() == {"purses_written_off": 0}
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.tokens.run() == {"purses_written_off": 1}
    assert await purse_of(desk, card) == (0, 0) and await listed(desk) == []
    assert await held_by(desk, "operator_loss") == -300
    assert await desk.house.tokens.run() == {"purses_written_off": 0}


async def test_a_token_that_is_topped_up_pays_again(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 100)
    settled(till, prepared(till, card, 600), None)
    await send(desk, till)
    assert await refused(desk, till, 1) == (Refusal.CARD_BLOCKED, 0)
    await desk.house.policy.took_changes()
    await desk.post(f"/cards/{card.no}/loads", {"id": "load-00002", "cents": 550})
    assert await desk.house.policy.took_changes(), "its listing has changed"
    assert await listed(desk) == []
    await approved(desk, till, 50)


async def test_the_worst_case_is_told(desk: Desk, till: Till) -> None:
    await new_token(desk, 100)
    assert (await desk.get("/tokens/worst-case"))["cents"] == 0
    await desk.house.policy.put_limits(SiteId(SITE), LimitRules(stand_in=Cents(1_500)))
    told = await desk.get("/tokens/worst-case")
    assert (told["silent"], told["cents"]) == ([], 0), "it has reported within ten minutes"
    desk.clock.pass_ms(11 * MINUTE_MS)
    told = await desk.get("/tokens/worst-case")
    assert [(one["tid"], one["days"], one["cents"]) for one in told["silent"]] == [(till.tid, 2, 3_000)]
    desk.clock.pass_ms(2 * DAY_MS)
    told = await desk.get("/tokens/worst-case")
    assert (told["a_token_cents"], told["tokens"], told["cents"]) == (6_000, 1, 6_000), "its clock may be a day ahead"


async def test_a_proof_says_for_good_what_stand_ins_may_have_cost(desk: Desk, till: Till) -> None:
    """A try says the same; what terminals tell afterwards changes a later proof only."""
    day = CAMPUS.business_day(desk.clock())
    await new_token(desk, 100)
    await desk.house.policy.put_limits(SiteId(SITE), LimitRules(stand_in=Cents(1_500)))
    assert (await desk.house.reconcile.dry_run(day)).stand_in_cents == 0
    desk.clock.pass_ms(DAY_MS)
    assert (await desk.post(f"/days/{day}/proof"))["stand_in_cents"] == 4_500
    assert (await desk.post(f"/days/{day}/proof?dry=false"))["stand_in_cents"] == 4_500
    desk.clock.pass_ms(DAY_MS)
    assert (await desk.get(f"/days/{day}/proof"))["stand_in_cents"] == 4_500
    assert (await desk.get("/tokens/worst-case"))["cents"] == 6_000


async def test_a_proof_finds_nothing_about_tokens_that_pay(desk: Desk, till: Till) -> None:
    card = await new_token(desk, 1_000)
    for cents in (100, 200):
        begun = prepared(till, card, cents)
        settled(till, begun, await ask(desk, till, question(till, begun)))
    begun = prepared(till, card, 50)
    await send(desk, till)
    proof = await desk.house.reconcile.dry_run(CAMPUS.business_day(desk.clock()))
    assert (proof.difference_cents, proof.unexplained_cents) == (0, 0)
    assert [found for found in proof.findings if found.card is not None] == []
