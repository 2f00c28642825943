"""What each journal entry does to the accounts. Pure: an entry and its situation in, postings out.

    operation   prepared          settled                torn               voided           resolved
    sale        -                 purse -> merchant      -                  -                on card: purse -> pending
    refund      -                 merchant -> purse      merchant -> susp.  merchant -> pend susp. -> purse | pending
    topup       drawer -> susp.   suspense -> purse      -                  susp. -> pending susp. -> purse | pending
    load        -                 pending -> purse       -                  -                on card: pending -> purse
    close       -                 purse -> drawer | pend -                  -                on card: purse -> pending

Every function returns legs that sum to zero (SPEC, "Money on the server").
"""

import enum
from collections import Counter
from dataclasses import dataclass, replace

from protocol.entries import (
    CASH,
    Body,
    CardStep,
    CashSale,
    CloseStep,
    CloseTo,
    LoadStep,
    RefundStep,
    RefundTo,
    SaleStep,
    ShiftOpened,
    Stage,
    TopUpStep,
    TopUpTo,
)
from protocol.money import Cents
from server.ledger.accounts import (
    ADOPTED,
    FRAUD_LOSS,
    FUNDER,
    OPERATOR_LOSS,
    VAULT,
    Account,
    Postings,
    balanced,
    clearing,
    difference_of,
    merchant,
    pending,
    pending_subsidy,
    purse,
    subsidy,
)


class Use(enum.StrEnum):
    """What a settled step is among all uses of the same counter of the same card."""

    FIRST = "first"
    FALLBACK = "fallback"
    """The card had forgotten the earlier use and made this one instead: the earlier one becomes our loss."""
    FORGOTTEN = "forgotten"
    """The earlier use, arriving after the one that the card made instead."""
    FORK = "fork"
    """A second use that nothing excuses: two cards claim to be one."""
    UNKNOWN_CARD = "unknown_card"
    RELEASED = "released"
    """The card was replaced and its rest paid out already."""
    BRANCH = "branch"
    """On a second history of a terminal, and no later tap of the card confirms it yet."""
    DISPUTED = "disputed"
    """On a second history, and the card used that counter otherwise: nothing moves until two people decide."""


ON_CARD = frozenset({Use.FIRST, Use.FALLBACK, Use.BRANCH})
"""The uses that the card is taken to have made: they move its purse."""


class Resolution(enum.StrEnum):
    """How a torn step was decided by other evidence than its own terminal's."""

    ON_CARD = "on_card"
    NOT_ON_CARD = "not_on_card"
    STUDENT = "student"
    """No proof within the time: decided in the student's favour."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the ledger must know besides the entry itself."""

    drawer: Account
    """Where cash of its terminal lay then."""
    suspense: Account
    use: Use = Use.FIRST
    resolved: Resolution | None = None
    """If the step was decided before its own terminal's word arrived."""
    adopted_cents: Cents = Cents(0)
    """Loads: how much of what was ever loaded the server had forgotten and believes now."""
    given_back: Postings = ()
    """Fallback: the postings that undo the forgotten use at our expense."""
    was_torn: bool = False
    """If its own terminal had given it up before: a refund has left the merchant already."""
    back_to: Account | None = None
    """Refunds: who bore the price of the sale, where its card did not (or nobody knows yet)."""
    share: "Share | None" = None
    """Refunds: which purses get it, and how much of it the sale's price does not cover any more; None: all to main."""
    lapsed: bool = False
    """Loads: the period of the subsidy in it is over, and what was owed of it went back to who pays for it."""


@dataclass(frozen=True, slots=True)
class Share:
    """What of an amount each purse had paid; `beyond`: what none had."""

    main_cents: Cents
    subsidy_cents: Cents = Cents(0)
    beyond_cents: Cents = Cents(0)


def share_of(sale: SaleStep, cents: int, before: int = 0) -> Share:
    """Whose an amount is that is given back of a sale after so much of it: main's as far as main paid, then subsidy's.

    Terminals give back onto cards alike.
    """
    paid = max(0, min(sale.amount, sale.main - sale.main_after))
    start, end = min(before, sale.amount), min(before + cents, sale.amount)
    main = min(end, paid) - min(start, paid)
    return Share(Cents(main), Cents(end - start - main), Cents(cents - (end - start)))


