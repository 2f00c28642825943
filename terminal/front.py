"""What the cashier is doing at the screen between two commands: a page, a category, digits that are not yet an amount.

    SALE --Open--> MENU --Begin--> FORM --Enter--> command     `press(front, counter, what) -> (front, commands)`

Whatever is pressed, on glass or on keys, comes here as one of `Press` and leaves as commands of `terminal/commands.py`:
the same words that the console takes. Nothing here sells; a screen that goes dark in the middle loses typed digits.
"""

from dataclasses import dataclass, field, replace
from typing import assert_never

from protocol.basket import Basket
from protocol.ids import MerchantId, ProductId, Seq, StaffId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.pay_codes import PREFIX
from protocol.price_list import FREE_AMOUNT, Product
from protocol.site_files import StaffRow
from terminal.clerk import Rights
from terminal.commands import (
    Cancel,
    CloseShift,
    Command,
    EnterPin,
    GiveBack,
    LookAtCard,
    OpenShift,
    Pay,
    Ring,
    RingItem,
    ShowCode,
    TakeTopUp,
    Typed,
    read_command,
)
from terminal.floor_commands import Speak, Train
from terminal.presses import (
    Answer,
    Area,
    Begin,
    Beside,
    Do,
    Enter,
    Escape,
    Field,
    FormName,
    Look,
    Open,
    Page,
    Pick,
    Plus,
    Press,
    Repeat,
    Report,
    Rub,
    Turn,
    Type,
)
from terminal.refund import Sold
from terminal.status import Status
from terminal.theme import Theme
from terminal.views import View

TYPED_MAX, SCANNED_MAX = 20, 160
"""What a person types is shorter than what a scanner does that reads a pay code."""
BARCODE_DIGITS_MIN = 8
"""EAN-8 is the shortest bar code; an amount of so many digits is refused in any case."""
PIN_DIGITS = range(4, 9)
_RINGS = ("ringing", "done")
"""Phases in which typed digits are an amount; in another they may be the rest of a PIN, typed too late."""


FIELDS = {
    FormName.OPEN_SHIFT: (Field.STAFF, Field.DRAWER, Field.PIN),
    FormName.CLOSE_SHIFT: (Field.COUNTED,),
    FormName.REFUND: (Field.AMOUNT,),
    FormName.TOPUP: (Field.AMOUNT,),
}


@dataclass(frozen=True, slots=True)
class Form:
    """Questions in order, and what was answered."""

    name: FormName
    answers: tuple[str, ...] = ()
    receipt: Seq = Seq(0)
    """What is given back."""

    @property
    def asked(self) -> Field:
        """The question that is open."""
        return FIELDS[self.name][len(self.answers)]


