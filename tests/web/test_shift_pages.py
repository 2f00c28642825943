"""Shifts of a day, one of them, and a drawer that two people count, in a real browser."""

import pytest

from protocol.ids import TerminalId
from server.app import House
from tests.server.desk import Clock
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import Story, lunch
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration
_TOLD: list[Story] = []
YESTERDAY = "2026-11-30"


async def prepare(house: House, clock: Clock) -> None:
    _TOLD.append(await lunch(house, clock))


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_pages_of_shifts_keep_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor, language = visit("bob", width), "zh-Hant" if look == "dark" else "en"
    for name, value in (("fanka_look", look), ("fanka_language", language)):
        visitor.page.context.add_cookies([{"name": name, "value": value, "url": f"{visitor.house.url}/desk"}])
    days = ("", f"?day={YESTERDAY}", "?day=2026-01-01&terminal=till-01")
    for path in (*(f"/shifts{day}" for day in days), "/shifts/till-01/1/1", "/shifts/till-02/2/2"):
        visitor.go(path)
        visitor.check(f"{path} {width} {look}")


def test_a_day_s_drawers_are_set_beside_the_books_and_add_up(visit: Visit) -> None:
    visitor = visit("eve", "desktop")
    page = visitor.page
    visitor.go("/shifts")
    page.get_by_role("link", name="Day before").click()
    row = page.get_by_role("row", name="till-01 · 1")
    row.get_by_text("wang").wait_for()
    assert [cell.split("\n")[0] for cell in row.locator("td").all_inner_texts()[-3:]] == [
        "107.00",
        "112.00",
        "−5.00 too little",
    ]
    assert row.get_by_role("link", name="Case").is_visible()
    foot = page.locator("tfoot").first.locator("td").all_inner_texts()
    assert foot[-3:] == ["477.00", "482.00", "−5.00"]
    page.get_by_label("Terminal").select_option("till-03")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**terminal=till-03")
    assert not page.get_by_role("row", name="till-02").count()
    page.get_by_role("link", name="till-03 · 1").click()
    page.get_by_role("heading", name="Shift 1 of till-03").wait_for()
    assert "Z report" in page.content()
    visitor.check()
    visitor.go("/shifts/till-01/1/2")
    page.get_by_role("heading", name="X report").wait_for()
    assert not page.get_by_role("button", name="Hand it in").count(), "who only looks counts nothing"


def test_a_drawer_of_a_lost_till_is_counted_by_two_people(visit: Visit, house: WebHouse) -> None:
    bob, ann = visit("bob", "phone"), visit("ann", "desktop")
    for visitor in (bob, ann):
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        visitor.go("/shifts")
        visitor.page.get_by_role("link", name="till-03 · 2").click()
        for label, text in (("What lay in it", "49.5"), ("Why", "till stolen"), ("Evidence", "protocol 7")):
            visitor.page.get_by_label(label).fill(text)
    with bob.expect_problem(409):
        bob.page.get_by_role("button", name="Hand it in").click()
    bob.page.get_by_role("alert").get_by_text("still writes this journal").wait_for()
    house.do(lambda served: served.upkeep.declare_lost(TerminalId("till-03")))
    bob.page.get_by_role("button", name="Hand it in").click()
    bob.page.get_by_text("The count is proposed.").wait_for()
    assert "bob has proposed a count" in bob.page.content()
    bob.check()
    ann.page.get_by_role("button", name="Hand it in").click()
    ann.page.get_by_text("The drawer is handed in.").wait_for()
    assert "bob, ann: till stolen" in ann.page.content() and "−0.50" in ann.page.content()
    ann.check()


def test_the_keyboard_is_enough_for_shifts(visit: Visit) -> None:
    visitor = visit("bob", "desktop")
    keys = visitor.page.keyboard
    visitor.tab_to("Shifts")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Shifts", exact=True).wait_for()
    visitor.tab_to("Day before")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name=f"Shifts of {YESTERDAY}").wait_for()
    visitor.tab_to("till-01 · 1")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Shift 1 of till-01").wait_for()
