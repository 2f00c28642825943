"""A sale to a token: the server is asked whose it is, then for the money (SPEC, "Tokens").

    AwaitingCard --a UID--> Identifying --TokenKnown--> Preparing --EntryStored--> Approving --TokenAnswered--> Settling
                                 |                                                     |
                             no answer: refused                              no answer: voided, or stood in for

Pure, like the rest of the sale. What comes too late, or was not asked for, changes nothing.
"""

import dataclasses

from msgspec import structs

from protocol.authorise import Approved, Refusal, Refused, authorise, card_refusal
from protocol.entries import Operation, SaleStep, Stage
from protocol.ids import Counter
from protocol.instants import ClockSource, Now
from protocol.messages import Answer
from protocol.money import Cents
from protocol.pricing import Ticket, price_basket
from protocol.purse import CardRead, Purse, Right, Spent
from protocol.tokens import ANSWER_WITHIN_MS
from terminal.desk import (
    Approving,
    AskServer,
    AskWho,
    AwaitingCard,
    CardTapped,
    Desk,
    Identifying,
    NotDone,
    Phase,
    Preparing,
    Stepped,
    TokenAnswered,
    TokenKnown,
)
from terminal.one_tap import gone
from terminal.outcome import settle
from terminal.purchase import Facts, NotPriced, Purchase
from terminal.refusal_count import asked_cents, counted
from terminal.step_draft import Open, StepDraft

ASK_AGAIN_MS = 1_000
"""A question that a restarting server or broker lost is asked again."""


def decide_token(order: Purchase, read: CardRead, facts: Facts) -> StepDraft | Refused | NotPriced:
    """Price, and draft the sale that the server is asked about."""
    refused = card_refusal(read, facts.standing)
    if refused is not None:
        return refused
    ticket = price_basket(order.basket, read.identity.card_class, facts.when.minute)
    if not isinstance(ticket, Ticket):
        return NotPriced(ticket)
    cents = ticket.total_cents
    body = SaleStep(
        read.id, cents, main_after=Cents(-cents), merchant=order.merchant, lines=ticket.lines, proof=read.proof
    )
    stands_in = read.proof is not None and may_stand_in(read, cents, facts)
    return StepDraft(Operation.SALE, body, read, Right.DEBIT, Spent(), stands_in=stands_in)


def may_stand_in(read: CardRead, cents: Cents, facts: Facts) -> bool:
    """Whether so much may be sold without an answer: within the day's limit, and by all rules but the balance's.

    Without a clock, or with one that the server's word contradicts, no day can be counted.
    """
    when = facts.when
    counts = when.clock is not ClockSource.NONE and when.day_max - 1 <= when.day <= when.day_max
    if not counts or facts.stood_in_cents + cents > facts.house.rules.stand_in:
        return False
    rich = dataclasses.replace(read, purse=Purse(Counter(0), cents))
    answer = authorise(rich, cents, standing=facts.standing, house=facts.house, when=when)
    return isinstance(answer, Approved)


def identify(desk: Desk, tap: CardTapped, back: AwaitingCard | NotDone) -> Stepped:
    """Ask whose a UID is, if it says anything. Where the line is known to be down nobody waits."""
    if not tap.uid:
        return _unknown(desk, tap, back, Refusal.UID_SAYS_NOTHING), ()
    if not tap.facts.online:
        return _unknown(desk, tap, back), ()
    return structs.replace(desk, phase=Identifying(tap, back)), (AskWho(tap.uid),)


def left(phase: Phase, now: Now) -> Phase:
    """The token that is asked about went away; that changes nothing of its sale."""
    return dataclasses.replace(phase, left_at=now) if isinstance(phase, Identifying) else phase


def known(desk: Desk, event: TokenKnown) -> tuple[Desk, CardTapped, Now | None] | None:
    """The counter as it was before the tap, and the tap as one of a card of ours; None: nobody waits for that.

    The instant says since when the token is gone.
    """
    waiting = desk.phase
    if not isinstance(waiting, Identifying) or waiting.tap.uid != event.uid:
        return None
    tap = dataclasses.replace(waiting.tap, read=event.read, facts=event.facts)
    return structs.replace(desk, phase=waiting.back), tap, waiting.left_at


