"""How far a terminal is known is what it says, where that can be so: what replaced cards wait for hangs on it."""

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind, ListVersions, Reason, SaleStep
from protocol.instants import DAY_MS, HOUR_MS, BusinessDay, ClockSource
from protocol.journal import seal
from protocol.purse import SeenStep
from server.ingest.book import Book
from server.ingest.rules import take_batch
from tests.server.test_ingest_posting import LATER, book_for, settled_sale
from tests.server.world import Plastic, Till, plastic, sale_of


def report(at: int, *, clock: ClockSource = ClockSource.SERVER, cards: int = 0, published: int = 0) -> Book:
    till = Till(1)
    till.clock = clock
    entry = till.append(Kind.DRAWER_OPENED, Reason("change"), at=at).entry
    till.chain[-1] = seal(with_members(entry, lists=ListVersions(cards=cards, limits=cards)), till.key)
    book = book_for(till)
    book.chains[till.tno].cards_published = book.chains[till.tno].limits_published = published
    take_batch(book, till.tno, till.lines, LATER)
    return book


@pytest.mark.parametrize(
    ("at", "believed"),
    [
        (LATER - HOUR_MS, LATER - HOUR_MS),
        (LATER, LATER),
        (LATER + 60_000, LATER),
        (LATER + HOUR_MS, 0),
        (LATER + 900 * DAY_MS, 0),
    ],
)
def test_a_clock_that_is_ahead_reports_nothing(at: int, believed: int) -> None:
    """The till may sell for days before its own clock says that it has; nobody may wait for less than that."""
    assert report(at).chains[Till(1).tno].reported_at == believed


def test_a_till_without_a_clock_reports_nothing() -> None:
    assert report(LATER, clock=ClockSource.NONE).chains[Till(1).tno].reported_at == 0


@pytest.mark.parametrize(("cards", "believed"), [(3, 3), (7, 7), (8, 0), (2**53 - 1, 0)])
def test_a_list_that_was_never_published_has_been_seen_by_nobody(cards: int, believed: int) -> None:
    """Else a load of a closed card would be given to its next plastic while a station can still bring it."""
    chain = report(LATER, cards=cards, published=7).chains[Till(1).tno]
    assert (chain.cards_version, chain.limits_version) == (believed, believed)


def forgets(till: Till, card: Plastic, at: int) -> None:
    """The card is used at a counter that it has used before, and shows that its other slot is invalid."""
    body: SaleStep = with_members(sale_of(card, 100), card_last=(SeenStep(), *card.last[:1]))
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=prepared), at=at)


def test_a_clock_that_is_ahead_excuses_no_card_twice() -> None:
    """Once in ninety days by our own calendar, whatever a till says of the date."""
    first, second, third, card = Till(1), Till(2), Till(3), plastic(7)
    settled_sale(first, card, 10)
    forgotten = card.copy()
    settled_sale(first, card, 20)
    again = card.copy()
    settled_sale(first, card, 30)
    forgets(second, forgotten, LATER)
    forgets(third, again, LATER + 900 * DAY_MS)
    book = book_for(first, second, third, cards=(card,))
    for till in (first, second, third):
        take_batch(book, till.tno, till.lines, LATER)
    row = book.cards[card.id.key]
    assert [case.cls for case in book.cases] == ["fallback", "fork"]
    day_ends_at = book.campus.day_starts_at(BusinessDay(book.campus.business_day(LATER) + 1))
    assert len(row.excused) == 1 and row.excused[0] <= day_ends_at
