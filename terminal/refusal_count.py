"""Equal refusals of one card within a minute become one entry with a count: a card held on a reader is not a story."""

from dataclasses import dataclass, replace

from msgspec import structs

from protocol.authorise import Refused
from protocol.entries import SaleRefused
from protocol.ids import U16_MAX
from protocol.instants import MINUTE_MS, Now
from protocol.purse import CardRead

TOGETHER_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """Refusals that will be one entry, and when the first of them happened."""

    first_at: Now
    body: SaleRefused


def counted(
    counts: tuple[RefusalCount, ...], refused: Refused, read: CardRead | None, now: Now
) -> tuple[RefusalCount, ...]:
    """One refusal more: an equal one is counted up, any other begins a count of its own."""
    body = _body(refused, read)
    for index, known in enumerate(counts):
        if (known.body.reason, known.body.card) == (body.reason, body.card):
            more = structs.replace(known.body, count=min(U16_MAX, known.body.count + 1))
            return (*counts[:index], replace(known, body=more), *counts[index + 1 :])
    return (*counts, RefusalCount(now, body))


def due(counts: tuple[RefusalCount, ...], now: Now) -> tuple[RefusalCount, ...]:
    """The counts whose minute is over: time to write them down."""
    return tuple(known for known in counts if now.mono_ms - known.first_at.mono_ms >= TOGETHER_MS)


def _body(refused: Refused, read: CardRead | None) -> SaleRefused:
    if read is None or read.purse is None:
        seen = read.last if read else ()
        return SaleRefused(refused.reason, card=read.id if read else None, count=1, card_last=seen)
    purse = read.purse
    return SaleRefused(
        refused.reason,
        card=read.id,
        counter=purse.counter,
        main=purse.main_cents,
        subsidy=purse.subsidy_cents,
        count=1,
        card_last=read.last,
    )
