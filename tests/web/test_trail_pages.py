"""The audit log and what seals it, in a real browser."""

import pytest
from fastapi.routing import APIRoute

from server.app import House
from server.auth.rules import Role
from server.note import Note, Outcome, noted
from server.trail.recorder import READING
from server.web.language import SENTENCES
from server.web.routers import ROUTERS
from tests.server.desk import Clock
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import lunch
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration
LEFT_BY_NOBODY = {"choose_look", "confirm_code", "set_up"}
"""They change nothing that belongs to a signed-in operator; a first sign-in is noted as one."""


async def prepare(house: House, clock: Clock) -> None:
    await lunch(house, clock)
    for number in range(120):
        note = Note("job", "machine", clock(), lambda: "import_cards", f"import/old-{number}.csv", lambda: "0" * 64)
        with noted(note):
            async with house.database.writing():
                pass


def test_whatever_is_done_has_words(house: WebHouse) -> None:
    api = {
        told["operationId"]
        for path, methods in house.house.app.openapi()["paths"].items()
        for method, told in methods.items()
        if path.startswith("/api/") and method.upper() not in READING
    }
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    forms = {route.name.removesuffix("_from_page") for route in routes if not (route.methods or set()) & READING}
    assert not {name for name in api | forms - LEFT_BY_NOBODY if f"action.{name}" not in SENTENCES}
    assert {f"outcome.{outcome}" for outcome in Outcome} | {f"role.{role}" for role in Role} <= SENTENCES.keys()


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_the_audit_log_keeps_no_auditor_out(visit: Visit, width: str, look: str) -> None:
    visitor, language = visit("uma", width), "zh-Hans" if look == "dark" else "en"
    for name, value in (("fanka_look", look), ("fanka_language", language)):
        visitor.page.context.add_cookies([{"name": name, "value": value, "url": f"{visitor.house.url}/desk"}])
    for path in ("/trail", "/trail?operator=nobody", "/trail/heads"):
        visitor.go(path)
        visitor.check(f"{path} {width} {look}")


def test_an_auditor_finds_who_did_what(visit: Visit) -> None:
    visitor = visit("uma", "desktop")
    page = visitor.page
    page.get_by_role("link", name="Audit log").click()
    page.get_by_role("heading", name="Audit log").wait_for()
    page.get_by_label("Who").fill("tom")
    page.get_by_role("button", name="Search").click()
    row = page.locator("tbody tr", has_text="Make a claim code")
    row.wait_for()
    assert "Technician" in row.inner_text() and "Done" in row.inner_text()
    assert set(page.locator("tbody td:nth-of-type(1) a").all_inner_texts()) == {"tom"}
    row.get_by_role("link", name="terminals/till-05/claims").click()
    page.get_by_role("heading", name="South canteen").wait_for()
    visitor.go("/trail?subject=terminals/till-04")
    told = page.locator("tbody").inner_text()
    assert "Proposed" in told and "bob" in told and "till-05" not in told
    page.get_by_label("From").fill("2026-12-02")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("Nothing fits.").wait_for()
    page.get_by_role("link", name="Show all").click()
    page.get_by_text("old-119.csv").wait_for()
    assert page.locator("tbody tr").count() == 100 and "Import cards of an old system" in page.content()
    page.get_by_role("link", name="Older").click()
    page.get_by_text("old-0.csv").wait_for()
    assert not page.get_by_text("old-119.csv").count()
    page.get_by_role("link", name="Newest").click()
    page.get_by_text("old-119.csv").wait_for()
    visitor.check()


def test_a_sealed_root_is_written_down_or_taken_away(visit: Visit, house: WebHouse) -> None:
    (head,) = house.do(lambda served: served.tree.heads(before=None, limit=2))
    visitor = visit("uma", "phone")
    visitor.go("/trail")
    visitor.page.get_by_role("link", name="Sealed roots").click()
    root = visitor.page.locator("code.root").inner_text()
    assert len(root) == 43
    with visitor.page.expect_download() as taken:
        visitor.page.get_by_role("link", name="head-1.jws").click()
    assert taken.value.suggested_filename == "head-1.jws"
    assert taken.value.path().read_bytes() == head.jws
    visitor.check()


def test_nobody_else_reads_the_audit_log(visit: Visit) -> None:
    visitor = visit("bob", "desktop")
    assert not visitor.page.get_by_role("link", name="Audit log").count()
    for path in ("/trail", "/trail/heads", "/trail/heads/1.jws"):
        visitor.go(path)
        assert visitor.page.get_by_text("Your role does not allow this.").is_visible()
    ann = visit("ann", "desktop")
    ann.go("/trail?operator=bob")
    assert "Refused" in ann.page.locator("tbody tr").first.inner_text(), "and that he asked is in it"


def test_the_keyboard_is_enough_for_the_audit_log(visit: Visit) -> None:
    visitor = visit("uma", "desktop")
    keys = visitor.page.keyboard
    visitor.tab_to("Audit log")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Audit log").wait_for()
    visitor.tab_to("About what")
    keys.type("terminals/till-01")
    keys.press("Enter")
    visitor.page.wait_for_url("**subject=terminals**")
    visitor.tab_to("terminals/till-01")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="North canteen, till 1").wait_for()
