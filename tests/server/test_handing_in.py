"""What the entries of a card that is handed in mean in money, and for the card."""

from pathlib import Path

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import CloseStep, CloseTo, Kind
from protocol.ids import Counter, Seq
from protocol.money import Cents
from server.ingest.book import Book, CardStatus
from server.ingest.deciding import resolve
from server.ingest.waiting import NO_RIGHT
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, loaded_card
from tests.server.test_cards import send as send_in
from tests.server.test_ingest_posting import balance, book_for, send, settled_sale
from tests.server.world import Plastic, Till, plastic, topup_of

KINDS = (
    AccountKind.PURSE,
    AccountKind.SUBSIDY,
    AccountKind.PENDING,
    AccountKind.PENDING_SUBSIDY,
    AccountKind.FUNDER,
    AccountKind.FRAUD_LOSS,
    AccountKind.SUSPENSE,
)


def close_of(card: Plastic, to: CloseTo) -> CloseStep:
    """Everything off the card."""
    return CloseStep(
        card.id,
        Cents(card.main + card.subsidy),
        Counter(card.counter),
        Counter(card.counter + 1),
        Cents(card.main),
        Cents(0),
        Cents(card.subsidy),
        Cents(0),
        card_last=card.last,
        to=to,
    )


def handed_in(to: CloseTo, *outcomes: str, granted: int = 0) -> tuple[Book, Till, Plastic, Seq]:
    """1000 in cash and some subsidy are on a card that is handed in, with these outcomes."""
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    loaded = topup_of(card, 1_000)
    prepared = till.append(Kind.TOPUP_PREPARED, loaded).seq
    card.write(till.tno, loaded, prepared)
    till.append(Kind.TOPUP_SETTLED, with_members(loaded, prepared=prepared))
    card.subsidy = granted
    body = close_of(card, to)
    prepared = till.append(Kind.CLOSE_PREPARED, body).seq
    for outcome in outcomes:
        till.append(Kind(f"close_{outcome}"), with_members(body, prepared=prepared))
    send(book, till)
    return book, till, card, Seq(prepared)


def sums(book: Book) -> list[int]:
    """The balances that matter here."""
    return [balance(book, kind) for kind in KINDS]


@pytest.mark.parametrize(("to", "owed", "drawer"), [(CloseTo.CASH, 0, 0), (CloseTo.PENDING, 1_000, -1_000)])
def test_main_is_paid_out_of_the_drawer_or_owed(to: CloseTo, owed: int, drawer: int) -> None:
    """The top-up put 1000 into the drawer, credit positive: -1000; paying it out takes it from there."""
    book, _, card, _ = handed_in(to, "settled")
    row = book.cards[card.id.key]
    assert (sums(book), balance(book, AccountKind.DRAWER)) == ([0, 0, owed, 0, 0, 0, 0], drawer)
    assert (row.status, row.closed_for) == (CardStatus.CLOSED, "handed_in")
    assert row.closed_at and row.counter == 2


@pytest.mark.parametrize(("lapsed", "owed", "funder"), [(False, 300, 0), (True, 0, 300)])
def test_a_subsidy_is_never_paid_out(lapsed: bool, owed: int, funder: int) -> None:
    """It stays granted to the holder; what is left of a period that is over goes back to who pays for it."""
    till, card = Till(1), plastic(7, main=0)
    book = book_for(till, cards=(card,))
    card.subsidy = 300
    book.cards[card.id.key].period_load_seq = 5 if lapsed else 0
    body = close_of(card, CloseTo.CASH)
    prepared = till.append(Kind.CLOSE_PREPARED, body).seq
    till.append(Kind.CLOSE_SETTLED, with_members(body, prepared=prepared))
    send(book, till)
    assert sums(book) == [0, -300, 0, owed, funder, 0, 0]
    assert balance(book, AccountKind.DRAWER) == 0


@pytest.mark.parametrize("to", list(CloseTo))
@pytest.mark.parametrize("outcome", ["voided", "torn"])
def test_what_is_not_settled_pays_nobody_and_leaves_the_card_open(to: CloseTo, outcome: str) -> None:
    book, _, card, _ = handed_in(to, outcome)
    assert (sums(book), balance(book, AccountKind.DRAWER)) == ([1_000, 0, 0, 0, 0, 0, 0], -1_000)
    assert book.cards[card.id.key].status is CardStatus.ACTIVE


