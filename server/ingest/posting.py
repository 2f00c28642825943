"""Post one entry: remember its step, classify its use of the card's counter, and let the ledger rules say what moves.

Called only by `rules.py`; every function changes the book and nothing else.
"""

from dataclasses import replace

from protocol.authorise import Refusal
from protocol.entries import (
    CardBegun,
    CardBlocked,
    CardErased,
    CardIssued,
    CardRekeyed,
    CardStep,
    Entry,
    Kind,
    LoadStep,
    Operation,
    RefundStep,
    SaleRefused,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    Stage,
    TopUpStep,
    TopUpTo,
    Vend,
    stage_of,
)
from protocol.ids import CardKey, Tno
from protocol.instants import BusinessDay, ClockSource, UtcMs
from protocol.money import Cents
from protocol.purse import CardId, Technology
from server.ingest.aside import postings_aside
from server.ingest.book import Book, CardRow, CardStatus, CaseClass, ChainRow, StepRow
from server.ingest.deciding import decide_by, name_of, reconsider, reverse_provisional, situation_of
from server.ingest.giving_back import (
    count_earlier_refunds,
    note_refund,
    post_vend_failure,
    returned_of,
    terms_of_refund,
)
from server.ingest.on_tokens import code_fault, is_token, put_on_credited
from server.ingest.reach import shown_in
from server.ingest.rights import beyond_rights, unproven
from server.ingest.shifts import note_shift, post_cash, post_count, shift_fault
from server.ingest.steps import (
    arithmetic_fault,
    contradiction,
    decided_steps_near,
    step_below,
    torn_steps_near,
    use_of,
    with_below,
    witnesses_of,
)
from server.ingest.totals import (
    adopt_load,
    adopt_report,
    explain,
    grant_less_debt,
    has_lapsed,
    load_fault,
    note_arrival,
    note_erased,
    note_handed_in,
)
from server.ingest.waiting import (
    ASK_TWO_PEOPLE,
    INCONSISTENT,
    NEVER_ISSUED,
    SECOND_OUTCOME,
    UNKNOWN_CARD,
)
from server.ledger.accounts import Postings, drawer, suspense
from server.ledger.rules import (
    Resolution,
    Use,
    postings_of_claim,
    postings_of_give_back,
    postings_of_other,
    postings_of_share,
    postings_of_step,
    postings_of_vend_failure,
    reversed_postings,
    share_of,
)


def post_entry(book: Book, chain: ChainRow, branch: int, entry: Entry, day: BusinessDay) -> str:
    """Post an entry; the answer says why it is parked instead, or is empty."""
    fault = (
        beyond_rights(book, chain, branch, entry) or unproven(branch, entry.body) or _misfit(book, chain, branch, entry)
    )
    if not fault:
        return _post(book, chain, branch, entry, day)
    _set_aside(book, chain, branch, entry, day, is_merchant_sure=fault not in ASK_TWO_PEOPLE)
    if isinstance(entry.body, CardIssued) and fault == NEVER_ISSUED:
        text = (
            "a terminal tells of a plastic that the server never issued; it would get what the number's holder is owed"
        )
        book.open_case(CaseClass.CARD_ABOVE_LEDGER, entry.body.card.key, (chain.tno, branch, entry.seq), Cents(0), text)
    return fault


def post_parked(
    book: Book, chain: ChainRow, branch: int, entry: Entry, day: BusinessDay, *, allowed: bool = False
) -> str:
    """Try again to post an entry that was parked: by the same code, after what was set aside is taken back.

    `allowed`: two people have let it be posted although its terminal has no right to it.
    """
    fault = ("" if allowed else beyond_rights(book, chain, branch, entry)) or _misfit(book, chain, branch, entry)
    if fault:
        return fault
    cause = park_cause(chain.tno, branch, entry.seq)
    if cause in book.posted and f"un{cause}" not in book.posted:
        post_cash(book, chain, entry.shift, f"un{cause}", day, reversed_postings(book.posted[cause].postings))
    return _post(book, chain, branch, entry, day)


