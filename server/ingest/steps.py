"""What one card's steps prove about one another: which use of a counter counts, and what became of a torn one."""

from protocol.entries import CardStep, CloseStep, LoadStep, RefundStep, RefundTo, SaleStep, Stage, TopUpStep, TopUpTo
from protocol.instants import DAY_MS, UtcMs
from protocol.purse import SeenStep
from server.ingest.book import Book, CardRow, CardStatus, StepRow
from server.ingest.on_tokens import token_fault
from server.ingest.reach import shown_in
from server.ledger.rules import Resolution, Use

EXCUSED_EVERY_MS = 90 * DAY_MS
"""A card may forget once in this time; the second time it is a clone until people say otherwise."""


def use_of(book: Book, step: StepRow, branch: int, at: UtcMs) -> tuple[Use, StepRow | None]:
    """Classify a settled step among the uses of its counter; the other use where one is replaced or replaces it.

    A step that builds on a fork is part of the fork. A sale on another branch of its terminal's chain counts only
    once a later tap of the card confirms it; against any other use of the counter it has no say, nor on top of a fork,
    so that a copied terminal freezes no honest card. Where a hole is booked from what the card showed, that was the
    counter's use.
    """
    card = book.cards.get(step.card)
    if card is None:
        return Use.UNKNOWN_CARD, None
    is_second = branch > 0 and isinstance(step.body, SaleStep)
    if card.status is CardStatus.RELEASED:
        return (Use.FIRST if book.debited(step) else Use.RELEASED), None
    if not _touches(step):
        return (Use.FORK if _is_shown_again(book, step) else Use.FIRST), None
    if _builds_on_fork(book, step):
        return (Use.DISPUTED if is_second else Use.FORK), None
    others = [
        other for other in book.steps_at(step.card, step.counter_after) if other is not step and other.moved_purse
    ]
    booked = book.provisional.get((step.card, step.counter_after))
    is_taken = booked is not None and not book.stands_for(booked, step)
    if is_second:
        return (Use.DISPUTED if others or is_taken else Use.BRANCH), next(iter(others), None)
    if is_taken:
        return Use.FORK, None
    if all(_is_unconfirmed(other) for other in others):
        return Use.FIRST, others[0] if others else None
    if len(others) > 1 or not _excusable(card, at):
        return Use.FORK, others[0]
    if _saw_invalid_slot(step) or others[0].resolved is Resolution.ON_CARD:
        return Use.FALLBACK, others[0]
    if _saw_invalid_slot(others[0]):
        return Use.FORGOTTEN, others[0]
    return Use.FORK, others[0]


def evidence(torn: StepRow, later: StepRow) -> Resolution | None:
    """What a settled, read-back step of the same card proves about a torn one; None: nothing."""
    return said_by(later, torn) if later.counts else None


def said_by(later: StepRow, torn: StepRow) -> Resolution | None:
    """What a step that is on the card for certain says about a torn one; None: nothing.

    It proves the write if it builds on that very counter with that very mark, and the opposite if it builds on the
    counter before, or on the same counter with another mark (SPEC, "Open, torn, recovered").
    """
    if later is torn or not _touches(later):
        return None
    if later.counter == torn.counter:
        return Resolution.NOT_ON_CARD
    if later.counter != torn.counter_after:
        return None
    seen = seen_at(later.last, later.counter)
    if seen is None:
        return None
    return Resolution.ON_CARD if _is_mark_of(seen, torn) else Resolution.NOT_ON_CARD


def torn_steps_near(book: Book, step: StepRow) -> list[StepRow]:
    """Undecided torn steps of the card that a settled step can say something about."""
    near = [*book.steps_at(step.card, step.counter_after), *book.steps_at(step.card, step.counter)]
    return [other for other in near if other.undecided and other is not step]


def decided_steps_near(book: Book, step: StepRow) -> list[StepRow]:
    """Steps of the card that were decided by other evidence, or by time, and that this step can contradict."""
    near = [*book.steps_at(step.card, step.counter_after), *book.steps_at(step.card, step.counter)]
    return [other for other in near if other.resolved and other.stage is not Stage.SETTLED and other is not step]


def witnesses_of(book: Book, torn: StepRow) -> list[StepRow]:
    """Steps that can say something about a torn one."""
    return [*book.steps_at(torn.card, torn.counter_after), *book.steps_at(torn.card, torn.counter_after + 1)]


