"""Equal refusals of one card within a minute become one entry with a count: a card held on a reader is not a story."""

from dataclasses import dataclass, replace
from typing import assert_never

from msgspec import structs

from protocol.entries import SaleRefused
from protocol.ids import U16_MAX
from protocol.instants import MINUTE_MS, Now
from protocol.money import Cents
from protocol.pricing import Ticket, price_basket
from protocol.purse import CardRead
from terminal.hand_in import Close
from terminal.load import Load
from terminal.purchase import Facts, Purchase
from terminal.refund import Refund
from terminal.topup import TopUp

TOGETHER_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """Refusals that will be one entry, and when the first of them happened."""

    first_at: Now
    body: SaleRefused


def asked_cents(order: Purchase | Refund | Load | TopUp | Close, read: CardRead | None, facts: Facts) -> Cents:
    """For how much a card was asked, as far as that is known."""
    match order:
        case Purchase(basket):
            ticket = price_basket(basket, read.identity.card_class if read else None, facts.when.minute)
            return ticket.total_cents if isinstance(ticket, Ticket) else Cents(0)
        case Refund() | TopUp():
            return order.amount
        case Load() | Close():
            return Cents(0)
        case _:
            assert_never(order)


def counted(
    counts: tuple[RefusalCount, ...], reason: str, asked: Cents, read: CardRead | None, now: Now
) -> tuple[RefusalCount, ...]:
    """One refusal more: an equal one is counted up, any other begins a count of its own. `asked`: for how much."""
    body = _body(reason, asked, read)
    for index, known in enumerate(counts):
        if (known.body.reason, known.body.card) == (body.reason, body.card):
            more = structs.replace(known.body, count=min(U16_MAX, known.body.count + 1))
            return (*counts[:index], replace(known, body=more), *counts[index + 1 :])
    return (*counts, RefusalCount(now, body))


def due(counts: tuple[RefusalCount, ...], now: Now) -> tuple[RefusalCount, ...]:
    """The counts whose minute is over: time to write them down."""
    return tuple(known for known in counts if now.mono_ms - known.first_at.mono_ms >= TOGETHER_MS)


def _body(reason: str, asked: Cents, read: CardRead | None) -> SaleRefused:
    if read is None or read.purse is None:
        seen = read.last if read else ()
        return SaleRefused(reason, asked, card=read.id if read else None, count=1, card_last=seen)
    purse = read.purse
    return SaleRefused(
        reason,
        asked,
        card=read.id,
        counter=purse.counter,
        main=purse.main_cents,
        subsidy=purse.subsidy_cents,
        count=1,
        card_last=read.last,
    )
