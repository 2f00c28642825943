"""Cashiers' shifts: by day and terminal, one with its totals, and the count of a drawer by two people."""

from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Query
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from protocol.ids import U32_MAX, ShiftNo, TerminalId, Tno
from protocol.instants import BusinessDay
from protocol.money import Cents, parse_cents
from server.booking.service import Bookings
from server.errors import Invalid
from server.fields import Id, SeqNumber, TnoNumber, Words
from server.shifts.rules import Shift, sums_of
from server.shifts.service import OPEN_SHOWN_MAX, Shifts
from server.terminals.service import Terminals
from server.web.page import DecidingPage, Fields, LookingPage, Page

router = APIRouter()

_EPOCH = date(1970, 1, 1).toordinal()
_ShiftNumber = Annotated[int, Field(ge=0, le=U32_MAX)]


class CountFields(Fields):
    """What two people have counted in a drawer, as they type it."""

    counted: Annotated[str, Field(pattern=r"^[0-9]{1,10}([.][0-9]{1,2})?$")]
    reason: Words
    evidence: Words


@router.get("/shifts")
async def show_shifts(
    page: LookingPage,
    day: Annotated[str, Query(pattern=r"^(2[0-9]{3}-[0-9]{2}-[0-9]{2})?$")] = "",
    terminal: Annotated[str, Query(pattern=r"^([a-z0-9-]{3,32})?$")] = "",
) -> HTMLResponse:
    """The shifts of a business day, the present one if none is named; and all whose drawer nobody has counted."""
    shifts: Shifts = page.house.shifts
    register: Terminals = page.house.terminals
    today = page.campus.business_day(page.house.clock())
    shown = _day_named(day) if day else today
    tid = TerminalId(terminal) if terminal else None
    found = await shifts.on(shown, tid)
    listed = {(shift.tno, shift.number) for shift in found if shown == today}
    left = [shift for shift in await shifts.open_ones(tid) if (shift.tno, shift.number) not in listed]
    return page.show(
        "shifts/shifts.html",
        {
            "shifts": found,
            "sums": sums_of(found),
            "left": left,
            "left_max": OPEN_SHOWN_MAX,
            "shown": shown,
            "today": today,
            "terminal": terminal,
            "terminals": [one.row for one in await register.every()],
            "time": partial(_time, page, shown),
        },
    )


@router.get("/shifts/{tid}/{tno}/{number}")
async def show_shift(
    page: LookingPage, tid: Id, tno: TnoNumber, number: _ShiftNumber, near: SeqNumber | None = None
) -> HTMLResponse:
    """One shift."""
    shifts: Shifts = page.house.shifts
    whole = await shifts.one(TerminalId(tid), Tno(tno), ShiftNo(number), near)
    return page.show(
        "shifts/shift.html", {"whole": whole, "shift": whole.shift, "waits_for": await _waits_for(page, whole.shift)}
    )


@router.post("/shifts/{tid}/{tno}/{number}/count")
async def book_count_from_page(
    page: DecidingPage, tid: Id, tno: TnoNumber, number: _ShiftNumber, form: Annotated[CountFields, Form()]
) -> Response:
    """Two people: the drawer of a shift that its terminal closes no more is handed in."""
    bookings: Bookings = page.house.bookings
    shift, counted = (TerminalId(tid), Tno(tno), ShiftNo(number)), Cents(parse_cents(form.counted))
    done = await bookings.count(page.operator, _request(shift), shift, counted, form.reason, form.evidence)
    return page.done("shift_counted" if done else "shift_proposed", f"/shifts/{tid}/{tno}/{number}")


def _request(shift: tuple[TerminalId, Tno, ShiftNo]) -> str:
    """The same for both people, and for nothing else."""
    return f"drawer-{shift[1]}-{shift[2]}"


async def _waits_for(page: Page, shift: Shift) -> str:
    """Who has proposed a count of this drawer; empty: nobody."""
    for one in await page.house.two_people.waiting():
        if one.action == "book" and one.meant is not None and one.meant.asked.get("drawer") == shift.owner:
            return str(one.by)
    return ""


def _day_named(text: str) -> BusinessDay:
    """Raises Invalid for a date that no calendar has."""
    try:
        return BusinessDay(date.fromisoformat(text).toordinal() - _EPOCH)
    except ValueError as error:
        raise Invalid("no_such_date", f"there is no date {text}") from error


def _time(page: Page, day: int, at: int) -> str:
    """An instant of a shift: the time alone where it lies on the day that is shown."""
    text = page.when(at)
    return text[11:16] if text[:10] == page.day(day) else text[:16]