def _post(book: Book, chain: ChainRow, branch: int, entry: Entry, day: BusinessDay) -> str:
    body = entry.body
    cause = f"entry:{chain.tno}.{branch}.{entry.seq}"
    match body:
        case CardStep():
            return _post_step(book, chain, branch, entry, body, day, cause)
        case Vend() if entry.kind is not Kind.VEND_DISPENSED:
            return post_vend_failure(book, chain, branch, body, day, cause)
        case CardBlocked():
            _block(book, body.card.key)
        case CardIssued():
            _see_card(book, body.card)
        case CardErased():
            note_erased(book.cards[body.card.key], body, _made_at(book, entry, day))
        case SaleRefused(reason, card=CardId() as card) if reason == Refusal.PURSE_UNREADABLE:
            text = "no slot of this card is valid: the card office restores it from the ledger"
            book.open_case(CaseClass.PURSE_UNREADABLE, card.key, (chain.tno, branch, entry.seq), Cents(0), text)
        case SaleRefused() | CardBegun() | CardRekeyed():
            pass  # a card's history has what was done with it (`card_events.py`)
        case ShiftClosed():
            post_count(book, chain, body.number, body.counted, cause, day)
        case _:
            note_shift(book, chain, body)
            shift = body.number if isinstance(body, ShiftOpened) else entry.shift
            post_cash(book, chain, shift, cause, day, postings_of_other(body, drawer(chain.tid, chain.tno, shift)))
    return ""


def park_cause(tno: Tno, branch: int, seq: int) -> str:
    """Under which cause the money of an entry that cannot be posted yet is set aside."""
    return f"park:{tno}.{branch}.{seq}"


def _set_aside(
    book: Book, chain: ChainRow, branch: int, entry: Entry, day: BusinessDay, *, is_merchant_sure: bool
) -> None:
    legs = postings_aside(entry, chain.tid, (chain.tno, branch, entry.seq), is_merchant_sure=is_merchant_sure)
    post_cash(book, chain, entry.shift, park_cause(chain.tno, branch, entry.seq), day, legs)


def _misfit(book: Book, chain: ChainRow, branch: int, entry: Entry) -> str:
    """Why an entry fits nothing that is known; empty when it does."""
    body = entry.body
    named = body.card if isinstance(body, CardStep | CardBegun | CardIssued | CardRekeyed | CardErased) else None
    if named is not None and _is_other_kind(book, named):
        return f"{INCONSISTENT}another kind of card than the server gave out"
    if isinstance(body, CardErased) and body.card.is_token:
        return f"{INCONSISTENT}a token is never erased"
    if isinstance(body, CardBegun | CardBlocked | CardRekeyed | CardErased):
        return "" if body.card.key in book.cards else UNKNOWN_CARD
    if isinstance(body, ShiftClosed):
        return shift_fault(book, chain, body)
    if not isinstance(body, CardStep):
        return ""
    staged = stage_of(entry.kind)
    if fault := arithmetic_fault(body, staged[1] if staged else None) or code_fault(body, book.code_key):
        return INCONSISTENT + fault
    if isinstance(body, LoadStep) and (fault := load_fault(body, staged[1] if staged else None, book.load_key)):
        return INCONSISTENT + fault
    known = book.find_step(chain, branch, body.prepared or entry.seq)
    if known is not None and (fault := contradiction(known, body)):
        return INCONSISTENT + fault
    return "" if body.card.key in book.cards else UNKNOWN_CARD


def _is_other_kind(book: Book, card: CardId) -> bool:
    """A purse on a card and one at the server are never taken for one another."""
    known = book.cards.get(card.key)
    return known is not None and is_token(known) != card.is_token


