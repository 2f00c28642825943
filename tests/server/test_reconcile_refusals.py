"""Tricks that terminals refused stand in the night's proof: one line for a card, a reason and a day, and no cents."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import text
from sqlalchemy.dialects.sqlite import dialect

from protocol.authorise import OTHER_CARD, SEVERAL_CARDS, Refusal
from protocol.entries import Kind, SaleRefused
from protocol.ids import Counter
from protocol.instants import DAY_MS, MINUTE_MS
from protocol.money import Cents
from protocol.purse import CardId
from server.reconcile import refusals
from server.reconcile.queries import refusals_until
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_cards import enrol, loaded_card, send
from tests.server.test_holes import sell
from tests.server.token_world import new_token
from tests.server.world import CAMPUS, NOON, Plastic, Till, plastic, sale_of

TODAY = CAMPUS.business_day(NOON)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    is_small = request.param == "sqlite"
    name = f"refusals_{abs(hash(request.node.name))}"
    url = "" if is_small else new_database(request.getfixturevalue("cluster"), name)
    async with open_desk(tmp_path, url) as desk:
        yield desk


class Street:
    """A station that has loaded a card with 10.00, and a till that has sold for 3.00 to it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.station, self.till = desk, Till(1), Till(2)

    async def open(self) -> "Street":
        await enrol(self.desk, self.station, can_load=True)
        await enrol(self.desk, self.till)
        self.card = await loaded_card(self.desk, self.station, 1_000)
        sell(self.till, self.card, 300)
        await send(self.desk, self.till)
        return self

    async def refused(self, reason: str, card: Plastic | None, *, asked: int = 250, times: int = 1) -> None:
        """The till refuses, and tells it."""
        refuse(self.till, reason, card, asked=asked, times=times)
        await send(self.desk, self.till, len(self.till.chain) - 1)

    async def proven(self, day: int = 0) -> dict[str, Any]:
        """The proof of a day after the first, made by the night."""
        await self.desk.house.nightly.run_if_due()
        found: dict[str, Any] = await self.desk.get(f"/days/{TODAY + day}/proof")
        return found

    async def lines(self, day: int = 0) -> list[dict[str, Any]]:
        """What it lists of refusals."""
        return [found for found in (await self.proven(day))["findings"] if found["cls"] == "refused"]


def refuse(till: Till, reason: str, card: Plastic | CardId | None, *, asked: int = 250, times: int = 1) -> None:
    """As a till writes it: what was shown, as far as it was read."""
    body = SaleRefused(reason, Cents(asked), count=times)
    if isinstance(card, Plastic):
        shown = {"main": Cents(card.main), "subsidy": Cents(card.subsidy)}
        body = with_members(body, card=card.id, counter=Counter(card.counter), **shown)
    elif card is not None:
        body = with_members(body, card=card, counter=Counter(7))
    till.append(Kind.SALE_REFUSED, body)


@pytest.fixture
async def street(desk: Desk) -> Street:
    return await Street(desk).open()


async def test_a_card_put_back_is_told_with_what_it_showed_above_the_books(street: Street) -> None:
    copy = street.card.copy()
    sell(street.till, street.card, 400)
    await send(street.desk, street.till, len(street.till.chain) - 2)
    before = await street.desk.post(f"/days/{TODAY}/proof", who="bob")
    await street.refused(Refusal.BELOW_FLOOR, copy, times=3)
    street.desk.clock.pass_ms(DAY_MS)
    proof = await street.proven()
    (line,) = [found for found in proof["findings"] if found["cls"] == "refused"]
    refused = street.till.chain[-1]
    assert (line["cents"], line["amount"], line["of_day"]) == (0, 400, TODAY)
    assert (line["card"], line["generation"], line["counter"]) == (*street.card.id.key, copy.counter)
    assert (line["terminals"], line["steps"]) == ([street.till.tid], [[street.till.tno, 0, refused.seq]])
    assert line["tried"] == {
        "reason": "below_floor", "attempts": 3, "first_at": refused.entry.at, "last_at": refused.entry.at,
        "asked_cents": 250, "hashes": [refused.hash.hex()], "shown_cents": 700, "ledger_cents": 300,
    }  # fmt: skip
    assert "below_floor, 3 times" in line["text"] and "it showed 7.00, the books say 3.00" in line["text"]
    sums = ("difference_cents", "unexplained_cents")
    assert [proof[name] for name in sums] == [before[name] for name in sums] == [0, 0]
    total = {"cls": "refused", "count": 1, "cents": 0, "amount": 400, "above": 400, "below": 0}
    assert total in proof["classes"]
    assert await street.desk.get("/cases") == [], "nobody is accused by it"
    assert (await street.desk.get(f"/cards/{street.card.id.no}"))["plastics"][0]["status"] == "active"


