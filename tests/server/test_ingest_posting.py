"""What odd sequences of entries mean in money: none may be counted twice, none may stop the queue."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as with_members

from protocol.entries import BODIES, Kind, Reason, RefundTo, TopUpTo, Vend
from protocol.ids import Counter, Seq
from protocol.instants import BusinessDay, ClockSource, UtcMs
from protocol.money import Cents
from server.ingest.book import Book, CardRow, HoleStatus
from server.ingest.deciding import resolve
from server.ingest.keeping import post_again
from server.ingest.rules import Ack, take_batch
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution
from tests.protocol.strategies import values_of
from tests.server.world import (
    CAMPUS,
    LOAD_KEY,
    MERCHANT,
    NOON,
    Plastic,
    Till,
    load_of,
    plastic,
    refund_of,
    sale_of,
    topup_of,
)

LATER = UtcMs(NOON + 3_600_000)


def book_for(*tills: Till, cards: tuple[Plastic, ...] = ()) -> Book:
    book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in tills})
    for card in cards:
        book.cards[card.id.key] = CardRow(card.id.key)
    return book


def send(book: Book, till: Till, start: int = 0, end: int | None = None) -> object:
    return take_batch(book, till.tno, till.lines[start:end], LATER)


def balance(book: Book, kind: AccountKind, owner: str | None = None) -> int:
    return sum(
        posting.cents
        for posted in book.posted.values()
        for posting in posted.postings
        if posting.account.kind is kind and owner in (None, posting.account.owner)
    )


def refund_story(till: Till, card: Plastic, *outcomes: str) -> int:
    """A sale of 500 and a refund of 200 with these outcomes."""
    sale = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    card.write(till.tno, sale, prepared)
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    body = refund_of(card, 200, prepared)
    begun = till.append(Kind.REFUND_PREPARED, body).seq
    for outcome in outcomes:
        till.append(Kind(f"refund_{outcome}"), with_members(body, prepared=begun))
    return begun


@pytest.mark.parametrize(
    ("outcomes", "merchant", "held"),
    [
        (("settled",), 300, -300),
        (("voided",), 300, -500),
        (("torn",), 300, -500),
        (("torn", "settled"), 300, -300),
        (("torn", "voided"), 300, -500),
        (("torn", "torn"), 300, -500),
        (("settled", "settled"), 300, -300),
    ],
)
def test_a_refund_leaves_the_merchant_once(outcomes: tuple[str, ...], merchant: int, held: int) -> None:
    till, card = Till(1), plastic(7)
    refund_story(till, card, *outcomes)
    book = book_for(till, cards=(card,))
    assert isinstance(send(book, till), Ack)
    assert balance(book, AccountKind.MERCHANT, MERCHANT) == merchant
    assert book.cards[card.id.key].main_cents == held
    assert balance(book, AccountKind.SUSPENSE) == (200 if outcomes in (("torn",), ("torn", "torn")) else 0)


def test_one_sale_is_given_back_for_one_failed_delivery() -> None:
    till, card = Till(1), plastic(7)
    sale = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    till.append(Kind.VEND_FAILED, Vend(prepared))
    till.append(Kind.VEND_UNKNOWN, Vend(prepared))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert balance(book, AccountKind.PENDING) == 500
    assert balance(book, AccountKind.MERCHANT) == 0


def test_an_outcome_that_names_another_step_is_parked_and_its_money_set_aside() -> None:
    till, card, other = Till(1), plastic(7), plastic(8)
    prepared = till.append(Kind.SALE_PREPARED, sale_of(card, 500)).seq
    till.append(Kind.SALE_SETTLED, with_members(sale_of(other, 900), prepared=prepared))
    book = book_for(till, cards=(card, other))
    send(book, till)
    assert "inconsistent" in book.entries[(till.tno, 0, 2)].parked
    assert balance(book, AccountKind.SUSPENSE) == -900
    assert book.cards[other.id.key].main_cents == 0


def test_a_top_up_to_a_load_has_no_outcome() -> None:
    till, card = Till(1), plastic(7)
    body = topup_of(card, 1_000, TopUpTo.LOAD)
    prepared = till.append(Kind.TOPUP_PREPARED, body).seq
    till.append(Kind.TOPUP_VOIDED, with_members(body, prepared=prepared))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert balance(book, AccountKind.PENDING) == 1_000
    assert balance(book, AccountKind.SUSPENSE) == 0
    assert book.cards[card.id.key].loaded_total_cents == 1_000


def test_a_refund_across_a_fork_counts_against_the_same_sale() -> None:
    """A restored image refunds again what its first history had refunded: two people decide, and hear of it."""
    till, card = Till(1), plastic(7)
    sale = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    card.write(till.tno, sale, prepared)
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    image = till.restored(2)
    for number, one in enumerate((till, image)):
        body = refund_of(card, 400 + number, prepared, RefundTo.PENDING)
        begun = one.append(Kind.REFUND_PREPARED, body).seq
        one.append(Kind.REFUND_SETTLED, with_members(body, prepared=begun))
    book = book_for(till, cards=(card,))
    send(book, till)
    send(book, image)
    assert (balance(book, AccountKind.PENDING), balance(book, AccountKind.SUSPENSE)) == (400, 401)
    for row in [row for row in book.entries.values() if row.parked]:
        assert post_again(book, row, allowed=True)
    assert [case.cls.value for case in book.cases] == ["chain_break", "over_refund"]
    assert (balance(book, AccountKind.PENDING), balance(book, AccountKind.SUSPENSE)) == (500, 301)
    assert len(book.chains[till.tno].branches) == 2


def test_the_first_entry_of_a_second_history_may_be_an_outcome() -> None:
    till, card = Till(1), plastic(7)
    sale = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    image = till.restored(1)
    till.append(Kind.SALE_VOIDED, with_members(sale, prepared=prepared))
    image.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert isinstance(send(book, image), Ack)
    assert book.entries[(till.tno, 1, 2)].parked == "an outcome of a step that was decided before"


def test_a_clock_that_is_none_does_not_start_the_thirty_days_in_the_past() -> None:
    till, card = Till(1), plastic(7)
    till.clock = ClockSource.NONE
    body = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, body, at=5).seq
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared), at=6)
    book = book_for(till, cards=(card,))
    send(book, till)
    assert book.steps[(till.tno, 0, prepared)].torn_at >= LATER


@pytest.mark.seeds
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_whatever_a_terminal_signs_is_kept_and_blocks_nothing(data: st.DataObject) -> None:
    """A terminal with a broken program signs anything its types allow; every entry is kept, every posting balances."""
    till, cards = Till(1), tuple(plastic(number) for number in (1, 2))
    for _ in range(data.draw(st.integers(1, 8))):
        kind = data.draw(st.sampled_from(list(Kind)))
        body = data.draw(values_of(BODIES[kind]))
        if hasattr(body, "card") and body.card is not None and data.draw(st.booleans()):
            body = with_members(body, card=data.draw(st.sampled_from(cards)).id)
        if hasattr(body, "prepared") and data.draw(st.booleans()):
            body = with_members(body, prepared=Seq(data.draw(st.integers(1, 8))))
        till.append(kind, body)
    book = book_for(till, cards=cards)
    half = len(till.chain) // 2
    assert isinstance(send(book, till, half), object)
    if half:
        assert isinstance(send(book, till, 0, half), Ack)
    assert isinstance(send(book, till), Ack)
    assert len(book.entries) == len(till.chain)
    assert sum(posting.cents for posted in book.posted.values() for posting in posted.postings) == 0
    for card in book.cards.values():
        owner = f"{card.key[0]}/{card.key[1]}"
        assert card.main_cents == balance(book, AccountKind.PURSE, owner)
    assert all(hole.status in (HoleStatus.ASKED, HoleStatus.FILLED) for hole in book.holes.values())


def _sell(till: Till, card: Plastic, amount: int) -> None:
    sale = sale_of(card, amount)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    card.write(till.tno, sale, prepared)
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))


@pytest.mark.parametrize("copy_first", [True, False])
def test_a_copied_terminal_freezes_no_honest_card(copy_first: bool) -> None:
    """A second history claims a purchase that the card never made; the card's own next step decides."""
    till, other, card = Till(1), Till(2), plastic(1, main=5_000)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    copied = till.restored(0)
    _sell(copied, card.copy(), 700)
    _sell(other, card, 300)
    book = book_for(till, other, cards=(card,))
    send(book, till)
    for sender, lines in ((copied, copied.lines), (other, other.lines))[:: 1 if copy_first else -1]:
        assert isinstance(take_batch(book, sender.tno, lines, LATER), Ack)
    row = book.cards[card.id.key]
    assert (row.main_cents, row.status) == (-300, "active")
    assert balance(book, AccountKind.MERCHANT) == 300
    assert balance(book, AccountKind.SUSPENSE) == balance(book, AccountKind.FRAUD_LOSS) == 0


