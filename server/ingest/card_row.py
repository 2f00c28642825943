"""One plastic card in the book of the server."""

import enum
from dataclasses import dataclass

from protocol.ids import CardKey, Counter, LoadSeq
from protocol.instants import UtcMs
from protocol.money import Cents


class CardStatus(enum.StrEnum):
    """The life of one plastic card at the server."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    CLOSED = "closed"
    """Replaced or handed in; what tills still report is its own debit."""
    RELEASED = "released"
    """Closed, and its rest was paid out: later debits are our loss."""


@dataclass(slots=True)
class CardRow:
    """One plastic card: its status and the cached balances, which always equal the sums of its postings."""

    key: CardKey
    card_class: int = 1
    technology: str = ""
    status: CardStatus = CardStatus.ACTIVE
    main_cents: Cents = Cents(0)
    subsidy_cents: Cents = Cents(0)
    counter: Counter = Counter(0)
    """The highest counter read from the card, or written and read back: its floor."""
    load_seq: LoadSeq = LoadSeq(0)
    load_seq_floor: LoadSeq = LoadSeq(0)
    loaded_total_cents: Cents = Cents(0)
    """Everything the server ever granted to this card."""
    collected_cents: Cents = Cents(0)
    """How much of it the card is known to have."""
    subsidy_total_cents: Cents = Cents(0)
    """Everything granted to it of the subsidy of this period."""
    subsidy_arrived_cents: Cents = Cents(0)
    """How much of that the posted entries of loads have brought."""
    period: int = 0
    period_load_seq: int = 0
    """The first load of this period: what an older one brings of a subsidy has lapsed."""
    spent_known_cents: Cents = Cents(0)
    excused: tuple[UtcMs, ...] = ()
    """When it was excused for a step it forgot, in the order of arrival."""
    exchange: bool = False
    arrived_cents: Cents = Cents(0)
    """How much of it the posted entries of loads have brought; what a card shows may be ahead of them."""
    adopted_cents: Cents = Cents(0)
    """How much of it this server had forgotten, and believed because the card showed a record of its own."""
    explained_cents: Cents = Cents(0)
    """How much of that documents have told of since; so much less of what they say is granted."""
    closed_at: UtcMs = UtcMs(0)
    """When it was replaced or handed in; 0: it was not."""
    closed_for: str = ""
    """`replaced`, or `handed_in`: then nobody can tap it any more."""
