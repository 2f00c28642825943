"""Prices in a browser: a technician changes, plans, publishes and sees who has them; nobody overwrites another one."""

import pytest

from protocol.ids import ProductId
from server.app import House
from tests.server.desk import Clock
from tests.server.world import SITE
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import lunch
from tests.web.visitor import SEEN, Visitor

pytestmark = pytest.mark.integration

HERE = f"/prices/{SITE}"


async def prepare(house: House, clock: Clock) -> None:
    await lunch(house, clock)


def price_of(house: WebHouse, product: str) -> int | None:
    prices = house.do(lambda served: served.policy.prices(SITE))
    found = prices.product(ProductId(product))
    return None if found is None else int(found.price)


def open_form(visitor: Visitor, product: str) -> None:
    visitor.go(f"{HERE}/product?product={product}")
    visitor.page.get_by_label("Id (never changes)").wait_for()


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_prices_keep_nobody_out(visit: Visit, house: WebHouse, width: str, look: str) -> None:
    visitor = visit("tom", width)
    visitor.choose(look=look)
    version = house.do(lambda served: served.policy.prices(SITE)).version
    for path in ("", "?q=nothing", "/product", "/product?product=beef", "/versions", f"/versions/{version}"):
        visitor.go(HERE + path)
        visitor.check(f"{path} {width} {look}")


def test_a_viewer_looks_in_traditional_chinese(visit: Visit) -> None:
    visitor = visit("eve")
    visitor.choose(language="zh-Hant")
    visitor.go("/prices")
    visitor.page.get_by_text("蘭州牛肉拉麵（大碗）").wait_for()
    assert visitor.page.locator("main form[method=post]").count() == 0
    visitor.check()


def test_a_change_at_once_says_who_has_it(visit: Visit, house: WebHouse) -> None:
    visitor = visit("tom")
    page = visitor.page
    visitor.go(HERE)
    page.get_by_role("link", name="Change: Green tea").click()
    page.get_by_label("Price (¥)").first.fill("2.5x")
    with visitor.expect_problem(422):
        page.get_by_role("button", name="Publish").click()
    page.get_by_role("alert").get_by_text("is not an amount").wait_for()
    page.get_by_label("Price (¥)").first.fill("2.75")
    rule = page.locator("fieldset", has=page.get_by_text("Other price 1"))
    rule.get_by_label("For").select_option(label="Student")
    rule.get_by_label("From").fill("11:00")
    rule.get_by_label("Until").fill("13:00")
    rule.get_by_label("Price").fill("2.20")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("The prices are published").wait_for()
    row = page.locator("tr", has=page.get_by_role("link", name="Change: Green tea"))
    assert "2.75" in row.inner_text() and "Student 11:00–13:00 2.20" in row.inner_text()
    page.locator("#live").get_by_text("Behind").first.wait_for()
    visitor.check()


def test_two_people_who_edit_lose_nothing_of_each_other(visit: Visit, house: WebHouse) -> None:
    tom, ann = visit("tom"), visit("ann")
    open_form(tom, "rice")
    open_form(ann, "beef")
    ann.page.get_by_label("Price (¥)").first.fill("13.00")
    ann.page.get_by_role("button", name="Publish").click()
    ann.page.get_by_text("The prices are published").wait_for()
    tom.page.get_by_label("Price (¥)").first.fill("1.75")
    with tom.expect_problem(409):
        tom.page.get_by_role("button", name="Publish").click()
    tom.page.get_by_role("alert").get_by_text("Somebody has changed these prices").wait_for()
    assert tom.page.get_by_label("Price (¥)").first.input_value() == "1.75", "what was typed is still there"
    tom.check()
    open_form(tom, "rice")
    tom.page.get_by_label("Price (¥)").first.fill("1.75")
    tom.page.get_by_role("button", name="Publish").click()
    tom.page.get_by_text("The prices are published").wait_for()
    assert (price_of(house, "beef"), price_of(house, "rice")) == (1_300, 175)


def test_what_waits_is_gathered_then_published_or_dropped(visit: Visit, house: WebHouse) -> None:
    visitor = visit("tom", "tablet")
    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())
    visitor.go(f"{HERE}/product")
    for label, text in {
        "Id (never changes)": "soup",
        "Name in English": "Tomato soup",
        "Name in simplified Chinese": "番茄汤",
        "Name in traditional Chinese": "番茄湯",
    }.items():
        page.get_by_label(label).fill(text)
    page.get_by_label("Price (¥)").first.fill("4")
    page.get_by_label("At a date and time").check()
    page.get_by_label("Date and time", exact=True).first.fill("2020-01-01T06:00")
    with visitor.expect_problem(422):
        page.get_by_role("button", name="Publish").click()
    page.get_by_role("alert").get_by_text("The chosen time has passed").wait_for()
    page.get_by_label("Date and time", exact=True).first.fill("2027-01-04T06:00")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("The change waits for its time").wait_for()
    page.get_by_text("From 2027-01-04 06:00:00 on").wait_for()
    visitor.check()
    before = price_of(house, "pen")
    open_form(visitor, "pen")
    page.locator("form", has=page.get_by_role("button", name="Take it off the list")).get_by_label("With what").check()
    page.get_by_role("button", name="Take it off the list").click()
    page.get_by_text("taken away").wait_for()
    assert (price_of(house, "soup"), price_of(house, "pen")) == (None, before), "nothing of it holds yet"
    open_form(visitor, "tea")
    page.get_by_label("Price (¥)").first.fill("3.00")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("The prices are published").wait_for()
    page.get_by_role("button", name="Publish now").click()
    page.get_by_text("What waited holds now").wait_for()
    assert (price_of(house, "soup"), price_of(house, "pen"), price_of(house, "tea")) == (400, None, 300)
    visitor.go(f"{HERE}/versions")
    page.get_by_role("link", name="Version").last.click()
    page.get_by_text("Ballpoint pen").wait_for()
    visitor.check()


def test_the_keyboard_is_enough_to_change_a_price(visit: Visit, house: WebHouse) -> None:
    visitor = visit("ann")
    open_form(visitor, "book")
    visitor.tab_to("Price (¥)")
    visitor.page.keyboard.press("Control+a")
    visitor.page.keyboard.type("26.00")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text("The prices are published").wait_for()
    assert price_of(house, "book") == 2_600
