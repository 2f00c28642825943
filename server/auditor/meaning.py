"""What an entry may have moved: made anew by the posting rules that ship, from its line and its card step; pure.

Most entries mean one thing. Where what was known at the time decides (was the step torn before, which use of a counter
was first, is a subsidy over), each meaning that the kept card step allows is made, and the stored postings must be one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from protocol.entries import (
    CardBegun,
    CardBlocked,
    CardErased,
    CardIssued,
    CardRekeyed,
    CardStep,
    CloseStep,
    Entry,
    Kind,
    LoadStep,
    RefundStep,
    RefundTo,
    SaleRefused,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    Stage,
    Vend,
    stage_of,
)
from protocol.ids import ShiftNo, TerminalId, Tno
from protocol.money import Cents
from server.ingest.aside import postings_aside
from server.ingest.book import StepId, StepRow
from server.ingest.deciding import situation_of
from server.ingest.giving_back import returned_of
from server.ledger.accounts import ADOPTED, Account, Postings, difference_of, drawer
from server.ledger.rules import (
    Resolution,
    Situation,
    Use,
    bearer_of,
    postings_of_count,
    postings_of_give_back,
    postings_of_other,
    postings_of_step,
    postings_of_vend_failure,
    share_of,
)

_MAY_HAVE_BEEN: dict[Use, tuple[Use, ...]] = {
    Use.FORGOTTEN: (Use.FORGOTTEN, Use.FIRST, Use.FALLBACK, Use.BRANCH),
    Use.DISPUTED: (Use.DISPUTED, Use.BRANCH),
}
"""What a later use of the same counter makes of an earlier one."""
_ALWAYS_EMPTY = (CardBlocked, CardIssued, CardErased, SaleRefused, CardBegun, CardRekeyed)


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, its place, and what the books keep beside it."""

    entry: Entry
    place: StepId
    tid: TerminalId
    step: StepRow | None = None
    """The card step that it is part of; of a delivery the sale."""
    sold: StepRow | None = None
    """Of a refund: the sale it gives back, where it is known."""
    rivals: tuple[StepRow, ...] = ()
    """Other uses of the same counter of the same card."""
    is_counted: bool = False
    """The drawer of its shift was counted."""
    refunds: tuple[int, ...] = ()
    """Of a failed delivery: the refunds of its sale, in cents."""
    has_share: bool = False
    """Of a refund: what it gave back was moved once its sale was known."""


def is_meant(told: Told, stored: Postings) -> bool:
    """Whether these are the postings of a posted entry."""
    return any(_same(told, stored, legs) for legs in meanings(told, stored))


def is_set_aside(told: Told, stored: Postings, sures: Iterable[bool]) -> bool:
    """Whether these are the postings that keep the money of a parked entry aside, its merchant sure or not."""
    made = (postings_aside(told.entry, told.tid, told.place, is_merchant_sure=sure) for sure in sures)
    return any(_same(told, stored, legs) for legs in made)


def meanings(told: Told, stored: Postings) -> Iterator[Postings]:
    """What a posted entry can have moved; `stored` says of counts and adopted loads how much there was."""
    entry, body = told.entry, told.entry.body
    match body:
        case CardStep():
            yield from _of_step(told, body, stored)
        case Vend() if entry.kind is not Kind.VEND_DISPENSED:
            yield from _of_delivery(told, stored)
        case ShiftClosed():
            own = drawer(told.tid, told.place[0], body.number)
            booked = sum(leg.cents for leg in stored if leg.account == own)
            yield postings_of_count(own, booked, body.counted)
        case _ if isinstance(body, _ALWAYS_EMPTY):
            yield ()
        case _:
            yield postings_of_other(body, _drawer(told))


def uses_of(step: StepRow) -> tuple[Use, ...]:
    """What its use of a counter was taken for at one time or another."""
    return (Use.FIRST,) if step.use is None else _MAY_HAVE_BEEN.get(step.use, (step.use,))


def situations(step: StepRow, stored: Postings, resolved: Sequence[Resolution | None]) -> Iterator[Situation]:
    """What may have been known when something of a step was posted. No more is adopted than the load record brought."""
    adopted = Cents(-sum(leg.cents for leg in stored if leg.account == ADOPTED))
    can_be_adopted = isinstance(step.body, LoadStep) and 0 < adopted <= max(step.body.loaded, step.body.loaded_after)
    may_lapse = isinstance(step.body, LoadStep | CloseStep)
    choices = product(uses_of(step), resolved, (False, True) if may_lapse else (False,))
    for use, decided, lapsed in choices:
        at = replace(situation_of(step, use), resolved=decided, lapsed=lapsed)
        yield replace(at, adopted_cents=adopted) if can_be_adopted else at


