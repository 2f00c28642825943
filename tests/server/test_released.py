"""A replaced card whose rest was paid out: nothing that is decided or found later pays its holder again."""

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind
from protocol.ids import Seq
from protocol.instants import BusinessDay, UtcMs
from server.cards.rules import rest_of
from server.ingest.book import Book, CardStatus
from server.ingest.deciding import decide_by, resolve
from server.ingest.holes import book_hole
from server.ingest.rules import Ack, take_batch
from server.ingest.steps import witnesses_of
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution
from tests.server.test_holes import Street, sell
from tests.server.test_ingest_posting import balance, book_for, send
from tests.server.world import MERCHANT, Plastic, Till, plastic, refund_of, sale_of, topup_of

KINDS = (AccountKind.PURSE, AccountKind.PENDING, AccountKind.MERCHANT, AccountKind.OPERATOR_LOSS, AccountKind.SUSPENSE)


def release(book: Book, card: Plastic) -> None:
    """As the card office does it when the waiting is over."""
    row = book.cards[card.id.key]
    row.status = CardStatus.RELEASED
    book.post("release:it", BusinessDay(0), rest_of(row))


def torn_sale(on_card: bool) -> tuple[Book, Till, Plastic, Seq]:
    """A card of 1000 tears a sale of 300, and is paid out."""
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    loaded = topup_of(card, 1_000)
    prepared = till.append(Kind.TOPUP_PREPARED, loaded).seq
    card.write(till.tno, loaded, prepared)
    till.append(Kind.TOPUP_SETTLED, with_members(loaded, prepared=prepared))
    body = sale_of(card, 300)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    if on_card:
        card.write(till.tno, body, prepared)
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared))
    send(book, till)
    return book, till, card, Seq(prepared)


@pytest.mark.parametrize("resolution", list(Resolution))
@pytest.mark.parametrize("is_released_first", [True, False])
@pytest.mark.parametrize("is_settled", [True, False])
def test_a_torn_sale_of_a_released_card_pays_its_holder_once(
    resolution: Resolution, is_released_first: bool, is_settled: bool
) -> None:
    book, till, card, prepared = torn_sale(resolution is Resolution.ON_CARD)
    step, day = book.steps[(till.tno, 0, prepared)], book.campus.business_day(till.now)
    if is_released_first:
        release(book, card)
    resolve(book, step, resolution, day)
    if not is_released_first:
        release(book, card)
    if is_settled:
        till.append(Kind.SALE_SETTLED, with_members(step.body, prepared=prepared))
        send(book, till, len(till.lines) - 1)
    paid = 300 if is_settled else 0
    assert [balance(book, kind) for kind in KINDS] == [0, 1_000, paid, -paid, 0]


@pytest.mark.parametrize("resolution", list(Resolution))
def test_a_torn_credit_of_a_released_card_moves_no_purse(resolution: Resolution) -> None:
    """What reached a card that nobody takes any more stays aside, whether its terminal or the chain says so."""
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    body = topup_of(card, 200)
    prepared = till.append(Kind.TOPUP_PREPARED, body).seq
    till.append(Kind.TOPUP_TORN, with_members(body, prepared=prepared))
    send(book, till)
    release(book, card)
    resolve(book, book.steps[(till.tno, 0, prepared)], resolution, book.campus.business_day(till.now))
    aside = 200 if resolution is Resolution.ON_CARD else 0
    assert [balance(book, kind) for kind in KINDS] == [0, 200 - aside, 0, 0, aside]
    till.append(Kind.TOPUP_SETTLED, with_members(body, prepared=prepared))
    send(book, till, len(till.lines) - 1)
    assert [balance(book, kind) for kind in KINDS] == [0, 200 - aside, 0, 0, aside]


@pytest.mark.parametrize("is_released_first", [True, False])
def test_a_hole_of_a_released_card_is_our_loss_and_found_without_harm(is_released_first: bool) -> None:
    """Booked before, its purse has paid and still has when the entries are found; booked after, we have."""
    street = Street()
    street.offered()
    book, till = street.book, street.one
    hole, day = book.holes[(till.tno, Seq(3))], book.campus.business_day(till.now)
    if is_released_first:
        release(book, street.card)
    book_hole(book, hole, list(book.steps.values()), day)
    if not is_released_first:
        release(book, street.card)
    booked = [balance(book, kind) for kind in KINDS]
    assert booked == [0, 0, 150, -450, 300]
    assert isinstance(street.send(till, 2, 4), Ack)
    assert [balance(book, kind) for kind in KINDS] == [0, 0, 450, -450, 0]


def test_a_torn_refund_on_a_released_card_stays_aside() -> None:
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    sale = sale_of(card, 500, MERCHANT)
    prepared = till.append(Kind.SALE_PREPARED, sale).seq
    card.write(till.tno, sale, prepared)
    till.append(Kind.SALE_SETTLED, with_members(sale, prepared=prepared))
    back = refund_of(card, 200, prepared)
    torn = till.append(Kind.REFUND_PREPARED, back).seq
    till.append(Kind.REFUND_TORN, with_members(back, prepared=torn))
    send(book, till)
    release(book, card)
    resolve(book, book.steps[(till.tno, 0, torn)], Resolution.ON_CARD, book.campus.business_day(till.now))
    assert [balance(book, kind) for kind in KINDS] == [0, 0, 300, -500, 200]


@pytest.mark.parametrize("is_found", [True, False])
def test_a_torn_sale_that_a_hole_had_booked_before_the_release_pays_its_holder_too(is_found: bool) -> None:
    """The release paid out that much less, because the purse had borne the step already."""
    one, two, card, other = Till(1), Till(2), plastic(7), plastic(8)
    loaded = topup_of(card, 1_000)
    prepared = two.append(Kind.TOPUP_PREPARED, loaded).seq
    card.write(two.tno, loaded, prepared)
    two.append(Kind.TOPUP_SETTLED, with_members(loaded, prepared=prepared))
    body = sale_of(card, 300)
    torn = one.append(Kind.SALE_PREPARED, body).seq
    card.write(one.tno, body, torn)
    one.append(Kind.SALE_TORN, with_members(body, prepared=torn))
    sell(two, card, 50)
    sell(one, other, 20)
    book, now = book_for(one, two, cards=(card, other)), UtcMs(one.now + 100_000)
    for till, lines in ((one, one.lines[:1]), (two, two.lines), (one, one.lines[2:]), (one, one.lines[2:])):
        now = UtcMs(now + 10_000)
        take_batch(book, till.tno, lines, now)
    book_hole(book, book.holes[(one.tno, Seq(2))], list(book.steps.values()), BusinessDay(0))
    release(book, card)
    if is_found:
        take_batch(book, one.tno, one.lines[1:2], UtcMs(now + 10_000))
    else:
        step = book.steps[(one.tno, 0, torn)]
        step.lost = True
        decide_by(book, step, witnesses_of(book, step), BusinessDay(1))
    assert balance(book, AccountKind.PENDING) == 950 and book.cards[card.id.key].main_cents == 0
