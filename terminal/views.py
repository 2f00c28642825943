"""What a counter shows, as plain data: title, amount, lines, what to do, what can be chosen. Faces only draw it.

Every sentence comes from a language file in `terminal/texts/`; nothing here knows a language or a screen.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from protocol.authorise import Refused
from protocol.basket import Basket, Item
from protocol.entries import (
    CardStep,
    CashSale,
    CloseStep,
    CloseTo,
    Operation,
    RefundStep,
    RefundTo,
    SaleStep,
    Stage,
    TopUpStep,
    TopUpTo,
    stage_of,
)
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.money import Cents, format_cents
from protocol.price_list import FREE_AMOUNT
from protocol.pricing import PricingRefusal, Ticket, TotalTooLarge, Unpriced, price_basket
from protocol.purse import CardClass
from terminal.desk import (
    Approving,
    AwaitingCard,
    CloseAsked,
    Desk,
    Done,
    Firming,
    Identifying,
    NotDone,
    Noting,
    Order,
    PaidEarlier,
    Phase,
    PinComparing,
    PinEntry,
    Preparing,
    Receipt,
    RepeatAsked,
    Ringing,
    Settling,
    TapAgain,
    Writing,
)
from terminal.hand_in import Close
from terminal.load import Load, NothingToLoad
from terminal.one_tap import has_not_left
from terminal.purchase import NotPriced, Purchase
from terminal.refund import Refund
from terminal.step_draft import HAND_OVER_MS, Open
from terminal.topup import TopUp

Words = Mapping[str, str]
"""The sentences of one language by key."""

AGE_KNOWN_MS_MAX = 2**52


class Tone(enum.StrEnum):
    """What kind of moment it is; never told by colour alone."""

    READY = "ready"
    WAITING = "waiting"
    HOLD = "hold"
    APPROVED = "approved"
    REFUSED = "refused"
    TAP_AGAIN = "tap_again"
    ASKING = "asking"


class Choice(enum.StrEnum):
    """What the cashier can press, named like the commands."""

    PAY = "pay"
    CASH = "cash"
    CLEAR = "clear"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    PIN = "pin"


@dataclass(frozen=True, slots=True)
class View:
    """One picture of the counter. `phase` names it for programs; everything else is for people."""

    phase: str
    tone: Tone
    title: str
    advice: str
    amount_cents: Cents | None = None
    lines: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()


def view_of(desk: Desk, minute_of_day: int, words: Words) -> View:
    """The picture for the present phase. `minute_of_day` decides the prices shown while no card is there."""
    phase = desk.phase
    match phase:
        case Ringing(basket):
            return _ringing(desk, basket, minute_of_day, words)
        case AwaitingCard(order):
            cents = _order_cents(order, minute_of_day)
            lift = isinstance(order, Purchase) and has_not_left(desk.charged, desk.present)
            title, advice = ("lift", "lift") if lift else (_tap_key(order), "tap")
            return _view(phase, Tone.WAITING, words, title, advice, cents, (), _ways_on(order))
        case PinEntry(order):
            cents = _order_cents(order, minute_of_day)
            return _view(phase, Tone.ASKING, words, "pin", "pin", cents, (), (Choice.PIN, Choice.CANCEL))
        case PinComparing() | Preparing() | Writing() | Settling() | Firming() | Noting():
            return _view(phase, Tone.HOLD, words, "hold", "hold", _held_cents(phase, minute_of_day))
        case Identifying(tap, before):
            cents = _order_cents(before.order, tap.facts.when.minute)
            return _view(phase, Tone.HOLD, words, "asking", "asking", cents, (), (Choice.CANCEL,))
        case Approving():
            return _view(phase, Tone.HOLD, words, "asking", "asking", phase.open.body.amount)
        case TapAgain(_, lost):
            lines = () if desk.present in (None, lost.card) else (words["line.other_card"],)
            cents = lost.body.amount
            return _view(phase, Tone.TAP_AGAIN, words, "tap_again", "tap_again", cents, lines, (Choice.CANCEL,))
        case Done(receipt):
            return _done(phase, receipt, words)
        case NotDone(order, reason):
            cents = _order_cents(order, minute_of_day)
            why, what = refusal_texts(reason, words)
            return View("not_done", Tone.REFUSED, words["title.refused"], what, cents, (why,), _ways_on(order))
        case RepeatAsked() | CloseAsked() | PaidEarlier():
            return _asked(phase, minute_of_day, words)
        case _:
            assert_never(phase)


def refusal_texts(reason: Refused | NotPriced | NothingToLoad, words: Words) -> tuple[str, str]:
    """Why, and what to do: two sentences."""
    match reason:
        case Refused(code, figure):
            figures = {"cents": cents_text(figure, words), "count": figure, "age": age_text(figure, words)}
            return words[f"refused.{code}"].format(**figures), words[f"advice.{code}"]
        case NotPriced(refusal):
            return _not_priced(refusal, words)
        case NothingToLoad():
            return words["refused.nothing_to_load"], words["advice.nothing_to_load"]
        case _:
            assert_never(reason)


def _not_priced(refusal: PricingRefusal, words: Words) -> tuple[str, str]:
    match refusal:
        case Unpriced(product):
            return words["refused.unpriced"].format(product=product), words["advice.unpriced"]
        case TotalTooLarge(total):
            cents = cents_text(total, words)
            return words["refused.total_too_large"].format(cents=cents), words["advice.total_too_large"]
        case _:
            assert_never(refusal)


def disk_view(words: Words) -> View:
    """The journal cannot be written: nothing is sold."""
    return View("disk", Tone.REFUSED, words["title.disk"], words["advice.disk"])


def several_cards_view(view: View, words: Words) -> View:
    """What is shown while more than one card is in the field: none is read, so nothing goes on that needs one."""
    title, advice = words["title.several_cards"], words["advice.several_cards"]
    if view.tone in (Tone.READY, Tone.HOLD, Tone.APPROVED):
        return replace(view, lines=(*view.lines, f"{title}: {advice}"))
    return replace(view, tone=Tone.TAP_AGAIN, title=title, advice=advice)


def cents_text(cents: int, words: Words) -> str:
    """An amount with its sign of currency."""
    return ("-" if cents < 0 else "") + words["amount"].format(cents=format_cents(abs(cents)))


def price_text(cents: Cents | None, words: Words) -> str:
    """A sum that may not be known yet."""
    return words["line.no_price"] if cents is None else cents_text(cents, words)


def age_text(age_ms: int, words: Words) -> str:
    """How old something is, in the largest unit that says enough."""
    if not 0 <= age_ms < AGE_KNOWN_MS_MAX:
        return words["age.unknown"]
    if age_ms < 2 * HOUR_MS:
        return words["age.minutes"].format(count=age_ms // MINUTE_MS)
    if age_ms < 2 * DAY_MS:
        return words["age.hours"].format(count=age_ms // HOUR_MS)
    return words["age.days"].format(count=age_ms // DAY_MS)


def class_text(card_class: int, words: Words) -> str:
    """Whose card it is."""
    known = card_class in list(CardClass)
    return (
        words[f"class.{CardClass(card_class).name.lower()}"]
        if known
        else words["class.other"].format(number=card_class)
    )


def receipt_line(receipt: Receipt, words: Words) -> str:
    """The number on a receipt."""
    return words["line.receipt"].format(tno=receipt.number.tno, seq=receipt.number.seq)


# The phases ------------------------------------------------------------------------------------------------------


def _ringing(desk: Desk, basket: Basket, minute: int, words: Words) -> View:
    notes = _owed(desk, words)
    if not basket.items:
        return View("ringing", Tone.READY, words["title.ready"], words["advice.ready"], None, notes)
    lines = tuple(_item_line(item, basket, minute, words) for item in basket.items)
    title = words["title.rung"].format(count=sum(item.qty for item in basket.items))
    cents, choices = _basket_cents(basket, minute), (Choice.PAY, Choice.CASH, Choice.CLEAR)
    return View("ringing", Tone.READY, title, words["advice.rung"], cents, (*lines, *notes), choices)


def _asked(phase: RepeatAsked | CloseAsked | PaidEarlier, minute: int, words: Words) -> View:
    """A question that only the cashier answers."""
    cents, lines = None, tuple[str, ...]()
    match phase:
        case RepeatAsked(order):
            key, cents = "repeat", _order_cents(order, minute)
        case PaidEarlier(receipt):
            key, cents, lines = "paid_earlier", receipt.amount, (receipt_line(receipt, words),)
        case CloseAsked(_, draft):
            key, cents = "close_asked", Cents(max(0, draft.body.main))
            lines = _close_lines(draft.body, words)
        case _:
            assert_never(phase)
    return _view(phase, Tone.ASKING, words, key, key, cents, lines, (Choice.CONFIRM, Choice.CANCEL))


def _close_lines(body: CardStep, words: Words) -> tuple[str, ...]:
    assert isinstance(body, CloseStep)
    subsidy = (words["line.subsidy"].format(cents=cents_text(body.subsidy, words)),) if body.subsidy else ()
    return words["line.close"].format(card=body.card.no), *subsidy, words[f"line.close_{body.to}"]


def _done(phase: Done, receipt: Receipt, words: Words) -> View:
    key, tone = _done_key(receipt)
    lines = (*_balance_lines(receipt, words), receipt_line(receipt, words))
    return _view(phase, tone, words, key, key, receipt.amount, lines)


def _done_key(receipt: Receipt) -> tuple[str, Tone]:
    if isinstance(receipt.body, CashSale):
        return "paid_cash", Tone.APPROVED
    staged = stage_of(receipt.kind)
    assert staged is not None, "only card operations end in Done"
    operation, stage = staged
    if isinstance(receipt.body, TopUpStep) and receipt.body.to is TopUpTo.LOAD:
        return "topup_waiting", Tone.APPROVED
    if stage is Stage.TORN:
        return "unclear", Tone.REFUSED
    if stage is Stage.VOIDED:
        return "not_on_card", Tone.REFUSED
    if isinstance(receipt.body, RefundStep) and receipt.body.to is RefundTo.PENDING:
        return "given_back_later", Tone.APPROVED
    if isinstance(receipt.body, CloseStep):
        return "paid_out" if receipt.body.to is CloseTo.CASH else "owed_out", Tone.APPROVED
    names = {
        Operation.SALE: "paid",
        Operation.REFUND: "given_back",
        Operation.LOAD: "loaded",
        Operation.TOPUP: "topped_up",
    }
    return names[operation], Tone.APPROVED


def _view(
    phase: Phase,
    tone: Tone,
    words: Words,
    title: str,
    advice: str,
    cents: Cents | None = None,
    lines: tuple[str, ...] = (),
    choices: tuple[Choice, ...] = (),
) -> View:
    texts = words[f"title.{title}"], words[f"advice.{advice}"]
    return View(_name(phase), tone, *texts, cents, lines, choices)


def _name(phase: Phase) -> str:
    """PinEntry -> pin_entry."""
    name = type(phase).__name__
    return "".join(f"_{char.lower()}" if char.isupper() and index else char.lower() for index, char in enumerate(name))


def _ways_on(order: Order) -> tuple[Choice, ...]:
    """What can be done beside tapping a card."""
    return (Choice.CASH, Choice.CANCEL) if isinstance(order, Purchase) else (Choice.CANCEL,)


def _tap_key(order: Order) -> str:
    match order:
        case Purchase():
            return "tap"
        case Refund():
            return "tap_refund"
        case Load():
            return "tap_load"
        case TopUp():
            return "tap_topup"
        case Close():
            return "tap_close"
        case _:
            assert_never(order)


# Amounts and lines -----------------------------------------------------------------------------------------------


def _order_cents(order: Order, minute: int) -> Cents | None:
    match order:
        case Purchase(basket):
            return _basket_cents(basket, minute)
        case Refund() | TopUp():
            return order.amount
        case Load() | Close():
            return None
        case _:
            assert_never(order)


def _held_cents(phase: PinComparing | Preparing | Writing | Settling | Firming | Noting, minute: int) -> Cents | None:
    match phase:
        case PinComparing(order):
            return _order_cents(order, minute)
        case Preparing(_, draft):
            return draft.body.amount
        case Writing() | Settling() | Firming():
            return phase.open.body.amount
        case Noting(_, body):
            return body.amount if isinstance(body, CardStep | CashSale) else None
        case _:
            assert_never(phase)


def _basket_cents(basket: Basket, minute: int) -> Cents | None:
    """What it costs before a card's class is known; None where something has no price."""
    ticket = price_basket(basket, None, minute)
    return ticket.total_cents if isinstance(ticket, Ticket) else None


