"""A purchase: the basket is priced for the card that was tapped, and `authorise` decides."""

from dataclasses import dataclass

from protocol.authorise import Approved, House, Pin, Refused, Standing, authorise, before_any_card, card_refusal
from protocol.basket import Basket
from protocol.entries import CashSale, Operation, PinTried, SaleStep
from protocol.ids import MerchantId
from protocol.limits import When
from protocol.money import Cents
from protocol.pricing import PricingRefusal, Ticket, price_basket
from protocol.purse import CardRead, Right
from terminal.step_draft import StepDraft, figures_of


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a customer wants to pay."""

    basket: Basket
    merchant: MerchantId


@dataclass(frozen=True, slots=True)
class Facts:
    """What the terminal's lists, journal and clock say at the moment of a tap."""

    standing: Standing
    house: House
    when: When
    online: bool = False
    """Whether a server can be asked."""
    stood_in_cents: Cents = Cents(0)
    """What was sold to this token today without an answer."""


@dataclass(frozen=True, slots=True)
class NotPriced:
    """The basket cannot be sold as it is; the cashier must change it."""

    refusal: PricingRefusal


def decide_purchase(order: Purchase, read: CardRead | None, facts: Facts, pin: Pin) -> StepDraft | Refused | NotPriced:
    """Price, authorise, and draft the debit: subsidy first, then main."""
    refused = before_any_card(facts.house) or card_refusal(read, facts.standing)
    if refused is not None:
        return refused
    assert read is not None and read.purse is not None
    ticket = price_basket(order.basket, read.identity.card_class, facts.when.minute)
    if not isinstance(ticket, Ticket):
        return NotPriced(ticket)
    answer = authorise(read, ticket.total_cents, standing=facts.standing, house=facts.house, when=facts.when, pin=pin)
    if isinstance(answer, Refused):
        return answer
    return _draft(order, read, ticket, answer, pin)


def is_unchanged(asked: CardRead, now: CardRead) -> bool:
    """Whether this is the card that something was asked about, and nothing happened to it since."""
    before, after = asked.purse, now.purse
    if asked.uid != now.uid or before is None or after is None:
        return False
    figures = before.counter, before.main_cents, before.subsidy_cents
    return figures == (after.counter, after.main_cents, after.subsidy_cents)


def decide_cash(order: Purchase, facts: Facts) -> CashSale | Refused | NotPriced:
    """The basket for notes and coins, at the prices that hold for everybody."""
    refused = before_any_card(facts.house)
    if refused is not None:
        return refused
    ticket = price_basket(order.basket, None, facts.when.minute)
    if not isinstance(ticket, Ticket):
        return NotPriced(ticket)
    return CashSale(order.merchant, ticket.total_cents, ticket.lines)


def draft_pin_try(read: CardRead) -> StepDraft:
    """Count a PIN try on the card, before the PIN is compared: a step of its own that moves no money."""
    assert read.purse is not None
    tries = read.purse.pin_tries + 1
    body = PinTried(**figures_of(read), amount=Cents(0), tries_after=tries)
    return StepDraft(Operation.SALE, body, read, Right.DEBIT, read.purse.spent, tries)


def _draft(order: Purchase, read: CardRead, ticket: Ticket, approved: Approved, pin: Pin) -> StepDraft:
    assert read.purse is not None
    body = SaleStep(
        **figures_of(read, main_cents=-approved.main_cents, subsidy_cents=-approved.subsidy_cents),
        amount=ticket.total_cents,
        merchant=order.merchant,
        lines=ticket.lines,
    )
    tries = 0 if pin is Pin.RIGHT else read.purse.pin_tries
    return StepDraft(Operation.SALE, body, read, Right.DEBIT, approved.spent, tries)
