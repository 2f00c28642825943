"""Balances, postings, the trial balance."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from protocol.ids import Seq, Tno
from server.auth.api import Looking
from server.fields import Branch, Day, Limit, SeqNumber, TnoNumber
from server.ledger.accounts import AccountKind
from server.ledger.schemas import AccountView, PostingView, TrialBalance
from server.ledger.service import Ledger
from server.problems import PROBLEMS

router = APIRouter(prefix="/ledger", tags=["ledger"], responses=PROBLEMS)

Cause = Annotated[str, Path(pattern=r"^[a-z:]+:[A-Za-z0-9._/@-]{1,70}$")]
Owner = Annotated[str, Query(pattern=r"^[A-Za-z0-9._/-]{0,80}$")]


async def _ledger(request: Request) -> Ledger:
    found: Ledger = request.app.state.ledger
    return found


Books = Annotated[Ledger, Depends(_ledger)]


@router.get("/trial-balance")
async def trial_balance(_: Looking, books: Books, through_day: Day | None = None) -> TrialBalance:
    """The sums of all accounts by kind, up to the end of a day."""
    trial = await books.trial_balance(through_day)
    return TrialBalance(
        cents_by_kind=trial.cents_by_kind,
        total_cents=trial.total_cents,
        owed_cents=trial.owed_cents,
        held_cents=trial.held_cents,
    )


@router.get("/accounts/{kind}")
async def accounts(
    _: Looking,
    books: Books,
    kind: AccountKind,
    owner: Owner | None = None,
    after: Owner | None = None,
    limit: Limit = 100,
) -> list[AccountView]:
    """The accounts of a kind in the order of their owners."""
    found = await books.accounts(kind, owner, limit, after)
    return [AccountView(kind=kind, owner=name, cents=cents) for name, cents in found]


@router.get("/accounts/{kind}/postings")
async def postings_of_account(
    _: Looking,
    books: Books,
    kind: AccountKind,
    owner: Owner = "",
    before_id: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[PostingView]:
    """The newest postings of one account."""
    rows = await books.postings_of_account(kind, owner, before_id, limit)
    return [PostingView.model_validate(dict(row)) for row in rows]


@router.get("/entries/{tno}/{branch}/{seq}/postings")
async def postings_of_entry(
    _: Looking, books: Books, tno: TnoNumber, branch: Branch, seq: SeqNumber
) -> list[PostingView]:
    """What a journal entry, or the step it prepared, moved."""
    rows = await books.postings_of_entry(Tno(tno), branch, Seq(seq))
    return [PostingView.model_validate(dict(row)) for row in rows]


@router.get("/causes/{cause:path}/postings")
async def postings_of_cause(_: Looking, books: Books, cause: Cause) -> list[PostingView]:
    """What was posted under one cause."""
    return [PostingView.model_validate(dict(row)) for row in await books.postings_of_causes([cause])]
