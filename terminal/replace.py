"""The card office makes a new card for an old number; its value comes afterwards by an ordinary load.

    AwaitingBlank --BlankTapped--> Personalising --Personalised--> Issuing --EntryStored--> Issued
          ^                             |
          +-------- Failed (another blank, or the same once more)

Personalising moves no money: a new card is empty. So a blank that is torn away costs nothing but itself, and the
entry is written only after the card was read back. `step` is the whole machine.
"""

import enum
from dataclasses import dataclass
from typing import assert_never

from protocol.entries import Body, CardIssued, Kind
from protocol.ids import CardNo, Generation
from protocol.purse import CardClass, CardRead


@dataclass(frozen=True, slots=True)
class IssueOrder:
    """What the server decided: this number gets a card of this generation."""

    card: CardNo
    generation: Generation
    card_class: CardClass


@dataclass(frozen=True, slots=True)
class AwaitingBlank:
    """Put a blank card on the reader."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class Personalising:
    """The blank is being written and read back."""

    order: IssueOrder


class Unmade(enum.StrEnum):
    """Why a card was not made; each has a sentence."""

    LEFT = "left"
    NOT_OURS = "not_ours"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    OTHER_CARD = "other_card"
    """No blank: a card of another number that still holds money."""
    PIN = "pin"
    """Its keys stay as they are: the holder's PIN was not typed, or another one."""
    OTHER_UNREAD = "other_unread"
    """No blank: a card of another number, and what it holds cannot be read."""


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why, and what it is about: a card's number, or what a technician wants to know."""

    code: Unmade
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The blank could not be personalised, and why; nothing is lost."""

    order: IssueOrder
    why: WhyNot


@dataclass(frozen=True, slots=True)
class Issuing:
    """The card is ready; its entry is being stored."""

    order: IssueOrder
    body: CardIssued


@dataclass(frozen=True, slots=True)
class Issued:
    """Done: the card may be handed out and loaded."""

    order: IssueOrder
    body: CardIssued


Phase = AwaitingBlank | Personalising | Failed | Issuing | Issued


@dataclass(frozen=True, slots=True)
class BlankTapped:
    """A card came onto the reader."""


@dataclass(frozen=True, slots=True)
class Personalised:
    """The card was written, and this is what it shows."""

    read: CardRead


@dataclass(frozen=True, slots=True)
class PersonaliseFailed:
    """It was not written, or not wholly."""

    why: WhyNot


@dataclass(frozen=True, slots=True)
class EntryStored:
    """The entry is durable."""

    kind: Kind


Event = BlankTapped | Personalised | PersonaliseFailed | EntryStored


@dataclass(frozen=True, slots=True)
class Personalise:
    """Write the blank, then report `Personalised` or `PersonaliseFailed`."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Make this durable, then report `EntryStored`."""

    kind: Kind
    body: Body


Effect = Personalise | AppendEntry


def step(phase: Phase, event: Event) -> tuple[Phase, tuple[Effect, ...]]:
    """The card office after an event, and what to do."""
    match event, phase:
        case BlankTapped(), AwaitingBlank(order) | Failed(order):
            return Personalising(order), (Personalise(order),)
        case Personalised(read), Personalising(order):
            if read.identity.key != (order.card, order.generation) or read.purse is None:
                return Failed(order, WhyNot(Unmade.REFUSED, "it does not show what was written")), ()
            body = CardIssued(read.id, read.uid.hex(), read.key_set, max(0, order.generation - 1))
            return Issuing(order, body), (AppendEntry(Kind.CARD_ISSUED, body),)
        case PersonaliseFailed(why), Personalising(order):
            return Failed(order, why), ()
        case EntryStored(Kind.CARD_ISSUED), Issuing(order, body):
            return Issued(order, body), ()
        case ((BlankTapped() | Personalised() | PersonaliseFailed() | EntryStored()), _):
            return phase, ()
        case _:
            assert_never(event)
