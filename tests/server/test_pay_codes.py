"""Pay codes at the server: a bound phone alone gets them, and a sale with one is believed as far as it was signed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.authorise import Refusal
from protocol.entries import Kind, SaleStep
from protocol.ids import Counter
from protocol.instants import SECOND_MS
from protocol.journal import Sealed
from protocol.money import Cents
from protocol.pay_codes import AHEAD_MS, VALID_MS, PayCode, is_our_code, make_pay_code, read_pay_code
from protocol.proofs import Proof
from protocol.purse import CardId, Technology
from server import tables
from server.ingest.waiting import INCONSISTENT
from tests.protocol.mutations import FOREIGN
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.token_world import ask, new_token, purse_of, question, settled
from tests.server.world import MERCHANT, Till


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def shown(desk: Desk, secret: str, expect: int = 200) -> Any:
    """What a phone gets that shows its secret."""
    answer = await desk.client.post("/pay-code", json={"secret": secret})
    assert answer.status_code == expect, answer.text
    return answer.json()


async def code_of(desk: Desk, card: CardId) -> PayCode:
    secret = (await desk.put(f"/phones/{card.no}"))["secret"]
    code = read_pay_code((await shown(desk, secret))["code"])
    assert code is not None and code.card == card
    return code


def prepared(till: Till, card: CardId, cents: int, proof: Proof) -> Sealed:
    body = SaleStep(card, Cents(cents), main_after=Cents(-cents), merchant=MERCHANT, proof=proof)
    return till.append(Kind.SALE_PREPARED, body)


async def test_a_bound_phone_gets_a_code_and_nobody_else(desk: Desk) -> None:
    card = await new_token(desk, 5_000)
    bound = await desk.put(f"/phones/{card.no}", who="cleo")
    told = await shown(desk, bound["secret"])
    assert told == await shown(desk, bound["secret"]), "within a second it is the same"
    code = read_pay_code(told["code"])
    assert code is not None and is_our_code(card, code.proof, desk.house.keys.ack.public)
    assert (told["made_at"], told["ends_at"]) == (code.proof.counter * SECOND_MS, told["made_at"] + VALID_MS)
    assert await desk.get(f"/phones/{card.no}") == {key: bound[key] for key in ("no", "generation", "bound_at")}
    await shown(desk, "A" * 32, 404)
    await desk.put(f"/phones/{card.no}", who="eve", expect=403)
    newer = (await desk.put(f"/phones/{card.no}"))["secret"]
    await shown(desk, bound["secret"], 404)
    await desk.post(f"/cards/{card.no}/block")
    assert (await shown(desk, newer, 409))["code"] == "card_blocked"
    await desk.call("DELETE", f"/phones/{card.no}", expect=204)
    await shown(desk, newer, 404)
    await desk.call("DELETE", f"/phones/{card.no}", expect=404)


async def test_a_card_that_holds_its_money_has_no_phone(desk: Desk) -> None:
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    await desk.put(f"/phones/{no}", expect=409)
    await desk.put("/phones/4000", expect=404)


async def test_a_code_pays_once_wherever_it_is_shown(desk: Desk) -> None:
    here, there = Till(1), Till(2)
    for till in (here, there):
        await enrol(desk, till)
    card = await new_token(desk, 5_000)
    proof = (await code_of(desk, card)).proof
    begun = prepared(here, card, 100, proof)
    answer = await ask(desk, here, question(here, begun))
    assert answer is not None and answer.refused is None
    settled(here, begun, answer)
    again = await ask(desk, there, question(there, prepared(there, card, 100, proof)))
    assert again is not None and again.refused is Refusal.REPLAYED
    await send(desk, here)
    assert await purse_of(desk, card) == (4_900, 0)


async def test_a_code_that_two_silent_terminals_took_is_a_fork(desk: Desk) -> None:
    here, there = Till(1), Till(2)
    for till in (here, there):
        await enrol(desk, till)
    card = await new_token(desk, 5_000)
    proof = (await code_of(desk, card)).proof
    for till, cents in ((here, 100), (there, 700)):
        settled(till, prepared(till, card, cents, proof), None)
        await send(desk, till)
    assert await purse_of(desk, card) == (4_900, 0)
    assert [(case["cls"], case["cents"]) for case in await desk.get("/cases")] == [("fork", 700)]
    assert (await desk.get(f"/cards/{card.no}"))["plastics"][0]["status"] == "blocked"


async def test_a_code_is_asked_about_while_it_is_new_and_as_it_was_signed(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    card = await new_token(desk, 5_000)
    proof, now = (await code_of(desk, card)).proof, desk.clock()
    forged = read_pay_code(make_pay_code(card, now, FOREIGN))
    assert forged is not None
    other = with_members(proof, counter=Counter(proof.counter + 1))
    for bad in (forged.proof, other):
        answer = await ask(desk, till, question(till, prepared(till, card, 100, bad)))
        assert answer is not None and answer.refused is Refusal.NOT_GENUINE
    classic = with_members(question(till, prepared(till, card, 100, proof)), card=_as_classic(card))
    answer = await ask(desk, till, classic)
    assert answer is not None and answer.refused is Refusal.NOT_GENUINE
    desk.clock.pass_ms(VALID_MS + AHEAD_MS + SECOND_MS)
    late = await ask(desk, till, question(till, prepared(till, card, 100, proof)))
    assert late is not None and late.refused is Refusal.CODE_EXPIRED


async def test_a_sale_with_a_code_that_nobody_signed_moves_no_money(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    card = await new_token(desk, 5_000)
    forged = read_pay_code(make_pay_code(card, desk.clock(), FOREIGN))
    assert forged is not None
    settled(till, prepared(till, card, 100, forged.proof), None)
    await send(desk, till)
    assert await purse_of(desk, card) == (5_000, 0)
    parked = await rows_of(desk.house.database, select(tables.entry.c.parked).where(tables.entry.c.parked != ""))
    assert [why.startswith(INCONSISTENT) and "pay code" in why for (why,) in parked] == [True, True]


def _as_classic(card: CardId) -> CardId:
    return CardId(card.no, card.generation, Technology.CLASSIC, card.card_class)
