"""What a second history of a terminal says is worth what the cards' own chains say of it."""

from msgspec.structs import replace as with_members

from protocol.entries import CardBlocked, CardIssued, Kind, Reason, RefundTo, TopUpTo, Vend
from protocol.ids import Seq
from protocol.purse import Technology
from server.ingest.book import Book, CardRow, CardStatus
from server.ingest.keeping import held_back, post_again
from server.ingest.late import decide_late
from server.ingest.waiting import NO_SALE, UNKNOWN_CARD, UNPROVEN
from server.ledger.accounts import AccountKind
from tests.server.test_ingest_posting import LATER, balance, book_for, send, settled_sale
from tests.server.test_rights import owed, top_up
from tests.server.world import Plastic, Till, load_of, plastic, refund_of, topup_of


def forked(*cards: Plastic) -> tuple[Till, Till, Book]:
    """A till whose copy goes on otherwise; the honest one, the copy, and a book that has heard of the honest one."""
    till = Till(1)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    copy = till.restored(0)
    book = book_for(till, Till(2), cards=cards)
    send(book, till)
    return till, copy, book


def waiting(book: Book) -> list[str]:
    return [row.parked for row in book.entries.values() if row.parked]


def post_what_may(book: Book) -> int:
    rows = [row for row in book.entries.values() if row.parked and not held_back(book, row)]
    return sum(post_again(book, row) for row in rows)


def test_a_top_up_to_a_load_of_a_second_history_grants_nothing() -> None:
    card = plastic(7)
    _, copy, book = forked(card)
    copy.append(Kind.TOPUP_PREPARED, topup_of(card, 900, TopUpTo.LOAD))
    send(book, copy)
    assert book.cards[card.id.key] == CardRow(card.id.key)
    assert waiting(book) == [UNPROVEN]
    assert owed(book) == (-900, 900, 0)
    assert post_what_may(book) == 0
    (row,) = (row for row in book.entries.values() if row.parked)
    assert post_again(book, row, allowed=True)
    assert owed(book) == (-900, 0, 900)
    assert book.cards[card.id.key].loaded_total_cents == 900


def test_a_credit_of_a_second_history_waits_until_its_card_is_tapped_elsewhere() -> None:
    card, other = plastic(7, Technology.DESFIRE), Till(2)
    _, copy, book = forked(card)
    top_up(copy, card, 900)
    send(book, copy)
    assert waiting(book) == [UNPROVEN] * 2
    assert owed(book) == (-900, 900, 0)
    settled_sale(other, card, 100)
    send(book, other)
    assert post_what_may(book) == 2
    assert owed(book) == (-900, 0, 800)
    assert balance(book, AccountKind.MERCHANT) == 100


def test_a_load_of_a_second_history_raises_nothing_before_its_card_confirms_it() -> None:
    card, other = plastic(7), Till(2)
    _, copy, book = forked(card)
    body = load_of(card, 500, 3)
    prepared = copy.append(Kind.LOAD_PREPARED, body).seq
    copy.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))
    card.write(copy.tno, body, prepared)
    send(book, copy)
    assert book.cards[card.id.key] == CardRow(card.id.key)
    settled_sale(other, card, 100)
    send(book, other)
    assert post_what_may(book) == 2
    assert book.cards[card.id.key].main_cents == 400


def test_a_second_history_confirms_nothing_of_itself_and_sets_no_floor() -> None:
    card = plastic(7, main=5_000)
    _, copy, book = forked(card)
    liar = card.copy()
    liar.counter = 1_000_000
    for _ in range(3):
        settled_sale(copy, liar, 100)
    send(book, copy)
    assert balance(book, AccountKind.MERCHANT) == 0
    assert balance(book, AccountKind.SUSPENSE) == 300
    assert book.cards[card.id.key].counter == 0
    assert not any(decide_late(book, step, LATER, book.campus.business_day(LATER)) for step in book.steps.values())