def test_what_a_classic_card_has_spent_is_known_from_a_balance_read_twice() -> None:
    """The load record then bounds what a forged purse could hold; a step nobody built on yet counts for nothing."""
    till, card = Till(1), plastic(7)
    loaded = load_of(card, 1_000, 1)
    prepared = till.append(Kind.LOAD_PREPARED, loaded).seq
    card.write(till.tno, loaded, prepared)
    till.append(Kind.LOAD_SETTLED, with_members(loaded, prepared=prepared))
    for amount in (100, 30):
        sale = sale_of(card, amount)
        prepared = till.append(Kind.SALE_PREPARED, sale).seq
        card.write(till.tno, sale, prepared)
        till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    book = book_for(till, cards=(card,))
    row = book.cards[card.id.key]
    for end, known in ((2, 0), (4, 0), (6, 100)):
        send(book, till, 0, end)
        assert row.spent_known_cents == known
    assert row.main_cents <= row.loaded_total_cents - row.spent_known_cents


def settled_sale(till: Till, card: Plastic, amount: int = 500) -> int:
    sale = sale_of(card, amount)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    card.write(till.tno, sale, prepared)
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    return prepared


def test_a_failed_delivery_gives_no_credit_for_what_a_clone_did_not_pay() -> None:
    """Nobody's purse was moved for the second use: its price goes back to the loss that bore it."""
    first, second, card = Till(1), Till(2), plastic(7)
    clone = card.copy()
    settled_sale(first, card)
    second.append(Kind.VEND_FAILED, Vend(Seq(settled_sale(second, clone))))
    book = book_for(first, second, cards=(card,))
    send(book, first)
    send(book, second)
    assert balance(book, AccountKind.PENDING) == 0
    assert balance(book, AccountKind.FRAUD_LOSS) == 0
    assert balance(book, AccountKind.MERCHANT) == 500


