"""Cases in a browser: looked at down to the entry, corrected by two people, closed with what came out."""

from typing import Any

import pytest

from server.app import House
from server.ledger.accounts import AccountKind
from tests.server.desk import Clock
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import lunch
from tests.web.visitor import SEEN, Visitor

pytestmark = pytest.mark.integration

TOLD: dict[str, Any] = {}


async def prepare(house: House, clock: Clock) -> None:
    TOLD["story"] = await lunch(house, clock)


def short_drawer(visitor: Visitor) -> None:
    visitor.go("/cases?cls=shift_difference")
    visitor.page.get_by_role("link", name="Cash differs").click()
    visitor.page.get_by_role("heading", name="Propose a correction").wait_for()


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_cases_keep_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor = visit("bob", width)
    visitor.choose(look=look)
    for path in ("/cases", "/cases?closed=true", "/cases?cls=stuck", "/cases/1", "/cases/2"):
        visitor.go(path)
        visitor.check(f"{path} {width} {look}")


def test_a_viewer_looks_and_corrects_nothing(visit: Visit) -> None:
    visitor = visit("eve")
    visitor.choose(language="zh-Hant")
    visitor.go("/cases/1")
    visitor.page.get_by_text("重複使用：疑似複製卡").first.wait_for()
    assert visitor.page.locator("main form").count() == 0
    visitor.check()


def test_two_people_correct_a_short_drawer_and_close_its_case(visit: Visit, house: WebHouse) -> None:
    """The missing five yuan were found: what the form offers is what is booked."""
    bob = visit("bob")
    page = bob.page
    short_drawer(bob)
    tno, branch, seq = TOLD["story"].entries["short_shift"]
    assert page.locator(f"a[href='/desk/entries/{tno}/{branch}/{seq}']").count() == 1
    page.get_by_label("Reason").fill("it lay under the drawer")
    page.get_by_label("Amount").nth(1).fill("4.00")
    with bob.expect_problem(422):
        page.get_by_role("button", name="Propose").click()
    page.get_by_role("alert").get_by_text("The lines do not balance").wait_for()
    page.get_by_label("Amount").nth(1).fill("5.00")
    page.get_by_role("button", name="Propose").click()
    page.get_by_text("waits for a second person").first.wait_for()
    bob.check()
    ann = visit("ann", "phone")
    ann.go("/proposals")
    ann.page.on("dialog", lambda dialog: dialog.accept())
    card = ann.page.locator("section", has=ann.page.get_by_role("heading", name="Correct the books"))
    assert "+5.00 more" in card.inner_text() and "−5.00 less" in card.inner_text()
    card.get_by_role("button", name="Confirm").click()
    ann.page.get_by_text("two people have agreed").wait_for()
    (act,) = [one for one in house.do(lambda served: served.bookings.acts(None, 10)) if one["name"] == "correction"]
    assert (act["cents"], act["proposed_by"], act["by"]) == (500, "bob", "ann")
    lost = house.do(lambda served: served.ledger.accounts(AccountKind.OPERATOR_LOSS, None, 10, None))
    assert [cents for _, cents in lost if cents] == []
    short_drawer(bob)
    page.get_by_label("What came out").fill("found and put into the vault")
    page.get_by_role("button", name="Close the case").click()
    page.get_by_text("The case is closed.").wait_for()
    assert page.get_by_role("link", name="Cash differs").count() == 0
    bob.go("/cases?closed=true")
    page.get_by_role("link", name="Cash differs").click()
    page.get_by_text("found and put into the vault").wait_for()
    bob.check()


def test_a_movement_and_an_account_that_is_none(visit: Visit) -> None:
    visitor = visit("ann")
    page = visitor.page
    visitor.go("/cases/1")
    page.get_by_label("Reason").fill("a typing mistake")
    page.get_by_label("Whose").nth(0).fill("three")
    page.get_by_label("Amount").nth(0).fill("1")
    with visitor.expect_problem(422):
        page.get_by_role("button", name="Propose").click()
    page.get_by_role("alert").get_by_text("there is no such account").wait_for()
    assert page.get_by_label("Whose").nth(0).input_value() == "three", "nothing that was typed is lost"
    page.get_by_label("Movement").select_option(label="Cash from the vault to the bank")
    page.get_by_label("Amount").last.fill("10")
    page.get_by_label("Document").fill("slip 88")
    page.get_by_role("button", name="Book it").click()
    page.get_by_text("It is booked.").wait_for()
    visitor.check()
