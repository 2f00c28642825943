"""Reconciliation proves, it does not repair: every cent between cards and ledger gets one class, with evidence.

For one plastic card (card, generation):

    difference = balance the card last showed - (ledger purses - what the card office took over), main + subsidy
               = sum of the shares below, exactly

The card's *path* is what it is proven to have made: settled uses FIRST, FALLBACK, BRANCH, RELEASED, and torn steps
proven ON_CARD. By counter, each step must begin where the one before it ended. A link that does not is filled with
what is known to be undecided (`links.py`); the rest is somebody's who has not reported (`silence.py`), or nobody's.

    class                    when, and its share of the difference
    open                     prepared, no outcome from its own terminal: what the card shows of it, within [b-a, b]
    torn                     torn, no proof: the same; decided by time for the student: the guess against the card
    silent_till              rest <= 0 and a silent terminal can have debited it
    silent_loader            rest > 0 and a silent terminal can have credited it (loads, or its own last sale back)
    overdue                  either of these for more than 7 days; also a debit after a replaced card was paid out
    hole                     only terminals declared lost can have; provisional postings; entries kept but not booked
    chain_break              the card names an entry that is held and says otherwise; a branch; an unconfirmed sale
    balance_contradiction    no counter is missing and the balance is another; figures or taps contradict one another
    fork                     a second use of a counter that nothing excuses (booked: fraud loss), and what built on it
    fallback                 the use that the card forgot (booked: operator loss); share 0
    gap                      rest <= 0 and nobody silent explains it
    card_above_ledger        rest > 0 and nobody silent explains it: alarm, no load until it is solved
    debited_not_delivered    torn, proven on the card, credited to its holder; share 0
    duplicate                audit only: a second outcome, a refund above its sale; share 0
    purse_unreadable         no slot of the card is valid; share 0, the ledger's balance is what it is about
    load_unmatched           the card had collected what the server did not know (booked: clearing); share 0
    shift_difference, provider_difference: counted or documented against booked (`float_proof.py`); no card's share
    refused                  a terminal refused what may be a trick (`refusals.py`); share 0, and no card is accused
    ledger_broken            the ledger contradicts itself: alarm; share 0

Silence excuses neither forks nor authentication failures: both are decided before it is asked. A posting of two people
takes from the shares it corrects; what it overshoots is a gap or above the ledger again (SPEC, "Reconciliation").
"""

from collections.abc import Iterable, Iterator, Sequence

from protocol.ids import Tno
from protocol.money import Cents, format_cents
from protocol.purse import Technology
from server.ingest.book import Case, StepId
from server.reconcile.facts import (
    ALARMS,
    COUNTED,
    LASTING,
    Campus,
    CardFacts,
    CardProof,
    Difference,
    Finding,
    Move,
    MoveReason,
    ShiftFact,
    StepFact,
    Terms,
    Unbalanced,
)
from server.reconcile.findings import (
    corrected,
    finding_of_case,
    findings_of_cases,
    findings_of_filler,
    findings_of_link,
    findings_of_steps,
    findings_of_token,
    is_second_outcome,
    told_apart,
)
from server.reconcile.links import Filler, Link, State, fillers_of
from server.reconcile.refusals import findings_of_refusals
from server.reconcile.rows import rows_of as rows_of
from server.reconcile.silence import Silence


def prove_cards(cards: Iterable[CardFacts], campus: Campus, terms: Terms) -> Iterator[CardProof]:
    """Prove card after card; nothing is remembered between two."""
    by_tno = {terminal.tno: terminal for terminal in campus.terminals}
    for card in cards:
        yield prove_card(card, Silence(card, campus.terminals, terms, by_tno, campus.holes))


def prove_card(card: CardFacts, silence: Silence) -> CardProof:
    """Classify every cent between what one card shows and what the ledger says. A token shows nothing but its name."""
    if card.technology == Technology.TOKEN:
        return CardProof(card.key, 0, tuple(told_apart(findings_of_token(card))))
    path = path_of(card.steps)
    opening = sum(move.cents for move in card.moves if move.reason is MoveReason.OPENING)
    taken_over = sum(move.cents for move in card.moves if move.reason is MoveReason.OFF_CARD)
    parked = [entry for entry in card.parked if not is_second_outcome(entry)]
    fillers = fillers_of(card.steps, parked, _live_holes(card.moves))
    links = links_of(State(0, opening, 0), path, card.steps, fillers)
    findings: list[Finding] = []
    shares: dict[Filler, int] = {}
    for link in links:
        if not link.joined:
            findings += findings_of_link(card, link, silence, shares)
    for filler in fillers:
        findings += findings_of_filler(card, filler, shares.get(filler, 0))
    findings += findings_of_steps(card, path)
    findings += findings_of_cases(card)
    findings = corrected(card, findings)
    shown = links[-1].after.cents if links else opening
    return CardProof(card.key, shown - (card.ledger_cents - taken_over), tuple(told_apart(findings)))


