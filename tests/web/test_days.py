"""The reconciliation desk in a browser: finance proves, looks, documents and closes; a viewer looks."""

import re
from typing import Any

import pytest

from protocol.instants import BusinessDay
from protocol.money import format_cents
from server.app import House
from server.ledger.accounts import AccountKind
from tests.server.desk import Clock
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import lunch
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration

TOLD: dict[str, Any] = {}


async def prepare(house: House, clock: Clock) -> None:
    TOLD["day"] = (await lunch(house, clock)).proven_day


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_the_desk_keeps_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor = visit("bob", width)
    visitor.choose(look=look)
    day = TOLD["day"]
    classes = ("fork", "refused", "shift_difference", "torn", "gap")
    paths = [f"/days/{day}/findings/{cls}" for cls in classes] if look == "light" else []
    for path in ["/days", f"/days/{day}", f"/days/{day + 1}", f"/days/{day}/float", f"/days/{day}/report", *paths]:
        visitor.go(path)
        visitor.check(f"{path} {width} {look}")


@pytest.mark.parametrize(("language", "words"), [("zh-Hans", "对账"), ("zh-Hant", "對帳")])
def test_the_desk_speaks_chinese(visit: Visit, language: str, words: str) -> None:
    visitor = visit("eve")
    visitor.choose(language=language)
    visitor.go("/days")
    assert visitor.page.locator("h1").inner_text() == words
    for path in (f"/days/{TOLD['day']}", f"/days/{TOLD['day']}/float"):
        visitor.go(path)
        assert visitor.page.locator("main form").count() == 0, "who only looks has nothing to send"
        visitor.check()


def test_the_days_report_says_what_each_account_moved(visit: Visit, house: WebHouse) -> None:
    async def told(served: House) -> int:
        report = await served.reconcile.report(BusinessDay(TOLD["day"]))
        return sum(line.happened_cents for line in report.lines if line.account_kind == AccountKind.MERCHANT)

    visitor = visit("eve")
    page = visitor.page
    visitor.go(f"/days/{TOLD['day']}")
    page.get_by_role("link", name="Day's report").click()
    page.get_by_text("By how much each account").wait_for()
    merchants = page.get_by_role("row", name="Owed to the merchant").first
    assert merchants.get_by_role("cell").first.inner_text() == format_cents(house.do(told)) != "0.00"
    page.emulate_media(media="print")
    assert page.locator("table").is_visible() and not page.locator("nav").first.is_visible()
    visitor.choose(language="zh-Hant")
    visitor.go(f"/days/{TOLD['day'] + 1}/report")
    assert page.locator("main [lang=en]").count() == 0
    visitor.check()


def test_from_a_day_down_to_the_signed_entry(visit: Visit) -> None:
    visitor = visit("bob", "tablet")
    page = visitor.page
    visitor.go("/days")
    page.locator("tbody a").nth(1).click()
    page.get_by_text("Every cent is explained").wait_for()
    page.get_by_role("link", name="Used twice: a copy").click()
    page.get_by_text("One state of a card was sold from twice").wait_for()
    entry = page.locator("dd a[href*='/desk/entries/']").first
    assert re.fullmatch(r"\d+\.0\.\d+", entry.inner_text())
    page.go_back()
    page.get_by_role("link", name="Cash differs").click()
    page.locator("dd a[href*='/desk/postings']").first.click()
    page.get_by_role("rowheader", name="Vault").wait_for()
    visitor.check()


def test_a_try_says_what_it_finds_and_keeps_nothing(visit: Visit, house: WebHouse) -> None:
    visitor = visit("bob", "phone")
    today = TOLD["day"] + 1
    visitor.go(f"/days/{today}")
    assert visitor.page.get_by_role("button", name="Prove this day").count() == 0, "it still runs"
    visitor.page.get_by_role("button", name="Try it, keep nothing").click()
    visitor.page.get_by_text("Done:").wait_for()
    visitor.page.get_by_role("log").get_by_text("Every cent is explained").wait_for()
    visitor.check()
    assert house.do(lambda served: served.app.state.days.proofs(BusinessDay(today))) == []


def test_finance_documents_proves_and_closes_a_day(visit: Visit) -> None:
    visitor = visit("bob", "desktop")
    page, day = visitor.page, TOLD["day"]
    page.on("dialog", lambda dialog: dialog.accept())
    visitor.go(f"/days/{day}/float")
    page.get_by_text("to the cent").wait_for()
    vault = page.locator("tbody tr", has=page.get_by_role("rowheader", name="Vault"))
    booked = vault.locator("td").first.inner_text()
    page.get_by_label("Account").select_option(label="Vault")
    page.get_by_label("It says").fill("no sum")
    page.get_by_label("Document").fill("counted by Wu and He")
    with visitor.expect_problem(422):
        page.get_by_role("button", name="Keep it").click()
    page.get_by_role("alert").get_by_text("is not an amount").wait_for()
    page.get_by_label("It says").fill(booked)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("The document is kept").wait_for()
    vault.get_by_text("Proven").wait_for()
    visitor.check()
    visitor.go("/days")
    page.get_by_text("Something came later").wait_for()
    visitor.go(f"/days/{day}")
    page.get_by_role("button", name="Prove this day").click()
    page.get_by_text("Done:").wait_for()
    visitor.check()
    page.get_by_role("link", name="To the day").click()
    page.get_by_role("link", name="Proof 1").wait_for()
    page.get_by_role("button", name="Close the day").click()
    page.get_by_text("The day is closed.").wait_for()
    visitor.check()
    visitor.go(f"/days/{day}/float")
    page.get_by_text("what was said stands").wait_for()
    assert page.get_by_role("button", name="Withdraw").count() == 0
    page.get_by_label("Account").select_option(label="Vault")
    page.get_by_label("It says").fill("-1.00")
    page.get_by_label("Document").fill("another word")
    with visitor.expect_problem(409):
        page.get_by_role("button", name="Keep it").click()
    page.get_by_role("alert").get_by_text("This day is closed").wait_for()


def test_the_keyboard_is_enough_to_try(visit: Visit) -> None:
    visitor = visit("ann")
    visitor.go(f"/days/{TOLD['day']}")
    visitor.tab_to("Try it, keep nothing")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text("Done:").wait_for()
    visitor.check()
