"""Signing in, one's account, and the overview, in a real browser."""

import pytest
from pyotp.totp import TOTP

from tests.web.conftest import Visit
from tests.web.house import OPERATORS, WebHouse
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_first_pages_keep_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor = visit("", width)
    visitor.go("/overview")
    assert visitor.page.url.endswith("/desk/sign-in")
    visitor.page.get_by_label("Colours").select_option(look)
    visitor.page.get_by_role("button", name="Apply").click()
    assert visitor.page.locator("html").get_attribute("data-look") == look
    visitor.check()
    visitor.sign_in("ann")
    for path in ("/overview", "/alarms", "/account", "/nothing"):
        visitor.go(path)
        visitor.check(f"{path} {width} {look}")


@pytest.mark.parametrize(("language", "words"), [("zh-Hans", "总览"), ("zh-Hant", "總覽"), ("en", "Overview")])
def test_pages_speak_three_languages(visit: Visit, language: str, words: str) -> None:
    visitor = visit("eve", "desktop")
    visitor.page.get_by_label("Language").select_option(language)
    visitor.page.get_by_role("button", name="Apply").click()
    assert visitor.page.locator("h1").inner_text() == words
    assert visitor.page.locator("html").get_attribute("lang") == language
    visitor.check()


def test_a_browser_s_own_language_and_colours_count(visit: Visit) -> None:
    visitor = visit("", "phone", locale="zh-TW", color_scheme="dark")
    visitor.go("/sign-in")
    assert visitor.page.locator("h1").inner_text() == "登入"
    assert visitor.page.locator("html").get_attribute("data-look") == "dark"
    visitor.check()


def test_wrong_words_are_told_where_they_were_typed(visit: Visit, house: WebHouse) -> None:
    visitor = visit("", "phone")
    visitor.go("/sign-in")
    visitor.page.get_by_label("Name").fill("bob")
    visitor.page.get_by_label("Password").fill("not his password")
    with visitor.expect_problem(403):
        visitor.page.get_by_role("button", name="Continue").click()
    told = visitor.page.get_by_role("alert")
    told.get_by_text("are not right").wait_for()
    assert visitor.page.get_by_label("Name").input_value() == "bob", "nothing that was typed is lost"
    assert visitor.page.evaluate("document.activeElement.id") == "problem", "and it is read out"
    visitor.check()


def test_the_first_time_takes_a_password_and_a_phone(visit: Visit, house: WebHouse) -> None:
    handed = house.do(lambda served: served.app.state.accounts.add("zoe", [OPERATORS["eve"]]))
    visitor = visit("", "phone")
    page = visitor.page
    visitor.go("/sign-in")
    page.get_by_label("Name").fill("zoe")
    page.get_by_label("Password").fill(handed.password)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Your first time here").wait_for()
    visitor.check()
    visitor.go("/overview")
    assert page.url.endswith("/desk/set-up"), "nothing else is there before that"
    secret = page.locator("code.secret").inner_text()
    codes = TOTP(secret)
    page.get_by_label("New password").fill("short")
    page.get_by_label("The same again").fill("short")
    page.get_by_label("Six digits").fill(codes.at(house.clock() // 1_000))
    page.get_by_role("button", name="Sign in").click()
    assert page.url.endswith("/desk/set-up")
    page.get_by_label("New password").fill("four words or more")
    page.get_by_label("The same again").fill("four words or else")
    with visitor.expect_problem(422):
        page.get_by_role("button", name="Sign in").click()
    page.get_by_text("are not the same").wait_for()
    page.get_by_label("The same again").fill("four words or more")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    visitor.check()


def test_the_keyboard_is_enough(visit: Visit, house: WebHouse) -> None:
    visitor = visit("", "desktop")
    keys = visitor.page.keyboard
    visitor.go("/sign-in")
    keys.type("uma")
    visitor.tab_to("Password")
    keys.type(house.people["uma"].password)
    keys.press("Enter")
    visitor.page.get_by_label("Six digits").wait_for()
    visitor.tab_to("Six digits")
    keys.type(house.code("uma"))
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Overview").wait_for()
    visitor.tab_to("uma")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Your account").wait_for()
    visitor.tab_to("Sign out everywhere")
    keys.press("Enter")
    visitor.page.get_by_text("signed out everywhere").wait_for()


def test_a_small_window_folds_its_menu_away(visit: Visit) -> None:
    visitor = visit("ann", "phone")
    account = visitor.page.get_by_role("link", name="ann")
    assert not account.is_visible()
    visitor.page.get_by_text("Menu", exact=True).click()
    account.click()
    visitor.page.get_by_role("heading", name="Your account").wait_for()
    account.wait_for(state="hidden")  # and again on the next page
    visitor.page.get_by_text("Menu", exact=True).click()
    account.wait_for()


def test_figures_look_after_themselves_and_a_session_that_ended_leads_to_the_sign_in(
    visit: Visit, house: WebHouse
) -> None:
    visitor = visit("bob", "desktop")
    shown = visitor.page.locator(".as-of time")
    before = shown.inner_text()
    house.clock.pass_ms(60_000)
    visitor.page.wait_for_function("before => document.querySelector('.as-of time').innerText !== before", arg=before)
    house.clock.pass_ms(31 * 60_000)
    visitor.page.wait_for_url("**/desk/sign-in")
    visitor.check()
