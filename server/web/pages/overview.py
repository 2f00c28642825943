"""How everything goes right now: sales, terminals, alarms."""

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from server.alarms.service import Alarms
from server.fields import RowNumber
from server.overview.service import Overview
from server.states.service import States
from server.web.door import HOME
from server.web.page import Fields, LookingPage, TerminalsPage

router = APIRouter()

_ALARMS_SHOWN, _ALARMS_SHOWN_MAX = 20, 500


class AnswerFields(Fields):
    """What is done about an alarm."""

    answer: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,120}$")]


@router.get("/")
async def to_overview() -> Response:
    """Whoever comes without knowing where to."""
    return RedirectResponse(HOME, 303)


@router.get("/overview")
async def show_overview(page: LookingPage) -> HTMLResponse:
    """The page; its figures look after themselves."""
    return page.show("overview/overview.html", await _figures(page))


@router.get("/overview/live")
async def show_live(page: LookingPage) -> HTMLResponse:
    """The figures anew."""
    return page.show("overview/live.html", await _figures(page))


@router.get("/alarms")
async def show_alarms(page: LookingPage) -> HTMLResponse:
    """What somebody must look at."""
    alarms: Alarms = page.house.alarms
    found = await alarms.page(None, still_open=True, before=None, limit=_ALARMS_SHOWN_MAX)
    return page.show("overview/alarms.html", {"alarms": found})


@router.post("/alarms/{number}/acknowledge")
async def acknowledge_from_page(
    page: TerminalsPage, number: RowNumber, form: Annotated[AnswerFields, Form()]
) -> Response:
    """Somebody looks after an alarm."""
    alarms: Alarms = page.house.alarms
    await alarms.acknowledge(number, page.operator.name, form.answer)
    return page.done("acknowledged", "/alarms")


async def _figures(page: LookingPage) -> dict[str, object]:
    overview: Overview = page.house.overview
    states: States = page.house.states
    alarms: Alarms = page.house.alarms
    return {
        "figures": await overview.figures(),
        "terminals": await states.every(),
        "alarms": await alarms.page(None, still_open=True, before=None, limit=_ALARMS_SHOWN),
        "waiting": await page.house.two_people.waiting(),
    }
