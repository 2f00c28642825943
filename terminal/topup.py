"""Money taken in at a station: a credit now where the card allows it, else a load that the server will bring."""

from dataclasses import dataclass

from protocol.authorise import Refused, card_refusal, topup_refusal
from protocol.entries import Operation, TopUpStep, TopUpTo
from protocol.ids import ChannelId
from protocol.money import PURSE_CENTS_MAX, Cents
from protocol.purse import CardRead, Right, Technology
from terminal.purchase import Facts
from terminal.step_draft import StepDraft, figures_of


@dataclass(frozen=True, slots=True)
class TopUp:
    """Put cash that was taken in onto a card."""

    amount: Cents
    channel: ChannelId


def decide_topup(order: TopUp, read: CardRead | None, facts: Facts) -> StepDraft | Refused | TopUpStep:
    """DESFire is credited offline, up to the station's limit; Classic always by the server's load (SPEC, "Loads").

    The second is an entry only: the cash is taken, the receipt says *waiting*, the load is collected later.
    """
    refused = topup_refusal(order.amount, facts.house) or card_refusal(read, facts.standing)
    if refused is not None:
        return refused
    assert read is not None and read.purse is not None
    too_full = read.purse.main_cents + order.amount > PURSE_CENTS_MAX
    too_much = 0 < facts.house.rules.topup < order.amount
    if read.technology is not Technology.DESFIRE or too_full or too_much:
        return TopUpStep(read.id, order.amount, channel=order.channel, to=TopUpTo.LOAD, card_last=read.last)
    body = TopUpStep(
        **figures_of(read, main_cents=order.amount), amount=order.amount, channel=order.channel, to=TopUpTo.CARD
    )
    return StepDraft(Operation.TOPUP, body, read, Right.CREDIT, read.purse.spent, read.purse.pin_tries)
