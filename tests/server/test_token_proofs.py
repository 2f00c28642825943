"""What a token has shown is worth one sale: to the server at once, and in the books whoever brings it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.authorise import Refusal
from protocol.entries import Kind
from protocol.ids import Counter
from protocol.instants import DAY_MS
from protocol.proofs import Proof, ProofKind
from server import tables
from server.ingest.waiting import INCONSISTENT
from server.ledger.accounts import FRAUD_LOSS
from tests.server.desk import assert_balances_are_sums, rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.token_world import ask, new_token, prepared, purse_of, question, settled
from tests.server.world import CAMPUS, Till


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def test_the_server_takes_a_proof_once_whoever_asks(desk: Desk) -> None:
    here, there = Till(1), Till(2)
    for till in (here, there):
        await enrol(desk, till)
    card = await new_token(desk, 5_000)
    first = question(here, prepared(here, card, 100, 61))
    answer = await ask(desk, here, first)
    assert answer is not None and answer.refused is None
    assert await ask(desk, here, first) == answer, "the same question"
    for till, shown in ((there, 61), (there, 60), (here, 61)):
        again = await ask(desk, till, question(till, prepared(till, card, 100, shown)))
        assert again is not None and again.refused is Refusal.REPLAYED, (till.tid, shown)
    newer = await ask(desk, there, question(there, prepared(there, card, 100, 62)))
    assert newer is not None and newer.refused is None


async def test_what_was_settled_counts_for_questions_too(desk: Desk) -> None:
    here, there = Till(1), Till(2)
    for till in (here, there):
        await enrol(desk, till)
    card = await new_token(desk, 5_000)
    settled(here, prepared(here, card, 100, 61), None)
    await send(desk, here)
    answer = await ask(desk, there, question(there, prepared(there, card, 100, 61)))
    assert answer is not None and answer.refused is Refusal.REPLAYED


async def test_a_proof_that_was_played_to_two_silent_terminals_is_a_fork(desk: Desk) -> None:
    """Both merchants are paid, the holder pays once, the token is blocked, and people look at it."""
    here, there = Till(1), Till(2)
    for till in (here, there):
        await enrol(desk, till)
    card = await new_token(desk, 5_000)
    settled(here, prepared(here, card, 100, 61), None)
    settled(there, prepared(there, card, 300, 60), None)
    settled(there, prepared(there, card, 700, 61), None)
    for till in (here, there):
        await send(desk, till)
    assert await purse_of(desk, card) == (4_600, 0)
    lost = select(tables.posting.c.cents).where(tables.posting.c.account_kind == FRAUD_LOSS.kind)
    assert await rows_of(desk.house.database, lost) == [(-700,)]
    cases = await desk.get("/cases")
    assert [(case["cls"], case["card"], case["cents"]) for case in cases] == [("fork", card.no, 700)]
    assert (await desk.get(f"/cards/{card.no}"))["plastics"][0]["status"] == "blocked"
    assert await found_at_night(desk) == [("fork", card.no, -700)]
    assert await found_at_night(desk) == [("fork", card.no, -700)], "as long as its case is open"
    (case,) = await desk.get("/cases")
    assert case["cents"] == 700, "the night opens no second one"


async def found_at_night(desk: Desk) -> list[tuple[str, int, int]]:
    """A day later: class, card and amount of what the proof finds."""
    desk.clock.pass_ms(DAY_MS)
    day = CAMPUS.business_day(desk.clock()) - 1
    proof = await desk.post(f"/days/{day}/proof?dry=false")
    return [(found["cls"], found["card"], found["amount"]) for found in proof["findings"] if found["card"]]


async def test_one_sale_is_settled_once_however_often_its_entries_come(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    card = await new_token(desk, 5_000)
    begun = prepared(till, card, 100, 61)
    answer = await ask(desk, till, question(till, begun))
    settled(till, begun, answer)
    for _ in range(2):
        await send(desk, till, 0)
    assert await purse_of(desk, card) == (4_900, 0) and await desk.get("/cases") == []


async def test_an_outcome_with_another_proof_is_inconsistent(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    card = await new_token(desk, 5_000)
    begun = prepared(till, card, 100, 61)
    other = with_members(begun.entry.body, proof=Proof(ProofKind.SUN, Counter(62)), prepared=begun.seq)
    till.append(Kind.SALE_SETTLED, other)
    await send(desk, till)
    parked = await rows_of(desk.house.database, select(tables.entry.c.parked).where(tables.entry.c.parked != ""))
    assert [why.startswith(INCONSISTENT) for (why,) in parked] == [True]
