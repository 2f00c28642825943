"""The card office makes a new card for an old number; its value comes afterwards by an ordinary load.

    AwaitingBlank --BlankTapped--> Looking --BlankFits--> Beginning --EntryStored--> Personalising
          ^                           |                                                 |      |
          +--------- Failed ----------+-------------------------------------------------+      | Personalised
                                                          Issued <--EntryStored-- Issuing <----+

Personalising moves no money: a new card is empty. Before it is written an entry names the plastic, so that a number
never lies on two: a blank that was torn away may be whole, and only that same blank is made again. That the card was
issued is written only after it was read back. `step` is the whole machine.
"""

import enum
from dataclasses import dataclass
from typing import assert_never

from protocol.entries import Body, CardBegun, CardIssued, Kind
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
class Looking:
    """The card that came is looked at: it must be free for this order."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class Beginning:
    """Which plastic becomes the card is being stored."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class Personalising:
    """The blank is being written and read back."""

    order: IssueOrder


class Unmade(enum.StrEnum):
    """Why a card was not made, given other keys or erased; each has a sentence."""

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
    MADE_ALREADY = "made_already"
    """A whole card of ours: it is left as it is."""
    NOT_BLANK = "not_blank"
    """Not as the factory sends it, and not begun here."""
    BEGUN_HERE = "begun_here"
    """On this plastic another card was begun."""
    BEGUN_ELSEWHERE = "begun_elsewhere"
    """This card was begun on another plastic."""
    OTHER_TAG = "other_tag"
    """A tag of another number, whose money is at the server; or of an older generation, and written for good."""
    NO_PIN = "no_pin"
    """A tag has no place for one."""
    NO_ROW = "no_row"
    """Every number of the list is made or begun."""
    TAG = "tag"
    """Not erased: a tag, whose money is at the server."""
    BLANK = "blank"
    """Not erased: nothing of ours is on it."""
    HALF_WAY = "half_way"
    """Not erased: partly ours, and nobody here knows which card it was."""
    STEP_OPEN = "step_open"
    """Not erased: a step of it has no outcome here yet."""
    CHANGED = "changed"
    """Not erased: another card than the one that was shown, or it is not as it was."""
    SHARED = "shared"
    """Not erased: others have applications on it."""
    CLOSED_WITH_MONEY = "closed_with_money"
    """Not erased: the server has closed it, and it holds money."""


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


Phase = AwaitingBlank | Looking | Beginning | Personalising | Failed | Issuing | Issued


@dataclass(frozen=True, slots=True)
class BlankTapped:
    """A card came onto the reader."""


@dataclass(frozen=True, slots=True)
class BlankFits:
    """It may become the card."""

    body: CardBegun


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


Event = BlankTapped | BlankFits | Personalised | PersonaliseFailed | EntryStored


@dataclass(frozen=True, slots=True)
class LookAt:
    """Look whether the card on the reader may be written, then report `BlankFits` or `PersonaliseFailed`."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class Personalise:
    """Write the blank, then report `Personalised` or `PersonaliseFailed`."""

    order: IssueOrder


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Make this durable, then report `EntryStored`."""

    kind: Kind
    body: Body


Effect = LookAt | Personalise | AppendEntry


def step(phase: Phase, event: Event) -> tuple[Phase, tuple[Effect, ...]]:
    """The card office after an event, and what to do."""
    match event, phase:
        case BlankTapped(), AwaitingBlank(order) | Failed(order):
            return Looking(order), (LookAt(order),)
        case BlankFits(body), Looking(order):
            return Beginning(order), (AppendEntry(Kind.CARD_BEGUN, body),)
        case EntryStored(Kind.CARD_BEGUN), Beginning(order):
            return Personalising(order), (Personalise(order),)
        case Personalised(read), Personalising(order):
            if read.identity.key != (order.card, order.generation) or read.purse is None:
                return Failed(order, WhyNot(Unmade.REFUSED, "it does not show what was written")), ()
            body = CardIssued(read.id, read.uid.hex(), read.key_set, max(0, order.generation - 1))
            return Issuing(order, body), (AppendEntry(Kind.CARD_ISSUED, body),)
        case PersonaliseFailed(why), Looking(order) | Personalising(order):
            return Failed(order, why), ()
        case EntryStored(Kind.CARD_ISSUED), Issuing(order, body):
            return Issued(order, body), ()
        case ((BlankTapped() | BlankFits() | Personalised() | PersonaliseFailed() | EntryStored()), _):
            return phase, ()
        case _:
            assert_never(event)