def terms(step: StepRow, sold: StepRow | None, at: Situation) -> Iterator[Situation]:
    """Who may have got what a refund gives back: nobody knew the sale yet, or it was known."""
    yield at
    if sold is None or not isinstance(sold.body, SaleStep) or not isinstance(step.body, RefundStep):
        return
    share = share_of(sold.body, step.body.amount, step.given_back_cents)
    bearers = {bearer_of(use, sold.resolved) for use in uses_of(sold)}
    if Use.BRANCH in uses_of(sold):
        bearers.add(at.suspense)
    for bearer in bearers:
        yield replace(at, share=share, back_to=bearer)


def _of_step(told: Told, body: CardStep, stored: Postings) -> Iterator[Postings]:
    staged, step = stage_of(told.entry.kind), told.step
    if staged is None or step is None:
        yield ()
        return
    stage = staged[1]
    resolved = {step.resolved, None} if stage is Stage.TORN else {step.resolved}
    for at in situations(step, stored, tuple(resolved)):
        for was_torn in (False, True) if step.torn_at else (False,):
            for known in _terms_then(told, step, stage, replace(at, was_torn=was_torn)):
                for given_back in _given_back(told, known):
                    yield postings_of_step(stage, body, replace(known, given_back=given_back))


def _terms_then(told: Told, step: StepRow, stage: Stage, at: Situation) -> Iterator[Situation]:
    """The terms of a refund as they were: one that is credited before its sale is moved when that comes."""
    sold, body = told.sold, step.body
    is_credited = stage is Stage.VOIDED or (stage is Stage.SETTLED and getattr(body, "to", None) is RefundTo.PENDING)
    if sold is None or sold.stage is not Stage.SETTLED or not is_credited or step.resolved or sold.resolved:
        yield from terms(step, sold, at)
    elif told.has_share:
        yield at
    else:
        yield from (known for known in terms(step, sold, at) if known is not at)


def _given_back(told: Told, at: Situation) -> Iterator[Postings]:
    """What undoes the use that the card forgot, if this one took its place."""
    if at.use is not Use.FALLBACK:
        yield ()
        return
    for rival, lapsed in product(told.rivals, (False, True)):
        for use in uses_of(rival):
            before = replace(rival, use=use)
            yield postings_of_give_back(
                rival.body, returned_of(before), replace(situation_of(rival), resolved=None, lapsed=lapsed)
            )


def _of_delivery(told: Told, stored: Postings) -> Iterator[Postings]:
    sale = told.step
    if sale is None or not isinstance(sale.body, SaleStep):
        return
    given, left = sum(leg.cents for leg in stored if leg.cents > 0), sale.given_back_cents - sum(told.refunds)
    if given == 0 and (left == 0 or Use.BRANCH in uses_of(sale)):
        yield ()  # nothing was left to give back, or a second history's sale whose card has not confirmed it
    before = sale.body.amount - left
    if given == left > 0 and before in _sums(told.refunds, sale.body.amount):
        for use in uses_of(sale):
            yield postings_of_vend_failure(
                sale.body, share_of(sale.body, given, before), bearer=bearer_of(use, sale.resolved)
            )


def _sums(amounts: Iterable[int], cents_max: int) -> set[int]:
    """What some of these amounts can come to."""
    sums = {0}
    for amount in amounts:
        sums |= {before + amount for before in sums if before + amount <= cents_max}
    return sums


def _drawer(told: Told) -> Account:
    body = told.entry.body
    shift = body.number if isinstance(body, ShiftOpened) else told.entry.shift
    return drawer(told.tid, Tno(told.place[0]), ShiftNo(shift))


def _same(told: Told, stored: Postings, legs: Postings) -> bool:
    """Cash that became known after its drawer was counted was in what was counted."""
    if stored == legs:
        return True
    own = _drawer(told) if told.step is None else drawer(told.step.tid, told.step.id[0], told.step.shift)
    counted = tuple(replace(leg, account=difference_of(own)) if leg.account == own else leg for leg in legs)
    return told.is_counted and stored == counted