@pytest.mark.parametrize(("resolution", "purse"), [(Resolution.ON_CARD, 0), (Resolution.NOT_ON_CARD, 1_000)])
def test_a_torn_one_that_is_proven_is_owed(resolution: Resolution, purse: int) -> None:
    """No cash was paid: its terminal had given it up."""
    book, till, _, prepared = handed_in(CloseTo.CASH, "torn")
    resolve(book, book.steps[(till.tno, 0, prepared)], resolution, book.campus.business_day(till.now))
    assert sums(book) == [purse, 0, 1_000 - purse, 0, 0, 0, 0]
    assert balance(book, AccountKind.DRAWER) == -1_000


@pytest.mark.parametrize(("to", "loss", "drawer"), [(CloseTo.CASH, -1_000, 0), (CloseTo.PENDING, 0, -1_000)])
def test_a_copy_that_is_handed_in_gets_nothing_but_the_cash_it_took(to: CloseTo, loss: int, drawer: int) -> None:
    one, two, card = Till(1), Till(2), plastic(7)
    book = book_for(one, two, cards=(card,))
    loaded = topup_of(card, 1_000)
    prepared = one.append(Kind.TOPUP_PREPARED, loaded).seq
    card.write(one.tno, loaded, prepared)
    one.append(Kind.TOPUP_SETTLED, with_members(loaded, prepared=prepared))
    copy = card.copy()
    settled_sale(one, card, 500)
    body = close_of(copy, to)
    prepared = two.append(Kind.CLOSE_PREPARED, body).seq
    two.append(Kind.CLOSE_SETTLED, with_members(body, prepared=prepared))
    send(book, one)
    send(book, two)
    assert sums(book) == [500, 0, 0, 0, 0, loss, 0]
    assert balance(book, AccountKind.DRAWER) == drawer
    assert book.cards[card.id.key].status is CardStatus.BLOCKED


def test_a_terminal_without_the_right_takes_no_card_in() -> None:
    """Its cash has left its drawer all the same: that is set aside."""
    till, card = Till(1), plastic(7, main=400)
    book = book_for(till, cards=(card,))
    book.chains[till.tno].can_issue = False
    body = close_of(card, CloseTo.CASH)
    prepared = till.append(Kind.CLOSE_PREPARED, body).seq
    till.append(Kind.CLOSE_SETTLED, with_members(body, prepared=prepared))
    send(book, till)
    assert [row.parked for row in book.entries.values()] == [NO_RIGHT, NO_RIGHT]
    assert balance(book, AccountKind.SUSPENSE) == -400 and balance(book, AccountKind.DRAWER) == 400
    assert book.cards[card.id.key].status is CardStatus.ACTIVE


@pytest.mark.parametrize("left", [1, 400])
def test_a_card_that_keeps_something_is_not_handed_in(left: int) -> None:
    till, card = Till(1), plastic(7, main=400)
    book = book_for(till, cards=(card,))
    body = with_members(close_of(card, CloseTo.CASH), amount=Cents(400 - left), main_after=Cents(left))
    till.append(Kind.CLOSE_PREPARED, body)
    send(book, till)
    assert all("not all it holds" in row.parked for row in book.entries.values())


async def hand_in_at(desk: Desk) -> None:
    """In the tables, too: the plastic is closed as handed in, and what is owed is free at once."""
    till = Till(1)
    await enrol(desk, till, can_load=True, can_issue=True)
    card = await loaded_card(desk, till, 500)
    body = close_of(card, CloseTo.PENDING)
    prepared = till.append(Kind.CLOSE_PREPARED, body).seq
    till.append(Kind.CLOSE_SETTLED, with_members(body, prepared=prepared))
    await send_in(desk, till)
    no = card.id.no
    view = await desk.get(f"/cards/{no}")
    assert (view["pending_cents"], view["plastics"][0]["status"]) == (500, "closed")
    await desk.post(f"/cards/{no}/close", {"card_cents": 500}, expect=409)
    await desk.house.cards.run()
    await desk.post(f"/cards/{no}/payouts", {"id": "pay-it-out", "cents": 500})
    assert (await desk.get(f"/cards/{no}"))["pending_cents"] == 0
    assert len((await desk.post(f"/cards/{no}/replace"))["plastics"]) == 2


async def test_the_desk_pays_what_was_taken_off_and_the_holder_may_have_a_new_card(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await hand_in_at(desk)
