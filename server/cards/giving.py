"""Give a card what its holder is owed: by a load record that its next tap collects, or, to a token, at once."""

from protocol.instants import BusinessDay
from protocol.money import Cents
from server.cards import rules
from server.ingest.book import Book, CardRow
from server.ingest.on_tokens import is_token, put_on
from server.ingest.totals import grant_less_debt


def give(book: Book, card: CardRow, cents: Cents, day: BusinessDay) -> None:
    """So much of what is owed."""
    if is_token(card):
        put_on(book, card, cents, day)
    else:
        rules.grant(card, cents)


def give_less_debt(book: Book, card: CardRow, cents: Cents, owing_cents: int, day: BusinessDay) -> None:
    """What was taken in, less what the number has had too much before."""
    if is_token(card):
        put_on(book, card, max(0, cents - owing_cents), day)
    else:
        grant_less_debt(card, cents, owing_cents)


def give_subsidy(book: Book, card: CardRow, period: int, cents: Cents, day: BusinessDay) -> None:
    """A subsidy of some period."""
    if is_token(card):
        put_on(book, card, 0, day, granted=cents, period=period)
    else:
        rules.grant_subsidy(card, period, cents)