def path_of(steps: Sequence[StepFact]) -> list[StepFact]:
    """What the card is proven to have made, by counter; of two for one counter the one the ledger shows."""
    proven = [step for step in steps if step.settled_on_card]
    path: list[StepFact] = []
    for step in sorted(proven, key=lambda step: (step.counter_after, not step.ledger_cents, step.id)):
        if not path or path[-1].counter_after < step.counter_after:
            path.append(step)
    return path


def links_of(
    opening: State, path: Sequence[StepFact], steps: Sequence[StepFact], fillers: Sequence[Filler]
) -> list[Link]:
    """The path as links between neighbouring known states, the newest mere reading at its end."""
    links: list[Link] = []
    before = opening
    for step in path:
        links.append(_link(before, _before(step), fillers))
        before = State(step.counter_after, step.main_after, step.subsidy_after, step.at, step)
    beyond = [step for step in steps if _is_reading(step) and step.counter > before.counter]
    if beyond:
        newest = max(beyond, key=lambda step: (step.counter, step.at, step.id))
        links.append(_link(before, _before(newest), fillers))
    elif path:
        links.append(Link(before, before))
    return links


def prove_campus(campus: Campus) -> list[Finding]:
    """What is no card's difference: drawers, chains, refused tricks."""
    findings = [_of_shift(shift) for shift in campus.shifts if shift.cents]
    for hole in campus.holes:
        text, cause = f"entries {hole.first} to {hole.last} never came", f"{hole.tno}:{hole.first}-{hole.last}"
        findings.append(Finding(Difference.HOLE, 0, 0, text, day=hole.day, terminals=(hole.tid,), causes=(cause,)))
    cases = {(case.cls, case.step): case for case in campus.cases}.values()
    findings += (finding for case in cases if (finding := finding_of_case(case)) is not None)
    return [*findings, *findings_of_refusals(campus.refusals)]


def prove_ledger(unbalanced: Iterable[Unbalanced]) -> list[Finding]:
    """What the ledger says against itself: nobody but a broken program or a hand in the database can have done it."""
    return [
        Finding(
            Difference.LEDGER_BROKEN,
            0,
            row.cents,
            "the postings of one cause do not sum to zero" if row.cause else "its kept balance is not what was posted",
            row.card,
            causes=(row.cause,) if row.cause else (),
        )
        for row in unbalanced
    ]


def alarms_of(findings: Iterable[Finding]) -> list[tuple[Case, bool]]:
    """The cases that findings open, and whether one that was closed is opened again."""
    return [
        (Case(ALARMS[found.cls], found.card, place_of(found), Cents(found.amount), found.text), found.cls in LASTING)
        for found in findings
        if found.cls in ALARMS and (found.cls is not Difference.CARD_ABOVE_LEDGER or found.cents)
    ]


def counted_of(findings: Iterable[Finding]) -> list[Case]:
    """The case that each count or document has which differs from the books."""
    return [
        Case(COUNTED[found.cls], None, place_of(found), Cents(found.amount), found.text, found.about)
        for found in findings
        if found.about
    ]


def place_of(found: Finding) -> StepId:
    """The entry that a case about a finding names."""
    return found.steps[0] if found.steps else (Tno(0), 0, 0)


def _of_shift(shift: ShiftFact) -> Finding:
    off = f"{format_cents(abs(shift.cents))} too {'much' if shift.cents > 0 else 'little'}"
    text, count = f"shift {shift.shift}: in the drawer of {shift.tid} is {off}", shift.count
    if count is not None:
        said, expected = format_cents(count.cents), format_cents(count.cents - shift.cents)
        who = f"{count.staff or 'somebody'} at {shift.tid}"
        text = f"shift {shift.shift}: {who} counted {said} where the books expected {expected}: {off}"
    return Finding(
        Difference.SHIFT_DIFFERENCE,
        0,
        shift.cents,
        text,
        day=shift.day,
        steps=(count.id,) if count else (),
        terminals=(shift.tid,),
        causes=shift.causes,
        about=str(shift.account),
    )


def _link(before: State, after: State, fillers: Sequence[Filler]) -> Link:
    between = (filler for filler in fillers if before.counter < filler.counter_after <= after.counter)
    return Link(before, after, tuple(between))


def _before(step: StepFact) -> State:
    return State(step.counter, step.main, step.subsidy, step.at, step)


def _is_reading(step: StepFact) -> bool:
    """Whether a step says where the card stood without proving where it went: prepared, voided, torn."""
    return step.touches_card and step.use is None


def _live_holes(moves: Sequence[Move]) -> list[Move]:
    """Provisional postings that no found entry has taken back yet."""
    taken_back = {move.cause.removeprefix("found:") for move in moves if move.cause.startswith("found:")}
    return [
        move
        for move in moves
        if move.reason is MoveReason.HOLE and not move.cause.startswith("found:") and move.cause not in taken_back
    ]
