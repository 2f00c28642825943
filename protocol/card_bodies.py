"""Bodies of entries about a card itself: begun, made, blocked, given other keys, erased. None of them moves money."""

import enum
from typing import Annotated

from msgspec import Meta

from protocol.ids import U8, U16, Counter, CounterField
from protocol.kinds import Kind
from protocol.purse import CardId
from protocol.texts import Text
from protocol.wire import Wire

UidField = Annotated[str, Meta(pattern=r"^[0-9a-f]{8,20}\Z")]
KeySetField = Annotated[int, Meta(ge=1, le=127)]


class CardBlocked(Wire, frozen=True):
    """This terminal blocked a card (PIN tries used up, found in a bin, reported at the desk)."""

    card: CardId
    reason: Text


class CardBegun(Wire, frozen=True):
    """A plastic is about to be personalised: from here on no other one may become this card."""

    card: CardId
    uid: UidField
    key_set: U8 = 0


class CardIssued(Wire, frozen=True):
    """A blank was personalised and read back."""

    card: CardId
    uid: UidField
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


class Erased(enum.StrEnum):
    """How far a card is on its way back to a blank."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    """Not, or not wholly; the same plastic finishes it."""


class CardErased(Wire, frozen=True):
    """A card without money is about to become a blank, became one, or did not. `counter` and `was`: as it was read."""

    card: CardId
    uid: UidField
    outcome: Erased
    was: KeySetField
    counter: CounterField = Counter(0)


CardBody = CardBlocked | CardBegun | CardIssued | CardRekeyed | CardErased
CARD_BODIES: dict[Kind, type[CardBody]] = {
    Kind.CARD_BLOCKED: CardBlocked,
    Kind.CARD_BEGUN: CardBegun,
    Kind.CARD_ISSUED: CardIssued,
    Kind.CARD_REKEYED: CardRekeyed,
    Kind.CARD_ERASED: CardErased,
}
