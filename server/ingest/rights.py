"""What a terminal may not say alone: beyond its rights in the register, or without a card that proves it."""

from protocol.entries import (
    Body,
    CardBegun,
    CardBlocked,
    CardErased,
    CardIssued,
    CardRekeyed,
    CashSale,
    CloseStep,
    Entry,
    Kind,
    LoadStep,
    RefundStep,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    Stage,
    TopUpStep,
    Vend,
)
from server.ingest.book import Book, ChainRow
from server.ingest.reach import products_of
from server.ingest.waiting import A_SPARE, FOREIGN_MERCHANT, NEVER_ISSUED, NO_RIGHT, UNKNOWN_PRODUCT, UNPROVEN

_ABOUT_CARDS = (CardBegun, CardIssued, CardBlocked, CardRekeyed, CardErased)
_NEEDS_PROOF = (RefundStep, TopUpStep, LoadStep, CloseStep, CashSale, ShiftOpened, ShiftClosed, *_ABOUT_CARDS)
"""What a second history cannot say alone: sales of cards have a rule of their own (`steps.use_of`), but for tokens'."""


def unproven(branch: int, body: Body) -> str:
    """Why a second history is not believed; empty where it is, or where a rule of its own decides."""
    of_token = isinstance(body, SaleStep) and body.card.is_token
    return UNPROVEN if branch and (of_token or isinstance(body, _NEEDS_PROOF)) else ""


def beyond_rights(book: Book, chain: ChainRow, branch: int, entry: Entry) -> str:
    """Why a terminal, or a second history of it, may not say this alone, whatever its card says; empty when it may."""
    if chain.is_spare and isinstance(
        entry.body, SaleStep | RefundStep | CashSale | TopUpStep | LoadStep | CloseStep | CardIssued | CardErased
    ):
        return A_SPARE
    match entry.body:
        case TopUpStep() | LoadStep():
            return "" if chain.can_load else NO_RIGHT
        case CardIssued(card):
            is_next = card.key not in book.cards and any(no == card.no for no, _ in book.cards)
            return (NEVER_ISSUED if is_next else "") if chain.can_issue else NO_RIGHT
        case CardBegun() | CardRekeyed() | CardErased() | CloseStep():
            return "" if chain.can_issue else NO_RIGHT
        case SaleStep() | RefundStep() | CashSale():
            return _not_sold_here(book, chain, entry.body)
        case Vend(prepared) if branch and entry.kind is not Kind.VEND_DISPENSED:
            sold = book.find_step(chain, branch, prepared)
            return UNPROVEN if sold is not None and sold.stage is Stage.SETTLED and not sold.is_of_branch else ""
        case _:
            return ""


def _not_sold_here(book: Book, chain: ChainRow, body: SaleStep | RefundStep | CashSale) -> str:
    known = book.products.get(chain.site)
    if chain.merchant not in ("", body.merchant):
        return FOREIGN_MERCHANT
    return UNKNOWN_PRODUCT if known is not None and not products_of(body) <= known else ""