def item_text(item: Item, basket: Basket, minute: int, words: Words) -> tuple[str, str]:
    """What a line of a basket is called, and what it costs as far as that is known."""
    product = basket.prices.product(item.product)
    known = getattr(product.names, words["language"]) if product else item.product
    name = words["line.typed"] if item.product == FREE_AMOUNT else known
    priced = price_basket(Basket(basket.prices, (item,)), None, minute)
    return name, cents_text(priced.total_cents, words) if isinstance(priced, Ticket) else words["line.no_price"]


def _item_line(item: Item, basket: Basket, minute: int, words: Words) -> str:
    name, cents = item_text(item, basket, minute, words)
    return words["line.item"].format(qty=item.qty, name=name, cents=cents)


def _balance_lines(receipt: Receipt, words: Words) -> tuple[str, ...]:
    body, staged = receipt.body, stage_of(receipt.kind)
    if not isinstance(body, CardStep) or staged is None or staged[1] is not Stage.SETTLED:
        return ()
    if not body.touches_card and not (isinstance(body, SaleStep) and body.approval):
        return ()
    main = words["line.balance"].format(cents=cents_text(body.main_after, words))
    subsidy = words["line.subsidy"].format(cents=cents_text(body.subsidy_after, words))
    return (main, subsidy) if body.subsidy or body.subsidy_after else (main,)


def _owed(desk: Desk, words: Words) -> tuple[str, ...]:
    """What a new customer must not make the cashier forget."""
    lines: list[str] = []
    paid = desk.unconfirmed
    if paid is not None:
        figures = {"tno": paid.number.tno, "seq": paid.number.seq, "cents": cents_text(paid.amount, words)}
        lines.append(words["line.owes_handover"].format(**figures))
    lines.extend(_open_line(found, words) for found in desk.opens)
    return tuple(lines)


def _open_line(found: Open, words: Words) -> str:
    cents, minutes = cents_text(found.body.amount, words), HAND_OVER_MS // MINUTE_MS
    return words["line.open"].format(cents=cents, card=found.body.card.no, minutes=minutes)
