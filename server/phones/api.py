"""Phones over HTTP: the card office binds them; a phone itself has a secret, and no operator."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from protocol.ids import CardNo
from protocol.instants import SECOND_MS
from protocol.pay_codes import VALID_MS
from server.auth.api import AtCards, Looking
from server.fields import CardNumber
from server.phones.schemas import BoundView, CodeForm, CodeView, PhoneView
from server.phones.service import Phones
from server.problems import PROBLEMS

router = APIRouter(prefix="/phones", tags=["phones"], responses=PROBLEMS)
holders = APIRouter(tags=["phones"], responses=PROBLEMS)
"""Open to everybody who reaches the server: what a secret proves is asked further in."""


async def _phones(request: Request) -> Phones:
    found: Phones = request.app.state.phones
    return found


Desk = Annotated[Phones, Depends(_phones)]


@router.get("/{no}")
async def get_phone(_: Looking, phones: Desk, no: CardNumber) -> PhoneView:
    """Whether a phone shows pay codes for a number."""
    row = await phones.of(CardNo(no))
    return PhoneView(no=row["card"], generation=row["generation"], bound_at=row["bound_at"])


@router.put("/{no}")
async def bind_phone(_: AtCards, phones: Desk, no: CardNumber) -> BoundView:
    """Give a phone the right to show pay codes for a token. The one that had it has it no more."""
    row, secret = await phones.bind(CardNo(no))
    return BoundView(no=row["card"], generation=row["generation"], bound_at=row["bound_at"], secret=secret)


@router.delete("/{no}", status_code=204)
async def unbind_phone(_: AtCards, phones: Desk, no: CardNumber) -> None:
    """No phone shows pay codes for this number any more."""
    await phones.unbind(CardNo(no))


@holders.post("/pay-code")
async def show_pay_code(phones: Desk, form: CodeForm) -> CodeView:
    """A pay code for the phone with this secret: a terminal takes it once, within a minute."""
    code, now = await phones.code(form.secret)
    made_at = now // SECOND_MS * SECOND_MS
    return CodeView(code=code, made_at=made_at, ends_at=made_at + VALID_MS)
