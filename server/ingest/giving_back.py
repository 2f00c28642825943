"""What is given back of a sale, by a refund or for a failed delivery: never more than was paid, and to who paid it."""

from dataclasses import replace

from protocol.entries import RefundStep, RefundTo, SaleStep, Stage, Vend
from protocol.instants import BusinessDay
from protocol.money import Cents
from server.ingest.book import Book, CaseClass, ChainRow, StepRow
from server.ingest.waiting import NO_SALE, SECOND_DELIVERY
from server.ledger.rules import Resolution, Share, Situation, Use, bearer_of, postings_of_vend_failure, share_of

SALE_UNKNOWN = "no settled sale of the card is known"
"""What the case of a refund says that came before its sale; it ends when the sale comes."""


def post_vend_failure(book: Book, chain: ChainRow, branch: int, body: Vend, day: BusinessDay, cause: str) -> str:
    """Paid and not delivered, or nobody knows; the answer says why nothing is posted, or is empty.

    What a second history sold is given back when, and only if, its card confirms it.
    """
    step = book.find_step(chain, branch, body.prepared)
    if step is None or step.stage is not Stage.SETTLED or not isinstance(step.body, SaleStep):
        return NO_SALE
    if step.returned:
        return SECOND_DELIVERY
    step.returned = True
    share = _give(step, Cents(max(0, step.body.amount - step.given_back_cents)))
    if not _is_unproven(step):
        book.post(cause, day, postings_of_vend_failure(step.body, share, bearer=bearer_of(step.use, step.resolved)))
    return ""


def note_refund(book: Book, step: StepRow) -> None:
    """A refund counts from its first entry on. One of no sale known here is for people to look at."""
    sold = _sale_of(book, step)
    if sold is None or sold.stage is not Stage.SETTLED:
        book.open_case(CaseClass.OVER_REFUND, step.card, step.id, step.body.amount, SALE_UNKNOWN)
        return
    _count(book, step, sold)


def count_earlier_refunds(book: Book, sold: StepRow) -> list[StepRow]:
    """Count the refunds that came before the outcome of their sale; those whose money went to main and must move."""
    named: list[StepRow] = book.refunds.get((sold.id[0], sold.id[2]), [])
    same = sorted((step for step in named if _sale_of(book, step) is sold), key=lambda step: step.id)
    for step in same:
        book.end_case(CaseClass.OVER_REFUND, step.id, SALE_UNKNOWN)
        _count(book, step, sold)
    return [step for step in same if not (step.resolved or sold.resolved) and _is_credited(step)]


def terms_of_refund(book: Book, step: StepRow, at: Situation) -> Situation:
    """Who gets what its own terminal gives back, and how much of it the price does not cover any more.

    While nobody knows what became of the sale, all of it goes to main.
    """
    sold = _sale_of(book, step)
    if sold is None or not isinstance(sold.body, SaleStep) or not (sold.resolved or sold.stage is Stage.SETTLED):
        return at
    back_to = at.suspense if _is_unproven(sold) else bearer_of(sold.use, sold.resolved)
    return replace(at, back_to=back_to, share=share_of(sold.body, step.body.amount, step.given_back_cents))


def returned_of(step: StepRow) -> Share:
    """What the holder of the card was credited of a purchase, because of a refund, a failed delivery, or a proof."""
    if not isinstance(step.body, SaleStep) or bearer_of(step.use, None) is not None:
        return Share(Cents(0))
    proven = step.resolved in (Resolution.ON_CARD, Resolution.STUDENT)
    given = step.body.amount if proven else min(step.body.amount, step.given_back_cents)
    return share_of(step.body, given)


def _sale_of(book: Book, step: StepRow) -> StepRow | None:
    """The sale that a refund gives back; None: it is no refund, or none of this card and merchant is known."""
    chain, body = book.chains.get(step.id[0]), step.body
    sold = book.find_step(chain, step.id[1], body.of) if chain and isinstance(body, RefundStep) else None
    if sold is None or not isinstance(sold.body, SaleStep) or not isinstance(body, RefundStep):
        return None
    return sold if (sold.card, sold.body.merchant) == (step.card, body.merchant) else None


def _count(book: Book, step: StepRow, sold: StepRow) -> None:
    step.given_back_cents = sold.given_back_cents
    beyond = _give(sold, step.body.amount).beyond_cents
    if beyond > 0:
        book.open_case(CaseClass.OVER_REFUND, step.card, step.id, beyond, "more than was paid")


def _is_credited(step: StepRow) -> bool:
    pending = isinstance(step.body, RefundStep) and step.body.to is RefundTo.PENDING
    return step.stage is Stage.VOIDED or (step.stage is Stage.SETTLED and pending)


def _is_unproven(sale: StepRow) -> bool:
    """A sale of a second history that its card has not confirmed: nobody was paid, and nobody gets anything back."""
    return sale.use is Use.DISPUTED or (sale.use is Use.BRANCH and not sale.claimed)


def _give(sale: StepRow, cents: Cents) -> Share:
    assert isinstance(sale.body, SaleStep)
    before, sale.given_back_cents = sale.given_back_cents, Cents(sale.given_back_cents + cents)
    return share_of(sale.body, cents, before)