@pytest.mark.parametrize(
    ("reason", "amount"),
    [(Refusal.VALUE_NOT_COVERED, 9_300), (Refusal.NOT_GENUINE, 9_300), (Refusal.BELOW_FLOOR, -200)],
)
async def test_how_far_a_copy_is_from_the_books(street: Street, reason: str, amount: int) -> None:
    copy = street.card.copy()
    copy.main += amount
    await street.refused(reason, copy)
    street.desk.clock.pass_ms(DAY_MS)
    (line,) = await street.lines()
    assert (line["tried"]["reason"], line["amount"], line["tried"]["ledger_cents"]) == (reason, amount, 700)


async def test_what_cannot_be_compared_is_about_what_was_asked_for(street: Street) -> None:
    """A number that was never given out, a token shown twice, and what said nothing of itself."""
    token = await new_token(street.desk, 900)
    await street.refused(Refusal.NOT_GENUINE, plastic(4_711, main=99_999), asked=10)
    await street.refused(Refusal.REPLAYED, street.card, asked=20)
    refuse(street.till, Refusal.REPLAYED, token, asked=30)
    await send(street.desk, street.till, len(street.till.chain) - 1)
    await street.refused(Refusal.NOT_GENUINE, None, asked=40)
    street.desk.clock.pass_ms(DAY_MS)
    lines = {(line["card"], line["tried"]["reason"]): line for line in await street.lines()}
    assert {key: line["amount"] for key, line in lines.items()} == {
        (4_711, "not_genuine"): 10, (street.card.id.no, "replayed"): 0, (token.no, "replayed"): 30,
        (None, "not_genuine"): 40,
    }  # fmt: skip
    shown = [lines[key]["tried"] for key in ((4_711, "not_genuine"), (token.no, "replayed"))]
    assert [(one["shown_cents"], one["ledger_cents"]) for one in shown] == [(99_999, None), (None, 900)]


async def test_a_child_that_taps_a_hundred_times_is_one_line(street: Street) -> None:
    await enrol(street.desk, other := Till(3))
    copy = street.card.copy()
    for number in range(20):
        refuse((street.till, other)[number % 2], Refusal.BELOW_FLOOR, copy, times=5)
    refuse(other, Refusal.NOT_GENUINE, copy)
    await send(street.desk, street.till, 2)
    await send(street.desk, other)
    street.desk.clock.pass_ms(DAY_MS)
    lines = {line["tried"]["reason"]: line for line in await street.lines()}
    line = lines["below_floor"]
    assert (len(lines), line["tried"]["attempts"]) == (2, 100)
    assert line["terminals"] == [street.till.tid, other.tid] and len(line["steps"]) == refusals.ENTRIES_NAMED_MAX
    assert len(line["tried"]["hashes"]) == len(line["steps"])
    assert line["tried"]["first_at"] < line["tried"]["last_at"]


async def test_another_day_is_another_line(street: Street) -> None:
    await street.refused(Refusal.BELOW_FLOOR, street.card)
    street.desk.clock.pass_ms(DAY_MS)
    street.till.now = street.desk.clock()
    await street.refused(Refusal.BELOW_FLOOR, street.card)
    assert [line["of_day"] for line in await street.lines()] == [TODAY]
    street.desk.clock.pass_ms(DAY_MS)
    assert [line["of_day"] for line in await street.lines(1)] == [TODAY + 1]


