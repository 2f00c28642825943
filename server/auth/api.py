"""Who is asking: the bearer token of a request becomes an operator, or 401, or 403."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from server.auth.rules import Operator, Permission
from server.auth.service import Operators, TwoPeople
from server.errors import Forbidden
from server.fields import Instant, Proposed, View
from server.problems import PROBLEMS

_bearer = HTTPBearer(auto_error=False, description="the operator's token")

router = APIRouter(tags=["people at the desk"], responses=PROBLEMS)


def allowed(*any_of: Permission) -> Callable[[Request, HTTPAuthorizationCredentials | None], Operator]:
    """A dependency: the operator who asks, if allowed."""

    def who(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Operator:
        operators: Operators = request.app.state.operators
        operator = operators.of_token(credentials.credentials) if credentials else None
        if operator is None:
            raise HTTPException(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})
        if not any(operator.may(permission) for permission in any_of):
            raise Forbidden("not_allowed", f"this needs the permission {' or '.join(any_of)}")
        return operator

    return who


Looking = Annotated[Operator, Depends(allowed(Permission.LOOK))]
AtCards = Annotated[Operator, Depends(allowed(Permission.CARDS))]
AtDesk = Annotated[Operator, Depends(allowed(Permission.DESK_MONEY))]
AtFinance = Annotated[Operator, Depends(allowed(Permission.FINANCE))]
AtTerminals = Annotated[Operator, Depends(allowed(Permission.TERMINALS))]
AtLists = Annotated[Operator, Depends(allowed(Permission.LISTS))]
Deciding = Annotated[Operator, Depends(allowed(Permission.DECIDE))]
Registering = Annotated[Operator, Depends(allowed(Permission.TERMINALS, Permission.DECIDE))]
Auditing = Annotated[Operator, Depends(allowed(Permission.AUDIT))]


def _two_people(request: Request) -> TwoPeople:
    found: TwoPeople = request.app.state.two_people
    return found


Together = Annotated[TwoPeople, Depends(_two_people)]


def proposed(response: Response, action: str, subject: str, by: Operator) -> Proposed:
    """The answer to the first of two people."""
    response.status_code = 202
    return Proposed(proposed=action, subject=subject, by=by.name)


class ProposalView(View):
    """A decision that waits for a second person."""

    action: str
    subject: str
    by: str
    at: Instant


@router.get("/proposals")
async def list_proposals(_: Looking, together: Together) -> list[ProposalView]:
    """What waits for a second person."""
    waiting = await together.waiting()
    return [ProposalView(action=known.action, subject=known.subject, by=known.by, at=known.at) for known in waiting]
