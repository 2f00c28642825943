"""A card is excused for one forgotten step in ninety days, whichever of its steps the server hears of first."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind
from protocol.ids import Counter, Seq
from protocol.instants import DAY_MS, UtcMs
from protocol.purse import SeenStep
from server.ingest.book import Book, CardRow
from server.ingest.rows import card_columns, card_of
from server.ingest.rules import take_batch
from server.ledger.rules import Use
from tests.server.world import CAMPUS, NOON, Plastic, Till, plastic, sale_of

NOT_VALID = SeenStep(0, 0, 0, Counter(0))


def pay(till: Till, card: Plastic, at: int) -> None:
    body = sale_of(card, 10)
    prepared = till.append(Kind.SALE_PREPARED, body, at=at).seq
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=Seq(prepared)), at=at)


def forgotten_twice(days_apart: int) -> tuple[Book, list[Till]]:
    """Two tills, each with a step that the card made instead of one it had forgotten."""
    book, tills = Book(CAMPUS), [Till(1), Till(2)]
    for number, till in enumerate(tills):
        book.chains[till.tno] = till.row()
        card = replace(plastic(7, main=1_000 - 500 * number), counter=5 + 10 * number)
        at = NOON + number * days_apart * DAY_MS
        pay(till, card, at)
        card.slots = [NOT_VALID]
        pay(till, card, at + 60_000)
    key = plastic(7).id.key
    book.cards[key] = CardRow(key)
    return book, tills


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("days_apart", "last"), [(91, Use.FALLBACK), (89, Use.FORK)])
def test_the_order_of_arrival_excuses_nobody(order: tuple[int, int], days_apart: int, last: Use) -> None:
    book, tills = forgotten_twice(days_apart)
    for number in order:
        take_batch(book, tills[number].tno, tills[number].lines, UtcMs(NOON + 300 * DAY_MS))
    uses = [book.steps[(tills[number].tno, 0, 3)].use for number in order]
    assert uses == [Use.FALLBACK, last]


def test_every_excuse_is_remembered() -> None:
    """A third step is set against all of them, so the row keeps them all."""
    key = plastic(7).id.key
    card = CardRow(key, excused=(UtcMs(200 * DAY_MS), UtcMs(1)))
    row = {**card_columns(card)}
    assert card_of(row).excused == card.excused  # type: ignore[arg-type]
