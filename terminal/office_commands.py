"""What people ask the card office for at the console; `terminal/commands.py` reads it off the line."""

from dataclasses import dataclass, field

from protocol.ids import CardNo
from protocol.purse import CardClass
from terminal.replace import IssueOrder


@dataclass(frozen=True, slots=True)
class Issue:
    """Make a card as the server ordered it; the PIN, if any, goes nowhere but onto the card."""

    order: IssueOrder
    pin: str = ""

    def __repr__(self) -> str:
        return f"Issue({self.order})"


@dataclass(frozen=True, slots=True)
class IssueList:
    """Make the cards of a file, blank after blank."""

    path: str


@dataclass(frozen=True, slots=True)
class IssueRange:
    """The same with the numbers from one to another, both among them."""

    first: CardNo
    last: CardNo
    card_class: CardClass


@dataclass(frozen=True, slots=True)
class Rekey:
    """Bring cards to the newest key set; the PIN is that of the first card's holder."""

    pin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Erase:
    """Make blanks of cards that hold nothing."""


OfficeCommand = Issue | IssueList | IssueRange | Rekey | Erase
