"""What a tap comes to: a step to make on the card, an entry that needs no card, or a reason not to."""

from typing import assert_never

from msgspec.structs import replace

from protocol.authorise import Pin, Refused, before_any_card
from protocol.entries import LoadStep, RefundStep, TopUpStep
from protocol.ids import Tno
from terminal.desk import CardTapped, Desk, Order
from terminal.hand_in import Close, decide_close
from terminal.load import Load, NothingToLoad, decide_load
from terminal.purchase import NotPriced, Purchase, decide_purchase
from terminal.refund import Refund, decide_refund
from terminal.refusal_count import asked_cents, counted
from terminal.step_draft import StepDraft
from terminal.token_sale import decide_token
from terminal.topup import TopUp, decide_topup

Answer = StepDraft | RefundStep | TopUpStep | LoadStep | Refused | NotPriced | NothingToLoad


def decide(order: Order, tap: CardTapped, tno: Tno, pin: Pin) -> Answer:
    """Decide by the order, the card, and what lists, journal and clock say now."""
    refused = before_any_card(tap.facts.house)
    if refused is not None:
        return refused
    match order:
        case Purchase() if tap.read is not None and tap.read.id.is_token:
            return decide_token(order, tap.read, tap.facts)
        case Purchase():
            return decide_purchase(order, tap.read, tap.facts, pin)
        case Load():
            return decide_load(tap.load or order, tap.read, tap.facts)
        case TopUp():
            return decide_topup(order, tap.read, tap.facts)
        case Close():
            return decide_close(order, tap.read, tap.facts)
        case Refund():
            return decide_refund(order, tap.read, tap.facts, tno)
        case _:
            assert_never(order)


def turned_away(desk: Desk, reason: str, order: Order, tap: CardTapped) -> Desk:
    """The card is refused, which is to be written down, unless the journal has no room for it."""
    if tap.facts.house.journal_low:
        return desk
    asked = asked_cents(order, tap.read, tap.facts)
    return replace(desk, refusals=counted(desk.refusals, reason, asked, tap.read, tap.now))
