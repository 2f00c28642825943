"""A cashier's day at the panel: pygame's own events, the shipping loop, virtual cards behind a real PC/SC daemon."""

import itertools
from collections.abc import Iterator

import pytest

from protocol.entries import Kind, ShiftClosed
from protocol.purse import Technology
from tests.integration.campus import SITE, Campus, Till, wait_until
from tests.integration.fuse import Card, torn_off
from tests.integration.programs import Event

pytestmark = pytest.mark.integration

SALES = 20
PRICES = {"Tea": 200, "Rice": 150}
DISHES = [
    {"id": name, "names": {"en": name, "zh-Hans": "茶", "zh-Hant": "茶"}, "price": cents}
    for name, cents in PRICES.items()
]


@pytest.fixture(scope="module")
def till(campus: Campus, office: Till) -> Till:
    """A till with a screen and every right of a station, a price list, and customers who may come again at once."""
    campus.ask("PUT", f"/sites/{SITE}/config", {"config": {"repeat_ms": 1}})
    campus.ask("PUT", f"/sites/{SITE}/prices", {"products": DISHES})
    till = campus.add_till(
        "till-1", 1, may=("refund", "load", "topup"), screen={"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    )
    wait_until(lambda: "no lists" not in till.program.ask("status"), "the lists")
    return till


@pytest.fixture(scope="module")
def cards(campus: Campus, office: Till) -> list[tuple[int, Card]]:
    """Two customers of each technology, with money."""
    return [campus.issue(office, technology, 20_000) for technology in (Technology.DESFIRE, Technology.CLASSIC) * 2]


@pytest.fixture
def customers(cards: list[tuple[int, Card]]) -> Iterator[Card]:
    return itertools.cycle(card for _, card in cards)


def waits(till: Till, since: int, cents: int) -> None:
    till.program.wait("view", since=since, phase="awaiting_card", amount=cents)


def shown(till: Till, title: str, since: int) -> Event:
    return till.program.wait("view", since=since, title=title)


def next_one(till: Till) -> None:
    """On to the next customer."""
    if till.program.view["phase"] != "ringing":
        till.program.wait("view", since=till.program.press("escape"), phase="ringing")


def test_a_shift_is_opened(till: Till) -> None:
    mark = menu(till, "Open a shift")
    till.program.press("keys 7", "enter", "keys 100", "enter")
    assert "hift 1" in till.program.wait("said", since=mark)["text"]


def menu(till: Till, *keys: str) -> int:
    """F1 is the menu; then the keys by their words."""
    return till.program.press("menu", *(f"touch {key}" for key in keys))


def test_twenty_sales_most_of_them_the_same_again(till: Till, customers: Iterator[Card]) -> None:
    waits(till, till.program.press("keys 12.5", "enter"), 1_250)
    assert till.tap(next(customers))["title"] == "Paid"
    for number in range(1, SALES):
        if number % 5 == 0:
            next_one(till)
            mark = till.program.press("touch Rice", "touch Tea", "touch Pay")
            waits(till, mark, 350)
        else:
            waits(till, till.program.press("touch Again"), 1_250 if number < 5 else 350)
        assert till.tap(next(customers))["title"] == "Paid", number
    sold = [event for event in till.program.events if event["event"] == "handed_over"]
    assert len(sold) == SALES and sum(event["amount"] for event in sold) == 5 * 1_250 + 15 * 350


def test_a_card_without_money_is_refused_and_another_one_pays(
    till: Till, campus: Campus, office: Till, customers: Iterator[Card]
) -> None:
    _, poor = campus.issue(office, Technology.DESFIRE, 100)
    next_one(till)
    waits(till, till.program.press("keys 30", "enter"), 3_000)
    assert till.tap(poor)["title"] == "Not sold"
    assert till.tap(next(customers))["title"] == "Paid" and campus.money_on(poor) == 100


@pytest.mark.parametrize("at", [0, 1])
def test_a_torn_card_is_tapped_again_and_charged_once(
    till: Till, campus: Campus, cards: list[tuple[int, Card]], at: int
) -> None:
    card = cards[at][1]
    before = campus.money_on(card)
    next_one(till)
    waits(till, till.program.press("keys 4.20", "enter"), 420)
    assert till.tap(torn_off(card))["title"] == "Tap the SAME card again"
    assert till.tap(card)["title"] == "Paid" and campus.money_on(card) == before - 420


def test_a_sale_is_undone_within_the_window(till: Till, campus: Campus, cards: list[tuple[int, Card]]) -> None:
    card = cards[0][1]
    before = campus.money_on(card)
    next_one(till)
    waits(till, till.program.press("keys 5", "enter"), 500)
    assert till.tap(card)["title"] == "Paid"
    shown(till, "Give back: tap the card that paid", till.program.press("touch Undo this sale"))
    assert till.tap(card)["title"] == "Given back" and campus.money_on(card) == before


def test_some_of_an_earlier_sale_is_given_back(till: Till, campus: Campus, cards: list[tuple[int, Card]]) -> None:
    card = cards[0][1]
    next_one(till)
    waits(till, till.program.press("keys 6", "enter"), 600)
    assert till.tap(card)["title"] == "Paid"
    before = campus.money_on(card)
    next_one(till)
    mark = menu(till, "Give back", "Receipt")
    till.program.press(*["rub"] * 4, "keys 2", "enter")
    waits(till, mark, 200)
    assert till.tap(card)["title"] == "Given back" and campus.money_on(card) == before + 200


def test_a_top_up_that_waits_is_said_and_collected(till: Till, campus: Campus, cards: list[tuple[int, Card]]) -> None:
    no, card = cards[2]
    campus.ask("POST", f"/cards/{no}/loads", {"id": f"desk-load-{no:06d}-2", "cents": 2_000})
    before = campus.money_on(card)
    next_one(till)

    def is_said() -> bool:
        waits(till, till.program.press("keys 1", "enter"), 100)
        paid = till.tap(card)
        assert paid["title"] == "Paid"
        next_one(till)
        return any("top-up" in line for line in paid["lines"])

    wait_until(is_said, "the waiting top-up on the screen")
    spent = before - campus.money_on(card)
    shown(till, "Collect a top-up: tap the card", menu(till, "Collect a top-up"))
    assert till.tap(card)["title"] == "Loaded" and campus.money_on(card) == before - spent + 2_000


def test_the_shift_is_closed_with_what_was_counted_and_everything_is_at_the_server(till: Till, campus: Campus) -> None:
    next_one(till)
    mark = menu(till, "Close the shift")
    till.program.press("keys 101", "enter")
    assert "Shift 1 is closed" in till.program.wait("said", since=mark)["text"]
    campus.wait_online(till)
    assert till.program.stop() == 0
    entries = till.entries()
    (closed,) = (one for one in entries if one.entry.kind is Kind.SHIFT_CLOSED)
    assert isinstance(closed.entry.body, ShiftClosed) and closed.entry.body.counted == 10_100
    assert campus.tip(till) >= closed.seq