def step_below(book: Book, step: StepRow) -> StepRow | None:
    """The known step this one builds on: the one whose mark the card showed at the counter before."""
    seen = seen_at(step.last, step.counter)
    if seen is None:
        return None
    return next((other for other in book.steps_at(step.card, step.counter) if _is_mark_of(seen, other)), None)


def with_below(step: StepRow, last: tuple[SeenStep, ...]) -> tuple[SeenStep, ...]:
    """What a later reading showed, and what the step builds on, where the card has forgotten that meanwhile.

    A step that is settled when its card comes by again may have others on top by then; a Classic card remembers two.
    """
    if seen_at(last, step.counter) is not None:
        return last
    below = seen_at(step.last, step.counter)
    return last if below is None else (*last, below)


def seen_at(last: tuple[SeenStep, ...], counter: int) -> SeenStep | None:
    """What the card showed of the step that reached a counter."""
    return next((seen for seen in last if seen.ok and seen.counter == counter), None)


def arithmetic_fault(body: CardStep, stage: Stage | None) -> str:
    """Why the figures of a step contradict one another; empty when they agree."""
    if isinstance(body, TopUpStep) and body.to is TopUpTo.LOAD and stage is not Stage.PREPARED:
        return "a top-up to a load has no outcome"
    if isinstance(body, CloseStep) and (body.main_after, body.subsidy_after) != (
        min(body.main, 0),
        min(body.subsidy, 0),
    ):
        return "what is taken off a card that is handed in is not all it holds"
    moved = (body.main_after - body.main) + (body.subsidy_after - body.subsidy)
    lines = getattr(body, "lines", ())
    if lines and sum(line.net_cents for line in lines) != body.amount:
        return "the lines do not add up to the amount"
    if body.card.is_token:
        return token_fault(body)
    if getattr(body, "proof", None) is not None:
        return "only a token proves who it is"
    if body.touches_card != _should_touch(body) and (body.touches_card or body.amount):
        return "writes a card where it should not, or none where it should"
    if not body.touches_card:
        return f"balances move by {moved} without a card step" if moved else ""
    expected = -body.amount if isinstance(body, SaleStep | CloseStep) else body.amount
    if isinstance(body, LoadStep):
        expected -= body.expired
    if moved != expected:
        return f"balances move by {moved}, the amount says {expected}"
    return "" if body.counter_after == body.counter + 1 else "the counter does not rise by one"


def contradiction(known: StepRow, body: CardStep) -> str:
    """Why an entry cannot belong to the step it names; empty when it can."""
    return "" if _constant(body) == _constant(known.body) else "says something else than the step it names"


def _constant(body: CardStep) -> tuple[object, ...]:
    """What all entries of a step say alike."""
    figures = (type(body), body.card.key, body.amount, body.counter, body.counter_after)
    return (*figures, getattr(body, "to", None), getattr(body, "proof", None))


def _is_shown_again(book: Book, step: StepRow) -> bool:
    """Whether another sale is settled by what the token has shown for this one."""
    return any(book.token_uses.get(shown, step.id) != step.id for shown in shown_in(step.body))


def _should_touch(body: CardStep) -> bool:
    match body:
        case RefundStep():
            return body.to is RefundTo.CARD
        case TopUpStep():
            return body.to is TopUpTo.CARD
        case _:
            return True


def _touches(step: StepRow) -> bool:
    return step.counter_after != step.counter


def _is_mark_of(seen: SeenStep, step: StepRow) -> bool:
    return (seen.tno, seen.seq) == (step.id[0], step.id[2])


def _builds_on_fork(book: Book, step: StepRow) -> bool:
    below = step_below(book, step)
    return below is not None and below.use in (Use.FORK, Use.DISPUTED)


def _is_unconfirmed(step: StepRow) -> bool:
    return step.use is Use.BRANCH and not step.claimed and step.resolved is None


def _excusable(card: CardRow, at: UtcMs) -> bool:
    """Counted both ways: entries of terminals that were away arrive after younger ones."""
    return all(abs(at - excused) > EXCUSED_EVERY_MS for excused in card.excused)


def _saw_invalid_slot(step: StepRow) -> bool:
    """A new card's second slot is empty, not forgotten."""
    return step.counter > 0 and any(not seen.ok for seen in step.last)
