"""The drawer of a shift is counted once; cash whose entry arrives after the count lay in it already."""

from dataclasses import replace

from protocol.entries import Body, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import BusinessDay
from protocol.money import SALE_CENTS_MAX, Cents
from server.ingest.book import Book, ChainRow, ShiftStatus
from server.ingest.waiting import INCONSISTENT, SECOND_COUNT
from server.ledger.accounts import Postings, difference_of, drawer
from server.ledger.rules import postings_of_count

EXPECTED_CENTS_MAX = 10_000 * SALE_CENTS_MAX
"""More than any drawer can be thought to hold: such a total says that the terminal is not to be believed."""


def shift_fault(book: Book, chain: ChainRow, body: ShiftClosed) -> str:
    """Why a count cannot be booked; empty when it can."""
    totals = (body.expected, body.sales_cents, body.refunds_cents, body.cash_cents)
    if any(abs(cents) > EXPECTED_CENTS_MAX for cents in totals):
        return f"{INCONSISTENT}no drawer has such totals"
    if book.shifts.get((chain.tno, body.number)) is ShiftStatus.CLOSED:
        return SECOND_COUNT
    return ""


def post_cash(book: Book, chain: ChainRow, shift: ShiftNo, cause: str, day: BusinessDay, postings: Postings) -> None:
    """Post what can move cash of a shift. After the count it was in what was counted: the difference was less."""
    own = drawer(chain.tid, chain.tno, shift)
    if book.shifts.get((chain.tno, shift)) is ShiftStatus.CLOSED:
        postings = tuple(replace(leg, account=difference_of(own)) if leg.account == own else leg for leg in postings)
    book.post(cause, day, postings)


def post_count(book: Book, chain: ChainRow, shift: ShiftNo, counted: Cents, cause: str, day: BusinessDay) -> None:
    """Empty the drawer into the vault: what the books have in it against what was counted."""
    own = drawer(chain.tid, chain.tno, shift)
    book.post(cause, day, postings_of_count(own, -book.drawers.get(own.owner, 0), counted))
    book.shifts[(chain.tno, shift)] = ShiftStatus.CLOSED


def note_shift(book: Book, chain: ChainRow, body: Body) -> None:
    """A shift is heard of for the first time."""
    if isinstance(body, ShiftOpened):
        book.shifts.setdefault((chain.tno, body.number), ShiftStatus.OPEN)
