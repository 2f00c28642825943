"""The list of terminals, a terminal's page and machines that wait, in a real browser."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from protocol.entries import Kind, Reason
from protocol.ids import SiteId, TerminalId
from protocol.signing import to_base64url
from server.app import House
from server.terminals.service import Particulars
from tests.server.desk import Clock
from tests.server.machines import Machine
from tests.server.office import Desk
from tests.server.world import SITE, Till
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import Story, lunch
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration
_TOLD: list[Story] = []


async def prepare(house: House, clock: Clock) -> None:
    _TOLD.append(await lunch(house, clock))


@pytest.fixture
def story(house: WebHouse) -> Story:
    return _TOLD[-1]


def yes(page: Page) -> Page:
    """Whatever a page asks is meant."""
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def wrote(house: WebHouse, till: Till, count: int, *, skip: int = 0) -> None:
    """The till writes so many entries; but for the first ones they come at once."""
    start = len(till.chain) + skip
    for _ in range(count):
        till.append(Kind.DRAWER_OPENED, Reason("change"), at=house.clock())
    house.do(lambda served: served.ingest.take_lines(till.tid, till.lines[start:]))


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_pages_of_terminals_keep_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor, language = visit("ann", width), "zh-Hans" if look == "dark" else "en"
    for name, value in (("fanka_look", look), ("fanka_language", language)):
        visitor.page.context.add_cookies([{"name": name, "value": value, "url": f"{visitor.house.url}/desk"}])
    for path in ("/terminals", "/terminals?state=spare", "/terminals/till-02", "/terminals/till-05", "/enrolments"):
        visitor.go(path)
        visitor.unfold("details.more")
        visitor.check(f"{path} {width} {look}")


def test_the_list_says_how_each_terminal_is_and_looks_after_itself(visit: Visit, house: WebHouse) -> None:
    visitor = visit("eve", "desktop")
    visitor.page.get_by_role("link", name="Campus shop").click()
    visitor.page.get_by_role("heading", name="Campus shop").wait_for()
    visitor.page.get_by_role("link", name="All terminals").click()
    row = visitor.page.get_by_role("row", name="till-02")
    assert "Behind: cards, limits, prices" in row.inner_text() and "no paper in the printer" in row.inner_text()
    assert visitor.page.get_by_role("row", name="till-03").get_by_text("Offline").is_visible()
    visitor.page.get_by_role("link", name="Not enrolled").click()
    visitor.page.locator(".filter [aria-current]", has_text="Not enrolled").wait_for()
    assert not visitor.page.get_by_role("row", name="till-02").count()
    before = visitor.page.locator(".as-of time").inner_text()
    house.clock.pass_ms(60_000)
    visitor.page.wait_for_function("before => document.querySelector('.as-of time').innerText !== before", arg=before)
    assert not visitor.page.get_by_role("row", name="till-02").count(), "and keeps what was asked for"
    assert not visitor.page.get_by_text("Register a terminal").count()
    visitor.go("/terminals/till-01")
    assert not visitor.page.locator("main form").count(), "who only looks is offered nothing"
    visitor.check()


def test_a_terminal_is_registered_and_gets_a_code_that_is_shown_once(visit: Visit) -> None:
    visitor = visit("tom", "phone")
    page = yes(visitor.page)
    visitor.go("/terminals")
    page.get_by_text("Register a terminal").first.click()
    page.get_by_label("Name", exact=True).fill("till-05")
    page.get_by_label("Title").fill("Library")
    page.get_by_label("Merchant").fill("canteen-1")
    with visitor.expect_problem(409):
        press(page, "Register a terminal")
    page.get_by_text("There is a terminal of that name already").wait_for()
    page.get_by_label("Name", exact=True).fill("till-06")
    press(page, "Register a terminal")
    page.get_by_role("heading", name="Library").wait_for()
    page.get_by_text("The particulars are saved.").wait_for()
    press(page, "Make a claim code")
    page.get_by_role("heading", name="Claim code for till-06").wait_for()
    code = page.locator(".big-code").inner_text().split()[-1]
    assert len(code) == 11 and code in page.locator("ol code").inner_text()
    visitor.check()
    page.reload()
    page.get_by_role("heading", name="Library").wait_for()
    assert code not in page.content() and "A code of tom still holds" in page.content()
    page.get_by_text("Change the particulars").click()
    page.get_by_label("Title").fill("Library, ground floor")
    press(page, "Save")
    page.get_by_role("heading", name="Library, ground floor").wait_for()


def test_a_right_takes_two_people(visit: Visit) -> None:
    tom, bob = visit("tom", "desktop"), visit("bob", "tablet")
    tom.go("/terminals/till-03")
    tom.page.get_by_text("Change the particulars").click()
    tom.page.get_by_label("May put money onto cards").check()
    press(tom.page, "Save")
    tom.page.get_by_text("A second person who decides has to confirm it.").wait_for()
    page = yes(bob.page)
    bob.go("/terminals/till-03")
    bob.check()
    page.locator(".is-waiting a").click()
    asked = page.locator("section", has_text="Give a terminal a right")
    asked.get_by_role("button", name="Confirm").click()
    page.get_by_role("status").wait_for()
    bob.go("/terminals/till-03")
    assert "May put money onto cards" in page.locator("dl", has_text="Rights").inner_text()


def test_a_machine_is_let_in_by_its_words(visit: Visit) -> None:
    visitor = visit("tom", "phone")
    visitor.go("/enrolments")
    machine = visitor.page.locator("section", has_text="A machine wants to be till-05")
    words = machine.locator(".words span").all_inner_texts()
    machine.get_by_label("Type the four words").fill("these are")
    machine.get_by_role("button", name="Approve").click()
    assert machine.is_visible(), "what is no four words never leaves the page"
    machine.get_by_label("Type the four words").fill("  ".join(words).upper())
    machine.get_by_role("button", name="Approve").click()
    visitor.page.get_by_text("The machine is this terminal now").wait_for()
    assert visitor.page.get_by_role("heading", name="Certificates").is_visible()
    visitor.check()
    visitor.go("/enrolments")
    assert not machine.count()


def test_a_journal_is_imported_as_far_as_it_holds(visit: Visit, story: Story, tmp_path: Path) -> None:
    till, file = story.tills["canteen"], tmp_path / "journal.jws"
    till.append(Kind.DRAWER_OPENED, Reason("change"), at=story.street.clock())
    file.write_bytes(b"\n".join([*till.lines, b"cut off"]))
    visitor = visit("tom", "tablet")
    page = visitor.page
    visitor.go("/terminals/till-01")
    page.get_by_label("File").set_input_files(file)
    press(page, "Import")
    page.get_by_text("Taken in as far as it holds").wait_for()
    facts = page.locator("dl.facts").inner_text().split("\n")
    assert str(len(till.chain)) in facts and "1" in facts
    visitor.check()
    page.get_by_role("link", name="To till-01").click()
    page.get_by_role("heading", name="Last batches").wait_for()
    file.write_bytes(b"nothing of a journal")
    page.get_by_label("File").set_input_files(file)
    with visitor.expect_problem(422):
        press(page, "Import")
    page.get_by_role("alert").get_by_text("Nothing was taken").wait_for()
    large = tmp_path / "large.jws"
    with large.open("wb") as made:
        made.truncate(33 * 1_024 * 1_024)
    page.get_by_label("File").set_input_files(large)
    assert "larger than 32 MB" in page.get_by_label("File").evaluate("field => field.validationMessage")
    visitor.check()


def test_what_a_revoked_terminal_brings_waits_for_two_people(visit: Visit, house: WebHouse, story: Story) -> None:
    tom, bob, ann = visit("tom", "desktop"), visit("bob", "desktop"), visit("ann", "phone")
    for visitor in (tom, bob, ann):
        yes(visitor.page)
    till = story.tills["second"]
    tom.go("/terminals/till-02")
    press(tom.page, "Revoke it")
    tom.page.get_by_text("The terminal is revoked.").wait_for()
    story.street.cash(till, 775)
    house.do(lambda served: served.ingest.take_lines(till.tid, till.lines[-1:]))
    for visitor, said in ((bob, "It is proposed"), (ann, "What waited is posted.")):
        visitor.go("/terminals/till-02")
        assert "7.75" in visitor.page.locator("#parked tfoot").inner_text()
        visitor.check()
        press(visitor.page, "Accept them")
        visitor.page.get_by_text(said).wait_for()
    assert ann.page.get_by_text("Every entry that is here is posted.").is_visible()
    for visitor, said in ((bob, "It is proposed"), (ann, "The terminal is reinstated")):
        visitor.go("/terminals/till-02")
        press(visitor.page, "Reinstate it")
        visitor.page.get_by_text(said).wait_for()
    assert ann.page.get_by_text("Revoked").count() == 0


def test_a_hole_is_booked_by_two_people(visit: Visit, house: WebHouse, story: Story) -> None:
    till = story.tills["canteen"]
    wrote(house, till, 4, skip=2)
    house.clock.pass_ms(10_000)
    house.do(lambda served: served.ingest.take_lines(till.tid, till.lines[-2:]))
    for name, said in (("bob", "It is proposed"), ("ann", "The hole is booked")):
        visitor = visit(name, "tablet")
        yes(visitor.page)
        visitor.go("/terminals/till-01")
        visitor.check()
        press(visitor.page, "Book the hole")
        visitor.page.get_by_text(said).wait_for()


def test_a_spare_takes_a_place_and_a_terminal_is_given_up(visit: Visit, house: WebHouse) -> None:
    spare = Till(7)
    values = Particulars(title="", merchant="", can_load=False, can_issue=False, spare=True)

    async def put(served: House) -> None:
        async def agreed(*_: object) -> bool:
            return True

        await served.terminals.put(TerminalId("till-07"), SiteId(SITE), values, agreed, alone=True)
        key = to_base64url(spare.key.public.raw)
        await served.terminals.grant(TerminalId("till-07"), key, agreed, alone=True)

    house.do(put)
    tom = visit("tom", "desktop")
    yes(tom.page)
    tom.go("/terminals/till-01")
    tom.page.get_by_label("Spare", exact=True).select_option("till-07")
    press(tom.page, "Put it there")
    tom.page.get_by_text("The spare stands in its place now.").wait_for()
    tom.page.get_by_role("heading", name="North canteen, till 1").wait_for()
    tom.go("/terminals/till-01")
    tom.page.get_by_role("link", name="till-07").click()
    tom.page.get_by_role("heading", name="North canteen, till 1").wait_for()
    for name, said in (("bob", "It is proposed"), ("ann", "It is declared lost.")):
        visitor = visit(name, "desktop")
        yes(visitor.page)
        visitor.go("/terminals/till-01")
        press(visitor.page, "Declare it lost")
        visitor.page.get_by_text(said).wait_for()


def test_other_words_turn_a_machine_away(visit: Visit, house: WebHouse) -> None:
    visitor = visit("ann", "desktop")
    yes(visitor.page)
    visitor.go("/terminals/till-04")
    press(visitor.page, "Make a claim code")
    code = visitor.page.locator(".big-code").inner_text().split()[-1]

    async def asks(served: House) -> None:
        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            machine = Machine(Desk(served, house.clock, client), 8, "till-04")
            await machine.begin(code)
            await machine.prove()

    house.do(asks)
    visitor.page.get_by_role("link", name="Enrolments waiting").click()
    machine = visitor.page.locator("section", has_text="A machine wants to be till-04")
    machine.get_by_label("Type the four words").fill("babab babab babab babab")
    with visitor.expect_problem(403):
        machine.get_by_role("button", name="Approve").click()
    visitor.page.get_by_role("alert").get_by_text("somebody may sit in between").wait_for()
    visitor.go("/enrolments")
    assert not machine.count()


def test_the_keyboard_is_enough_for_a_terminal(visit: Visit) -> None:
    visitor = visit("tom", "desktop")
    keys = visitor.page.keyboard
    visitor.tab_to("Terminals")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Terminals").wait_for()
    visitor.tab_to("Card office")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Card office").wait_for()
    visitor.tab_to("Change the particulars")
    keys.press("Enter")
    visitor.tab_to("Title")
    keys.press("Control+A")
    keys.type("Card office, first floor")
    keys.press("Enter")
    visitor.page.get_by_role("heading", name="Card office, first floor").wait_for()
