"""What pages say of what was done, once and to whom it belongs; and who looked at whom."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.instants import HOUR_MS
from server.web.language import SENTENCES
from tests.server.office import open_desk
from tests.web.asking import Asking

SAVED, _, _ = SENTENCES["done.person_saved"]
LI: dict[str, str | int] = {"name": "Li Na", "card_class": 1}


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/people/s-1", LI)
        yield Asking(desk)


async def test_what_was_done_is_said_once_and_by_no_link(asking: Asking) -> None:
    assert SAVED not in await asking.read("/people/s-1?done=person_saved")
    done = await asking.send("/people/s-1", LI)
    assert done.headers["location"] == "/desk/people/s-1", "an address that says nothing to others"
    assert SAVED not in await asking.read("/people"), "another page does not take it away"
    assert SAVED in await asking.read("/people/s-1")
    assert SAVED not in await asking.read("/people/s-1")


async def test_nobody_elses_browser_says_that_it_was_done(asking: Asking) -> None:
    await asking.send("/people/s-1", LI)
    asking.kept["eve"] = dict(asking.kept["ann"])
    assert SAVED not in await asking.read("/people/s-1", "eve")
    asking.kept["ann"]["fanka_done"] = f"card_blocked.{asking.kept['ann']['fanka_done'].partition('.')[2]}"
    assert 'class="said said-done"' not in await asking.read("/people/s-1")


async def test_who_looks_at_a_person_is_noted_once_an_hour(asking: Asking) -> None:
    desk = asking.desk
    (no,) = (await desk.post("/cards", {"person": "s-1"}, expect=201))["numbers"]
    (nobodys,) = (await desk.post("/cards", {"technology": "desfire"}, expect=201))["numbers"]

    async def looks() -> list[tuple[str, str]]:
        rows = await desk.get("/trail?operator=eve")
        return [(row["action"], row["subject"]) for row in reversed(rows)]

    await asking.read(f"/cards/{nobodys}", "eve")
    await asking.read("/people/s-2", "eve", 404)
    assert await looks() == []
    for path in ("/people/s-1", f"/cards/{no}", "/people/s-1", f"/cards/{no}?before=9"):
        await asking.read(path, "eve")
    noted = [("look_at_person", "people/s-1"), ("look_at_card", f"people/s-1/cards/{no}")]
    assert await looks() == noted
    for _ in range(4):
        desk.clock.pass_ms(HOUR_MS // 4)
        await asking.read("/overview", "eve")
    await asking.read("/people/s-1", "eve")
    assert await looks() == [*noted, noted[0]]
    told = await asking.read("/trail?subject=people/s-1", "uma")
    assert SENTENCES["action.look_at_card"][0].replace("'", "&#39;") in told and f"people/s-1/cards/{no}" in told
