"""A cashier's shift: who sells, what lay in the drawer, what should lie in it now (X report), what was counted (Z).

Closed --open--> Open --close--> Closed      any counted amount is accepted; the difference is booked, not argued
"""

import enum
from dataclasses import dataclass

from protocol.entries import Body, Kind, SaleRefused, ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo, StaffId
from protocol.instants import MonoMs
from protocol.money import Cents
from protocol.site_files import STAFF_TRIES_MAX, STAFF_WAIT_MS, StaffFile
from terminal.derived import STAFF_PIN_WRONG, Derived, ShiftTotals
from terminal.desk import Done, NotDone, Phase, Ringing
from terminal.hand_in import Close
from terminal.purchase import Purchase
from terminal.topup import TopUp


class ShiftRefusal(enum.StrEnum):
    """Why a shift is not opened or closed."""

    ALREADY_OPEN = "already_open"
    NONE_OPEN = "none_open"
    UNKNOWN_STAFF = "unknown_staff"
    NO_PIN = "no_pin"
    """None was typed, so none was wrong."""
    WRONG_PIN = "wrong_pin"
    PIN_WAITS = "pin_waits"
    """Too many were wrong: none is compared for a while."""
    STEPS_OPEN = "steps_open"
    """A card step of this shift has no outcome yet: at most ten minutes."""
    SOMETHING_RUNG = "something_rung"
    """Somebody may still pay, and that cash would lie in a drawer that was counted before."""


@dataclass(frozen=True, slots=True)
class ShiftEntry:
    """The entry to write, and who signs it."""

    kind: Kind
    body: Body
    staff: StaffId


def open_shift(
    derived: Derived, listed: StaffFile, staff: StaffId, drawer_cents: Cents, pin: str, mono_ms: MonoMs
) -> ShiftEntry | ShiftRefusal:
    """Take over the drawer with this much in it. Where nobody is listed, anybody may.

    A wrong PIN must be written down before anybody is told (`wrong_pin`): the journal alone counts them.
    """
    if derived.shift.number:
        return ShiftRefusal.ALREADY_OPEN
    person = listed.person(staff)
    if listed.staff and person is None:
        return ShiftRefusal.UNKNOWN_STAFF
    if person is not None and pin_waits_ms(derived, mono_ms):
        return ShiftRefusal.PIN_WAITS
    if person is not None and not pin:
        return ShiftRefusal.NO_PIN
    if person is not None and not person.has_pin(pin):
        return ShiftRefusal.WRONG_PIN
    return ShiftEntry(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(derived.shifts + 1), drawer_cents), staff)


def pin_waits_ms(derived: Derived, mono_ms: MonoMs) -> int:
    """How long no PIN of staff is compared any more; 0: one may be tried (SPEC, "Lists")."""
    if derived.staff_tries < STAFF_TRIES_MAX:
        return 0
    return max(0, derived.staff_waits_from + STAFF_WAIT_MS - mono_ms)


def wrong_pin(staff: StaffId) -> ShiftEntry:
    """What is written of a wrong PIN, in the name of whose it was not."""
    return ShiftEntry(Kind.SALE_REFUSED, SaleRefused(STAFF_PIN_WRONG), staff)


def close_shift(derived: Derived, phase: Phase, counted_cents: Cents) -> ShiftEntry | ShiftRefusal:
    """Hand the drawer in. Entries the server has not got yet do not keep anybody from going home."""
    shift = derived.shift
    if not shift.number:
        return ShiftRefusal.NONE_OPEN
    if derived.opens:
        return ShiftRefusal.STEPS_OPEN
    if _may_be_paid(phase):
        return ShiftRefusal.SOMETHING_RUNG
    return ShiftEntry(Kind.SHIFT_CLOSED, x_report(shift, counted_cents), shift.staff)


def x_report(shift: ShiftTotals, counted_cents: Cents) -> ShiftClosed:
    """The running totals beside what was counted; a closing writes this down."""
    return ShiftClosed(
        shift.number,
        counted_cents,
        shift.expected_cents,
        shift.sales,
        shift.sales_cents,
        shift.refunds_cents,
        shift.cash_cents,
    )


def _may_be_paid(phase: Phase) -> bool:
    """Whether something is rung, or an order waits for its card. What was refused waits, too: a tap asks once more."""
    match phase:
        case Ringing(basket):
            return bool(basket.items)
        case NotDone(order):
            return isinstance(order, Purchase | TopUp | Close)
        case _:
            return not isinstance(phase, Done)
