"""Which cards must be looked at: one pass with window functions over all steps, and what indexes know of the rest;
and what of the ledger contradicts itself.

Plain SQLAlchemy Core that runs on SQLite 3.25 and PostgreSQL 15 alike; nothing here touches a connection.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    union,
)

from protocol.entries import Stage
from protocol.ids import CardKey, CardNo, Generation
from protocol.instants import MINUTE_MS, BusinessDay
from protocol.purse import Technology
from server.ingest.book import CaseClass
from server.ledger.accounts import WE_HAVE, AccountKind
from server.ledger.rules import Use
from server.reconcile.facts import CAUSES_OF_STEPS
from server.reconcile.tables import reconciliation
from server.tables import IS_REFUSAL, card, case_file, chain, entry, parked, posting, provisional, step

BEFORE_ALL: CardKey = (CardNo(0), Generation(0))
PURSES = (AccountKind.PURSE, AccountKind.SUBSIDY)
ON_THEIR_WAY_MS = 10 * MINUTE_MS
"""A row bears the time at which its transaction began, by its program's clock: so long it may be under way."""
LISTED_CASES = (
    CaseClass.CONTRADICTION,
    CaseClass.TORN,
    CaseClass.LOAD_UNMATCHED,
    CaseClass.CHAIN_FORK,
    CaseClass.OVER_REFUND,
    CaseClass.PURSE_UNREADABLE,
)
"""Cases that the steps of a card do not show by themselves."""


def linked_steps() -> Subquery:
    """Every step that counts, with its place among them and the balances of the one before it on the same card.

    Place and counter agree on a card without a gap or a second use from its first step on. Both purses travel as one
    number, and a step that is not simply settled carries a counter that agrees with nothing. SQLite keeps what a
    select with a window names as it stands in the table; as columns of `made` they are worked out before: fewer.
    """
    made = _made_steps().c
    window: dict[str, Any] = {"partition_by": (made.card, made.generation), "order_by": (made.counter_after,)}
    return select(
        made.card,
        made.generation,
        made.settled_counter,
        made.balance,
        func.lag(made.balance_after).over(**window).label("balance_before"),
        func.row_number().over(**window).label("place"),
    ).subquery("linked")


def cards_to_prove(after: CardKey = BEFORE_ALL) -> Executable:
    """The cards that must be looked at, in order, from the one after `after` on."""
    linked = linked_steps().c
    unlinked = select(linked.card, linked.generation).where(
        or_(linked.balance_before != linked.balance, linked.place != linked.settled_counter)
    )
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


def unbalanced_causes() -> Executable:
    """Causes whose postings do not sum to zero."""
    cents = func.sum(posting.c.cents)
    return select(posting.c.cause, cents.label("cents")).group_by(posting.c.cause).having(cents != 0)


def unbalanced_cards() -> Executable:
    """Cards whose kept balances are not the sums of their postings, and by how much."""
    owner = cast(card.c.card, String) + "/" + cast(card.c.generation, String)
    purses, subsidies = _posted_to(AccountKind.PURSE), _posted_to(AccountKind.SUBSIDY)
    main = card.c.main_cents - func.coalesce(purses.c.cents, 0)
    granted = card.c.subsidy_cents - func.coalesce(subsidies.c.cents, 0)
    query = select(card.c.card, card.c.generation, (func.abs(main) + func.abs(granted)).label("cents"))
    query = query.join_from(card, purses, purses.c.owner == owner, isouter=True)
    query = query.join(subsidies, subsidies.c.owner == owner, isouter=True)
    return query.where(or_(main != 0, granted != 0))


def totals_until(day: BusinessDay) -> Executable:
    """The balance at the end of a day of each account that others have documents about, and of all others by kind."""
    columns = posting.c
    in_time = columns.period_day + 0 <= day  # without the sum SQLite seeks the day anew in each account
    accounts = select(columns.account_kind, columns.owner, func.sum(columns.cents).label("cents")).where(in_time)
    account = accounts.group_by(columns.account_kind, columns.owner).subquery("account").c  # as the index has them
    owner = case((account.account_kind.in_(sorted(WE_HAVE)), account.owner), else_="").label("owner")
    return select(account.account_kind, owner, func.sum(account.cents).label("cents")).group_by(
        account.account_kind, owner
    )