def _post_step(
    book: Book, chain: ChainRow, branch: int, entry: Entry, body: CardStep, day: BusinessDay, cause: str
) -> str:
    staged = stage_of(entry.kind)
    if staged is None:
        _new_step(book, chain, branch, entry, Operation.SALE, body, day)
        return ""
    operation, stage = staged
    known = book.find_step(chain, branch, body.prepared or entry.seq)
    if known is not None and stage is Stage.PREPARED:
        post_cash(book, chain, entry.shift, cause, day, postings_of_step(stage, body, situation_of(known)))
        return ""
    if known is not None and not _may_follow(known, stage):
        return SECOND_OUTCOME
    step = known or _new_step(book, chain, branch, entry, operation, body, day)
    before, step.stage = step.stage, stage
    step.last, step.body = with_below(step, body.card_last), body
    if known is None and isinstance(body, RefundStep):
        note_refund(book, step)
    was_torn = before is Stage.TORN
    if stage is Stage.SETTLED:
        _settle(book, branch, step, day, cause, _made_at(book, entry, day), was_torn=was_torn)
    else:
        situation = terms_of_refund(book, step, situation_of(step, was_torn=was_torn))
        if isinstance(body, LoadStep) and not body.prepared and stage is Stage.VOIDED:
            situation = replace(situation, adopted_cents=adopt_report(book, step, body))
        post_cash(book, chain, entry.shift, cause, day, postings_of_step(stage, body, situation))
    if body.card.is_token:
        put_on_credited(book, step.card, cause, day)
    elif stage is Stage.PREPARED and isinstance(body, TopUpStep) and body.to is TopUpTo.LOAD:
        card, no = book.cards[step.card], body.card.no
        rest = Cents(body.amount - explain(book, [card], body.amount, day))
        book.debts[no] = grant_less_debt(card, rest, book.debts.get(no, 0))
    if stage is Stage.TORN:
        step.torn_at = _made_at(book, entry, day)
        if step.undecided:
            decide_by(book, step, witnesses_of(book, step), day)
    return ""


def _may_follow(known: StepRow, stage: Stage) -> bool:
    """A step has one outcome; a torn one may still get a better one. A top-up to a load has none."""
    if isinstance(known.body, TopUpStep) and known.body.to is TopUpTo.LOAD:
        return False
    return known.stage is Stage.PREPARED or (known.stage is Stage.TORN and stage is not Stage.TORN)


def _made_at(book: Book, entry: Entry, day: BusinessDay) -> UtcMs:
    """When days begin to count; with a doubtful clock, or one that is ahead, at the end of the day it is booked on."""
    day_ends_at = book.campus.day_starts_at(BusinessDay(day + 1))
    return day_ends_at if entry.clock is ClockSource.NONE else min(entry.at, day_ends_at)


def _settle(book: Book, branch: int, step: StepRow, day: BusinessDay, cause: str, at: UtcMs, *, was_torn: bool) -> None:
    body = step.body
    use, other = use_of(book, step, branch, at)
    step.use = use
    for shown in shown_in(body):
        book.token_uses.setdefault(shown, step.id)
    step.claimed = step.resolved in (Resolution.ON_CARD, Resolution.STUDENT)  # then the merchant is paid at once
    reverse_provisional(book, step, day)
    if use is Use.FIRST and other is not None:
        _overrule(book, other, day)
    given_back = _give_back(book, other) if use is Use.FALLBACK and other else ()
    card = book.cards[step.card]
    situation = terms_of_refund(book, step, situation_of(step, use, given_back, was_torn=was_torn))
    if step.counts:
        _note_spending(book, card, step)
    if step.resolved is not Resolution.ON_CARD and use not in (Use.FORK, Use.FORGOTTEN):
        situation = replace(situation, adopted_cents=adopt_load(book, step, body), lapsed=has_lapsed(card, body))
        note_arrival(card, step)
    post_cash(book, book.chains[step.id[0]], step.shift, cause, day, postings_of_step(Stage.SETTLED, body, situation))
    if use is Use.FALLBACK and other is not None:
        note_arrival(card, other, -1)
    for above in book.steps_at(step.card, step.counter_after + 1):
        _confirm_below(book, above, day)
    if step.counts:
        _note_reading(card, body)
        note_handed_in(card, body, at)
        _confirm_below(book, step, day)
        for torn in torn_steps_near(book, step):
            decide_by(book, torn, [step], day)
        for decided in decided_steps_near(book, step):
            reconsider(book, decided, step, day)
    _note_use(book, step, use, other, at)
    for refund in count_earlier_refunds(book, step):
        terms = terms_of_refund(book, refund, situation_of(refund))
        book.post(f"refund:{name_of(refund.id)}", day, postings_of_share(refund.body, terms))