@dataclass(frozen=True, slots=True)
class Front:
    """The screen's own state."""

    page: Page = Page.SALE
    area: Area = Area.DISHES
    home: Area = Area.DISHES
    """What was chosen to lie beside the basket; typing shows the pad or the search meanwhile."""
    category: str = ""
    """Empty: all of them."""
    first: int = 0
    """The first tile, row or line that is shown; whole pages."""
    typed: str = field(default="", repr=False)
    """May be a PIN."""
    form: Form | None = None
    report: Report = Report.STATUS
    said: tuple[str, ...] = ()
    """The newest answer, until something is pressed."""
    told: tuple[str, ...] = ()
    """The newest answer that is a page of its own."""
    theme: Theme = Theme.LIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What a screen must know of the counter behind it."""

    view: View
    status: Status
    merchant: MerchantId
    basket: Basket | None
    """What another item is added to; None: nothing can be rung now."""
    products: tuple[Product, ...]
    minute: int
    rights: Rights
    staff: tuple[StaffRow, ...]
    sold: tuple[Sold, ...]
    """What can be given back, the newest first."""
    last: tuple[tuple[ProductId, int, Cents | None], ...] = ()
    """What the customer before bought: product, quantity, typed price of one."""
    last_cents: Cents = Cents(0)
    undo: Seq = Seq(0)
    """The receipt that was paid last, while it can be taken back with one press; 0: none."""
    training: bool = False


Pressed = tuple[Front, tuple[Typed, ...]]


def press(front: Front, counter: Counter, what: Press) -> Pressed:
    """What the screen shows next, and what is to be done, in this order."""
    front = replace(front, said=())
    match what:
        case Type(sign):
            return _typed(front, sign), ()
        case Rub():
            return replace(front, typed=front.typed[:-1]), ()
        case Enter() | Plus():
            return _entered(front, counter, goes_on=isinstance(what, Plus))
        case Escape():
            return _back(front, counter)
        case Do(command):
            return _done(front, command)
        case Repeat():
            return _cleared(front), _repeated(counter)
        case Answer(text):
            is_asked = front.form is not None and front.form.asked is Field.STAFF
            return _answered(front, counter, text) if is_asked else (front, ())
        case Open() | Turn() | Pick() | Beside() | Begin() | Look():
            return _turned(front, what), ()
        case _:
            assert_never(what)


def said(front: Front, text: str) -> Front:
    """An answer has come: a line or two lie over the page, more are a page of their own."""
    lines = tuple(text.splitlines())
    if len(lines) <= 2:
        return replace(front, said=lines)
    return replace(front, told=lines, page=Page.TEXT, report=Report.SAID, first=0)


def shown(front: Front, view: View, before: View | None) -> Front:
    """The counter shows something else: a phase of its own ends whatever was looked at meanwhile."""
    if before is not None and view.phase == before.phase:
        return front
    keeps = view.phase == "ringing" and front.page is not Page.SALE
    is_pin = before is not None and before.phase == "pin_entry"
    typed = front.typed if (keeps or view.phase in _RINGS) and not is_pin else ""
    return replace(front, page=front.page if keeps else Page.SALE, form=front.form if keeps else None, typed=typed)


def amount_of(typed: str) -> Cents | None:
    """Typed digits as an amount; None while they are none, or more than one sale may take."""
    whole, point, part = typed.partition(".")
    if (
        not (whole + part).isdigit()
        or not typed.isascii()
        or len(part) > 2
        or len(whole) > len(str(SALE_CENTS_MAX))
        or "." in part
    ):
        return None
    cents = int(whole or 0) * 100 + int((part + "00")[:2] if point else 0)
    return Cents(cents) if cents <= SALE_CENTS_MAX else None


def found(products: tuple[Product, ...], typed: str) -> tuple[Product, ...]:
    """Products by number, bar code, or a part of a name in any language."""
    wanted = typed.casefold()
    exact = tuple(one for one in products if typed and wanted in (one.id.casefold(), one.barcode))
    return exact or tuple(
        one
        for one in products
        if wanted in one.id.casefold()
        or (one.barcode and one.barcode.startswith(wanted))
        or any(wanted in name.casefold() for name in (one.names.en, one.names.zh_hans, one.names.zh_hant))
    )


def _turned(front: Front, what: Open | Turn | Pick | Beside | Begin | Look) -> Front:
    match what:
        case Open(page, report):
            return replace(front, page=page, report=report, first=0, typed="", form=None)
        case Turn(first):
            return replace(front, first=max(0, first))
        case Pick(category):
            return replace(front, category=category, first=0)
        case Beside(area):
            return replace(front, area=area, home=area, typed="", first=0)
        case Begin(name, receipt, amount):
            typed = f"{amount // 100}.{amount % 100:02}" if amount else ""
            return replace(front, page=Page.FORM, form=Form(name, receipt=receipt), typed=typed, first=0)
        case Look(theme):
            return replace(front, theme=theme)
        case _:
            assert_never(what)


def _typed(front: Front, sign: str) -> Front:
    assert len(sign) in (1, 2), "a key types one sign, or two noughts"
    most = SCANNED_MAX if (front.typed + sign).upper().startswith(PREFIX[: len(front.typed + sign)]) else TYPED_MAX
    if not sign.isprintable() or len(front.typed + sign) > most:
        return front
    area, first = front.area, 0 if front.area is Area.SEARCH else front.first
    if area is Area.DISHES:
        area, first = Area.PAD if sign[0] in "0123456789." else Area.SEARCH, 0
    return replace(front, typed=front.typed + sign, area=area, first=first)


def _cleared(front: Front) -> Front:
    return replace(front, page=Page.SALE, area=front.home, typed="", form=None, first=0)


def _done(front: Front, command: Typed) -> Pressed:
    if isinstance(command, LookAtCard | Speak | Train):
        return _cleared(front), (command,)
    return replace(front, typed="" if front.page is Page.SALE else front.typed), (command,)


def _back(front: Front, counter: Counter) -> Pressed:
    """The newest first: digits, then a form, then a page, then what the counter is doing."""
    if front.typed:
        return replace(front, typed="", area=front.home), ()
    if front.page is not Page.SALE:
        return _cleared(front), ()
    return front, (Cancel(),) if counter.view.choices or counter.view.phase == "done" else ()


def _entered(front: Front, counter: Counter, *, goes_on: bool) -> Pressed:
    typed = front.typed
    if front.page is Page.FORM:
        return _answered(front, counter, typed)
    if counter.view.phase == "pin_entry":
        enough = typed.isdigit() and len(typed) in PIN_DIGITS
        return (replace(front, typed=""), (EnterPin(typed),)) if enough else (front, ())
    if not typed:
        return _entered_nothing(front, counter)
    if typed.upper().startswith(PREFIX):
        command = read_command(typed)
        return _cleared(front), (command,) if isinstance(command, ShowCode) else ()
    rung = _rung(front, counter)
    if rung is None:
        return replace(front, said=("?",), typed=typed if front.area is Area.SEARCH else ""), ()
    pays = () if goes_on or isinstance(rung, RingItem) else (Pay(),)
    return _cleared(front), (rung, *pays)


def _entered_nothing(front: Front, counter: Counter) -> Pressed:
    if counter.view.phase in ("repeat_asked", "paid_earlier", "close_asked"):
        return front, ()
    if counter.basket is not None and counter.basket.items:
        return front, (Pay(),)
    return front, _repeated(counter)


def _rung(front: Front, counter: Counter) -> Ring | RingItem | None:
    """What typed signs mean: a bar code at any time; between two sales what is searched for, or an amount."""
    typed, is_barcode = front.typed, front.typed.isdigit() and len(front.typed) >= BARCODE_DIGITS_MIN
    if counter.view.phase not in _RINGS and not is_barcode:
        return None
    if front.area is Area.SEARCH or is_barcode:
        products = found(counter.products, typed)
        return RingItem(products[0].id, 1) if len(products) == 1 else None
    cents = amount_of(typed)
    return Ring(cents) if cents else None


def _repeated(counter: Counter) -> tuple[Command, ...]:
    """Between two sales only: a top-up or money back that waits for its card is no sale."""
    if not counter.last or counter.view.phase not in _RINGS or counter.basket is None or counter.basket.items:
        return ()
    rung: list[Command] = [
        Ring(typed) if product == FREE_AMOUNT and typed is not None else RingItem(product, qty)
        for product, qty, typed in counter.last
    ]
    return (*rung, Pay())


def _answered(front: Front, counter: Counter, text: str) -> Pressed:
    form = front.form
    if form is None or not _is_answer(form.asked, text):
        return front, ()
    answers = (*form.answers, text)
    asks_pin = form.asked is Field.DRAWER and counter.staff
    if len(answers) < len(FIELDS[form.name]) and (form.asked is not Field.DRAWER or asks_pin):
        return replace(front, form=replace(form, answers=answers), typed="", first=0), ()
    return _cleared(front), (_command_of(form, answers),)


def _is_answer(asked: Field, text: str) -> bool:
    match asked:
        case Field.STAFF:
            return 1 <= len(text) <= 32 and text.isascii() and text.replace(".", "").replace("-", "").isalnum()
        case Field.PIN:
            return text.isdigit() and len(text) in PIN_DIGITS
        case Field.DRAWER | Field.COUNTED:
            return amount_of(text) is not None
        case Field.AMOUNT:
            return bool(amount_of(text))
        case _:
            assert_never(asked)


def _command_of(form: Form, answers: tuple[str, ...]) -> Command:
    match form.name:
        case FormName.OPEN_SHIFT:
            staff, drawer, *pin = answers
            return OpenShift(StaffId(staff), amount_of(drawer) or Cents(0), *pin)
        case FormName.CLOSE_SHIFT:
            return CloseShift(amount_of(answers[0]) or Cents(0))
        case FormName.REFUND:
            return GiveBack(form.receipt, amount_of(answers[0]) or Cents(0))
        case FormName.TOPUP:
            return TakeTopUp(amount_of(answers[0]) or Cents(0))
        case _:
            assert_never(form.name)
