"""Where cash lies and what cashiers miscounted, worked out from what tills wrote."""

from collections import Counter
from typing import TYPE_CHECKING

from protocol.entries import CASH, CashSale, CloseStep, CloseTo, Entry, Kind, ShiftClosed, ShiftOpened, TopUpStep
from protocol.ids import ShiftNo, TerminalId
from server.ledger.accounts import VAULT, Account, AccountKind, drawer, shift_of

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

DESK = Account(AccountKind.DRAWER, "desk/1")


def cash_of(campus: "Campus") -> Counter[Account]:
    """Where the cash is that people have put into drawers; a cashier who counts hands in what was counted."""
    there = Counter({DESK: campus.truth.cash_in["desk"]})
    for entry in (row.entry for row in campus.truth.rows):
        there[drawer_of(entry)] += cash_in(entry)
        if isinstance(entry.body, ShiftOpened):
            there[VAULT] -= entry.body.drawer
        elif isinstance(entry.body, ShiftClosed) and drawer_of(entry) not in campus.truth.counted:
            there[drawer_of(entry)] = 0
            there[VAULT] += entry.body.counted
    for own, counted in campus.truth.counted.items():
        there[own] = 0
        there[VAULT] += counted
    return there


def miscounts_of(campus: "Campus") -> list[tuple[TerminalId, ShiftNo, int]]:
    """Drawers that were counted wrongly, and by how much: against all the cash of their shift, whoever told it when.

    A shift has one drawer in all histories of an epoch; what people counted in it goes before what a till says.
    """
    there = Counter[Account]()
    for entry in (row.entry for row in campus.truth.rows):
        there[drawer_of(entry)] += cash_in(entry)
    counted = {**counts_of(campus), **campus.truth.counted}
    wrong = ((shift_of(own.owner), cents - there[own]) for own, cents in counted.items() if cents != there[own])
    return [(tid, shift, cents) for (tid, _, shift), cents in wrong]


def counts_of(campus: "Campus") -> dict[Account, int]:
    """What tills say that was in their drawers: of two counts of one shift the server books one and parks the other."""
    booked = {row.hash for row in campus.server.book.entries.values() if not row.parked}
    counted: dict[Account, int] = {}
    for row in campus.truth.rows:
        if isinstance(row.entry.body, ShiftClosed) and row.hash in booked:
            own = drawer_of(row.entry)
            assert own not in counted, f"two counts of {own} are booked"
            counted[own] = row.entry.body.counted
    return counted


def drawer_of(entry: Entry) -> Account:
    """The drawer that an entry is about."""
    body = entry.body
    shift = body.number if isinstance(body, ShiftOpened | ShiftClosed) else entry.shift
    return drawer(entry.tid, entry.tno, shift)


def cash_in(entry: Entry) -> int:
    """The cash that an entry says was put into its drawer."""
    match entry.body:
        case ShiftOpened(_, cents):
            return cents
        case CashSale() as sold:
            return sold.amount
        case TopUpStep() as paid if entry.kind is Kind.TOPUP_PREPARED and paid.channel == CASH:
            return paid.amount
        case CloseStep() as taken if entry.kind is Kind.CLOSE_SETTLED and taken.to is CloseTo.CASH:
            return taken.main_after - taken.main
        case _:
            return 0
