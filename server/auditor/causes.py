"""Postings that no entry's own cause has: decisions about steps, and what cards show by themselves; pure.

Each is made anew from card steps and cards. What is set aside for entries is judged by `parking.py`, what people did
by `people.py`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from protocol.entries import SaleStep, Stage
from protocol.ids import CardKey, CardNo, Generation, Tno
from protocol.purse import Technology
from server.auditor.meaning import situations, terms
from server.auditor.people import OF_ACTS, OF_DESKS
from server.auditor.rules import Row
from server.ingest.book import StepRow
from server.ingest.steps import seen_at
from server.ledger.accounts import (
    ADOPTED,
    FUNDER,
    OPERATOR_LOSS,
    Account,
    AccountKind,
    Postings,
    balanced,
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
UNDOING = frozenset({"unpark", "found", "reversal"})
"""They take back what was posted under the rest of their name."""
OF_CARDS = frozenset({"hole", "token", "explained"})
KNOWN = OF_STEPS | OF_ENTRIES | UNDOING | OF_ACTS | OF_DESKS | OF_CARDS
_OF_CARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)@([1-9][0-9]*)")

Numbered = tuple[CardKey, int]
"""A card, and the number behind it in the name of a cause."""


@dataclass(frozen=True, slots=True)
class Cards:
    """What is kept of cards that causes name."""

    rows: Mapping[CardKey, Row] = field(default_factory=dict[CardKey, Row])
    near: Mapping[Numbered, tuple[StepRow, ...]] = field(default_factory=dict[Numbered, tuple[StepRow, ...]])
    """By card and counter, of steps posted from a hole: all steps of the card that are next to that counter."""
    found: Collection[str] = ()
    """Of what was posted from holes what was taken back: the causes of that."""
    with_holes: Collection[int] = ()
    """Chains of which a hole was booked."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a decision about a step is judged by."""

    stored: Postings
    step: StepRow | None = None
    sold: StepRow | None = None


def kind_of(cause: str) -> str:
    """The first word of a cause."""
    return cause.partition(":")[0]


def undone_by(cause: str) -> str:
    """`unpark:7.0.3` takes back `park:7.0.3`, `found:hole:7/1@3` takes back `hole:7/1@3`."""
    kind, _, name = cause.partition(":")
    return f"park:{name}" if kind == "unpark" else name


def card_of(cause: str) -> Numbered | None:
    """The card in the name of a cause, and the number behind it; None: none, or not as we write it."""
    found = _OF_CARD.fullmatch(cause.partition(":")[2])
    return ((CardNo(int(found[1])), Generation(int(found[2]))), int(found[3])) if found else None


def fault_of_step(cause: str, around: Around) -> str:
    """What is wrong with the postings of a decision about a card step; empty: nothing."""
    kind = kind_of(cause)
    if around.step is None:
        return f"is posted for {cause}, and there is no such card step"
    if not _is_said(kind, around.step):
        return f"is posted for {cause}, and the card step says nothing of it"
    if any(legs == around.stored for legs in _of_step(kind, around.step, around)):
        return ""
    return f"{cause} moves {shown(around.stored)}, which does not follow from its card step"


def fault_of_card(cause: str, stored: Postings, cards: Cards) -> str:
    """What is wrong with what a card's own purse or memory made the server post."""
    named = card_of(cause)
    row = cards.rows.get(named[0]) if named else None
    if named is None or row is None:
        return f"is posted for {cause}, and there is no such card"
    if not stored or not any(legs == stored for legs in _of_card(kind_of(cause), named, stored, row, cards)):
        return f"{cause} moves {shown(stored)}: not what its card shows"
    is_kept = kind_of(cause) == "hole" and f"found:{cause}" not in cards.found
    if is_kept and any(step.stage is Stage.SETTLED for step in _steps_found(cause, stored, cards)):
        return f"{cause} moves {shown(stored)}, and that is not taken back, although its entry is here"
    return ""


def fault_of_finding(cause: str, undone: Postings | None, cards: Cards) -> str:
    """What is wrong with taking back what was posted from a hole, but for the amounts."""
    name = undone_by(cause)
    if kind_of(name) != "hole":
        return f"takes back {name}, and only what was posted from a hole is ever found"
    steps = _steps_found(name, undone or (), cards)
    if undone is not None and not any(step.stage is Stage.SETTLED or step.resolved for step in steps):
        return f"takes back {name}, and no entry of that card step was found"
    return ""


