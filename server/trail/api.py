"""The trail over HTTP, for auditors."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from server.auth.api import Auditing
from server.fields import INSTANT_MAX, Instant, Label, Limit
from server.problems import PROBLEMS
from server.trail.schemas import TrailView
from server.trail.service import Trail

router = APIRouter(prefix="/trail", tags=["trail"], responses=PROBLEMS)


async def _trail(request: Request) -> Trail:
    found: Trail = request.app.state.trail
    return found


@router.get("")
async def read_trail(
    _: Auditing,
    trail: Annotated[Trail, Depends(_trail)],
    subject: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._/:-]{1,160}$")] = None,
    operator: Label | None = None,
    since: Instant = 0,
    until: Instant = INSTANT_MAX,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[TrailView]:
    """Who did what, newest first: about a subject and what is below it (`cards/7`), by an operator, in a time."""
    rows = await trail.page(subject=subject, operator=operator, since=since, until=until, before=before, limit=limit)
    return [TrailView.model_validate(dict(row)) for row in rows]
