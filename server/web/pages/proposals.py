"""Decisions that wait for a second person: look, confirm, withdraw."""

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from server.auth.rules import Proposal, is_same_person
from server.auth.service import TwoPeople
from server.errors import Conflict, Forbidden, NotFound
from server.note import note_subject
from server.web.again import again
from server.web.asked import read
from server.web.judged import PARKED_SHOWN_MAX, judged, seen_of
from server.web.page import Fields, LookingPage, Page, ProposingPage

router = APIRouter()

_HERE = "/proposals"


class ProposalFields(Fields):
    """Which proposal."""

    action: Annotated[str, Field(pattern=r"^[a-z-]{1,40}$")]
    subject: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/:-]{1,80}$")]


class ConfirmFields(ProposalFields):
    """What somebody looked at and agrees to; of a machine the words of its screen too."""

    seen: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    words: Annotated[str, Field(pattern=r"^([a-z]{5}( +[a-z]{5}){3})?$")] = ""


@router.get("/proposals")
async def show_proposals(page: LookingPage) -> HTMLResponse:
    """Everything that waits."""
    together: TwoPeople = page.house.two_people
    waiting = await judged(page, await together.waiting())
    return page.show("proposals/proposals.html", {"waiting": waiting, "parked_max": PARKED_SHOWN_MAX})


@router.post("/proposals/confirm")
async def confirm_from_page(page: ProposingPage, form: Annotated[ConfirmFields, Form()]) -> Response:
    """The second person agrees to what the page showed."""
    note_subject(f"{form.action} {form.subject}")
    known = await _waiting(page, form)
    if is_same_person(known.by, page.operator.name):
        raise Forbidden("own_proposal", "who proposed it cannot confirm it")
    if seen_of(known) != form.seen:
        raise Conflict("proposal_changed", "something else is proposed under this name by now")
    asked = read(known)
    if asked is None:
        raise Conflict("proposal_unreadable", "another version of this program wrote this proposal")
    done = await again(page, known, asked, form.words)
    return page.done("confirmed" if done else "proposed_anew", _HERE)


@router.post("/proposals/withdraw")
async def withdraw_from_page(page: ProposingPage, form: Annotated[ProposalFields, Form()]) -> Response:
    """It is not wanted any more."""
    together: TwoPeople = page.house.two_people
    await together.withdraw(page.operator, form.action, form.subject)
    return page.done("withdrawn", _HERE)


async def _waiting(page: Page, form: ProposalFields) -> Proposal:
    together: TwoPeople = page.house.two_people
    for known in await together.waiting():
        if (known.action, known.subject) == (form.action, form.subject):
            return known
    raise NotFound("no_such_proposal", "nothing waits under this name any more")