def postings_of_step(stage: Stage, step: CardStep, at: Situation) -> Postings:
    """The postings of one stage of one card operation."""
    match step, stage:
        case SaleStep(), Stage.SETTLED:
            return _sale_settled(step, at)
        case RefundStep(), Stage.SETTLED:
            return _refund_settled(step, at)
        case RefundStep(), Stage.TORN if at.resolved is None:
            return balanced((merchant(step.merchant), -step.amount), (at.suspense, step.amount))
        case RefundStep(), Stage.VOIDED if at.resolved is None:
            return balanced((_refund_source(step, at), -step.amount), *_credited(step, at))
        case TopUpStep(to=TopUpTo.LOAD), Stage.SETTLED | Stage.TORN | Stage.VOIDED:
            return ()
        case TopUpStep(), Stage.PREPARED:
            waiting = at.suspense if step.to is TopUpTo.CARD else pending(step.card.no)
            taken = at.drawer if step.channel == CASH else clearing(step.channel)
            return balanced((taken, -step.amount), (waiting, step.amount))
        case TopUpStep(), Stage.SETTLED:
            return _credit_settled(step, at.suspense, at)
        case TopUpStep(), Stage.VOIDED if at.resolved is None:
            return balanced((at.suspense, -step.amount), (pending(step.card.no), step.amount))
        case LoadStep(), Stage.SETTLED:
            return _load_settled(step, at)
        case LoadStep(), Stage.VOIDED:
            return _adopted(step, at)
        case CloseStep(), Stage.SETTLED:
            return _close_settled(step, at)
        case _:
            return ()


def postings_of_other(body: Body, drawer: Account) -> Postings:
    """The postings of an entry that is not a card step; `drawer`: of the shift it was written in, or opens."""
    match body:
        case CashSale():
            return balanced((drawer, -body.amount), (merchant(body.merchant), body.amount))
        case ShiftOpened():
            return balanced((drawer, -body.drawer), (VAULT, body.drawer))
        case _:
            return ()


def postings_of_count(counted_drawer: Account, booked_cents: int, counted_cents: Cents) -> Postings:
    """A drawer was counted and handed in: what the books have in it leaves it, the difference is ours."""
    difference = counted_cents - booked_cents
    return balanced(
        (counted_drawer, booked_cents), (VAULT, -counted_cents), (difference_of(counted_drawer), difference)
    )


def postings_of_resolution(step: CardStep, resolution: Resolution, at: Situation) -> Postings:
    """The one posting set of a torn step decided by other evidence (SPEC, "Open, torn, recovered")."""
    match step, resolution:
        case SaleStep(), _ if at.use is Use.RELEASED:
            return ()  # its holder has been paid everything that it held before
        case RefundStep() | TopUpStep(), Resolution.ON_CARD if at.use is Use.RELEASED:
            return ()
        case SaleStep(), Resolution.ON_CARD | Resolution.STUDENT:
            return balanced(*_purse_legs(step), *_owed(step, share_of(step, step.amount)))
        case RefundStep() | TopUpStep(), Resolution.ON_CARD:
            return balanced((at.suspense, -step.amount), *_purse_legs(step))
        case RefundStep() | TopUpStep(), _:
            return balanced((at.suspense, -step.amount), *_credited(step, at))
        case LoadStep(), Resolution.ON_CARD:
            return _load_settled(step, replace(at, resolved=None))
        case CloseStep(), Resolution.ON_CARD if at.use is not Use.RELEASED:
            return balanced(*_purse_legs(step), *_taken_off(step, at))
        case _:
            return ()


def postings_of_overtaken(step: CardStep, at: Situation) -> Postings:
    """What time decided for the holder turns out otherwise: the purse follows the card, the gift is our loss."""
    match step:
        case SaleStep():
            return balanced(*((account, -cents) for account, cents in _purse_legs(step)), (OPERATOR_LOSS, -step.amount))
        case RefundStep() | TopUpStep():
            return balanced(*_purse_legs(step), (OPERATOR_LOSS, -step.amount))
        case LoadStep():
            return _load_settled(step, at)
        case CloseStep():
            return balanced(*_purse_legs(step), *_taken_off(step, at))
        case _:
            return ()


