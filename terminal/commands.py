"""What people type at the console: one command per line, or the sentence that says how to write it."""

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from protocol.basket import QTY_MAX
from protocol.entries import LINES_MAX
from protocol.ids import U16_MAX, U32_MAX, CardNo, Generation, ProductId, Seq, StaffId
from protocol.money import SALE_CENTS_MAX, Cents, parse_cents
from protocol.pay_codes import PREFIX, PayCode, read_pay_code
from protocol.purse import CardClass
from protocol.texts import text_of
from terminal.floor_commands import FloorCommand, read_language, read_pretend, read_training
from terminal.office_commands import Erase, Issue, IssueList, IssueRange, OfficeCommand, Rekey
from terminal.replace import IssueOrder

LINE_CHARS_MAX = 500
_NARROW = str.maketrans("０１２３４５６７８９．。", "0123456789..")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}\Z")


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring a typed amount."""

    cents: Cents


@dataclass(frozen=True, slots=True)
class RingItem:
    """Ring a product of the price list."""

    product: ProductId
    qty: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a line out of the basket, counted from 0."""

    index: int


@dataclass(frozen=True, slots=True)
class LookAtCard:
    """Show what is on the next card, and sell nothing to it."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Empty the basket."""


@dataclass(frozen=True, slots=True)
class Pay:
    """Ask for a card."""


@dataclass(frozen=True, slots=True)
class TakeCash:
    """What is rung is paid in notes and coins."""


@dataclass(frozen=True, slots=True)
class Reprice:
    """Sell an item that is rung at another price, and why."""

    product: ProductId
    cents: Cents
    reason: str


@dataclass(frozen=True, slots=True)
class Export:
    """Write what the server has not confirmed to a file, or all there is."""

    path: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """No; or go on to the next customer."""


@dataclass(frozen=True, slots=True)
class EnterPin:
    """The customer's PIN."""

    pin: str

    def __repr__(self) -> str:
        return "EnterPin()"


