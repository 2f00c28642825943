"""Alarms over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from server.alarms.rules import AlarmKind
from server.alarms.schemas import AcknowledgeForm, AlarmView
from server.alarms.service import Alarms
from server.auth.api import AtTerminals, Looking
from server.fields import Limit, RowNumber
from server.problems import PROBLEMS

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=PROBLEMS)


async def _alarms(request: Request) -> Alarms:
    found: Alarms = request.app.state.alarms
    return found


Desk = Annotated[Alarms, Depends(_alarms)]


@router.get("")
async def list_alarms(
    _: Looking,
    desk: Desk,
    kind: AlarmKind | None = None,
    still_open: bool = True,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[AlarmView]:
    """What somebody must look at, newest first: until it is acknowledged, and over where it lasts."""
    rows = await desk.page(kind, still_open=still_open, before=before, limit=limit)
    return [AlarmView.model_validate(dict(row)) for row in rows]


@router.post("/{number}/acknowledge", status_code=204)
async def acknowledge_alarm(operator: AtTerminals, desk: Desk, number: RowNumber, form: AcknowledgeForm) -> None:
    """Somebody looks after it."""
    await desk.acknowledge(number, operator.name, form.answer)