def postings_of_vend_failure(
    sale: SaleStep, share: Share, waiting: Account | None = None, bearer: Account | None = None
) -> Postings:
    """Paid and not delivered (or nobody knows): who bore the price gets it back, the merchant is not paid.

    `share`: what was not given back before. `waiting`: where the price still lies aside, if the merchant was not paid
    yet. `bearer`: whose loss it was; None: the card paid, and its holder gets pending credit.
    """
    given = share.main_cents + share.subsidy_cents
    to = ((bearer, given),) if bearer else _owed(sale, share)
    return balanced((waiting or merchant(sale.merchant), -given), *to)


def bearer_of(use: Use | None, resolved: Resolution | None) -> Account | None:
    """Whose loss the price of a settled sale was; None: its card paid."""
    if use is Use.FORK:
        return FRAUD_LOSS
    given_back = resolved in (Resolution.ON_CARD, Resolution.STUDENT)
    return OPERATOR_LOSS if given_back or use in (Use.FORGOTTEN, Use.RELEASED) else None


def postings_of_give_back(step: CardStep, returned: Share, at: Situation) -> Postings:
    """Undo a use that the card forgot: a purchase at the operator's expense, a credit back to what is owed.

    `returned`: what its holder was credited of a purchase before; the card never paid that.
    """
    legs = tuple((account, -cents) for account, cents in _purse_legs(step))
    match step:
        case SaleStep():
            loss = sum(cents for _, cents in legs) - returned.main_cents - returned.subsidy_cents
            back = tuple((account, -cents) for account, cents in _owed(step, returned))
            return balanced(*legs, *back, (OPERATOR_LOSS, -loss))
        case LoadStep():
            return reversed_postings(_load_settled(step, at))
        case _:
            return balanced(*legs, *_owed(step, Share(*(Cents(-cents) for _, cents in legs))))


def postings_of_share(refund: CardStep, at: Situation) -> Postings:
    """A refund was credited to main before its sale was known: now to who is to get it."""
    legs = Counter({pending(refund.card.no): -int(refund.amount)})
    for account, cents in _credited(refund, at):
        legs[account] += cents
    return balanced(*legs.items())


def postings_of_claim(step: SaleStep, waiting: Account) -> Postings:
    """A branch sale that a later tap of the card confirms: the merchant is paid."""
    return balanced((waiting, -step.amount), (merchant(step.merchant), step.amount))


def reversed_postings(postings: Postings) -> Postings:
    """The same legs the other way round."""
    return balanced(*((posting.account, -posting.cents) for posting in postings))


def _purse_legs(step: CardStep) -> tuple[tuple[Account, int], ...]:
    return (
        (purse(step.card.key), step.main_after - step.main),
        (subsidy(step.card.key), step.subsidy_after - step.subsidy),
    )


def _sale_settled(step: SaleStep, at: Situation) -> Postings:
    paid = (merchant(step.merchant), int(step.amount))
    if at.resolved in (Resolution.ON_CARD, Resolution.STUDENT):
        return balanced((OPERATOR_LOSS, -step.amount), paid)
    match at.use:
        case Use.FIRST:
            return balanced(*_purse_legs(step), paid)
        case Use.FALLBACK:
            return (*balanced(*_purse_legs(step), paid), *at.given_back)
        case Use.FORGOTTEN | Use.RELEASED:
            return balanced((OPERATOR_LOSS, -step.amount), paid)
        case Use.FORK:
            return balanced((FRAUD_LOSS, -step.amount), paid)
        case Use.DISPUTED:
            return ()
        case Use.UNKNOWN_CARD:
            return balanced((at.suspense, -step.amount), paid)
        case Use.BRANCH:
            return balanced(*_purse_legs(step), (at.suspense, step.amount))


