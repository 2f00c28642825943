"""Torn steps that no single tap decided: by the card's own chain of marks, at last in favour of its holder.

    torn --marks lead from it up to a step that counts--> resolved
      \\--thirty days without proof--> resolved for the student

A step whose own word is missing (open, torn, a PIN try) is on the card for certain once a later step that counts builds
on its mark; what it was built on itself is proven with it (SPEC, "Open, torn, recovered").
"""

from protocol.entries import Stage
from protocol.instants import DAY_MS, BusinessDay, UtcMs
from server.ingest.book import Book, Reached, StepRow
from server.ingest.posting import resolve
from server.ingest.steps import said_by, step_below, witnesses_of
from server.ledger.rules import ON_CARD, Resolution

IN_FAVOUR_AFTER_MS = 30 * DAY_MS
CHAIN_STEPS_MAX = 8
"""So many steps with a missing word may lie between a torn one and the step that proves it."""


def decide_late(book: Book, torn: StepRow, now: UtcMs, day: BusinessDay) -> bool:
    """Decide a torn step by the chain of marks above it, or because its time is over; whether it is decided now."""
    witnesses = (step for step in witnesses_of(book, torn) if _is_on_card(book, step, CHAIN_STEPS_MAX))
    said = {verdict for witness in witnesses if (verdict := said_by(witness, torn)) is not None}
    if len(said) == 1:
        resolve(book, torn, said.pop(), day)
    elif now - torn.torn_at > IN_FAVOUR_AFTER_MS:
        resolve(book, torn, Resolution.STUDENT, day)
    return not torn.undecided


def counters_above(torn: StepRow) -> set[Reached]:
    """The counters whose steps can be part of that chain."""
    return {(torn.card, counter) for counter in range(torn.counter, torn.counter_after + CHAIN_STEPS_MAX + 2)}


def _is_on_card(book: Book, step: StepRow, steps_left: int) -> bool:
    if step.resolved is Resolution.ON_CARD or (step.stage is Stage.SETTLED and step.use in ON_CARD):
        return True
    if step.stage in (Stage.SETTLED, Stage.VOIDED) or not steps_left:
        return False
    above = (other for other in book.steps_at(step.card, step.counter_after + 1) if step_below(book, other) is step)
    return any(_is_on_card(book, other, steps_left - 1) for other in above)
