"""Postings that no entry's own cause has: decisions about steps, money set aside, acts of people; pure.

What follows from a card step is made anew. Of what people did at desks the journals say nothing: it is only held
against itself, and told apart in the report.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import product

from protocol.entries import SaleStep, Stage
from server.auditor.meaning import Told, is_set_aside, situations, terms
from server.ingest.book import StepRow
from server.ledger.accounts import (
    ADOPTED,
    FUNDER,
    OPERATOR_LOSS,
    Account,
    AccountKind,
    Postings,
    difference_of,
    pending,
    pending_subsidy,
    purse,
    subsidy,
    suspense,
)
from server.ledger.rules import (
    Resolution,
    Use,
    postings_of_claim,
    postings_of_overtaken,
    postings_of_resolution,
    postings_of_share,
    postings_of_step,
    postings_of_vend_failure,
    reversed_postings,
    share_of,
)

OF_STEPS = frozenset({"lost", "resolve", "overtaken", "claim", "disputed", "refund"})
OF_ENTRIES = frozenset({"entry", "park", "unpark"})
UNDOING = frozenset({"unpark", "found"})
"""They take back what was posted under the rest of their name."""
OF_ACTS = frozenset({"movement", "correction", "count", "reversal"})
"""Each has a row in `act`."""
OF_DESKS = frozenset({"desk", "lapsed", "subsidy", "replace", "close", "payout", "release", "missing"})
OF_CARDS = frozenset({"hole", "token", "explained"})
KNOWN = OF_STEPS | OF_ENTRIES | UNDOING | OF_ACTS | OF_DESKS | OF_CARDS


@dataclass(frozen=True, slots=True)
class Around:
    """What a cause is judged by."""

    stored: Postings
    step: StepRow | None = None
    sold: StepRow | None = None
    told: Told | None = None
    undone: Postings | None = None
    """What was posted under the name that it takes back."""
    has_act: bool = False
    counted: Collection[str] = ()
    """Owners of drawers that were counted."""


def kind_of(cause: str) -> str:
    """The first word of a cause."""
    return cause.partition(":")[0]


def fault_of(cause: str, around: Around) -> str:
    """What is wrong with the postings of a cause that is no entry's; empty: nothing."""
    kind = kind_of(cause)
    if kind not in KNOWN:
        return f"is posted for {cause}, and nothing has such causes"
    if kind in OF_ACTS:
        return "" if around.has_act else f"is posted for {cause}, and no act of that name was booked"
    if kind in UNDOING:
        return _fault_of_undoing(cause, around)
    if kind == "park":
        if around.told is None:
            return f"is posted for {cause}, and there is no such entry"
        held = is_set_aside(around.told, around.stored)
        return "" if held else "the entry's money is not set aside as the rules say"
    if kind in OF_STEPS:
        if around.step is None:
            return f"is posted for {cause}, and there is no such card step"
        if not _is_said(kind, around.step):
            return f"is posted for {cause}, and the card step says nothing of it"
        held = any(legs == around.stored for legs in _of_step(kind, around.step, around))
        return "" if held else f"{cause} moves {_shown(around.stored)}, which does not follow from its card step"
    if kind in OF_CARDS:
        return (
            "" if _is_of_card(kind, cause, around.stored) else f"{cause} moves {_shown(around.stored)}: not its card's"
        )
    return ""


def _is_said(kind: str, step: StepRow) -> bool:
    said = {
        "resolve": step.resolved is not None,
        "overtaken": step.resolved is not None,
        "claim": step.claimed,
        "disputed": step.use is Use.DISPUTED,
        "lost": step.lost,
    }
    return said.get(kind, True)


def expected_of(kind: str, step: StepRow) -> Postings:
    """What the kept judgement of a step must have moved, if nothing stands there."""
    return next(iter(_of_step(kind, step, Around(()))), ())


def _shown(legs: Postings) -> str:
    return ", ".join(f"{leg.account} {leg.cents}" for leg in legs)


def _fault_of_undoing(cause: str, around: Around) -> str:
    name = cause.partition(":")[2]
    if around.undone is None:
        return f"takes back {name}, which was never posted"
    back = reversed_postings(around.undone)
    counted = tuple(
        replace(leg, account=difference_of(leg.account)) if _is_counted(leg.account, around) else leg for leg in back
    )
    return "" if around.stored in (back, counted) else f"does not take back what was posted for {name}"


def _is_counted(account: Account, around: Around) -> bool:
    return account.kind is AccountKind.DRAWER and account.owner in around.counted


def _of_step(kind: str, step: StepRow, around: Around) -> Iterator[Postings]:
    """What a decision about a step can have moved."""
    body, aside = step.body, suspense(*step.id)
    match kind:
        case "lost":
            yield from (postings_of_step(Stage.TORN, body, at) for at in situations(step, around.stored, (None,)))
        case "resolve":
            yield from _of_resolution(step, around)
        case "overtaken":
            for at in situations(step, around.stored, (None,)):
                yield postings_of_overtaken(body, replace(at, use=Use.FIRST))
        case "claim" if isinstance(body, SaleStep):
            yield postings_of_claim(body, aside)
            yield postings_of_vend_failure(body, share_of(body, body.amount), aside)
        case "disputed":
            for at in situations(step, around.stored, (step.resolved,)):
                yield reversed_postings(postings_of_step(Stage.SETTLED, body, replace(at, use=Use.BRANCH)))
        case "refund":
            for at in situations(step, around.stored, (step.resolved, Resolution.STUDENT, None)):
                yield from (postings_of_share(body, known) for known in terms(step, around.sold, at))
        case _:
            return


def _of_resolution(step: StepRow, around: Around) -> Iterator[Postings]:
    """What time had decided may have been decided otherwise since; a use may have become known since."""
    resolutions = [one for one in (step.resolved, Resolution.STUDENT) if one is not None]
    for at, resolution in product(situations(step, around.stored, (step.resolved,)), resolutions):
        for use in (at.use, Use.FIRST):
            yield postings_of_resolution(step.body, resolution, replace(at, use=use, resolved=resolution))


def _is_of_card(kind: str, cause: str, stored: Postings) -> bool:
    """Whether all legs are on accounts that such a posting may move, of the card that the cause names."""
    owner = cause.partition(":")[2].partition("@")[0]
    number, _, generation = owner.partition("/")
    if not (number.isdigit() and generation.isdigit()):
        return False
    key = (int(number), int(generation))
    own: set[Account] = {purse(key), subsidy(key)}  # type: ignore[arg-type]
    owed: set[Account] = {pending(key[0]), pending_subsidy(key[0])}  # type: ignore[arg-type]
    allowed = {"hole": own | {OPERATOR_LOSS}, "token": own | owed | {FUNDER}, "explained": owed | {ADOPTED}}[kind]
    return all(
        leg.account in allowed or (kind == "hole" and leg.account.kind is AccountKind.SUSPENSE) for leg in stored
    )
