"""What can be pressed at a screen, on glass or on keys, and the pages, areas and forms that it is about."""

import enum
from dataclasses import dataclass

from protocol.ids import Seq
from protocol.money import Cents
from terminal.commands import Cancel, CollectLoad, Typed
from terminal.theme import Theme


class Page(enum.StrEnum):
    """What the whole screen is about."""

    SALE = "sale"
    MENU = "menu"
    FORM = "form"
    SOLD = "sold"
    TEXT = "text"
    TOOLS = "tools"
    DOCTOR = "doctor"
    LISTS = "lists"
    LANGUAGE = "language"


class Area(enum.StrEnum):
    """What lies beside the basket."""

    DISHES = "dishes"
    PAD = "pad"
    SEARCH = "search"


class Field(enum.StrEnum):
    """What a form asks for."""

    STAFF = "staff"
    DRAWER = "drawer"
    PIN = "pin"
    COUNTED = "counted"
    AMOUNT = "amount"


class FormName(enum.StrEnum):
    """What a form is for."""

    OPEN_SHIFT = "open_shift"
    CLOSE_SHIFT = "close_shift"
    REFUND = "refund"
    TOPUP = "topup"


class Report(enum.StrEnum):
    """What a page of text tells."""

    SHIFT = "shift"
    STATUS = "status"
    SAID = "said"


@dataclass(frozen=True, slots=True)
class Type:
    """A sign of the number pad or the keyboard."""

    sign: str

    def __repr__(self) -> str:
        return "Type()"


@dataclass(frozen=True, slots=True)
class Rub:
    """Take the last sign back."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Done typing; with nothing typed: pay what is rung, or sell the same once more."""


@dataclass(frozen=True, slots=True)
class Plus:
    """Ring what is typed and go on ringing."""


@dataclass(frozen=True, slots=True)
class Escape:
    """One step back."""


@dataclass(frozen=True, slots=True)
class Do:
    """A command as it is."""

    command: Typed


@dataclass(frozen=True, slots=True)
class Open:
    """Go to a page."""

    page: Page
    report: Report = Report.STATUS


@dataclass(frozen=True, slots=True)
class Turn:
    """Show what lies further on."""

    first: int


@dataclass(frozen=True, slots=True)
class Pick:
    """Show the dishes of one category."""

    category: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Show something else beside the basket."""

    area: Area


@dataclass(frozen=True, slots=True)
class Begin:
    """Ask the questions of a form."""

    form: FormName
    receipt: Seq = Seq(0)
    amount: Cents = Cents(0)


@dataclass(frozen=True, slots=True)
class Answer:
    """Who sells, answered by a touch; it answers nothing else, so that a second tap is no amount in the drawer."""

    text: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same once more for the next customer."""


@dataclass(frozen=True, slots=True)
class Look:
    """Other colours."""

    theme: Theme


Press = Type | Rub | Enter | Plus | Escape | Do | Open | Turn | Pick | Beside | Begin | Answer | Repeat | Look

NEXT = Do(Cancel())
"""Go on to the next customer."""
COLLECT = Do(CollectLoad())
