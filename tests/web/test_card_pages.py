"""Cards and people, as the card office, finance and a viewer meet them in a browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from protocol.ids import CardNo
from protocol.kinds import Kind
from server.app import House
from tests.server.desk import Clock
from tests.server.world import pin_of
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import Story, lunch
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration

TOLD: list[Story] = []


async def prepare(house: House, clock: Clock) -> None:
    """Two days of a campus."""
    TOLD[:] = [await lunch(house, clock)]


@pytest.fixture
def story(house: WebHouse) -> Story:
    return TOLD[0]


def held(house: WebHouse, no: int) -> Any:
    """What the office has of a number."""
    return house.do(lambda served: served.cards.get(CardNo(no)))


def deed(page: Page, name: str) -> Locator:
    """Open what can be done under this name."""
    found = page.locator("details.deed", has=page.locator("summary").get_by_text(name, exact=True))
    found.locator("summary").click()
    return found


def told(page: Page) -> str:
    return page.locator(".said-done").inner_text()


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_cards_and_people_keep_nobody_out(visit: Visit, story: Story, width: str, look: str) -> None:
    visitor = visit("cleo", width)
    visitor.choose(look=look)
    cards = story.cards
    paths = ["/cards", "/cards?q=2023", "/cards?q=nobody-like-this", "/people", "/people/2023110403"]
    for path in [*paths, *(f"/cards/{cards[name]}" for name in ("first", "forked", "replaced", "closed", "token"))]:
        visitor.go(path)
        visitor.unfold("details.deed")
        visitor.check(f"{path} {width} {look}")


@pytest.mark.parametrize(("language", "title"), [("zh-Hans", "卡片 1"), ("zh-Hant", "卡片 1")])
def test_a_card_is_shown_in_chinese(visit: Visit, story: Story, language: str, title: str) -> None:
    visitor = visit("cleo", "tablet")
    visitor.choose(language=language)
    visitor.go(f"/cards/{story.cards['first']}")
    assert visitor.page.locator("h1").inner_text() == title
    visitor.check()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("1", "/cards/1"),
        ("2A:10:00:01", "/cards/1"),
        ("04c0ffee112233", "/cards/20"),
        ("montgomery", "/people/2023110404"),
        ("买买提", "/people/2023110403"),
        ("T-0071", "/people/T-0071"),
    ],
)
def test_whatever_somebody_has_in_hand_leads_there(visit: Visit, story: Story, text: str, path: str) -> None:
    visitor = visit("eve", "phone")
    visitor.go("/cards")
    visitor.page.get_by_label("Card number, person's id").fill(text)
    visitor.page.get_by_role("button", name="Find").click()
    visitor.page.wait_for_url(f"**/desk{path}")
    visitor.check()


def test_a_text_that_means_many_shows_them_and_one_that_means_none_says_so(visit: Visit, story: Story) -> None:
    visitor = visit("eve")
    visitor.go("/cards?q=2023")
    people = visitor.page.get_by_role("region", name="People")
    assert people.locator("tbody tr").count() == 15
    visitor.go("/cards?q=100%25_sure")
    visitor.page.get_by_text("no card, no person").wait_for()
    assert "100%_sure" in visitor.page.locator("h1").inner_text()


def test_a_viewer_looks_and_changes_nothing(visit: Visit, story: Story) -> None:
    visitor = visit("eve", "desktop")
    for path in ("/cards", "/people", "/people/2023110401", f"/cards/{story.cards['first']}"):
        visitor.go(path)
        assert visitor.page.locator("main form[method=post]").count() == 0, path
        visitor.check(path)


def test_a_card_is_blocked_and_let_pay_again(visit: Visit, house: WebHouse, story: Story) -> None:
    no = story.cards["card-14"]
    visitor = visit("cleo", "phone")
    page = visitor.page
    visitor.go(f"/cards/{no}")
    deed(page, "Block").get_by_role("button", name="Block").click()
    page.get_by_text("The card is blocked.").wait_for()
    assert held(house, no).rows[-1]["status"] == "blocked"
    visitor.check()
    deed(page, "Unblock").get_by_role("button", name="Unblock").click()
    page.get_by_text("The card pays again.").wait_for()
    assert held(house, no).rows[-1]["status"] == "active"
    visitor.go(f"/cards/{story.cards['forked']}")
    page.get_by_text("two cards claim to be it").wait_for()
    with visitor.expect_problem(409):
        deed(page, "Unblock").get_by_role("button", name="Unblock").click()
    page.get_by_role("alert").get_by_text("nobody has closed the case").wait_for()


def test_money_is_taken_in_and_a_wrong_amount_is_told_where_it_was_typed(
    visit: Visit, house: WebHouse, story: Story
) -> None:
    no = story.cards["card-15"]
    visitor = visit("cleo")
    page = visitor.page
    visitor.go(f"/cards/{no}")
    form = deed(page, "Load")
    form.get_by_label("Amount").fill("12,50")
    with visitor.expect_problem(422):
        form.get_by_role("button", name="Load").click()
    page.get_by_role("alert").get_by_text("12,50").wait_for()
    assert form.get_by_label("Amount").input_value() == "12,50", "nothing that was typed is lost"
    form.get_by_label("Amount").fill("12.50")
    form.get_by_label("Channel").fill("alipay")
    with visitor.expect_problem(422):
        form.get_by_role("button", name="Load").click()
    page.get_by_role("alert").get_by_text("channel").wait_for()
    form.get_by_label("Where the money is").select_option("channel")
    form.get_by_role("button", name="Load").click()
    page.get_by_text("the next tap collects it").wait_for()
    assert held(house, no).pending_cents == 1_250
    visitor.go(f"/cards/{no}")  # what was said of the first load is gone
    form = deed(page, "Load")
    drawer = form.get_by_label("Where the money is").locator("option", has_text="North canteen, till 1").first
    form.get_by_label("Where the money is").select_option(drawer.get_attribute("value"))
    form.get_by_label("Amount").fill("7")
    form.get_by_role("button", name="Load").click()
    page.get_by_text("the next tap collects it").wait_for()
    assert held(house, no).pending_cents == 1_950
    aid = deed(page, "Grant a subsidy")
    aid.get_by_label("Amount").fill("30")
    aid.get_by_label("Period").fill("1")
    aid.get_by_role("button", name="Grant a subsidy").click()
    page.get_by_text("The subsidy is granted.").wait_for()
    assert held(house, no).pending_subsidy_cents == 3_000
    visitor.check()


def test_much_money_waits_for_a_second_person(visit: Visit, house: WebHouse, story: Story) -> None:
    no = story.cards["card-16"]
    visitor = visit("cleo", "tablet")
    page = visitor.page
    visitor.go(f"/cards/{no}")
    form = deed(page, "Load")
    form.get_by_label("Amount").fill("1500")
    form.get_by_role("button", name="Load").click()
    page.get_by_text("It waits for a second person").wait_for()
    page.get_by_text("cleo asked for 1500.00 on this card").wait_for()
    assert held(house, no).pending_cents == 0
    visitor.check()
    other = visit("bob")
    other.go(f"/cards/{no}")
    other.page.locator(".said-note").get_by_role("link", name="Two-person decisions").click()
    other.page.wait_for_url("**/desk/proposals")


def test_a_card_is_replaced_only_where_somebody_is_sure(visit: Visit, house: WebHouse, story: Story) -> None:
    no = story.cards["card-12"]
    visitor = visit("cleo")
    page = visitor.page
    visitor.go(f"/cards/{no}")
    form = deed(page, "Replace")
    page.once("dialog", lambda dialog: dialog.dismiss())
    form.get_by_role("button", name="Replace").click()
    assert len(held(house, no).rows) == 1
    page.once("dialog", lambda dialog: dialog.accept())
    form.get_by_role("button", name="Replace").click()
    page.get_by_text("this number has a new generation now").wait_for()
    assert [row["status"] for row in held(house, no).rows] == ["closed", "active"]
    visitor.check()


def test_a_card_that_is_handed_in_is_paid_out(visit: Visit, house: WebHouse, story: Story) -> None:
    no = story.cards["card-13"]
    visitor = visit("bob", "phone")
    page = visitor.page
    visitor.go(f"/cards/{no}")
    cents = held(house, no).rows[-1]["main_cents"]
    form = deed(page, "Close and pay out")
    form.get_by_label("Balance that the card shows").fill(f"{cents / 100 - 1:.2f}")
    page.once("dialog", lambda dialog: dialog.accept())
    form.get_by_role("button", name="Close and pay out").click()
    page.get_by_text(f"Pay out {cents / 100 - 1:.2f} yuan").wait_for()
    assert page.url.endswith(f"/cards/{no}"), "whoever loads the page again sees the card"
    visitor.check()
    page.get_by_role("link", name="Back to the card").click()
    page.get_by_role("heading", name=f"Card {no}").wait_for()
    assert held(house, no).rows[-1]["status"] == "closed"


def test_a_person_is_registered_gets_a_card_and_another_name(visit: Visit, house: WebHouse, story: Story) -> None:
    visitor = visit("cleo", "phone")
    page = visitor.page
    visitor.go("/people")
    page.get_by_label("Id", exact=True).fill("2023110401")
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_label("Class").select_option("2")
    with visitor.expect_problem(409):
        page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").get_by_text("Somebody has this id already").wait_for()
    page.get_by_label("Id", exact=True).fill("2026000001")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Ada Lovelace").wait_for()
    page.get_by_label("Kind of card").select_option("desfire")
    page.get_by_role("button", name="New card").click()
    page.get_by_text("A number is given out.").wait_for()
    no = int(re.sub(r"\D", "", page.locator("h1").inner_text()))
    row = held(house, no).rows[-1]
    assert (row["person"], row["card_class"], row["technology"]) == ("2026000001", 2, "desfire")
    page.get_by_role("link", name="Ada Lovelace").click()
    page.get_by_label("Name", exact=True).fill("Ada King")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Ada King").wait_for()
    visitor.go(f"/cards/{no}")
    form = deed(page, "Change the holder")
    form.get_by_label("Person's id").fill("nobody-like-this")
    with visitor.expect_problem(404):
        form.get_by_role("button", name="Change the holder").click()
    page.get_by_role("alert").get_by_text("No person has this id").wait_for()
    form.get_by_label("Person's id").fill("")
    form.get_by_role("button", name="Change the holder").click()
    page.get_by_text("The holder is changed.").wait_for()
    assert held(house, no).rows[-1]["person"] is None
    visitor.check()


def test_a_token_gets_its_phone_and_its_uid(visit: Visit, house: WebHouse, story: Story) -> None:
    visitor = visit("cleo", "phone")
    page = visitor.page
    visitor.go(f"/cards/{story.token}")
    deed(page, "Bind a phone").get_by_role("button", name="Bind a phone").click()
    secret = page.locator("code.secret").inner_text()
    assert house.do(lambda served: served.app.state.phones.code(secret))[0], "the phone shows codes with it"
    visitor.check()
    page.reload()
    assert page.locator("code.secret").count() == 0, "it is shown once"
    deed(page, "Bind a phone").get_by_role("button", name="Take the phone's right").click()
    page.get_by_text("No phone shows codes for this number any more.").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    deed(page, "Bind a UID").get_by_role("button", name="Unbind 04c0ffee112233").click()
    page.get_by_text("The UID is nobody's any more.").wait_for()
    form = deed(page, "Bind a UID")
    form.get_by_label("UID").fill("04:C0:FF:EE:11:22:33")
    form.get_by_role("button", name="Bind a UID").click()
    page.get_by_text("The UID is bound.").wait_for()
    assert house.do(lambda served: served.tokens.of("04c0ffee112233"))["card"] == story.token


def test_a_pin_that_was_tried_is_no_sale(visit: Visit, house: WebHouse, story: Story) -> None:
    till, card = story.tills["second"], story.street.cards["aided"]

    async def tried(_: House) -> None:
        body = pin_of(card)
        card.write(till.tno, body, story.street.write(till, Kind.PIN_TRIED, body))
        await story.street.deliver(till)

    house.do(tried)
    visitor = visit("eve")
    visitor.go(f"/cards/{card.id.no}")
    newest = visitor.page.get_by_role("region", name="History").locator("tbody tr").first
    assert newest.locator("td").all_inner_texts()[:3] == ["PIN tried", "Done", "0.00"]
    newest.get_by_role("link").click()
    visitor.page.get_by_role("heading", name="Proof of entry").wait_for()
    visitor.check()


def test_many_cards_come_page_by_page(visit: Visit, house: WebHouse, story: Story) -> None:
    house.do(lambda served: served.cards.issue(220, 1, "classic", None))
    visitor = visit("eve")
    visitor.go("/cards")
    seen: list[str] = []
    while True:
        seen += visitor.page.locator("tbody th a").all_inner_texts()
        following = visitor.page.get_by_role("link", name="Next page")
        if not following.count():
            break
        visitor.check()
        before = visitor.page.url
        following.click()
        visitor.page.wait_for_function("before => location.href !== before", arg=before)
    assert len(seen) >= 240 and sorted(map(int, set(seen))) == list(range(1, max(map(int, seen)) + 1))
    visitor.go("/cards?status=blocked")
    assert visitor.page.locator("tbody tr").count() == 2, "the blocked one and the one that was used twice"


def test_the_keyboard_blocks_a_card(visit: Visit, house: WebHouse, story: Story) -> None:
    no = story.cards["card-17"]
    visitor = visit("cleo")
    keys = visitor.page.keyboard
    visitor.go("/overview")
    visitor.tab_to("Cards and people")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Cards", exact=True).wait_for()
    visitor.tab_to("Card number")
    keys.type(str(no))
    keys.press("Enter")
    visitor.page.get_by_role("heading", name=f"Card {no}").wait_for()
    visitor.tab_to("Block")
    keys.press("Enter")
    visitor.tab_to("Block")
    keys.press("Enter")
    visitor.page.get_by_text("The card is blocked.").wait_for()
    assert held(house, no).rows[-1]["status"] == "blocked"
    house.do(lambda served: served.cards.set_blocked(CardNo(no), blocked=False))
