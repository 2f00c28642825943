"""What posting some entries can look at: the rows that the store loads and locks before anything is decided."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.entries import (
    Body,
    CardBegun,
    CardBlocked,
    CardErased,
    CardIssued,
    CardRekeyed,
    CardStep,
    CashSale,
    CloseStep,
    Entry,
    Kind,
    RefundStep,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    TopUpStep,
    TopUpTo,
    Vend,
)
from protocol.ids import CardKey, CardNo
from protocol.journal import NotAnEntry, Sealed, read_entry
from protocol.price_list import FREE_AMOUNT
from protocol.sync_receiver import Link
from server.ingest.book import Reached

_WAITING = CardStep | CardBegun | CardBlocked | CardRekeyed | CardErased
"""What waits for a card that nobody has issued."""

Shown = tuple[CardKey, str, int]
"""A token, the kind of its proof, and the counter in it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Cards to lock, (card, counter) whose steps matter, prepared entries of the same chain, and shifts."""

    cards: frozenset[CardKey]
    counters: frozenset[Reached]
    prepared: frozenset[int]
    shifts: frozenset[int] = frozenset()
    """Shifts of the same chain that cash goes into."""
    counted: frozenset[int] = frozenset()
    """Those of them whose drawer is counted."""
    topped_up: frozenset[CardNo] = frozenset()
    """Issue numbers that may be granted a load."""
    sold: frozenset[int] = frozenset()
    """Prepared entries of sales that are settled: refunds of them may have come before."""
    issued: frozenset[CardNo] = frozenset()
    """Issue numbers of which every plastic that is known matters."""
    products: frozenset[str] = frozenset()
    shown: frozenset[Shown] = frozenset()
    """What tokens have shown for sales that are settled."""


NOTHING = Reach(frozenset(), frozenset(), frozenset())


def reach_of(entries: Iterable[Entry]) -> Reach:
    """The reach of these entries of one chain: see `steps.py` for what is looked up."""
    cards: set[CardKey] = set()
    counters: set[Reached] = set()
    prepared: set[int] = set()
    shifts: set[int] = set()
    counted: set[int] = set()
    topped_up: set[CardNo] = set()
    sold: set[int] = set()
    issued: set[CardNo] = set()
    products: set[str] = set()
    shown: set[Shown] = set()
    for entry in entries:
        body = entry.body
        products |= products_of(body)
        match body:
            case CardStep():
                cards.add(body.card.key)
                counters |= counters_near(body)
                prepared.add(body.prepared or entry.seq)
                if isinstance(body, RefundStep):
                    prepared.add(body.of)
                if isinstance(body, TopUpStep | CloseStep):
                    shifts.add(entry.shift)
                if isinstance(body, TopUpStep) and body.to is TopUpTo.LOAD:
                    topped_up.add(body.card.no)
                if isinstance(body, RefundStep) and body.card.is_token:
                    topped_up.add(body.card.no)
                if entry.kind is Kind.SALE_SETTLED:
                    sold.add(body.prepared or entry.seq)
                    shown |= shown_in(body)
            case Vend():
                prepared.add(body.prepared)
            case CardBegun() | CardBlocked() | CardIssued() | CardRekeyed() | CardErased():
                cards.add(body.card.key)
                issued |= {body.card.no} if isinstance(body, CardIssued) else set()
            case CashSale():
                shifts.add(entry.shift)
            case ShiftOpened() | ShiftClosed():
                shifts.add(body.number)
                counted |= {body.number} if isinstance(body, ShiftClosed) else set()
            case _:
                pass
    return Reach(
        frozenset(cards),
        frozenset(counters),
        frozenset(prepared),
        frozenset(shifts),
        frozenset(counted),
        frozenset(topped_up),
        frozenset(sold),
        frozenset(issued),
        frozenset(products),
        frozenset(shown),
    )


def shown_in(body: CardStep) -> set[Shown]:
    """What a token has shown that nobody may show again."""
    proof = body.proof if isinstance(body, SaleStep) else None
    return {(body.card.key, str(proof.kind), proof.counter)} if proof and proof.counter else set()


def products_of(body: Body) -> set[str]:
    """The products of price lists that an entry sells or takes back."""
    if not isinstance(body, SaleStep | RefundStep | CashSale):
        return set()
    return {str(line.product) for line in body.lines if line.product != FREE_AMOUNT}


def counters_near(body: CardStep) -> set[Reached]:
    """The counters whose steps can bear witness for a step, or against it. A token's is always 0: none of them can."""
    key = body.card.key
    if body.card.is_token:
        return set()
    return {(key, body.counter), (key, body.counter_after), (key, body.counter_after + 1)}


def entries_of(links: Iterable[Link]) -> list[Entry]:
    """The entries among them that are understood."""
    return [link.entry for link in links if isinstance(link, Sealed)]


def entry_in(line: bytes) -> list[Entry]:
    """The entry in a line, or nothing where it cannot be read."""
    try:
        return [read_entry(line).entry]
    except NotAnEntry:
        return []


def card_named_by(line: bytes) -> CardKey | None:
    """The card of an entry that waits for it."""
    bodies = (entry.body for entry in entry_in(line))
    return next((body.card.key for body in bodies if isinstance(body, _WAITING)), None)
