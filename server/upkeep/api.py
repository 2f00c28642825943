"""Cases over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from server.auth.api import Deciding, Looking
from server.fields import Limit
from server.ingest.book import CaseClass
from server.problems import PROBLEMS
from server.upkeep.schemas import CaseView, CloseCaseForm
from server.upkeep.service import Upkeep

router = APIRouter(prefix="/cases", tags=["cases"], responses=PROBLEMS)

_Number = Annotated[int, Path(ge=1, le=2**53)]


async def _upkeep(request: Request) -> Upkeep:
    found: Upkeep = request.app.state.upkeep
    return found


Desk = Annotated[Upkeep, Depends(_upkeep)]


@router.get("")
async def list_cases(
    _: Looking,
    desk: Desk,
    cls: CaseClass | None = None,
    still_open: bool = True,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[CaseView]:
    """What was put in front of people, newest first."""
    rows = await desk.cases(cls, still_open=still_open, before=before, limit=limit)
    return [CaseView.model_validate(dict(row)) for row in rows]


@router.post("/{number}/close", status_code=204)
async def close_case(operator: Deciding, desk: Desk, number: _Number, form: CloseCaseForm) -> None:
    """Somebody has looked into it; money is corrected elsewhere, by two people."""
    await desk.close_case(number, operator.name, form.outcome)
