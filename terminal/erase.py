"""Card after card comes by the card office, and those that hold nothing become blanks, each when somebody says so.

WaitingForCard --card--> Asked --confirm--> Erased      (the next card, until somebody cancels)
      ^  ^                 |      \\------> NotErased   (the same plastic once more, or another)
      |  +-- card is gone, +
      +----- or cancel ----+

A plastic that was cut short is not asked about again: it is put back and finished.
"""

from dataclasses import dataclass

from protocol.authorise import Refused
from protocol.ids import CardNo
from protocol.purse import CardRead
from terminal.replace import WhyNot


@dataclass(frozen=True, slots=True)
class WaitingForCard:
    """Put a card of ours on the reader."""


@dataclass(frozen=True, slots=True)
class Asked:
    """This is on the reader, and nothing is on it. Erase it?"""

    read: CardRead


@dataclass(frozen=True, slots=True)
class Erased:
    """The plastic has shown that it is blank."""

    card: CardNo


@dataclass(frozen=True, slots=True)
class NotErased:
    """Why it is not, or not wholly."""

    why: WhyNot | Refused


ErasePhase = WaitingForCard | Asked | Erased | NotErased
