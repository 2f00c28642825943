"""What no single tap decided: by the card's own chain of marks, torn steps at last in favour of the card's holder.

    torn --------------------marks lead from it up to a step that counts--> resolved
      \\-----------------------------thirty days without proof--> resolved for the student (no second history's)
    sold on a second history --marks lead from it up to such a step--> the merchant is paid

A step whose own word is missing (open, torn, a PIN try) is on the card for certain once a later step that counts builds
on its mark; what it was built on itself is proven with it (SPEC, "Open, torn, recovered").
"""

from protocol.entries import Stage
from protocol.instants import DAY_MS, BusinessDay, UtcMs
from server.ingest.book import Book, Reached, StepRow
from server.ingest.deciding import contradict, resolve
from server.ingest.posting import claim
from server.ingest.steps import said_by, step_below, witnesses_of
from server.ledger.rules import Resolution

IN_FAVOUR_AFTER_MS = 30 * DAY_MS
CHAIN_STEPS_MAX = 8
"""So many steps with a missing word may lie between one and the step that proves it."""


def decide_late(book: Book, step: StepRow, now: UtcMs, day: BusinessDay) -> bool:
    """Decide by the chain of marks above it, or because its time is over; whether it is decided now.

    What time had decided is decided once more where the chain, as it grew since, proves otherwise.
    """
    if step.unclaimed:
        if _is_built_on(book, step, CHAIN_STEPS_MAX):
            claim(book, step, day)
        return step.claimed
    if step.resolved is Resolution.STUDENT and step.stage is not Stage.SETTLED:
        proven = _proven(book, step)
        return proven is not None and contradict(book, step, proven, day)
    if not step.undecided:
        return False
    proven = _proven(book, step)
    if proven is not None:
        resolve(book, step, proven, day)
    elif not step.id[1] and now - step.torn_at > IN_FAVOUR_AFTER_MS:
        resolve(book, step, Resolution.STUDENT, day)
    return not step.undecided


def counters_above(step: StepRow) -> set[Reached]:
    """The counters whose steps can be part of that chain."""
    return {(step.card, counter) for counter in range(step.counter, step.counter_after + CHAIN_STEPS_MAX + 2)}


def _proven(book: Book, step: StepRow) -> Resolution | None:
    """What all steps that are on the card for certain say of this one."""
    witnesses = (other for other in witnesses_of(book, step) if _is_on_card(book, other, CHAIN_STEPS_MAX))
    said = {verdict for witness in witnesses if (verdict := said_by(witness, step)) is not None}
    return said.pop() if len(said) == 1 else None


def _is_on_card(book: Book, step: StepRow, steps_left: int) -> bool:
    if step.resolved is Resolution.ON_CARD or step.counts:
        return True
    decided = step.stage is Stage.VOIDED or (step.stage is Stage.SETTLED and not step.unclaimed)
    return not decided and _is_built_on(book, step, steps_left)


def _is_built_on(book: Book, step: StepRow, steps_left: int) -> bool:
    above = (other for other in book.steps_at(step.card, step.counter_after + 1) if step_below(book, other) is step)
    return steps_left > 0 and any(_is_on_card(book, other, steps_left - 1) for other in above)
