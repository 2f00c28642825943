"""Who is there, who runs which lists, and what somebody must look at."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from protocol.ids import TerminalId
from server.auth.api import Looking
from server.fields import Id
from server.problems import PROBLEMS
from server.states.schemas import RunsView, StateView
from server.states.service import Known, States

router = APIRouter(tags=["terminals"], responses=PROBLEMS)


async def _states(request: Request) -> States:
    found: States = request.app.state.states
    return found


Said = Annotated[States, Depends(_states)]


@router.get("/states")
async def list_states(_: Looking, states: Said) -> list[StateView]:
    """What every terminal says of itself."""
    return [_view(known) for known in await states.every()]


@router.get("/terminals/{tid}/state")
async def get_state(_: Looking, states: Said, tid: Id) -> StateView:
    """What one terminal says of itself."""
    return _view(await states.of(TerminalId(tid)))


def _view(known: Known) -> StateView:
    row, said = known.row, known.said
    return StateView(
        tid=row["tid"],
        site=row["site"],
        online=known.online,
        shut_out=row["shut_out"],
        changed_at=row["changed_at"] or 0,
        said_at=row["said_at"] or 0,
        epoch=said.epoch if said else 0,
        manifest=said.manifest if said else 0,
        as_of=said.as_of if said else 0,
        keys=said.keys if said else 0,
        card_sets=list(said.card_sets) if said else [],
        alarm=said.alarm if said else "",
        lists=[
            RunsView(name=name, applied=applied, newest=newest, behind=applied < newest)
            for name, (applied, newest) in known.applied.items()
        ],
    )
