"""What is owed to a token's holder is on its purse at once: the server is its own load station (SPEC, "Tokens")."""

from protocol.entries import CardStep, RefundStep, RefundTo, SaleStep, Stage, TopUpStep, TopUpTo
from protocol.ids import CardKey, LoadSeq
from protocol.instants import BusinessDay
from protocol.money import Cents
from protocol.pay_codes import is_our_code
from protocol.proofs import ProofKind
from protocol.purse import Technology
from protocol.signing import Verifier
from server.ingest.book import Book, CardRow, CardStatus
from server.ledger.accounts import (
    FUNDER,
    balanced,
    owner_of,
    pending,
    pending_subsidy,
    purse,
    subsidy,
)


def is_token(card: CardRow) -> bool:
    """Whether the purse of this card is the row itself."""
    return card.technology == Technology.TOKEN


def put_on(
    book: Book, card: CardRow, main: int, day: BusinessDay, *, granted: int = 0, period: int | None = None
) -> None:
    """Post what is owed onto the purses of a token; `load_seq` counts how often that was done.

    `period`: of a subsidy; another one than before takes back what is left of that.
    """
    left = max(0, card.subsidy_cents) if period not in (None, card.period) else 0
    card.period = card.period if period is None else period
    if not (main or granted or left):
        return
    card.load_seq = LoadSeq(card.load_seq + 1)
    no = card.key[0]
    legs = balanced(
        (pending(no), -main),
        (purse(card.key), main),
        (pending_subsidy(no), -granted),
        (subsidy(card.key), granted - left),
        (FUNDER, left),
    )
    book.post(f"token:{owner_of(card.key)}@{card.load_seq}", day, legs)


def put_on_credited(book: Book, key: CardKey, cause: str, day: BusinessDay) -> None:
    """The same of what one cause has just made owed to its holder, less what the number has had too much before."""
    card, posted = book.cards.get(key), book.posted.get(cause)
    if card is None or posted is None or card.status is not CardStatus.ACTIVE:
        return
    no = key[0]
    main = sum(leg.cents for leg in posted.postings if leg.account == pending(no))
    granted = sum(leg.cents for leg in posted.postings if leg.account == pending_subsidy(no))
    set_off = min(main, book.debts.get(no, 0)) if main > 0 else 0
    book.debts[no] = Cents(book.debts.get(no, 0) - set_off)
    put_on(book, card, max(0, main - set_off), day, granted=max(0, granted))


def token_fault(body: CardStep) -> str:
    """Why the figures of a step cannot be a token's; empty when they can."""
    if body.counter or body.counter_after or body.card_last:
        return "a token has no counter, and remembers nothing"
    moved = (body.main_after - body.main) + (body.subsidy_after - body.subsidy)
    match body:
        case SaleStep():
            return "" if moved == -body.amount else f"balances move by {moved}, the amount says {-body.amount}"
        case RefundStep(to=RefundTo.PENDING) | TopUpStep(to=TopUpTo.LOAD):
            return f"balances move by {moved} without a sale" if moved else ""
        case _:
            return "nothing is written on a token"


def code_fault(body: CardStep, key: Verifier | None) -> str:
    """Why the pay code of a sale proves nothing; empty where this server signed it, or there is none."""
    proof = body.proof if isinstance(body, SaleStep) else None
    if proof is None or proof.kind is not ProofKind.CODE:
        return ""
    return "" if key is not None and is_our_code(body.card, proof, key) else "its pay code is not signed by this server"


def debited_nothing(body: CardStep, stage: Stage) -> bool:
    """Whether a step was surely not made although its terminal gave it up: a token's sale is made by its outcome."""
    return body.card.is_token and isinstance(body, SaleStep) and stage is not Stage.SETTLED
