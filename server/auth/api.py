"""Who is asking: the bearer token of a request becomes an operator, or 401, or 403."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field
from starlette.exceptions import HTTPException

from server.auth.rules import Meant, Operator, Permission, Proposal
from server.auth.service import Operators, TwoPeople
from server.errors import Forbidden
from server.fields import Form, Instant, Proposed, View
from server.problems import PROBLEMS

_bearer = HTTPBearer(auto_error=False, description="the operator's token")

router = APIRouter(tags=["people at the desk"], responses=PROBLEMS)


def allowed(*any_of: Permission) -> Callable[[Request, HTTPAuthorizationCredentials | None], Awaitable[Operator]]:
    """A dependency: the operator who asks, if allowed. (FastAPI runs one that is not async in another thread.)"""

    async def who(
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
Proposing = Annotated[Operator, Depends(allowed(Permission.DESK_MONEY, Permission.TERMINALS, Permission.DECIDE))]
Auditing = Annotated[Operator, Depends(allowed(Permission.AUDIT))]


async def _two_people(request: Request) -> TwoPeople:
    found: TwoPeople = request.app.state.two_people
    return found


Together = Annotated[TwoPeople, Depends(_two_people)]


def proposed(response: Response, action: str, subject: str, by: Operator) -> Proposed:
    """The answer to the first of two people."""
    response.status_code = 202
    return Proposed(proposed=action, subject=subject, by=by.name)


class ProposalView(View):
    """A decision that waits for a second person, with all that this one agrees to."""

    action: str
    subject: str
    by: str
    at: Instant
    ends_at: Instant
    """After that it is proposed anew."""
    asked: dict[str, Any]
    """What the first person asked for: amounts in cents, legs, card and person, reason, evidence; empty where the
    subject says it all."""
    found: Any
    """What the server found it to touch; where that changes it is proposed anew."""


class WithdrawForm(Form):
    """A proposal, as `GET /proposals` names it."""

    action: Annotated[str, Field(pattern=r"^[a-z-]{1,40}$")]
    subject: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/:-]{1,80}$")]


@router.get("/proposals")
async def list_proposals(_: Looking, together: Together) -> list[ProposalView]:
    """What waits for a second person."""
    waiting = await together.waiting()
    return [_shown(known) for known in waiting]


@router.post("/proposals/withdraw", status_code=204)
async def withdraw_proposal(operator: Proposing, together: Together, form: WithdrawForm) -> None:
    """What waits for a second person is not wanted any more: its proposer says so, or somebody who decides."""
    await together.withdraw(operator, form.action, form.subject)


def _shown(known: Proposal) -> ProposalView:
    meant = known.meant or Meant({})
    return ProposalView(
        action=known.action,
        subject=known.subject,
        by=known.by,
        at=known.at,
        ends_at=known.ends_at,
        asked=meant.asked,
        found=meant.found,
    )