@dataclass(frozen=True, slots=True)
class ShowCode:
    """A scanner has read a pay code, and typed it."""

    code: PayCode


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Refund some of a sale, by the number on its receipt."""

    receipt: Seq
    cents: Cents


@dataclass(frozen=True, slots=True)
class CollectLoad:
    """Put on a card what the server decided."""


@dataclass(frozen=True, slots=True)
class TakeTopUp:
    """Take cash and put it on a card."""

    cents: Cents


@dataclass(frozen=True, slots=True)
class HandIn:
    """Take everything off a card; `owed`: the money waits at the server, no cash is paid."""

    owed: bool = False


@dataclass(frozen=True, slots=True)
class OpenShift:
    """A cashier takes over."""

    staff: StaffId
    drawer_cents: Cents
    pin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CloseShift:
    """A cashier counted the drawer."""

    counted_cents: Cents


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """How the terminal is."""


@dataclass(frozen=True, slots=True)
class Help:
    """Which commands there are."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the program."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that is no command: which sentence to say, with which figures."""

    key: str
    figures: dict[str, str | int]
    command: str = ""
    """Whose usage the sentence may show; empty where no command was meant."""


Command = (
    Ring
    | RingItem
    | Remove
    | LookAtCard
    | Clear
    | Pay
    | TakeCash
    | Reprice
    | Export
    | Confirm
    | Cancel
    | EnterPin
    | ShowCode
    | GiveBack
    | CollectLoad
    | TakeTopUp
    | HandIn
    | OpenShift
    | CloseShift
    | OfficeCommand
    | ShowStatus
    | Help
    | Quit
)
Typed = Command | FloorCommand


class _Wrong(Exception):
    def __init__(self, key: str, **figures: str | int) -> None:
        self.key, self.figures = f"mistake.{key}", figures


def read_command(line: str) -> Typed | Mistake | None:
    """One line as a command; None for an empty one. Whatever is wrong is a `Mistake`, nothing is raised."""
    if len(line) > LINE_CHARS_MAX:
        return Mistake("mistake.too_long", {})
    words = line.split()
    if not words:
        return None
    if words[0].isascii() and words[0].upper().startswith(PREFIX):
        return _scanned(line)
    name, rest = words[0].lower(), words[1:]
    if name == "shift" and rest:
        name, rest = f"shift {rest[0].lower()}", rest[1:]
    known = _COMMANDS.get(name)
    if known is None:
        return Mistake("mistake.unknown", {"word": _shown(words[0])})
    counts, make = known
    command = name.replace(" ", "_")
    if len(rest) not in counts:
        return Mistake("mistake.usage", {}, command)
    try:
        return make(*rest)
    except _Wrong as wrong:
        return Mistake(wrong.key, wrong.figures, command)
    except ValueError:
        return Mistake("mistake.usage", {}, command)


def mistake_text(mistake: Mistake, words: Mapping[str, str]) -> str:
    """What to say about it."""
    usage = words[f"usage.{mistake.command}"] if mistake.command else ""
    return words[mistake.key].format(usage=usage, **mistake.figures)


def _scanned(line: str) -> ShowCode | Mistake:
    """A scanner types in capitals, or all in small letters where the keyboard is locked to capitals."""
    text = line.strip()
    code = read_pay_code(text.upper() if text.isascii() and text.islower() else text)
    return Mistake("mistake.code", {}) if code is None else ShowCode(code)


def _amount(word: str, *, zero: bool = False) -> Cents:
    try:
        cents = parse_cents(_narrow(word))
    except ValueError:
        raise _Wrong("amount", word=_shown(word)) from None
    if cents == 0 and not zero:
        raise _Wrong("amount_zero")
    if cents > SALE_CENTS_MAX:
        raise _Wrong("amount_max", word=_shown(word))
    return cents


def _narrow(word: str) -> str:
    """Digits and points as a Chinese input method may send them: full-width, or with its own full stop."""
    return word.translate(_NARROW)


def _number(word: str, most: int) -> int:
    word = _narrow(word)
    if not (word.isascii() and word.isdigit() and len(word) <= 10 and 1 <= int(word) <= most):
        raise _Wrong("number", word=_shown(word))
    return int(word)


def _name(word: str) -> str:
    if not _NAME.match(word):
        raise _Wrong("name", word=_shown(word))
    return word


def _pin(word: str) -> str:
    word = _narrow(word)
    if not (word.isascii() and word.isdigit() and 4 <= len(word) <= 8):
        raise _Wrong("pin")
    return word


def _ring_item(product: str, qty: str = "1") -> RingItem:
    if not (qty.isascii() and qty.isdigit() and len(qty) <= 10 and 1 <= int(qty) <= QTY_MAX):
        raise _Wrong("count", word=_shown(qty), most=QTY_MAX)
    return RingItem(ProductId(_name(product)), int(qty))


def _drop(line: str) -> Remove:
    """People count from 1."""
    return Remove(_number(line, LINES_MAX) - 1)


def _issue(card: str, generation: str, card_class: str, pin: str = "") -> Issue:
    of_class = _card_class(card_class)
    numbers = CardNo(_number(card, U32_MAX)), Generation(_number(generation, U16_MAX))
    return Issue(IssueOrder(*numbers, of_class), _pin(pin) if pin else "")


def _batch(first: str, last: str = "", card_class: str = "") -> IssueList | IssueRange:
    """A file, or two numbers and a class."""
    if not last:
        return IssueList(first)
    if not card_class:
        raise _Wrong("usage")
    return IssueRange(CardNo(_number(first, U32_MAX)), CardNo(_number(last, U32_MAX)), _card_class(card_class))


def _card_class(word: str) -> CardClass:
    classes = {known.name.lower(): known for known in CardClass}
    if word.lower() not in classes:
        raise _Wrong("class", word=_shown(word))
    return classes[word.lower()]


def _rekey(pin: str = "") -> Rekey:
    return Rekey(_pin(pin) if pin else "")


def _shown(word: str) -> str:
    """A word as a sentence may repeat it: no control characters, not endless."""
    return "".join(char if char.isprintable() else "?" for char in word[:40])


def _give_back(receipt: str, amount: str) -> GiveBack:
    """The receipt may be given as it is printed, terminal number and all."""
    return GiveBack(Seq(_number(receipt.rpartition("-")[2], U32_MAX)), _amount(amount))


def _open_shift(name: str, drawer: str, pin: str = "") -> OpenShift:
    return OpenShift(StaffId(_name(name)), _amount(drawer, zero=True), pin)


def _close_shift(counted: str) -> CloseShift:
    return CloseShift(_amount(counted, zero=True))


def _ring(amount: str) -> Ring:
    return Ring(_amount(amount))


def _topup(amount: str) -> TakeTopUp:
    return TakeTopUp(_amount(amount))


def _hand_in(owed: str = "") -> HandIn:
    if owed.lower() not in ("", "owed"):
        raise _Wrong("usage")
    return HandIn(owed=bool(owed))


def _reprice(product: str, cents: str, *reason: str) -> Reprice:
    return Reprice(ProductId(_name(product)), _amount(cents, zero=True), text_of(" ".join(reason)))


def _enter_pin(digits: str) -> EnterPin:
    return EnterPin(_pin(digits))


def _export(path: str, which: str = "") -> Export:
    if which.lower() not in ("", "all"):
        raise _Wrong("usage")
    return Export(path, whole=bool(which))


_COMMANDS: dict[str, tuple[Container[int], Callable[..., Typed]]] = {
    "ring": ((1,), _ring),
    "item": ((1, 2), _ring_item),
    "drop": ((1,), _drop),
    "clear": ((0,), Clear),
    "card": ((0,), LookAtCard),
    "pay": ((0,), Pay),
    "cash": ((0,), TakeCash),
    "price": (range(3, LINE_CHARS_MAX), _reprice),
    "export": ((1, 2), _export),
    "confirm": ((0,), Confirm),
    "cancel": ((0,), Cancel),
    "pin": ((1,), _enter_pin),
    "refund": ((2,), _give_back),
    "load": ((0,), CollectLoad),
    "topup": ((1,), _topup),
    "shift": ((), Help),
    "shift open": ((2, 3), _open_shift),
    "shift close": ((1,), _close_shift),
    "close": ((0, 1), _hand_in),
    "replace": ((3, 4), _issue),
    "batch": ((1, 3), _batch),
    "rekey": ((0, 1), _rekey),
    "erase": ((0,), Erase),
    "language": ((1,), read_language),
    "training": ((1,), read_training),
    "pretend": ((1,), read_pretend),
    "status": ((0,), ShowStatus),
    "help": ((0,), Help),
    "quit": ((0,), Quit),
}
