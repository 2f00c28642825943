"""What a terminal may tell or do once an entry is durable; so, when it has, the entry must be on its disk.

entry           it was called durable
handed_over     its goods may go over the counter: the sale is settled, or paid in cash
card_write      the card may be written: the entry that says why is prepared
"""

from collections.abc import Iterator
from typing import Final

from protocol.entries import CashSale, Entry, Kind, SaleStep
from tests.crash.story import Event

ENTRY, HANDED_OVER, CARD_WRITE = "entry", "handed_over", "card_write"
_MEMBERS: Final = {ENTRY: ("kind", "seq"), HANDED_OVER: ("kind", "seq", "amount"), CARD_WRITE: ("card",)}

Deed = tuple[str | int, ...]


def deeds_after(entry: Entry) -> Iterator[Event]:
    """What waits for this entry."""
    yield {"event": ENTRY, "kind": entry.kind, "seq": entry.seq}
    match entry.body:
        case SaleStep(card=card) if entry.kind is Kind.SALE_PREPARED:
            yield {"event": CARD_WRITE, "card": card.no}
        case SaleStep(prepared=seq, amount=amount) if entry.kind is Kind.SALE_SETTLED:
            yield {"event": HANDED_OVER, "kind": entry.kind, "seq": seq, "amount": amount}
        case CashSale(amount=amount):
            yield {"event": HANDED_OVER, "kind": entry.kind, "seq": entry.seq, "amount": amount}
        case _:
            pass


def deed_of(event: Event) -> Deed | None:
    """The same deed is the same here, whoever tells of it; None: nothing that waits for an entry."""
    name = event["event"]
    return (name, *(event[member] for member in _MEMBERS[name])) if name in _MEMBERS else None