def _refund_settled(step: RefundStep, at: Situation) -> Postings:
    if step.to is RefundTo.PENDING:
        return balanced((_refund_source(step, at), -step.amount), *_credited(step, at))
    return _credit_settled(step, _refund_source(step, at), at)


def _credited(step: CardStep, at: Situation) -> tuple[tuple[Account, int], ...]:
    """Who gets what was taken in or taken back and is not on the card; what no sale covers stays aside."""
    share = at.share or Share(step.amount)
    covered = share.main_cents + share.subsidy_cents
    to = ((at.back_to, int(covered)),) if at.back_to else _owed(step, share)
    return *to, (at.suspense, int(share.beyond_cents))


def _owed(step: CardStep, share: Share) -> tuple[tuple[Account, int], ...]:
    """To the holder of the card, each purse its own."""
    return (pending(step.card.no), share.main_cents), (pending_subsidy(step.card.no), share.subsidy_cents)


def _refund_source(step: RefundStep, at: Situation) -> Account:
    """Where the money of a refund is: with the merchant, or set aside since the step was torn or resolved."""
    return at.suspense if at.was_torn or at.resolved is not None else merchant(step.merchant)


def _credit_settled(step: CardStep, source: Account, at: Situation) -> Postings:
    """A credit that reached the card. What was given in another form meanwhile is our loss; a fork's stays aside."""
    if at.resolved is Resolution.ON_CARD or (at.resolved is not None and at.use is Use.RELEASED):
        return ()
    if at.resolved is not None:
        return balanced(*_purse_legs(step), (OPERATOR_LOSS, -step.amount))
    if at.use in ON_CARD:
        return (*balanced((source, -step.amount), *_purse_legs(step)), *at.given_back)
    if at.use is Use.FORGOTTEN:
        return balanced((source, -step.amount), *_credited(step, at))
    return balanced((source, -step.amount), (at.suspense, step.amount))


def _load_settled(step: LoadStep, at: Situation) -> Postings:
    if at.resolved is Resolution.ON_CARD or at.use in (Use.FORK, Use.FORGOTTEN):
        return ()
    main = step.main_after - step.main
    granted = step.subsidy_after - step.subsidy + step.expired
    to_main, to_subsidy = purse(step.card.key), subsidy(step.card.key)
    if at.use in (Use.UNKNOWN_CARD, Use.RELEASED):
        to_main = to_subsidy = at.suspense
    loaded = balanced(
        (pending(step.card.no), -main),
        (to_main, main),
        (FUNDER if at.lapsed else pending_subsidy(step.card.no), -granted),
        (to_subsidy, granted - step.expired),
        (FUNDER, step.expired),
    )
    return (*loaded, *_adopted(step, at), *at.given_back)


def _close_settled(step: CloseStep, at: Situation) -> Postings:
    """Cash has left the drawer, whatever the card proves; what is owed is owed only where the card had it."""
    paid = step.main - step.main_after if step.to is CloseTo.CASH else 0
    drawn = (at.drawer, paid)
    if at.resolved is Resolution.ON_CARD:
        return balanced((pending(step.card.no), -paid), drawn)
    match at.use:
        case Use.FORK:
            return balanced((FRAUD_LOSS, -paid), drawn)
        case Use.FORGOTTEN | Use.RELEASED:
            return balanced((OPERATOR_LOSS, -paid), drawn)
        case Use.UNKNOWN_CARD:
            return balanced((at.suspense, -paid), drawn)
        case _:
            return (*balanced(*_purse_legs(step), *_taken_off(step, at, paid), drawn), *at.given_back)


def _taken_off(step: CloseStep, at: Situation, paid: int = 0) -> tuple[tuple[Account, int], ...]:
    """To the holder, less what he was paid; a subsidy whose period is over to who pays for it."""
    granted = FUNDER if at.lapsed else pending_subsidy(step.card.no)
    return (pending(step.card.no), step.main - step.main_after - paid), (granted, step.subsidy - step.subsidy_after)


def _adopted(step: LoadStep, at: Situation) -> Postings:
    """The card has more than the server remembers: it was granted, so it was owed."""
    return balanced((ADOPTED, -at.adopted_cents), (pending(step.card.no), at.adopted_cents))
