"""From what one card shows to classified findings: its links, its undecided steps, its special steps, its cases."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from protocol.entries import Operation
from protocol.ids import TerminalId
from server.ingest.book import CardStatus, CaseClass
from server.ingest.waiting import INCONSISTENT, SECOND_OUTCOME
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import CardFacts, CaseFact, Difference, Finding, MoveReason, Parked, StepFact
from server.reconcile.links import Filler, FillerKind, Filling, Link, fill
from server.reconcile.silence import Silence, Word, ids_of, lost

TERMINALS_NAMED_MAX = 16
"""A finding names at most so many silent terminals."""

_CORRECTED_FIRST = (
    Difference.HOLE,
    Difference.GAP,
    Difference.CARD_ABOVE_LEDGER,
    Difference.BALANCE_CONTRADICTION,
    Difference.CHAIN_BREAK,
    Difference.FORK,
    Difference.OVERDUE,
    Difference.TORN,
    Difference.SILENT_TILL,
    Difference.SILENT_LOADER,
)
"""Which shares a correction is taken to be about, in this order."""
_CASES = {
    CaseClass.CONTRADICTION: Difference.BALANCE_CONTRADICTION,
    CaseClass.TORN: Difference.TORN,
    CaseClass.LOAD_UNMATCHED: Difference.LOAD_UNMATCHED,
    CaseClass.CHAIN_FORK: Difference.CHAIN_BREAK,
    CaseClass.OVER_REFUND: Difference.DUPLICATE,
    CaseClass.PURSE_UNREADABLE: Difference.PURSE_UNREADABLE,
}
"""Cases that steps do not show by themselves."""


def findings_of_link(card: CardFacts, link: Link, silence: Silence, shares: dict[Filler, int]) -> list[Finding]:
    """Fill one broken link: shares of what fills it are noted in `shares`, what is left over is classified."""
    filling = fill(link, lambda way: bool(silence.movers(link, way)))
    shares.update(filling.made)
    if not filling.missing and not filling.rest_cents and filling.made:
        return []
    cls, text, terminals = _class_of_rest(card, link, filling, silence)
    at = link.after.step
    assert at is not None
    named = tuple(sorted(set(terminals)))[:TERMINALS_NAMED_MAX]
    rest = filling.rest_cents
    return [Finding(cls, rest, rest, text, card.key, link.after.counter, at.day, ids_of(link), named)]


def findings_of_filler(card: CardFacts, filler: Filler, share_cents: int) -> list[Finding]:
    """An undecided step: what the card shows of it, against what the ledger shows of it already."""
    cls, text = _class_of_filler(filler)
    if cls is None:
        return []
    steps = () if filler.id is None else (filler.id,)
    day = next((step.day for step in card.steps if step.id == filler.id), card.day_of(filler.cause))
    return [
        Finding(
            cls,
            share_cents - filler.ledger_cents,
            filler.cents,
            text,
            card.key,
            filler.counter_after,
            day,
            steps,
            (filler.tid,) if filler.tid else (),
            (filler.cause,) if filler.cause else (),
        )
    ]


def findings_of_steps(card: CardFacts, path: Sequence[StepFact]) -> list[Finding]:
    """Steps that are decided and still worth a line: forks, forgotten uses, branches, debits nobody got goods for."""
    on_path = {step.id: step for step in path}
    beside = {step.counter_after: step for step in path}
    found: list[Finding] = []
    for step in card.steps:
        share = (step.cents if step.id in on_path else 0) - step.ledger_cents
        if step.undecided or not step.touches_card:
            continue
        cls, text = _class_of_step(step, share)
        if cls is None:
            continue
        other = beside.get(step.counter_after)
        ids = (step.id,) if other is None or other is step else (step.id, other.id)
        found.append(Finding(cls, share, step.cents, text, card.key, step.counter_after, step.day, ids, (step.tid,)))
    return found


def findings_of_token(card: CardFacts) -> list[Finding]:
    """A token shows nothing but its name: what was sold twice for one proof, and cases."""
    text = "another sale is settled by what it had shown"
    forks = [step for step in card.steps if step.use is Use.FORK]
    return [
        *(Finding(Difference.FORK, 0, one.cents, text, card.key, 0, one.day, (one.id,), (one.tid,)) for one in forks),
        *findings_of_cases(card),
    ]


def findings_of_cases(card: CardFacts) -> list[Finding]:
    """What ingest noticed about the card, and second outcomes that it set aside."""
    found = [
        Finding(Difference.DUPLICATE, 0, entry.cents, entry.why, card.key, 0, entry.day, (entry.id,), (entry.tid,))
        for entry in card.parked
        if is_second_outcome(entry)
    ]
    cases = {(case.cls, case.step): case for case in card.cases}.values()
    is_gone = card.status in (CardStatus.CLOSED, CardStatus.RELEASED)
    unreadable = False
    for case in cases:
        finding = finding_of_case(case)
        if finding is None:
            continue
        if finding.cls is Difference.PURSE_UNREADABLE:
            if not unreadable and not is_gone:
                found.append(replace(finding, amount=card.ledger_cents))
            unreadable = True
            continue
        found.append(finding)
    return found


def finding_of_case(case: CaseFact) -> Finding | None:
    """A case as a finding; None where the steps themselves show it."""
    cls = _CASES.get(case.cls)
    if cls is None:
        return None
    return Finding(cls, 0, case.cents, case.text, case.card, 0, case.day, (case.step,))


def corrected(card: CardFacts, findings: list[Finding]) -> list[Finding]:
    """Take what two people posted from the shares it corrects; what it overshoots is a difference of its own."""
    moves = [move for move in card.moves if move.reason is MoveReason.CORRECTION]
    rest = sum(move.cents for move in moves)
    if not moves:
        return findings
    settled = list(findings)
    for cls in _CORRECTED_FIRST:
        for index, finding in enumerate(settled):
            if finding.cls is cls and rest and finding.cents and (finding.cents < 0) == (rest < 0):
                part = max(finding.cents, rest) if rest < 0 else min(finding.cents, rest)
                settled[index] = replace(finding, cents=finding.cents - part, text=f"{finding.text}; corrected")
                rest -= part
    if rest:
        cls = Difference.GAP if rest > 0 else Difference.CARD_ABOVE_LEDGER
        causes, day = tuple(move.cause for move in moves), max(move.day for move in moves)
        text = "a correction of more than the difference"
        settled.append(Finding(cls, -rest, -rest, text, card.key, 0, day, causes=causes))
    return settled


def told_apart(findings: Iterable[Finding]) -> list[Finding]:
    """Count findings in one class about the very same: each has a key of its own."""
    seen, found = Counter[str](), list[Finding]()
    for finding in findings:
        found.append(replace(finding, place=seen[finding.key]))
        seen[finding.key] += 1
    return found


def is_second_outcome(entry: Parked) -> bool:
    """Whether an entry was set aside because its step had an outcome already."""
    return entry.why == SECOND_OUTCOME


def _class_of_rest(
    card: CardFacts, link: Link, filling: Filling, silence: Silence
) -> tuple[Difference, str, list[TerminalId]]:
    if not link.missing:
        if any(step.use is Use.FORK and _reaches(step, link) for step in card.steps):
            return Difference.FORK, "the balance is that of a second use of this counter", []
        return Difference.BALANCE_CONTRADICTION, "the same counter, and another balance", []
    words = silence.words_on(link, filling)
    denied = [tno for word, tno in words if word is Word.DENIED]
    if denied and any(step.use is Use.FORK and _is_named(step, link) for step in card.steps):
        return Difference.FORK, "it builds on a second use of a counter", []
    if denied or not filling.missing:
        text = "the card was written, its terminal says it was not" if denied else "no step is missing, but money is"
        return Difference.BALANCE_CONTRADICTION, text, silence.named(denied)
    breaks = [tno for word, tno in words if word is Word.SECOND_HISTORY]
    if breaks:
        text = "the card names an entry that is held and says something else"
        return Difference.CHAIN_BREAK, text, silence.named(breaks)
    holes = [tno for word, tno in words if word is Word.IN_HOLE]
    if holes:
        return Difference.HOLE, "the card names an entry that never came", silence.named(holes)
    movers = silence.movers(link, filling)
    if movers:
        return (*_class_of_silence(link, filling, silence, lost(movers)), [mover.tid for mover in movers])
    if filling.rest_cents > 0:
        return Difference.CARD_ABOVE_LEDGER, "value that no terminal can have brought", []
    return Difference.GAP, "steps that no silent terminal explains", []


def _class_of_silence(link: Link, filling: Filling, silence: Silence, are_lost: bool) -> tuple[Difference, str]:
    if are_lost:
        return Difference.HOLE, "made at a terminal that was declared lost"
    if silence.terms.as_of - link.after.at > silence.terms.overdue_after_ms:
        return Difference.OVERDUE, "a terminal has been silent for too long"
    if filling.rest_cents > 0:
        return Difference.SILENT_LOADER, "value from a terminal that has not reported past this tap"
    return Difference.SILENT_TILL, "spent at a terminal that has not reported past this tap"


def _class_of_filler(filler: Filler) -> tuple[Difference | None, str]:
    match filler.kind:
        case FillerKind.OPEN:
            return Difference.OPEN, "prepared, its terminal has not said how it ended"
        case FillerKind.TORN if filler.decided_by_time:
            return Difference.TORN, "torn, decided for its holder when the time was over"
        case FillerKind.TORN:
            return Difference.TORN, "torn, and no later tap proves what became of it"
        case FillerKind.HOLE:
            return Difference.HOLE, "booked provisionally from the card's chain"
        case FillerKind.PARKED if filler.why.startswith(INCONSISTENT):
            return Difference.BALANCE_CONTRADICTION, filler.why
        case FillerKind.PARKED:
            return Difference.HOLE, f"kept and not booked: {filler.why}"
        case _:
            return None, ""


def _class_of_step(step: StepFact, share_cents: int) -> tuple[Difference | None, str]:
    if step.use is Use.FORK:
        return Difference.FORK, "a second use of this counter"
    if step.use is Use.FORGOTTEN:
        return Difference.FALLBACK, "the card forgot this step; exchange it"
    if step.use is Use.RELEASED:
        return Difference.OVERDUE, "it came after the card's rest was paid out"
    if step.use is Use.DISPUTED:
        return Difference.CHAIN_BREAK, "on a second history of its terminal, and the card made another step"
    if step.use is Use.BRANCH and not step.claimed:
        return Difference.CHAIN_BREAK, "on a second history of its terminal, no tap confirms it yet"
    if share_cents and step.resolved is Resolution.STUDENT:
        return Difference.TORN, "decided by time for its holder, and its terminal says otherwise"
    if step.operation is Operation.SALE and step.resolved in (Resolution.ON_CARD, Resolution.STUDENT):
        return Difference.DEBITED_NOT_DELIVERED, "debited and not handed over: credited to its holder"
    if share_cents:
        return Difference.BALANCE_CONTRADICTION, "booked, and not on the card's path"
    return None, ""


def _reaches(step: StepFact, link: Link) -> bool:
    after = link.after
    return (step.counter_after, step.main_after, step.subsidy_after) == (after.counter, after.main, after.subsidy)


def _is_named(step: StepFact, link: Link) -> bool:
    seen = link.marks().get(step.counter_after)
    return seen is not None and (seen.tno, seen.seq) == (step.id[0], step.id[2])
