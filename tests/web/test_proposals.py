"""What waits for a second person, as finance, the card office and a technician meet it in a browser."""

import pytest

from protocol.ids import CardNo, PersonId, SiteId, TerminalId
from protocol.money import Cents
from server.app import House
from server.auth.rules import Operator, Role
from server.ledger.accounts import OPERATOR_LOSS, VAULT
from server.terminals.service import Particulars
from tests.server.desk import Clock
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.visitor import SEEN

pytestmark = pytest.mark.integration

ANN, BOB = Operator("ann", (Role.ADMIN,)), Operator("bob", (Role.FINANCE,))
LONG = "Maximiliana-Alexandra von Hohenlohe-Waldenburg-Schillingsfuerst"


async def prepare(house: House, clock: Clock) -> None:
    """One of each sort waits: a load, a payment, a right, a correction."""
    together = house.app.state.two_people
    await house.people.put(PersonId("s-1"), LONG[:60], 1)
    (no,) = await house.cards.issue(1, 1, "classic", PersonId("s-1"))
    await propose_load(house, no, "receipt-0001")
    await house.bookings.move(BOB, "bag-00001", "bank_to_vault", "", 2_000_000, "bag 12 of the bank")
    await house.bookings.move(ANN, "small-001", "bank_to_vault", "", 5_000, "bag 11")
    legs = [(VAULT, 30), (OPERATOR_LOSS, -30)]
    await house.bookings.move(ANN, "loss-0001", "loss_covered", "", 100, "transfer 3")
    await house.bookings.correct(ANN, "short-0001", legs, "the vault holds 0.30 less", "count 88 by Wu and He")
    tid = TerminalId("station-1")
    values = Particulars(title="Card office", merchant="", can_load=True, can_issue=False, spare=False)
    agreed = together.agreement_to_trust(ANN, "put-terminal", tid)
    await house.terminals.put(tid, SiteId("canteen"), values, agreed, alone=True)


async def propose_load(house: House, no: CardNo, request: str) -> None:
    agreed = house.app.state.two_people.agreement_or_alone(ANN, "load", request)
    assert not await house.cards.load(no, request, Cents(200_000), VAULT, agreed)


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_what_waits_keeps_nobody_out(visit: Visit, width: str, look: str) -> None:
    visitor = visit("bob", width)
    visitor.choose(look=look)
    visitor.go("/proposals")
    visitor.page.get_by_role("heading", name="Load a card").wait_for()
    visitor.check()


@pytest.mark.parametrize(("language", "words"), [("zh-Hans", "卡充值"), ("zh-Hant", "卡儲值")])
def test_what_waits_is_said_in_chinese(visit: Visit, language: str, words: str) -> None:
    visitor = visit("eve")
    visitor.choose(language=language)
    visitor.go("/proposals")
    visitor.page.get_by_role("heading", name=words).wait_for()
    assert visitor.page.locator("main form").count() == 0, "a viewer looks and decides nothing"
    visitor.check()


def test_finance_confirms_a_load_and_not_what_it_proposed(visit: Visit, house: WebHouse) -> None:
    visitor = visit("bob", "phone")
    visitor.go("/proposals")
    card = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Load a card"))
    card.get_by_text("¥2000.00").wait_for()
    assert LONG[:60] in card.inner_text()
    own = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Move money"))
    own.get_by_text("You proposed this").wait_for()
    assert own.get_by_role("button", name="Confirm").count() == 0
    visitor.page.once("dialog", lambda dialog: dialog.dismiss())
    card.get_by_role("button", name="Confirm").click()
    assert card.is_visible(), "asked first, and not meant"
    visitor.page.once("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Confirm").click()
    visitor.page.get_by_text("two people have agreed").wait_for()
    assert visitor.page.get_by_role("heading", name="Load a card").count() == 0
    visitor.check()


def test_an_old_page_confirms_nothing_else(visit: Visit, house: WebHouse) -> None:
    """Withdrawn and proposed anew with another sum while somebody looks at the first one."""
    visitor = visit("ann")
    visitor.go("/proposals")
    visitor.page.on("dialog", lambda dialog: dialog.accept())
    card = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Move money"))

    async def other(served: House) -> None:
        await served.app.state.two_people.withdraw(BOB, "book", "movement:bag-00001")
        await served.bookings.move(BOB, "bag-00001", "bank_to_vault", "", 9_000_000, "bag 13")

    house.do(other)
    with visitor.expect_problem(409):
        card.get_by_role("button", name="Confirm").click()
    visitor.page.get_by_role("alert").get_by_text("Load the page and look at it again").wait_for()
    visitor.go("/proposals")
    visitor.page.get_by_text("¥90000.00").wait_for()
    visitor.check()


def test_the_keyboard_alone_withdraws(visit: Visit) -> None:
    visitor = visit("ann")
    visitor.go("/proposals")
    visitor.page.on("dialog", lambda dialog: dialog.accept())
    visitor.tab_to("Withdraw")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text("The proposal is withdrawn.").wait_for()
    visitor.check()
