"""What the entries of an erased card mean: its history, its end, and what is still reported of it."""

from pathlib import Path

import pytest

from protocol.card_bodies import CardErased, Erased
from protocol.entries import Kind, Reason
from protocol.ids import Counter
from protocol.instants import DAY_MS
from protocol.purse import Technology
from server.ingest.book import Book, CardStatus
from server.ingest.waiting import NO_RIGHT, UNKNOWN_CARD, UNPROVEN
from server.ledger.accounts import AccountKind
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol
from tests.server.test_cards import send as send_in
from tests.server.test_ingest_posting import balance, book_for, send, settled_sale
from tests.server.world import Plastic, Till, plastic

UID = "04112233445566"


def tell(till: Till, card: Plastic, *outcomes: Erased, counter: int | None = None) -> None:
    """The entries of an erased card."""
    shown = Counter(card.counter if counter is None else counter)
    for outcome in outcomes:
        till.append(Kind.CARD_ERASED, CardErased(card.id, UID, outcome, 1, shown))


def erased(*outcomes: Erased, below: int = 0, status: CardStatus = CardStatus.ACTIVE) -> tuple[Book, Plastic]:
    """A card that was charged 500 of its 500 and is erased, or a plastic that shows an older counter is."""
    till, card = Till(1), plastic(7, main=500)
    book = book_for(till, cards=(card,))
    book.cards[card.id.key].status = status
    settled_sale(till, card, 500)
    tell(till, card, *outcomes, counter=card.counter - below)
    send(book, till)
    return book, card


def test_a_plastic_that_is_blank_now_closes_its_card_as_handed_in() -> None:
    book, card = erased(Erased.BEGUN, Erased.FAILED, Erased.DONE)
    row = book.cards[card.id.key]
    assert (row.status, row.closed_for) == (CardStatus.CLOSED, "handed_in") and row.closed_at
    assert balance(book, AccountKind.MERCHANT) == 500
    assert not book.cases and not any(entry.parked for entry in book.entries.values())


@pytest.mark.parametrize("outcomes", [(Erased.BEGUN,), (Erased.BEGUN, Erased.FAILED)])
def test_one_that_may_still_pay_closes_nothing(outcomes: tuple[Erased, ...]) -> None:
    book, card = erased(*outcomes)
    assert book.cards[card.id.key].status is CardStatus.ACTIVE


def test_a_copy_that_is_erased_takes_no_card_from_its_holder() -> None:
    """It shows a counter that the card had before: the card itself is somewhere else."""
    book, card = erased(Erased.BEGUN, Erased.DONE, below=1)
    assert book.cards[card.id.key].status is CardStatus.ACTIVE


@pytest.mark.parametrize("status", [CardStatus.BLOCKED, CardStatus.CLOSED, CardStatus.RELEASED])
def test_what_is_blocked_or_closed_stays_what_it_is(status: CardStatus) -> None:
    book, card = erased(Erased.BEGUN, Erased.DONE, status=status)
    assert (book.cards[card.id.key].status, book.cards[card.id.key].closed_for) == (status, "")


@pytest.mark.parametrize("is_late", [True, False])
def test_a_sale_that_is_told_of_afterwards_is_posted_like_any_of_a_closed_card(is_late: bool) -> None:
    """Made before by a till that was silent, or since with a copy where the list is old: the merchant is paid."""
    office, till, card = Till(1), Till(2), plastic(7, main=500)
    book = book_for(office, till, cards=(card,))
    if is_late:
        settled_sale(till, card, 500)
        tell(office, card, Erased.BEGUN, Erased.DONE)
    else:
        tell(office, card, Erased.BEGUN, Erased.DONE)
        settled_sale(till, card, 500)
    send(book, office)
    assert book.cards[card.id.key].status is CardStatus.CLOSED
    send(book, till)
    row = book.cards[card.id.key]
    assert (row.status, row.counter) == (CardStatus.CLOSED, card.counter)
    assert (balance(book, AccountKind.MERCHANT), balance(book, AccountKind.PURSE)) == (500, -500)
    assert not any(entry.parked for entry in book.entries.values())


def test_who_has_no_right_and_a_second_history_erase_nothing() -> None:
    till, card = Till(1), plastic(7)
    copy = till.restored(0)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    tell(copy, card, Erased.BEGUN, Erased.DONE)
    book = book_for(till, cards=(card,))
    send(book, till)
    send(book, copy)
    assert [row.parked for row in book.entries.values()][1:] == [UNPROVEN] * 2
    other = Till(2)
    book = book_for(other, cards=(card,))
    book.chains[other.tno].can_issue = False
    tell(other, card, Erased.BEGUN, Erased.DONE)
    send(book, other)
    assert [row.parked for row in book.entries.values()] == [NO_RIGHT] * 2
    assert book.cards[card.id.key].status is CardStatus.ACTIVE


def test_a_token_is_never_erased() -> None:
    till, token = Till(1), plastic(7, Technology.TOKEN)
    book = book_for(till, cards=(token,))
    book.cards[token.id.key].technology = Technology.TOKEN
    tell(till, token, Erased.DONE)
    send(book, till)
    assert ["never erased" in row.parked for row in book.entries.values()] == [True]
    assert book.cards[token.id.key].status is CardStatus.ACTIVE


def test_a_card_that_nobody_knows_waits() -> None:
    till = Till(1)
    book = book_for(till)
    tell(till, plastic(9), Erased.BEGUN)
    send(book, till)
    assert [row.parked for row in book.entries.values()] == [UNKNOWN_CARD]


async def erase_at(desk: Desk) -> None:
    """In the tables: what happened, newest first, what time makes of it, and a new plastic of the same number."""
    till = Till(1)
    await enrol(desk, till, can_issue=True)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    card = plastic(no, main=0)
    tell(till, card, Erased.BEGUN, Erased.FAILED, Erased.DONE)
    await send_in(desk, till)
    events = await desk.get(f"/cards/{no}/events")
    assert [(event["kind"], event["uid"], event["was"], event["outcome"]) for event in events] == [
        ("card_erased", UID, 1, outcome) for outcome in ("done", "failed", "begun")
    ]
    assert (await desk.get(f"/cards/{no}"))["plastics"][0]["status"] == "closed"
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.house.cards.run()
    assert (await desk.get(f"/cards/{no}"))["plastics"][0]["status"] == "released"
    assert len((await desk.post(f"/cards/{no}/replace"))["plastics"]) == 2


async def test_its_history_says_so_and_its_holder_may_have_another(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await erase_at(desk)
