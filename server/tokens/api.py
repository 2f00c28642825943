"""Tokens over HTTP: whose a UID is, and what may have been sold to tokens without an answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from protocol.ids import U32_MAX, CardNo
from server.auth.api import AtCards, Looking
from server.fields import Limit
from server.problems import PROBLEMS
from server.tokens.schemas import BindForm, SilentView, TokenView, Uid, WorstCaseView
from server.tokens.service import Tokens

router = APIRouter(prefix="/tokens", tags=["tokens"], responses=PROBLEMS)


async def _tokens(request: Request) -> Tokens:
    found: Tokens = request.app.state.tokens
    return found


Desk = Annotated[Tokens, Depends(_tokens)]


@router.get("")
async def list_tokens(
    _: Looking,
    tokens: Desk,
    card: Annotated[int | None, Query(ge=1, le=U32_MAX)] = None,
    after: Annotated[str, Query(pattern=r"^[0-9a-f]{0,20}$")] = "",
    limit: Limit = 100,
) -> list[TokenView]:
    """Bound UIDs in their order, or those of one card; go on behind the last one of a page."""
    return [_view(row) for row in await tokens.page(None if card is None else CardNo(card), after, limit)]


@router.get("/worst-case")
async def worst_case(_: Looking, tokens: Desk) -> WorstCaseView:
    """What silent terminals may have sold to tokens without an answer: each terminal's limit, a day, a token."""
    found = await tokens.worst_case()
    return WorstCaseView(
        silent=[
            SilentView(
                tid=known.tid,
                reported_at=known.reported_at,
                days=known.days,
                a_day_cents=known.a_day_cents,
                cents=known.cents,
            )
            for known in found.silent
        ],
        a_token_cents=found.a_token_cents,
        tokens=found.tokens,
        cents=found.cents,
    )


@router.get("/{uid}")
async def get_token(_: Looking, tokens: Desk, uid: Uid) -> TokenView:
    """Whose a UID is."""
    return _view(await tokens.of(uid))


@router.put("/{uid}")
async def bind_token(_: AtCards, tokens: Desk, uid: Uid, form: BindForm) -> TokenView:
    """Say whose a UID is: a card that was issued with the technology `token`."""
    await tokens.bind(uid, CardNo(form.no))
    return _view(await tokens.of(uid))


@router.delete("/{uid}", status_code=204)
async def unbind_token(_: AtCards, tokens: Desk, uid: Uid) -> None:
    """A UID is nobody's any more."""
    await tokens.unbind(uid)


def _view(row: Any) -> TokenView:
    return TokenView(
        uid=row["uid"],
        no=row["card"],
        generation=row["generation"],
        bound_at=row["bound_at"],
        proves=bool(row["proves"]),
    )