def _give_back(book: Book, forgotten: StepRow) -> Postings:
    """Undo what the card has forgotten, and with it what its holder was credited for that."""
    lapsed = has_lapsed(book.cards[forgotten.card], forgotten.body)
    situation = replace(situation_of(forgotten), resolved=None, lapsed=lapsed)
    return postings_of_give_back(forgotten.body, returned_of(forgotten), situation)


def _overrule(book: Book, unconfirmed: StepRow, day: BusinessDay) -> None:
    """The card used this counter otherwise than a second history says: take back what was set aside for that."""
    aside = postings_of_step(Stage.SETTLED, unconfirmed.body, situation_of(unconfirmed, Use.BRANCH))
    book.post(f"disputed:{name_of(unconfirmed.id)}", day, reversed_postings(aside))
    unconfirmed.use = Use.DISPUTED


def _note_use(book: Book, step: StepRow, use: Use, other: StepRow | None, at: UtcMs) -> None:
    card = book.cards[step.card]
    if use in (Use.FALLBACK, Use.FORGOTTEN):
        card.excused, card.exchange = (*card.excused, at), True
        if other is not None and use is Use.FALLBACK:
            other.use = Use.FORGOTTEN
        book.open_case(CaseClass.FALLBACK, step.card, step.id, step.body.amount, "the card forgot a step; exchange it")
    if use is Use.FORK:
        _block(book, step.card)
        book.open_case(CaseClass.FORK, step.card, step.id, step.body.amount, "the counter was used twice")


def _confirm_below(book: Book, step: StepRow, day: BusinessDay) -> None:
    """A tap that counts builds on a sale of a second history, whichever became known first: the merchant is paid.

    Where nothing was delivered, the holder of the card is.
    """
    below = step_below(book, step) if step.counts else None
    if below is not None and below.unclaimed:
        claim(book, below, day)


def claim(book: Book, sold: StepRow, day: BusinessDay) -> None:
    """A sale of a second history is proven on its card: who was to get the price does."""
    assert sold.unclaimed and isinstance(sold.body, SaleStep)
    sold.claimed, aside = True, suspense(*sold.id)
    if sold.returned:
        legs = postings_of_vend_failure(sold.body, share_of(sold.body, sold.body.amount), aside)
    else:
        legs = postings_of_claim(sold.body, aside)
    book.post(f"claim:{name_of(sold.id)}", day, legs)
    _note_reading(book.cards[sold.card], sold.body)


def _new_step(
    book: Book, chain: ChainRow, branch: int, entry: Entry, operation: Operation, body: CardStep, day: BusinessDay
) -> StepRow:
    """A step seen for the first time: by its prepared entry, or by an outcome whose prepared entry is missing."""
    at = (chain.tno, branch, body.prepared or entry.seq)
    step = StepRow(at, operation, Stage.PREPARED, body, chain.tid, entry.shift, day, entry.at, body.card_last)
    book.add_step(step)
    return step


def _note_reading(card: CardRow, body: CardStep) -> None:
    """A counter that was written and read back is the card's floor from now on."""
    card.counter = max(card.counter, body.counter_after)
    if isinstance(body, LoadStep):
        card.load_seq_floor = max(card.load_seq_floor, body.load_seq)


def _note_spending(book: Book, card: CardRow, step: StepRow) -> None:
    """What a Classic card has certainly spent: a balance that one tap left and this one, the next, has read again.

    Only the newest step tells: every load up to its counter that is known can be on the card, and no later one. A
    load itself must not count as collected yet: what it read was the balance before it.
    """
    body, below = step.body, step_below(book, step)
    confirmed = below is not None and below.moved_purse and below.body.main_after == body.main
    if body.card.technology is Technology.CLASSIC and confirmed and card.counter == body.counter:
        spent = card.collected_cents - body.main
        card.spent_known_cents = Cents(max(card.spent_known_cents, spent))


def _see_card(book: Book, card: CardId) -> None:
    row = book.cards.setdefault(card.key, CardRow(card.key))
    row.technology, row.card_class = card.technology, card.card_class


def _block(book: Book, card: CardKey) -> None:
    row = book.cards.get(card)
    if row is not None and row.status is CardStatus.ACTIVE:
        row.status = CardStatus.BLOCKED