def unknown_to_proofs_before(day: BusinessDay) -> ColumnElement[int]:
    """From this instant on, what came in can have been unknown to the newest proof of the day proven before this one.

    A proof of an older day, made since, has not listed what is of the days between.
    """
    proof = reconciliation.c
    earlier = select(proof.as_of - ON_THEIR_WAY_MS).where(proof.day < day, proof.finished_at > 0)
    earlier = earlier.order_by(proof.day.desc(), proof.number.desc()).limit(1)
    return func.coalesce(earlier.scalar_subquery(), 0)


def refusals_until(day: BusinessDay) -> Select[Any]:
    """Believed entries about refused sales of a day, and of days before whose proof could not know them yet."""
    columns = entry.c
    is_new = or_(columns.day == day, columns.received_at > unknown_to_proofs_before(day))
    query = select(entry, chain.c.tid).join_from(entry, chain, chain.c.tno == columns.tno)
    query = query.where(IS_REFUSAL, columns.parked == "", columns.day <= day, is_new)
    return query.order_by(columns.tno + 0, columns.branch, columns.seq)  # without the sum SQLite walks all entries


def _made_steps() -> Subquery:
    """What `linked_steps` needs of each step that counts."""
    columns = step.c
    is_plain = or_(and_(columns.use == Use.FIRST, columns.resolved.is_(None)), columns.shape == "pin")
    query = select(
        columns.card,
        columns.generation,
        columns.counter_after,
        case((is_plain, columns.counter_after), else_=literal_column("-1", Integer)).label("settled_counter"),
        _both_purses(columns.main, columns.subsidy).label("balance"),
        _both_purses(columns.main_after, columns.subsidy_after).label("balance_after"),
    )
    was_made = or_(columns.use.is_not(None), columns.stage != Stage.VOIDED, columns.resolved.is_not(None))
    return query.where(columns.counter_after != columns.counter, was_made).subquery("made")


def _posted_to(kind: AccountKind) -> Subquery:
    columns = posting.c
    sums = select(columns.owner, func.sum(columns.cents).label("cents")).where(columns.account_kind == kind)
    return sums.group_by(columns.owner).subquery(f"posted_{kind}")


def _both_purses(main: ColumnElement[int], subsidy: ColumnElement[int]) -> ColumnElement[int]:
    """Main and subsidy as one number; each has 32 bits on a card."""
    return main + subsidy * literal_column(str(2**32), BigInteger)


def _cards_with_something_special() -> list[Select[Any, Any]]:
    """Cards whose newest step is not what the ledger says, or of which something else is known or in doubt."""
    newest = and_(
        step.c.card == card.c.card, step.c.generation == card.c.generation, step.c.counter_after == card.c.counter
    )
    is_other = or_(step.c.main_after != card.c.main_cents, step.c.subsidy_after != card.c.subsidy_cents)
    has_purse = card.c.technology != Technology.TOKEN
    unused = card.c.counter == 0, or_(card.c.main_cents != 0, card.c.subsidy_cents != 0)
    floor = select(card.c.counter).where(card.c.card == step.c.card, card.c.generation == step.c.generation)
    read_ahead = and_(step.c.stage == Stage.VOIDED, step.c.counter > floor.scalar_subquery())
    listed = (case_file.c.closed_at == 0, case_file.c.cls.in_(LISTED_CASES), case_file.c.card.is_not(None))
    shown_twice = (case_file.c.closed_at == 0, case_file.c.cls == CaseClass.FORK, ~has_purse)
    of_case = and_(card.c.card == case_file.c.card, card.c.generation == case_file.c.generation)
    return [
        select(card.c.card, card.c.generation).join_from(card, step, newest).where(is_other, has_purse),
        select(card.c.card, card.c.generation).where(*unused, has_purse),
        select(card.c.card, card.c.generation).join_from(case_file, card, of_case).where(*shown_twice),
        select(step.c.card, step.c.generation).where(read_ahead),
        select(parked.c.card, parked.c.generation).where(parked.c.card.is_not(None)),
        select(provisional.c.card, provisional.c.generation),
        select(case_file.c.card, case_file.c.generation).where(*listed),
    ]
