"""Decide torn steps by other evidence than their own terminal's, and look again where better evidence comes later.

torn --all evidence agrees--> resolved
  \\--thirty days--> for the student --proven otherwise--> resolved as proven; what was given meanwhile is our loss
"""

from dataclasses import replace

from protocol.entries import LoadStep, SaleStep, Stage
from protocol.instants import BusinessDay
from protocol.money import Cents
from server.ingest.book import Book, CardStatus, CaseClass, StepId, StepRow
from server.ingest.on_tokens import debited_nothing
from server.ingest.steps import evidence, witnesses_of
from server.ingest.totals import adopt_load, has_lapsed, note_arrival
from server.ledger.accounts import Postings, drawer, suspense
from server.ledger.rules import (
    Resolution,
    Situation,
    Use,
    postings_of_overtaken,
    postings_of_resolution,
    postings_of_step,
    reversed_postings,
)

_SETTLED_OTHERWISE = (Use.FALLBACK, Use.FORGOTTEN, Use.RELEASED)


def decide_by(book: Book, torn: StepRow, witnesses: list[StepRow], day: BusinessDay) -> None:
    """Resolve a torn step where all evidence agrees; contradicting evidence opens a case and posts nothing."""
    if debited_nothing(torn.body, torn.stage):
        resolve(book, torn, Resolution.NOT_ON_CARD, day)
        return
    said = {verdict for witness in witnesses if (verdict := evidence(torn, witness)) is not None}
    if len(said) > 1:
        book.open_case(CaseClass.CONTRADICTION, torn.card, torn.id, torn.body.amount, "taps contradict one another")
    elif said:
        resolve(book, torn, said.pop(), day)


def resolve(book: Book, step: StepRow, resolution: Resolution, day: BusinessDay) -> None:
    """Decide a torn step, once. The caller has the proof, or the thirty days are over."""
    assert step.undecided
    if step.stage is Stage.PREPARED:
        book.post(f"lost:{name_of(step.id)}", day, postings_of_step(Stage.TORN, step.body, situation_of(step)))
    borne = book.debited(step)
    if resolution is Resolution.ON_CARD:
        reverse_provisional(book, step, day)
    adopted = adopt_load(book, step, step.body) if resolution is Resolution.ON_CARD else Cents(0)
    step.resolved = resolution
    if book.cards[step.card].status is CardStatus.RELEASED and not borne:
        step.use = Use.RELEASED
    lapsed = has_lapsed(book.cards[step.card], step.body)
    situation = replace(situation_of(step, step.use or Use.FIRST), adopted_cents=adopted, lapsed=lapsed)
    book.post(f"resolve:{name_of(step.id)}", day, postings_of_resolution(step.body, resolution, situation))
    if isinstance(step.body, SaleStep) and resolution is not Resolution.NOT_ON_CARD:
        text = (
            "the card was debited and nothing handed over" if resolution is Resolution.ON_CARD else "no proof in time"
        )
        book.open_case(CaseClass.DEBITED_NOT_DELIVERED, step.card, step.id, step.body.amount, text)
    if resolution is Resolution.ON_CARD:
        note_arrival(book.cards[step.card], step)


def reconsider(book: Book, decided: StepRow, witness: StepRow, day: BusinessDay) -> None:
    """A tap says something else than what was decided: people look at it, and what time alone had decided is mended."""
    said = evidence(decided, witness)
    earlier = (evidence(decided, other) for other in witnesses_of(book, decided) if other is not witness)
    if said is not None and said not in earlier:
        contradict(book, decided, said, day)


def contradict(book: Book, decided: StepRow, said: Resolution, day: BusinessDay) -> bool:
    """Something is proven of a decided step; whether that is another thing than what was decided."""
    if said in (decided.resolved, _seen_as(decided)) or decided.use in _SETTLED_OTHERWISE:
        return False
    by_time, decided_as = decided.resolved is Resolution.STUDENT, decided.resolved
    if by_time:
        _overtake(book, decided, said, day)
    text = f"decided as {decided_as}, and a tap proves {said}" + (": what was given is our loss" if by_time else "")
    cls = CaseClass.TORN if by_time else CaseClass.CONTRADICTION
    book.open_case(cls, decided.card, decided.id, decided.body.amount, text)
    return True


def reverse_provisional(book: Book, step: StepRow, day: BusinessDay) -> None:
    """The entry of a step that was posted from the card's chain has been found: take that posting back.

    Another use of the same counter takes nothing back: the posting stands for the step with its own mark.
    """
    at = (step.card, step.counter_after)
    cause = book.provisional.get(at)
    if cause is not None and book.stands_for(cause, step):
        del book.provisional[at]
        book.post(f"found:{cause}", day, reversed_postings(book.posted[cause].postings))


def situation_of(
    step: StepRow, use: Use = Use.FIRST, given_back: Postings = (), *, was_torn: bool = False
) -> Situation:
    """What the ledger must know of a step."""
    aside, cash = suspense(*step.id), drawer(step.tid, step.id[0], step.shift)
    return Situation(cash, aside, use, step.resolved, given_back=given_back, was_torn=was_torn)


def name_of(step: StepId) -> str:
    """A step in the names of causes."""
    return ".".join(map(str, step))


def _seen_as(decided: StepRow) -> Resolution | None:
    """What the holder's favour took to be true: a sale was paid, a credit had not arrived."""
    if decided.resolved is not Resolution.STUDENT:
        return None
    return Resolution.ON_CARD if isinstance(decided.body, SaleStep) else Resolution.NOT_ON_CARD


def _overtake(book: Book, decided: StepRow, proven: Resolution, day: BusinessDay) -> None:
    card = book.cards[decided.card]
    situation = replace(
        situation_of(decided),
        resolved=None,
        adopted_cents=adopt_load(book, decided, decided.body),
        lapsed=has_lapsed(card, decided.body),
    )
    decided.resolved = proven
    book.post(f"overtaken:{name_of(decided.id)}", day, postings_of_overtaken(decided.body, situation))
    if isinstance(decided.body, LoadStep):
        note_arrival(card, decided)
