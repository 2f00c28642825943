"""One tap, one charge: who has just paid here, and whether a card on the reader is a new tap or never left."""

from dataclasses import replace

from msgspec import structs

from protocol.entries import CardStep
from protocol.ids import CardKey
from protocol.instants import Now
from protocol.site_files import REPEAT_MS_MAX
from terminal.desk import Charged, Desk, Receipt

ABSENT_MS = 500
"""A card away for less than this never left."""

Paid = tuple[Charged, ...]


def gone(paid: Paid, card: CardKey | None, now: Now) -> Paid:
    """The card left the field."""
    return tuple(replace(one, gone_at=now) if one.card == card and one.gone_at is None else one for one in paid)


def back(paid: Paid, card: CardKey | None, now: Now) -> Paid:
    """The card is in the field: after half a second away it is a new tap, before that a flicker."""
    return tuple(_returned(one, now) if one.card == card else one for one in paid)


def has_not_left(paid: Paid, card: CardKey | None) -> bool:
    """Whether the card on the reader has paid and lies there since: it is asked for only when it has been away."""
    return any(one.card == card and not one.was_gone for one in paid)


def noted(paid: Paid, card: CardKey, at: Now) -> Paid:
    """The card has just paid; those who did so longer ago and are not here any more are forgotten."""
    recent = (one for one in paid if one.card != card and at.mono_ms - one.at.mono_ms < REPEAT_MS_MAX)
    return (*recent, Charged(card, at))


def served(paid: Paid, card: CardKey, now: Now) -> Paid:
    """The card was refunded or loaded: as long as it lies there it is no new tap, for whoever comes next."""
    at = next((one.at for one in paid if one.card == card), now.plus(-REPEAT_MS_MAX))
    return noted(paid, card, at)


def answered(desk: Desk, receipt: Receipt) -> Desk:
    """The cashier has decided about a sale paid earlier; another one may still wait for that.

    The card on the reader paid for it: whatever comes next, it is no new tap before it has left.
    """
    charged = noted(desk.charged, desk.present, receipt.at) if desk.present else desk.charged
    return structs.replace(desk, charged=charged, unconfirmed=None if desk.unconfirmed == receipt else desk.unconfirmed)


def served_here(desk: Desk, now: Now) -> Desk:
    """The card on the reader, whichever it is, is no new tap."""
    return structs.replace(desk, charged=served(desk.charged, desk.present, now)) if desk.present else desk


def payer(receipt: Receipt) -> CardKey | None:
    """The card that paid, if one did."""
    return receipt.body.card.key if isinstance(receipt.body, CardStep) else None


def _returned(one: Charged, now: Now) -> Charged:
    away_ms = 0 if one.gone_at is None else now.mono_ms - one.gone_at.mono_ms
    return replace(one, gone_at=None, was_gone=one.was_gone or away_ms >= ABSENT_MS)
