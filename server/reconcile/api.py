"""The reconciliation desk: prove a day, read what was found, close the day, set the float against documents."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from protocol.instants import BusinessDay
from server.auth.api import AtFinance, Looking
from server.errors import Invalid
from server.fields import Day, Limit
from server.ledger.accounts import WE_HAVE, Account, AccountKind
from server.problems import PROBLEMS
from server.reconcile.columns import shown
from server.reconcile.facts import Difference
from server.reconcile.float_proof import Document
from server.reconcile.schemas import (
    AccountOwner,
    DayView,
    DocumentForm,
    DocumentView,
    FindingView,
    FloatLineView,
    FloatView,
    ProofView,
)
from server.reconcile.service import Reconcile

router = APIRouter(prefix="/days", tags=["reconciliation"], responses=PROBLEMS)


async def _reconcile(request: Request) -> Reconcile:
    found: Reconcile = request.app.state.reconcile
    return found


Desk = Annotated[Reconcile, Depends(_reconcile)]


@router.get("/{day}")
async def read_report(_: Looking, desk: Desk, day: Day) -> DayView:
    """The report of a business day with its revision."""
    return DayView.model_validate(await desk.report(BusinessDay(day)))


@router.post("/{day}/close")
async def close_day(_: AtFinance, desk: Desk, day: Day) -> DayView:
    """Close a business day that is over: what still arrives settles in an open day and restates this one."""
    return DayView.model_validate(await desk.close_day(BusinessDay(day)))


@router.post("/{day}/reopen")
async def reopen_day(_: AtFinance, desk: Desk, day: Day) -> DayView:
    """Open a business day that is not over, and all after it, after a clock that was ahead let somebody close it.

    What was booked meanwhile counts in the open day that it was booked for.
    """
    return DayView.model_validate(await desk.reopen_day(BusinessDay(day)))


@router.get("/{day}/proof")
async def read_proof(
    _: Looking,
    desk: Desk,
    day: Day,
    cls: Difference | None = None,
    number: Annotated[int | None, Query(ge=1, le=2**31)] = None,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$", description="the key of the last finding read")] = "",
    limit: Limit = 1_000,
) -> ProofView:
    """The newest proof of a day, or that of a number; the findings of one class if it is named, page by page."""
    made = await desk.proof(BusinessDay(day), number=number, cls=cls or "", after=after, limit=limit)
    return ProofView.model_validate(made)


@router.post("/{day}/proof")
async def prove(_: AtFinance, desk: Desk, day: Day, dry: bool = True) -> ProofView:
    """Prove a day. Dry: say what would be found and write nothing."""
    made = await (desk.dry_run(BusinessDay(day)) if dry else desk.run(BusinessDay(day)))
    return ProofView.model_validate(made)


@router.get("/{day}/float")
async def read_float(_: Looking, desk: Desk, day: Day) -> FloatView:
    """What we owe, what we have, and whether others say so too."""
    proof, findings = await desk.float_proof(BusinessDay(day))
    return FloatView(
        day=day,
        owed_cents_by_kind=dict(proof.owed),
        owed_cents=proof.owed_cents,
        booked_cents=proof.booked_cents,
        unexplained_cents=proof.unexplained_cents,
        holds=proof.holds,
        lines=[FloatLineView.model_validate(line) for line in proof.lines],
        findings=[FindingView.model_validate(shown(found)) for found in findings],
    )


@router.put("/{day}/documents/{kind}")
async def put_document(
    _: AtFinance, desk: Desk, day: Day, kind: AccountKind, form: DocumentForm, owner: AccountOwner = ""
) -> DocumentView:
    """Keep what a count, a statement or a bill says about one account at the end of a day; what is kept is answered.

    `kind`: vault, bank; with `owner` drawer (TERMINAL/CHAIN/SHIFT), clearing and provider (the channel). A new word
    takes the old one's place until the day is closed; then what was said stands, and what nobody had said is kept.
    """
    kept = await desk.take_document(BusinessDay(day), Document(_outside(kind, owner), form.cents, form.document))
    return DocumentView(day=day, **asdict(kept))


@router.delete("/{day}/documents/{kind}", status_code=204)
async def withdraw_document(_: AtFinance, desk: Desk, day: Day, kind: AccountKind, owner: AccountOwner = "") -> None:
    """Take back what was said about an account by mistake, as long as the day is open. The day is proven again."""
    await desk.withdraw_document(BusinessDay(day), _outside(kind, owner))


def _outside(kind: AccountKind, owner: str) -> Account:
    if kind not in WE_HAVE:
        named = ", ".join(sorted(WE_HAVE))
        raise Invalid("not_ours", f"nobody outside has a document about {kind}; there can be one about: {named}")
    return Account(kind, owner)