def test_a_failed_delivery_of_a_disputed_sale_moves_nothing() -> None:
    """A copied terminal sold at a counter that the card used otherwise; nobody paid and nobody was paid."""
    till, other, card = Till(1), Till(2), plastic(7)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    image, clone = till.restored(1), card.copy()
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    settled_sale(other, card)
    image.append(Kind.VEND_UNKNOWN, Vend(Seq(settled_sale(image, clone))))
    book = book_for(till, other, cards=(card,))
    for one in (till, other, image):
        assert isinstance(send(book, one), Ack)
    assert balance(book, AccountKind.PENDING) == 0
    assert balance(book, AccountKind.MERCHANT) == 500


def test_a_sale_decided_for_the_student_is_not_credited_again_when_its_delivery_fails() -> None:
    till, card = Till(1), plastic(7)
    sale = sale_of(card, 500)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    till.append(Kind.SALE_TORN, with_members(sale, prepared=prepared))
    book = book_for(till, cards=(card,))
    send(book, till)
    resolve(book, book.steps[(till.tno, 0, prepared)], Resolution.STUDENT, BusinessDay(0))
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    till.append(Kind.VEND_FAILED, Vend(prepared))
    send(book, till)
    assert balance(book, AccountKind.PENDING) == 500
    assert (balance(book, AccountKind.MERCHANT), balance(book, AccountKind.OPERATOR_LOSS)) == (0, 0)


