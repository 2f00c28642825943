"""One tap, one charge: who has just paid here, and whether a card on the reader is a new tap or never left."""

from dataclasses import replace

from protocol.ids import CardKey
from protocol.instants import Now
from terminal.desk import Charged

ABSENT_MS = 500
"""A card away for less than this never left."""
REPEAT_MS = 10_000
"""Within this time of its last approved sale a card is charged again only if the cashier says so."""

Paid = tuple[Charged, ...]


def gone(paid: Paid, card: CardKey | None, now: Now) -> Paid:
    """The card left the field."""
    return tuple(replace(one, gone_at=now) if one.card == card and one.gone_at is None else one for one in paid)


def back(paid: Paid, card: CardKey | None, now: Now) -> Paid:
    """The card is in the field: after half a second away it is a new tap, before that a flicker."""
    return tuple(_returned(one, now) if one.card == card else one for one in paid)


def noted(paid: Paid, card: CardKey, at: Now) -> Paid:
    """The card has just paid; those who did so longer ago and are not here any more are forgotten."""
    recent = (one for one in paid if one.card != card and at.mono_ms - one.at.mono_ms < REPEAT_MS)
    return (*recent, Charged(card, at))


def served(paid: Paid, card: CardKey, now: Now) -> Paid:
    """The card was refunded or loaded: as long as it lies there it is no new tap, for whoever comes next."""
    at = next((one.at for one in paid if one.card == card), now.plus(-REPEAT_MS))
    return noted(paid, card, at)


def _returned(one: Charged, now: Now) -> Charged:
    away_ms = 0 if one.gone_at is None else now.mono_ms - one.gone_at.mono_ms
    return replace(one, gone_at=None, was_gone=one.was_gone or away_ms >= ABSENT_MS)
