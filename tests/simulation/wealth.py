"""Where everybody's money must be at the end of a run, worked out from what tills wrote and what cards really hold."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocol.entries import (
    CardStep,
    CashSale,
    CloseStep,
    CloseTo,
    Kind,
    LoadStep,
    RefundStep,
    SaleStep,
    Stage,
    TopUpStep,
    Vend,
)
from protocol.ids import CardKey, CardNo
from protocol.journal import Sealed
from server.ingest.book import StepId, StepRow
from server.ledger.accounts import Account, pending, pending_subsidy, suspense
from server.ledger.rules import Resolution, Use

if TYPE_CHECKING:
    from tests.simulation.campus import Campus


def wealth_of(campus: "Campus", number: CardNo, sums: Counter[Account]) -> tuple[int, int, int]:
    """What the holder of a number should have, has on cards, and is owed: paid in, less bought, plus given back."""
    keys = {key for key in campus.server.book.cards if key[0] == number}
    steps = [step for step in campus.server.book.steps.values() if step.card in keys]
    paid_in = sum(paper.cents for paper in campus.server.paper if paper.card in keys)
    have = sum(held.cents for card in campus.cards if card.key in keys and (held := card.holding()))
    waiting = sum(sums[suspense(*step.id)] for step in steps if not step.unclaimed)  # those are a merchant's
    owed = sums[pending(number)] + sums[pending_subsidy(number)] + waiting
    kept = _kept_favours(campus, keys, steps)
    return paid_in + _moved(campus, keys) + kept - _in_question(campus, steps), have, owed


def _kept_favours(campus: "Campus", keys: set[CardKey], steps: Sequence[StepRow]) -> int:
    """What time gave for steps that never were on the card, and the card collected before the server was played back.

    Proof that came to the restored server first gives nothing; what the card has stays its holder's, and is a case as
    a load that no document explains.
    """
    book = campus.server.book
    given = sum(
        step.body.amount
        for step in steps
        if step.id in campus.truth.favoured
        and step.resolved is Resolution.NOT_ON_CARD
        and isinstance(step.body, SaleStep)
        if f"overtaken:{'.'.join(map(str, step.id))}" not in book.posted
    )
    return min(given, sum(book.cards[key].adopted_cents - book.cards[key].explained_cents for key in keys))


def due_to_merchants(campus: "Campus", sums: Counter[Account]) -> Counter[str]:
    """What each merchant must be owed: every settled sale, less what was given back or not delivered."""
    due: Counter[str] = Counter()
    for row in _outcomes(campus):
        body = row.entry.body
        if isinstance(body, SaleStep | CashSale):
            due[body.merchant] += body.amount
        elif isinstance(body, RefundStep):
            due[body.merchant] -= body.amount
    for step in campus.server.book.steps.values():
        if isinstance(step.body, SaleStep) and step.unclaimed:
            due[step.body.merchant] -= sums[suspense(*step.id)]
        elif isinstance(step.body, SaleStep) and step.use is Use.DISPUTED:
            due[step.body.merchant] -= step.body.amount
    for sale in (*_not_delivered(campus), *_voided_first(campus)):
        due[sale.merchant] -= sale.amount
    return due


def _outcomes(campus: "Campus") -> list[Sealed]:
    """Entries that pay a merchant or take from one, each once."""
    found: dict[tuple[int, int, bytes], Sealed] = {}
    for row in campus.truth.rows:
        body, kind = row.entry.body, row.entry.kind
        refunds = isinstance(body, RefundStep) and kind is not Kind.REFUND_PREPARED
        if kind is Kind.SALE_SETTLED or isinstance(body, CashSale) or refunds:
            found.setdefault((row.entry.tno, getattr(body, "prepared", 0) or row.seq, row.hash), row)
    return list(found.values())


def _not_delivered(campus: "Campus") -> list[SaleStep]:
    """Sales that were paid, and whose machine said afterwards that nothing fell, or that it does not know."""
    settled = {
        (row.entry.tno, row.entry.body.prepared): row.entry.body
        for row in campus.truth.rows
        if isinstance(row.entry.body, SaleStep) and row.entry.kind is Kind.SALE_SETTLED
    }
    failed = {
        (row.entry.tno, row.entry.body.prepared)
        for row in campus.truth.rows
        if isinstance(row.entry.body, Vend) and row.entry.kind is not Kind.VEND_DISPENSED
    }
    return [sale for mark, sale in settled.items() if mark in failed]


def _voided_first(campus: "Campus") -> list[SaleStep]:
    """Sales of tokens that another history of their till settled after the void had come: the first word stands."""
    voided = {
        (step.id[0], step.id[2], step.body.card, step.body.amount)
        for step in campus.server.book.steps.values()
        if step.stage is Stage.VOIDED and isinstance(step.body, SaleStep) and step.body.card.is_token
    }
    sales = [(row.entry.tno, row.entry.body) for row in _outcomes(campus) if isinstance(row.entry.body, SaleStep)]
    return [sale for tno, sale in sales if (tno, sale.prepared, sale.card, sale.amount) in voided]


def _moved(campus: "Campus", keys: set[CardKey]) -> int:
    """Cash put in at stations, less goods, plus refunds, less what expired: each once, said how often it may be."""
    cents, refunded = 0, set[tuple[int, int, bytes]]()
    for row in campus.truth.rows:
        body, kind = row.entry.body, row.entry.kind
        if not isinstance(body, CardStep) or body.card.key not in keys:
            continue
        if kind is Kind.TOPUP_PREPARED:
            cents += body.amount
        elif kind is Kind.SALE_SETTLED:
            cents -= body.amount
        elif isinstance(body, LoadStep) and kind is Kind.LOAD_SETTLED:
            cents -= body.expired
        elif isinstance(body, CloseStep) and kind is Kind.CLOSE_SETTLED and body.to is CloseTo.CASH:
            cents -= body.main - body.main_after
        elif isinstance(body, RefundStep) and kind is not Kind.REFUND_PREPARED:
            mark = (row.entry.tno, body.prepared, b"" if body.prepared else row.hash)
            cents += 0 if mark in refunded else body.amount
            refunded.add(mark)
    return cents + sum(sale.amount for sale in _not_delivered(campus) if sale.card.key in keys)


def left_open(campus: "Campus") -> set[StepId]:
    """Steps that stay open for good: the till that began them was re-imaged, so that none that runs knows of them."""
    known = {row.hash for till in campus.all_tills for row in till.disk.rows}
    steps, entries = campus.server.book.steps.values(), campus.server.book.entries
    return {step.id for step in steps if step.stage is Stage.PREPARED and entries[step.id].hash not in known}


def _in_question(campus: "Campus", steps: Sequence[StepRow]) -> int:
    """What card and books do not say alike of steps that nobody decided, or that time decided wrongly.

    A sale on the card that is not decided is missing; one that time decided though the card never paid is there
    twice, and so is one that its terminal settled after that, and every credit on the card that still waits in suspense
    or was given in another form.
    """
    marks = {(card.key, made.counter, made.tno, made.seq) for card in campus.cards for made in card.path}
    cents, forgotten = 0, left_open(campus)
    for step in steps:
        undecided = step.undecided or step.id in forgotten
        on_card = (step.card, step.counter_after, step.id[0], step.id[2]) in marks
        overtaken = "overtaken:" + ".".join(map(str, step.id)) in campus.server.book.posted
        by_time = step.resolved is Resolution.STUDENT or overtaken
        if isinstance(step.body, SaleStep):
            given = by_time and not on_card
            settled_after = step.stage is Stage.SETTLED and step.resolved in (Resolution.ON_CARD, Resolution.STUDENT)
            cents += step.body.amount * (int(undecided and on_card) - int(given or settled_after))
        elif isinstance(step.body, CloseStep):
            cents += step.body.amount * int((undecided or step.resolved is Resolution.STUDENT) and on_card)
        elif isinstance(step.body, RefundStep | TopUpStep) and on_card and (undecided or by_time):
            cents -= step.body.amount
    return cents