def test_a_refund_gives_no_credit_for_what_a_clone_did_not_pay() -> None:
    first, second, card = Till(1), Till(2), plastic(7)
    clone = card.copy()
    settled_sale(first, card)
    sold = settled_sale(second, clone)
    second.append(Kind.REFUND_SETTLED, with_members(refund_of(clone, 500, sold, RefundTo.PENDING)))
    book = book_for(first, second, cards=(card,))
    send(book, first)
    send(book, second)
    assert balance(book, AccountKind.PENDING) == 0
    assert balance(book, AccountKind.FRAUD_LOSS) == 0


def test_a_torn_sale_that_writes_no_card_is_parked() -> None:
    """Nothing could ever be posted for it: deciding it after thirty days would stop the night's work."""
    till, card = Till(1), plastic(7)
    body = with_members(sale_of(card, 500), counter_after=Counter(0), main_after=Cents(0))
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared))
    book = book_for(till, cards=(card,))
    assert isinstance(send(book, till), Ack)
    assert all("inconsistent" in row.parked for row in book.entries.values())


@pytest.mark.parametrize("kind", [Kind.TOPUP_SETTLED, Kind.TOPUP_TORN, Kind.TOPUP_VOIDED])
def test_an_outcome_of_a_top_up_to_a_load_is_parked(kind: Kind) -> None:
    till, card = Till(1), plastic(7)
    till.append(kind, with_members(topup_of(card, 1_000, TopUpTo.LOAD), prepared=Seq(9)))
    book = book_for(till, cards=(card,))
    assert isinstance(send(book, till), Ack)
    assert "inconsistent" in book.entries[(till.tno, 0, 1)].parked
    assert balance(book, AccountKind.PENDING) == 0
    assert all(posted.postings for posted in book.posted.values())


def test_a_refund_of_no_sale_known_is_put_before_two_people() -> None:
    till, card, other = Till(1), plastic(7), plastic(8)
    prepared = settled_sale(till, card)
    till.append(Kind.REFUND_SETTLED, refund_of(other, 100, prepared, RefundTo.PENDING))
    till.append(Kind.REFUND_SETTLED, refund_of(card, 100, 99, RefundTo.PENDING))
    book = book_for(till, cards=(card, other))
    send(book, till)
    assert [case.cls.value for case in book.cases] == ["over_refund", "over_refund"]


def test_a_failed_delivery_counts_as_given_back() -> None:
    till, card = Till(1), plastic(7)
    prepared = settled_sale(till, card)
    till.append(Kind.VEND_FAILED, Vend(Seq(prepared)))
    till.append(Kind.REFUND_SETTLED, refund_of(card, 500, prepared, RefundTo.PENDING))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert [case.cls.value for case in book.cases] == ["over_refund"]


def test_more_than_a_load_record_can_say_is_owed_and_not_granted() -> None:
    """A top-up beyond the record's figures must not keep the records of all cards from being signed."""
    till, card = Till(1), plastic(7)
    for _ in range(3):
        till.append(Kind.TOPUP_PREPARED, topup_of(card, 60_000_000, TopUpTo.LOAD))
    book = book_for(till, cards=(card,))
    send(book, till)
    row = book.cards[card.id.key]
    assert balance(book, AccountKind.PENDING) == 180_000_000
    assert (row.load_seq, row.loaded_total_cents) == (1, 60_000_000)
