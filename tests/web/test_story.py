"""The story that pages are shown with is one that the server itself believes."""

from pathlib import Path

from server.app import open_house
from tests.server.desk import Clock, assert_balances_are_sums
from tests.server.office import install, settings_in
from tests.web.story import lunch


async def test_the_story_is_booked_to_the_cent_and_leaves_what_pages_show(tmp_path: Path) -> None:
    clock = Clock()
    clock.pass_ms(3_600_000)
    await install(tmp_path, clock)
    async with open_house(settings_in(tmp_path), clock) as house:
        story = await lunch(house, clock)
        await assert_balances_are_sums(house.database)
        cards = await house.cards.page((0, 0), None, 100)
        assert len(cards) == 21 and all(row["main_cents"] >= 0 for row in cards), "no card gives more than it has"
        for till in story.tills.values():
            assert list(await house.terminals.parked(till.tid, 10)) == []
        found = await house.upkeep.cases(None, still_open=True, before=None, limit=10)
        assert {case["cls"]: case["cents"] for case in found} == {"shift_difference": -500, "fork": 900}
        proof = await house.reconcile.proof(story.proven_day, number=None, cls="", after="", limit=100)  # type: ignore[arg-type]
        assert {finding.cls for finding in proof.findings} >= {"fork", "shift_difference", "torn"}
        assert len(await house.enrolments.waiting()) == 1
        assert [one.subject for one in await house.app.state.two_people.waiting()] == ["scholarship-2026"]
        assert len(await house.alarms.page(None, still_open=True, before=None, limit=10)) == 1
        online = {known.row["tid"]: known.online for known in await house.states.every()}
        assert online == {"till-01": True, "till-02": True, "till-03": False, "till-04": True, "till-05": False}