def has_left(desk: Desk, at: Now | None) -> Desk:
    """A token that was known only after it had gone is not on the reader."""
    return desk if at is None else structs.replace(desk, present=None, charged=gone(desk.charged, desk.present, at))


def begin(desk: Desk, asked: Preparing, opened: Open) -> Stepped:
    """The sale is on disk: ask for the money."""
    desk = structs.replace(desk, phase=Approving(asked.order, opened, asked.draft, asked.facts))
    if not asked.facts.online:
        return _unanswered(desk, opened.prepared_at)
    return desk, (_question(opened),)


def answered(desk: Desk, event: TokenAnswered) -> Stepped:
    """The server has spoken about the sale that waits; an answer about anything else is too late."""
    waiting, answer = desk.phase, event.answer
    if not isinstance(waiting, Approving) or not _is_about(answer, waiting.open):
        return desk, ()
    if answer.refused is not None:
        return _voided(desk, waiting, Refused(answer.refused, answer.figure), event.now)
    body = waiting.open.outcome()
    assert isinstance(body, SaleStep)
    paid = structs.replace(
        body,
        main=answer.main,
        main_after=answer.main_after,
        subsidy=answer.subsidy,
        subsidy_after=answer.subsidy_after,
        approval=event.approval,
    )
    return settle(desk, waiting.open, Stage.SETTLED, paid, event.now, hand_over=True)


def ticked(desk: Desk, now: Now) -> Stepped | None:
    """Whether somebody has waited long enough; None: nobody waits for the server."""
    match desk.phase:
        case Identifying(tap, back):
            over = now.mono_ms - tap.now.mono_ms > ANSWER_WITHIN_MS
            return (_unknown(desk, tap, back) if over else desk), ()
        case Approving(open=found, asked_count=count):
            waited_ms = now.mono_ms - found.prepared_at.mono_ms
            if waited_ms > ANSWER_WITHIN_MS:
                return _unanswered(desk, now)
            if waited_ms < count * ASK_AGAIN_MS:
                return desk, ()
            again = dataclasses.replace(desk.phase, asked_count=count + 1)
            return structs.replace(desk, phase=again), (_question(found),)
        case _:
            return None


def _unanswered(desk: Desk, now: Now) -> Stepped:
    """Sell without an answer where that may be, else not at all."""
    waiting = desk.phase
    assert isinstance(waiting, Approving)
    if waiting.draft.stands_in:
        return settle(desk, waiting.open, Stage.SETTLED, waiting.open.outcome(), now, hand_over=True)
    return _voided(desk, waiting, Refused(Refusal.SERVER_SILENT), now)


def _voided(desk: Desk, waiting: Approving, why: Refused, now: Now) -> Stepped:
    refusals = counted(desk.refusals, why.reason, waiting.open.body.amount, waiting.draft.read, now)
    desk, then = structs.replace(desk, refusals=refusals), NotDone(waiting.order, why)
    return settle(desk, waiting.open, Stage.VOIDED, waiting.open.outcome(), now, then=then)


def _unknown(
    desk: Desk, tap: CardTapped, back: AwaitingCard | NotDone, reason: Refusal = Refusal.SERVER_SILENT
) -> Desk:
    why = Refused(reason)
    refusals = counted(desk.refusals, reason, asked_cents(back.order, None, tap.facts), None, tap.now)
    return structs.replace(desk, phase=NotDone(back.order, why), refusals=refusals)


def _question(found: Open) -> AskServer:
    assert isinstance(found.body, SaleStep)
    return AskServer(found.seq, found.body.card, found.body.amount, found.body.proof)


def _is_about(answer: Answer, found: Open) -> bool:
    return (answer.seq, answer.card, answer.amount) == (found.seq, found.body.card, found.body.amount)
