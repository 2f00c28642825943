"""Money at the card office's desk: loads, subsidies, what is paid out; much of it takes two people, as in the API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path
from pydantic import Field
from starlette.responses import Response

from protocol.ids import CardNo, ShiftNo, TerminalId, Tno
from protocol.money import Cents, format_cents
from server.auth.service import TwoPeople
from server.cards.service import Cards
from server.errors import Invalid
from server.fields import CardNumber, RequestId
from server.ledger.accounts import VAULT, Account, AccountKind, drawer
from server.web.page import DeskPage, Fields, Yuan, YuanOrNone

router = APIRouter()

No = Annotated[CardNumber, Path()]
_INTO = r"^(vault|channel|drawer:[a-z0-9-]{3,32}/[1-9][0-9]{0,9}/[1-9][0-9]{0,9})$"


class LoadFields(Fields):
    """Money taken in for a card, and where it went."""

    id: RequestId
    cents: Yuan
    into: Annotated[str, Field(pattern=_INTO)] = "vault"
    channel: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    explains: Literal["", "yes", "no"] = ""


class SubsidyFields(Fields):
    """A subsidy of a period."""

    id: RequestId
    cents: Yuan
    period: Annotated[int, Field(ge=1, le=255)]


class CloseFields(Fields):
    """A plastic that was handed in, and the balance it showed."""

    card_cents: YuanOrNone


class PayOutFields(Fields):
    """Pending credit paid out in cash."""

    id: RequestId
    cents: Yuan


@router.post("/cards/{no}/loads")
async def load_from_page(page: DeskPage, no: No, form: Annotated[LoadFields, Form()]) -> Response:
    """Owed to the holder now, on the card with its next load; much takes two people."""
    office: Cards = page.house.cards
    together: TwoPeople = page.house.two_people
    agreed = together.agreement_or_alone(page.operator, "load", form.id)
    explains = {"yes": True, "no": False}.get(form.explains)
    done = await office.load(CardNo(no), form.id, Cents(form.cents), _place_of(form), agreed, explains)
    return page.done("card_loaded" if done else "card_proposed", f"/cards/{no}")


@router.post("/cards/{no}/subsidies")
async def subsidise_from_page(page: DeskPage, no: No, form: Annotated[SubsidyFields, Form()]) -> Response:
    """Grant a subsidy; a large one when two people say so."""
    office: Cards = page.house.cards
    together: TwoPeople = page.house.two_people
    agreed = together.agreement_or_alone(page.operator, "subsidise", form.id)
    done = await office.subsidise(CardNo(no), form.id, Cents(form.cents), form.period, agreed)
    return page.done("subsidy_granted" if done else "card_proposed", f"/cards/{no}")


@router.post("/cards/{no}/close")
async def close_from_page(page: DeskPage, no: No, form: Annotated[CloseFields, Form()]) -> Response:
    """Handed in: how much to pay out is said on a page of its own."""
    office: Cards = page.house.cards
    paid = await office.close(CardNo(no), Cents(form.card_cents))
    told = page.say("cards.paid", cents=format_cents(paid))
    return page.show_once("cards/told.html", {"no": no, "title": page.say("cards.close"), "told": told, "secret": ""})


@router.post("/cards/{no}/payouts")
async def pay_out_from_page(page: DeskPage, no: No, form: Annotated[PayOutFields, Form()]) -> Response:
    """Cash for what no card can collect any more."""
    office: Cards = page.house.cards
    await office.pay_out(CardNo(no), form.id, Cents(form.cents))
    return page.done("card_paid_out", f"/cards/{no}")


def _place_of(form: LoadFields) -> Account:
    if (form.into == "channel") != bool(form.channel):
        raise Invalid("which_channel", "name the channel where the money is in one, and only there")
    if form.into == "channel":
        return Account(AccountKind.CLEARING, form.channel)
    if form.into == "vault":
        return VAULT
    tid, tno, shift = form.into.removeprefix("drawer:").split("/")
    return drawer(TerminalId(tid), Tno(int(tno)), ShiftNo(int(shift)))
