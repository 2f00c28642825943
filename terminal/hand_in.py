"""A card is handed in: everything is taken off it, and its holder is paid in cash or owed the money at the server."""

from dataclasses import dataclass

from protocol.authorise import Refusal, Refused, card_refusal
from protocol.entries import CloseStep, CloseTo, Operation
from protocol.money import Cents
from protocol.purse import CardRead, Right, Technology
from terminal.purchase import Facts
from terminal.step_draft import StepDraft, figures_of


@dataclass(frozen=True, slots=True)
class Close:
    """Take everything off a card. `drawer_cents`: what may be paid out of; None: nothing, the money is owed."""

    drawer_cents: Cents | None = None


def decide_close(order: Close, read: CardRead | None, facts: Facts) -> StepDraft | Refused:
    """Both purses to zero. Cash only for a DESFire card, and as far as the drawer goes (SPEC, "Handed in").

    A MIFARE Classic shows what its broken cipher lets anybody write; what it had is paid once the server knows it.
    """
    refused = card_refusal(read, facts.standing)
    if refused is not None:
        return refused
    assert read is not None and read.purse is not None
    if read.id.is_token:
        return Refused(Refusal.CARD_NOT_OURS)
    main, subsidy = max(0, read.purse.main_cents), max(0, read.purse.subsidy_cents)
    in_cash = read.technology is Technology.DESFIRE and order.drawer_cents is not None and main <= order.drawer_cents
    body = CloseStep(
        **figures_of(read, main_cents=-main, subsidy_cents=-subsidy),
        amount=Cents(main + subsidy),
        to=CloseTo.CASH if in_cash else CloseTo.PENDING,
    )
    return StepDraft(Operation.CLOSE, body, read, Right.DEBIT, read.purse.spent, read.purse.pin_tries)