def _steps_found(hole: str, legs: Postings, cards: Cards) -> list[StepRow]:
    """The card steps that have the mark of a step that was posted from a hole."""
    named = card_of(hole)
    aside = {leg.account for leg in legs}
    near = cards.near.get(named, ()) if named else ()
    return [
        step
        for step in near
        if named and step.counter_after == named[1] and suspense(step.id[0], 0, step.id[2]) in aside
    ]


def fault_of_undoing(cause: str, stored: Postings, undone: Postings | None, counted: Collection[str]) -> str:
    """What is wrong with taking back, but for reversals, what was posted under another name."""
    name = undone_by(cause)
    if undone is None:
        return f"takes back {name}, which was never posted"
    back = reversed_postings(undone)
    gone = tuple(
        replace(leg, account=difference_of(leg.account)) if _is_counted(leg.account, counted) else leg for leg in back
    )
    return "" if stored in (back, gone) else f"does not take back what was posted for {name}"


def expected_of(kind: str, step: StepRow) -> Postings:
    """What the kept judgement of a step must have moved, if nothing stands there."""
    return next(iter(_of_step(kind, step, Around(()))), ())


def shown(legs: Postings) -> str:
    """As people read it."""
    return ", ".join(f"{leg.account} {leg.cents}" for leg in legs)


def _is_said(kind: str, step: StepRow) -> bool:
    said = {
        "resolve": step.resolved is not None,
        "overtaken": step.resolved in (Resolution.ON_CARD, Resolution.NOT_ON_CARD),
        "claim": step.claimed,
        "disputed": step.use is Use.DISPUTED,
        "lost": step.lost,
    }
    return said.get(kind, True)


def _is_counted(account: Account, counted: Collection[str]) -> bool:
    return account.kind is AccountKind.DRAWER and account.owner in counted


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


def _of_card(kind: str, named: Numbered, stored: Postings, row: Row, cards: Cards) -> Iterator[Postings]:
    """By how much the card's own purses moved, what that must have moved elsewhere."""
    key, number = named
    own, granted = purse(key), subsidy(key)
    if kind == "explained":
        part = _sum(stored, ADOPTED)
        if 0 < part <= number <= row["explained_cents"]:
            yield balanced((pending(key[0]), -part), (ADOPTED, part))
    elif kind == "token":
        main, given, left = _sum(stored, own), -_sum(stored, pending_subsidy(key[0])), _sum(stored, FUNDER)
        if min(main, given, left) >= 0 and number <= row["load_seq"] and row["technology"] == Technology.TOKEN:
            yield balanced(
                (pending(key[0]), -main), (own, main), (pending_subsidy(key[0]), -given), (granted, given - left),
                (FUNDER, left),
            )  # fmt: skip
    else:
        near = cards.near.get(named, ())
        for witness in near:
            yield from _of_hole(witness, number, near, cards.with_holes)


def _of_hole(
    witness: StepRow, counter: int, near: Collection[StepRow], with_holes: Collection[int]
) -> Iterator[Postings]:
    """What a later step of the card shows of the one below it, whose entry is missing."""
    seen = seen_at(witness.last, counter) if witness.counter == counter else None
    if seen is None or seen.tno not in with_holes or witness.stage is not Stage.SETTLED:
        return
    body, mark = witness.body, (seen.tno, seen.seq)
    before = {(body.main - seen.amount, int(body.subsidy))}
    for step in near:
        if step.counter_after == counter and (step.id[0], step.id[2]) == mark:
            before.add((int(step.body.main), int(step.body.subsidy)))
        if step.counter_after == counter - 1:
            before.add((int(step.body.main_after), int(step.body.subsidy_after)))
    other = seen_at(witness.last, counter - 1)
    if other is not None:
        before.add((int(other.main), int(other.subsidy)))
    for main, granted in sorted(before):
        moved, given = body.main - main, body.subsidy - granted
        aside = (suspense(Tno(seen.tno), 0, seen.seq), -moved - given)
        yield balanced((purse(witness.card), moved), (subsidy(witness.card), given), aside)
        yield balanced((OPERATOR_LOSS, moved), (OPERATOR_LOSS, given), aside)


def _sum(legs: Postings, account: Account) -> int:
    return sum(leg.cents for leg in legs if leg.account == account)
