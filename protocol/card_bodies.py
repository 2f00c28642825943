"""Bodies of entries about a card itself: made, blocked, given other keys. None of them moves money."""

import enum
from typing import Annotated

from msgspec import Meta

from protocol.ids import U8, U16
from protocol.purse import CardId
from protocol.texts import Text
from protocol.wire import Wire

KeySetField = Annotated[int, Meta(ge=1, le=127)]


class CardBlocked(Wire, frozen=True):
    """This terminal blocked a card (PIN tries used up, found in a bin, reported at the desk)."""

    card: CardId
    reason: Text


class CardIssued(Wire, frozen=True):
    """A blank was personalised and read back."""

    card: CardId
    uid: Annotated[str, Meta(pattern=r"^[0-9a-f]{8,20}\Z")]
    key_set: U8 = 0
    replaces: U16 = 0


class Rekeyed(enum.StrEnum):
    """How far a change of keys has come."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    """Not, or not all of them: the same card finishes it."""


class CardRekeyed(Wire, frozen=True):
    """A card's keys are about to be changed, were, or were not. `was` is 0 where a run before left it unreadable."""

    card: CardId
    now: KeySetField
    outcome: Rekeyed
    was: U8 = 0
