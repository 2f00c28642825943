"""Money that people move, correct and take back, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from protocol.ids import ShiftNo, TerminalId, Tno
from protocol.money import Cents
from server.auth.api import AtDesk, Deciding, Looking, proposed
from server.auth.rules import Operator
from server.booking.schemas import ActView, Booked, CorrectionForm, CountForm, MovementForm, ReversalForm
from server.booking.service import Bookings
from server.fields import TWO_PEOPLE, Limit, Proposed
from server.ledger.accounts import Account, AccountKind
from server.problems import PROBLEMS

router = APIRouter(prefix="/ledger", tags=["ledger"], responses=PROBLEMS)


async def _bookings(request: Request) -> Bookings:
    found: Bookings = request.app.state.bookings
    return found


Booking = Annotated[Bookings, Depends(_bookings)]


@router.get("/acts")
async def list_acts(
    _: Looking, booking: Booking, before: Annotated[int | None, Query(ge=1, le=2**53)] = None, limit: Limit = 100
) -> list[ActView]:
    """Movements, corrections and reversals, newest first."""
    return [ActView.model_validate(dict(row)) for row in await booking.acts(before, limit)]


@router.post("/movements", responses=TWO_PEOPLE)
async def book_movement(
    operator: AtDesk, booking: Booking, form: MovementForm, response: Response
) -> Booked | Proposed:
    """Book money that moved; a large sum when two people say so."""
    done = await booking.move(operator, form.id, form.name, form.owner, form.cents, form.document)
    return _answer(response, f"movement:{form.id}", operator, done=done)


@router.post("/corrections", responses=TWO_PEOPLE)
async def book_correction(
    operator: Deciding, booking: Booking, form: CorrectionForm, response: Response
) -> Booked | Proposed:
    """Two people: post legs that sum to zero."""
    legs = [(Account(AccountKind(leg.kind), leg.owner), leg.cents) for leg in form.legs]
    done = await booking.correct(operator, form.id, legs, form.reason, form.evidence)
    return _answer(response, f"correction:{form.id}", operator, done=done)


@router.post("/counts", responses=TWO_PEOPLE)
async def book_count(operator: Deciding, booking: Booking, form: CountForm, response: Response) -> Booked | Proposed:
    """Two people: hand in the counted drawer of a shift that its terminal cannot close any more."""
    tid, tno, shift = TerminalId(form.tid), Tno(form.tno), ShiftNo(form.shift)
    counted = Cents(form.counted)
    done = await booking.count(operator, form.id, (tid, tno, shift), counted, form.reason, form.evidence)
    return _answer(response, f"count:{form.id}", operator, done=done)


@router.post("/reversals", responses=TWO_PEOPLE)
async def book_reversal(
    operator: Deciding, booking: Booking, form: ReversalForm, response: Response
) -> Booked | Proposed:
    """Two people: undo a movement, a correction, or what a desk booked. Its cause is reversed once."""
    done = await booking.reverse(operator, form.cause, form.reason, form.evidence)
    return _answer(response, f"reversal:{form.cause}", operator, done=done)


def _answer(response: Response, cause: str, by: Operator, *, done: bool) -> Booked | Proposed:
    return Booked(cause=cause) if done else proposed(response, "book", cause, by)
