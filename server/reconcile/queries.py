"""Which cards must be looked at: one pass with window functions over all steps, and what indexes know of the rest.

Plain SQLAlchemy Core that runs on SQLite 3.25 and PostgreSQL 15 alike; nothing here touches a connection.
"""

from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, Subquery, and_, case, func, or_, select, union

from protocol.entries import Stage
from protocol.ids import CardKey, CardNo, Generation
from server.ingest.book import CaseClass
from server.ledger.accounts import AccountKind
from server.ledger.rules import Use
from server.reconcile.facts import CAUSES_OF_STEPS
from server.tables import card, case_file, parked, posting, provisional, step

BEFORE_ALL: CardKey = (CardNo(0), Generation(0))
PURSES = (AccountKind.PURSE, AccountKind.SUBSIDY)
LISTED_CASES = (
    CaseClass.CONTRADICTION,
    CaseClass.LOAD_UNMATCHED,
    CaseClass.CHAIN_FORK,
    CaseClass.OVER_REFUND,
    CaseClass.PURSE_UNREADABLE,
)
"""Cases that the steps of a card do not show by themselves."""


def linked_steps() -> Subquery:
    """Every settled step (and PIN try) next to its neighbours on the same card."""
    columns = step.c
    window: dict[str, Any] = {
        "partition_by": (columns.card, columns.generation),
        "order_by": (columns.counter_after,),
    }
    query = select(
        columns.card,
        columns.generation,
        columns.use,
        columns.counter,
        columns.main,
        columns.main_after,
        columns.subsidy,
        columns.subsidy_after,
        func.lag(columns.counter_after).over(**window).label("counter_before"),
        func.lag(columns.main_after).over(**window).label("main_before"),
        func.lag(columns.subsidy_after).over(**window).label("subsidy_before"),
        func.lead(columns.counter).over(**window).label("counter_next"),
    )
    makes_step = columns.counter_after != columns.counter
    return query.where(makes_step, or_(columns.stage == Stage.SETTLED, columns.shape == "pin")).subquery("linked")


def cards_to_prove(after: CardKey = BEFORE_ALL) -> Executable:
    """The cards that must be looked at, in order, from the one after `after` on."""
    source = linked_steps()
    linked = source.c
    is_newest_of = and_(
        linked.counter_next.is_(None), card.c.card == linked.card, card.c.generation == linked.generation
    )
    broken = or_(
        and_(linked.counter_before.is_(None), linked.counter != 0),
        linked.counter_before != linked.counter,
        linked.main_before != linked.main,
        linked.subsidy_before != linked.subsidy,
        linked.use != Use.FIRST,
        card.c.main_cents != linked.main_after,
        card.c.subsidy_cents != linked.subsidy_after,
    )
    unlinked = select(linked.card, linked.generation).select_from(source.outerjoin(card, is_newest_of)).where(broken)
    found = union(unlinked, *_cards_with_something_special()).subquery("found").c
    is_later = or_(found.card > after[0], and_(found.card == after[0], found.generation > after[1]))
    return select(found.card, found.generation).where(is_later).order_by(found.card, found.generation)


def moves_of(owners: list[str]) -> Executable:
    """What each cause other than a step has moved on purses, and under an empty cause what all steps have."""
    columns = posting.c
    by_step = or_(*(columns.cause.startswith(f"{word}:", autoescape=True) for word in sorted(CAUSES_OF_STEPS)))
    cause: ColumnElement[str] = case((by_step, ""), else_=columns.cause)
    query = select(
        columns.owner, cause.label("cause"), func.sum(columns.cents).label("cents"), func.max(columns.day).label("day")
    )
    query = query.where(columns.account_kind.in_(PURSES), columns.owner.in_(owners))
    return query.group_by(columns.owner, cause)


def _cards_with_something_special() -> list[Select[Any, Any]]:
    undecided = and_(
        step.c.stage.in_((Stage.PREPARED, Stage.TORN)), step.c.shape != "pin", step.c.counter_after != step.c.counter
    )
    is_its_card = and_(card.c.card == step.c.card, card.c.generation == step.c.generation)
    read_ahead = select(step.c.card, step.c.generation).join_from(step, card, is_its_card)
    listed = (case_file.c.closed_at == 0, case_file.c.cls.in_(LISTED_CASES), case_file.c.card.is_not(None))
    return [
        select(step.c.card, step.c.generation).where(undecided),
        select(step.c.card, step.c.generation).where(step.c.stage == Stage.VOIDED, step.c.resolved.is_not(None)),
        read_ahead.where(step.c.stage == Stage.VOIDED, step.c.counter > card.c.counter),
        select(parked.c.card, parked.c.generation).where(parked.c.card.is_not(None)),
        select(provisional.c.card, provisional.c.generation),
        select(case_file.c.card, case_file.c.generation).where(*listed),
    ]