def test_a_tap_elsewhere_confirms_all_that_lies_under_it() -> None:
    card, other = plastic(7, main=5_000), Till(2)
    _, copy, book = forked(card)
    for _ in range(3):
        settled_sale(copy, card, 100)
    settled_sale(other, card, 50)
    send(book, copy)
    send(book, other)
    assert balance(book, AccountKind.MERCHANT) == 150, "the one it builds on at once"
    decided = [decide_late(book, step, LATER, book.campus.business_day(LATER)) for step in list(book.steps.values())]
    assert sum(decided) >= 2
    assert (balance(book, AccountKind.MERCHANT), balance(book, AccountKind.SUSPENSE)) == (350, 0)


def test_a_refund_of_a_second_history_s_sale_is_given_when_the_sale_is_confirmed() -> None:
    card, other = plastic(7, main=5_000), Till(2)
    _, copy, book = forked(card)
    sold = settled_sale(copy, card, 300)
    copy.append(Kind.REFUND_SETTLED, refund_of(card, 200, sold, RefundTo.PENDING))
    send(book, copy)
    assert balance(book, AccountKind.PENDING) == 0
    assert post_what_may(book) == 0
    settled_sale(other, card, 50)
    send(book, other)
    assert post_what_may(book) == 1
    assert balance(book, AccountKind.PENDING) == 200
    assert (balance(book, AccountKind.MERCHANT), balance(book, AccountKind.SUSPENSE)) == (150, 0)


def test_a_sale_of_a_second_history_pays_no_merchant_for_a_stranger_s_card() -> None:
    stranger, moved = plastic(8), (AccountKind.MERCHANT, AccountKind.SUSPENSE, AccountKind.PURSE)
    _, copy, book = forked()
    settled_sale(copy, stranger, 300)
    send(book, copy)
    assert [balance(book, kind) for kind in moved] == [0, 0, 0]
    assert waiting(book) == [UNKNOWN_CARD] * 2
    book.cards[stranger.id.key] = CardRow(stranger.id.key)
    assert post_what_may(book) == 2
    assert [balance(book, kind) for kind in moved] == [0, 300, -300]


def test_a_delivery_of_the_first_history_s_sale_waits_although_its_sale_was_missing_when_it_was_told() -> None:
    """Retried because its sale has come, it waits for two people all the same."""
    till, card = Till(1), plastic(7)
    sold = settled_sale(till, card, 300)
    copy = till.restored(len(till.chain))
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    copy.append(Kind.VEND_FAILED, Vend(Seq(sold)))
    book = book_for(till)
    send(book, till)
    send(book, copy)
    assert waiting(book) == [UNKNOWN_CARD, UNKNOWN_CARD, NO_SALE]
    book.cards[card.id.key] = CardRow(card.id.key)
    assert post_what_may(book) == 2
    assert waiting(book) == [UNPROVEN]
    assert post_what_may(book) == 0
    assert (balance(book, AccountKind.MERCHANT), balance(book, AccountKind.PENDING)) == (300, 0)


def test_a_second_history_blocks_no_card_and_makes_none_known_until_two_people_agree() -> None:
    card, stranger = plastic(7), plastic(8)
    _, copy, book = forked(card)
    copy.append(Kind.CARD_BLOCKED, CardBlocked(card.id, "listed"))
    copy.append(Kind.CARD_ISSUED, CardIssued(stranger.id, "aabbccdd"))
    send(book, copy)
    assert waiting(book) == [UNPROVEN] * 2
    assert post_what_may(book) == 0
    assert book.cards[card.id.key].status is CardStatus.ACTIVE
    assert stranger.id.key not in book.cards
    rows = [row for row in book.entries.values() if row.parked]
    assert all(post_again(book, row, allowed=True) for row in rows)
    assert book.cards[card.id.key].status is CardStatus.BLOCKED
    assert stranger.id.key in book.cards
