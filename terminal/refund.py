"""Money back for a sale of this terminal: onto the card if its last step is that very sale, else as pending credit."""

import enum
from dataclasses import dataclass

from protocol.authorise import card_refusal
from protocol.entries import Lines, Operation, RefundStep, RefundTo
from protocol.ids import MerchantId, Seq, Tno
from protocol.instants import BusinessDay
from protocol.money import Cents
from protocol.purse import CardId, CardRead, Mark, Right, Technology
from terminal.purchase import Facts
from terminal.step_draft import StepDraft, figures_of


class RefundRefusal(enum.StrEnum):
    """Why a refund is not given here, in order of precedence."""

    NOT_THIS_EPOCH = "not_this_epoch"
    OTHER_DAY = "other_day"
    MORE_THAN_LEFT = "more_than_left"


@dataclass(frozen=True, slots=True)
class Sold:
    """A settled sale of this terminal and epoch, and what of it can still be given back."""

    seq: Seq
    card: CardId
    merchant: MerchantId
    day: BusinessDay
    main_cents: Cents
    """The part that main paid and that was not given back yet."""
    subsidy_cents: Cents

    @property
    def left_cents(self) -> Cents:
        """What can still be given back."""
        return Cents(self.main_cents + self.subsidy_cents)


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back some of a sale."""

    sold: Sold
    amount: Cents
    lines: Lines = ()


def refund_refusal(sold: Sold | None, amount_cents: Cents, today: BusinessDay) -> RefundRefusal | None:
    """Why not: only the terminal and epoch that sold, on the same business day, and never more than is left."""
    if sold is None:
        return RefundRefusal.NOT_THIS_EPOCH
    if sold.day != today:
        return RefundRefusal.OTHER_DAY
    return RefundRefusal.MORE_THAN_LEFT if not 0 < amount_cents <= sold.left_cents else None


def may_go_on_card(order: Refund) -> bool:
    """Whether it is worth asking for the card: on Classic a refund is always pending credit."""
    return order.sold.card.technology is Technology.DESFIRE


def decide_refund(order: Refund, read: CardRead | None, facts: Facts, tno: Tno) -> StepDraft | RefundStep:
    """Onto the card where its last step is that very sale: DESFire's limited credit covers no other. Else pending.

    A card that may not pay here gets nothing either; the money waits for its owner at the card office.
    """
    on_card = (
        read is not None
        and read.purse is not None
        and may_go_on_card(order)
        and card_refusal(read, facts.standing) is None
        and read.identity.key == order.sold.card.key
        and read.purse.mark == Mark(tno, order.sold.seq)
    )
    return _draft(order, read) if on_card and read else to_pending(order)


def to_pending(order: Refund) -> RefundStep:
    """The settled refund that touches no card."""
    return RefundStep(
        order.sold.card,
        order.amount,
        merchant=order.sold.merchant,
        of=order.sold.seq,
        to=RefundTo.PENDING,
        lines=order.lines,
    )


def _draft(order: Refund, read: CardRead) -> StepDraft:
    """Back to main first, as far as main paid, then to the subsidy purse."""
    assert read.purse is not None
    main = min(order.amount, order.sold.main_cents)
    body = RefundStep(
        **figures_of(read, main_cents=main, subsidy_cents=order.amount - main),
        amount=order.amount,
        merchant=order.sold.merchant,
        of=order.sold.seq,
        to=RefundTo.CARD,
        lines=order.lines,
    )
    return StepDraft(Operation.REFUND, body, read, Right.LIMITED_CREDIT, read.purse.spent, read.purse.pin_tries)
