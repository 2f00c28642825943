"""Machines that wait to become terminals: somebody compares the four words, and decides."""

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import BeforeValidator, Field
from starlette.responses import HTMLResponse, Response

from protocol.instants import MINUTE_MS
from server.auth.rules import Permission
from server.auth.service import TwoPeople
from server.enrolment.service import Enrolments
from server.fields import RowNumber
from server.web.page import Fields, LookingPage, RegisteringPage, TerminalsPage

router = APIRouter()

_APPROVE = "approve-machine"


def _as_spoken(words: object) -> object:
    """Case and blanks are no difference."""
    return " ".join(words.lower().split()) if isinstance(words, str) else words


class WordsFields(Fields):
    """The four words, as the machine's own screen shows them."""

    words: Annotated[str, BeforeValidator(_as_spoken), Field(pattern=r"^[a-z]{5} [a-z]{5} [a-z]{5} [a-z]{5}$")]


@router.get("/enrolments")
async def show_machines(page: LookingPage) -> HTMLResponse:
    """Those that wait now."""
    enrolments: Enrolments = page.house.enrolments
    together: TwoPeople = page.house.two_people
    approved_by = {one.subject: one.by for one in await together.waiting() if one.action == _APPROVE}
    machines = [
        {
            "row": row,
            "words": words.split(),
            "minutes": waited_ms // MINUTE_MS,
            "approved_by": approved_by.get(str(row["number"]), ""),
        }
        for row, words, waited_ms in await enrolments.waiting()
    ]
    return page.show("enrolments/enrolments.html", {"machines": machines})


@router.post("/enrolments/{number}/approve")
async def approve_machine_from_page(
    page: RegisteringPage, number: RowNumber, form: Annotated[WordsFields, Form()]
) -> Response:
    """The words are the machine's: it becomes the terminal; one with rights when a second person says so."""
    enrolments: Enrolments = page.house.enrolments
    together: TwoPeople = page.house.two_people
    agreed = together.agreement_to_trust(page.operator, _APPROVE, str(number))
    alone = page.operator.may(Permission.TERMINALS)
    tid, done = await enrolments.approve(number, form.words, page.operator, agreed, alone=alone)
    return page.done("machine_approved", f"/terminals/{tid}") if done else page.done("machine_proposed", "/enrolments")


@router.post("/enrolments/{number}/refuse")
async def refuse_machine_from_page(page: TerminalsPage, number: RowNumber) -> Response:
    """This is not the machine that was meant."""
    enrolments: Enrolments = page.house.enrolments
    await enrolments.refuse(number, page.operator)
    return page.done("machine_refused", "/enrolments")
