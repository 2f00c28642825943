"""Whatever somebody at a desk has in hand leads to the card or the person, and nothing else does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.entries import CardIssued, Kind
from server.finding.rules import Wanted, wanted
from server.finding.service import Finding
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_shifts import counted, opened
from tests.server.world import Till, plastic


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7", Wanted(7, "", "7", "", "")),
        (" 0 ", Wanted(None, "", "0", "", "")),
        ("4294967296", Wanted(None, "", "4294967296", "4294967296", "")),
        ("04:A1:B2:C3", Wanted(None, "04a1b2c3", "", "", "04:a1:b2:c3")),
        ("04 a1 b2 c3 d4 e5 f6", Wanted(None, "04a1b2c3d4e5f6", "", "", "04 a1 b2 c3 d4 e5 f6")),
        ("12345678", Wanted(12_345_678, "12345678", "12345678", "12345678", "")),
        ("王 Li", Wanted(None, "", "", "", "王 li")),
        ("٣", Wanted(None, "", "", "", "")),
        ("", Wanted(None, "", "", "", "")),
    ],
)
def test_a_text_is_everything_that_it_can_mean(text: str, meant: Wanted) -> None:
    assert wanted(text) == meant


async def found(desk: Desk, text: str) -> tuple[list[int], list[str]]:
    finding: Finding = desk.house.app.state.finding
    told = await finding.find(text)
    return [row["card"] for row in told.cards], [row["id"] for row in told.people]


async def test_cards_and_people_are_found(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_issue=True)
    for who, name in (("s-1001", "Wang Li"), ("s-1002", "WANG 100%"), ("10", "Zhou")):
        await desk.put(f"/people/{who}", {"name": name, "card_class": 1})
    (first,) = (await desk.post("/cards", {"person": "s-1001"}, expect=201))["numbers"]
    (second,) = (await desk.post("/cards", {"person": "s-1002"}, expect=201))["numbers"]
    await desk.post("/cards", {"count": 8}, expect=201)
    till.append(Kind.CARD_ISSUED, CardIssued(plastic(second).id, "04a1b2c3", 1))
    await send(desk, till)
    assert await found(desk, str(first)) == ([first], [])
    assert await found(desk, "04:A1:B2:C3") == ([second], [])
    assert await found(desk, "wang") == ([first, second], ["s-1001", "s-1002"])
    assert await found(desk, "100%") == ([second], ["s-1002"]), "a sign is itself, and no pattern"
    assert await found(desk, "_") == ([], [])
    assert await found(desk, "s-10") == ([first, second], ["s-1001", "s-1002"])
    assert await found(desk, "s-1") == ([], []), "three letters would find half the campus"
    assert await found(desk, "10") == ([10], ["10"]), "a number and an id may be the same"
    assert await found(desk, " ") == ([], [])
    finding: Finding = desk.house.app.state.finding
    assert (await finding.find("wang li")).only_person == "s-1001"
    assert (await finding.find("wang")).only_person is None and (await finding.find("wang")).only_card is None
    assert (await finding.find("10")).only_person is None and (await finding.find("10")).only_card is None


async def test_only_drawers_that_are_open_take_cash(desk: Desk) -> None:
    till, other = Till(1), Till(2)
    for one in (till, other):
        await enrol(desk, one)
        opened(one)
    counted(other, 0)
    for one in (till, other):
        await send(desk, one)
    finding: Finding = desk.house.app.state.finding
    assert [(row["tid"], row["tno"], row["number"]) for row in await finding.open_drawers()] == [
        (till.tid, till.tno, 1)
    ]