async def test_a_refusal_that_arrives_late_is_told_by_the_next_proof(street: Street) -> None:
    refuse(street.till, Refusal.BELOW_FLOOR, street.card)
    street.desk.clock.pass_ms(DAY_MS)
    assert await street.lines() == []
    street.desk.clock.pass_ms(MINUTE_MS)
    await send(street.desk, street.till, len(street.till.chain) - 1)
    street.desk.clock.pass_ms(DAY_MS)
    assert [line["of_day"] for line in await street.lines(1)] == [TODAY]
    street.desk.clock.pass_ms(DAY_MS)
    assert await street.lines(2) == []


async def test_another_card_is_told_with_the_step_that_it_left_open(street: Street) -> None:
    """A card that is taken away while it is written, and another one put in its place."""
    friend = await loaded_card(street.desk, street.station, 500)
    begun = street.till.append(Kind.SALE_PREPARED, sale_of(street.card, 250)).seq
    await send(street.desk, street.till, len(street.till.chain) - 1)
    await street.refused(OTHER_CARD, friend)
    await street.refused(SEVERAL_CARDS, None)
    street.desk.clock.pass_ms(DAY_MS)
    lines = {line["tried"]["reason"]: line for line in await street.lines()}
    for reason, card in ((OTHER_CARD, friend.id.no), (SEVERAL_CARDS, None)):
        assert (lines[reason]["card"], lines[reason]["amount"]) == (card, 250)
        assert lines[reason]["steps"][-1] == [street.till.tno, 0, begun]
        assert lines[reason]["text"].endswith("the step named last has no outcome")


async def test_a_torn_card_that_came_back_leaves_nothing_in_question(street: Street) -> None:
    """It has no line itself; the friend's card that was tapped in between is about no money."""
    friend = await loaded_card(street.desk, street.station, 500)
    body = sale_of(street.card, 250)
    begun = street.till.append(Kind.SALE_PREPARED, body).seq
    refuse(street.till, OTHER_CARD, friend)
    street.card.write(street.till.tno, body, begun)
    street.till.append(Kind.SALE_SETTLED, with_members(body, prepared=begun))
    await send(street.desk, street.till, 2)
    street.desk.clock.pass_ms(DAY_MS)
    (line,) = await street.lines()
    assert (line["card"], line["amount"]) == (friend.id.no, 0)
    assert line["text"].endswith("every step there has its outcome") and "against" not in line["text"]


async def test_ordinary_refusals_are_no_tricks(street: Street) -> None:
    for reason in set(Refusal) - set(refusals.TRICKS):
        refuse(street.till, reason, street.card)
    refuse(street.till, "staff_pin_wrong", None)
    await send(street.desk, street.till, 2)
    street.desk.clock.pass_ms(DAY_MS)
    assert await street.lines() == []


async def test_a_stolen_till_accuses_nobody(street: Street) -> None:
    """What it says waits for two people."""
    await street.desk.post(f"/terminals/{street.till.tid}/revoke", who="tom")
    await street.refused(Refusal.NOT_GENUINE, street.card)
    street.desk.clock.pass_ms(DAY_MS)
    assert await street.lines() == []


async def test_more_lines_than_are_told_are_counted(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LINES_MAX", 2)
    for number in range(5):
        refuse(street.till, Refusal.NOT_GENUINE, plastic(number % 4 + 1), times=10)
    await send(street.desk, street.till, 2)
    street.desk.clock.pass_ms(DAY_MS)
    lines = await street.lines()
    assert [line["tried"]["attempts"] for line in lines if line["tried"]] == [20, 10]
    assert [line["text"] for line in lines if not line["tried"]] == ["20 attempts more are not told one by one"]


async def test_refusals_are_found_by_their_index(street: Street) -> None:
    """Among millions of sales."""
    database = street.desk.house.database
    if database.is_sqlite:
        query = refusals_until(TODAY).compile(dialect=dialect(), compile_kwargs={"literal_binds": True})
        assert "USING INDEX refusal_by_day" in str(await rows_of(database, text(f"EXPLAIN QUERY PLAN {query}")))
