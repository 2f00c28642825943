"""The reconciliation desk: business days, their proofs and findings, the float against documents."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from pydantic import AfterValidator, BeforeValidator, Field
from starlette.responses import HTMLResponse, Response, StreamingResponse

from protocol.instants import BusinessDay
from protocol.money import parse_cents
from server.errors import NotFound
from server.fields import INSTANT_MAX, Day, Words
from server.ledger.accounts import VAULT, WE_HAVE, Account, AccountKind
from server.ledger.service import Ledger
from server.reconcile.days import Days
from server.reconcile.facts import Difference
from server.reconcile.float_proof import Document
from server.reconcile.results import ReportLine
from server.reconcile.service import Reconcile
from server.web.books import account_named, change_of, names_of
from server.web.page import CAUSE, Fields, FinancePage, LookingPage, Page
from server.web.proving import proving

router = APIRouter()

DAYS_SHOWN, FINDINGS_SHOWN = 31, 100
_CHANNELS = (AccountKind.CLEARING, AccountKind.PROVIDER)
_CHANNELS_SHOWN_MAX = 100
Figures = tuple[int, int, int]
Number = Annotated[int | None, Query(ge=1, le=2**31)]


def _signed_cents(text: object) -> object:
    if not isinstance(text, str):
        return text
    sign = -1 if text.strip().startswith(("-", "−")) else 1
    return sign * parse_cents(text.strip().lstrip("-−"))


def _within(cents: int) -> int:
    if abs(cents) > INSTANT_MAX:
        raise ValueError("an amount as books have it")
    return cents


def _of_ours(text: str) -> str:
    if text.partition(":")[0] not in WE_HAVE:
        raise ValueError("an account that somebody else can have a document about")
    return text


SignedYuan = Annotated[int, BeforeValidator(_signed_cents), AfterValidator(_within)]
OurAccount = Annotated[str, Field(pattern=r"^[a-z]{1,16}:[A-Za-z0-9._/-]{0,80}$"), AfterValidator(_of_ours)]


class ProveFields(Fields):
    """For real, or to see what would be found."""

    dry: bool = False


class AccountFields(Fields):
    """One account that we have money in, KIND:OWNER."""

    account: OurAccount

    def named(self) -> Account:
        """The account."""
        kind, _, owner = self.account.partition(":")
        return Account(AccountKind(kind), owner)


class DocumentFields(AccountFields):
    """What somebody else says about it."""

    cents: SignedYuan
    document: Words


@router.get("/days")
async def show_days(page: LookingPage, last: Annotated[int | None, Query(ge=0, le=2**16)] = None) -> HTMLResponse:
    """Business days, newest first."""
    days: Days = page.house.days
    shown = await days.page(None if last is None else BusinessDay(last), DAYS_SHOWN)
    older = shown[-1].day - 1 if len(shown) == DAYS_SHOWN else None
    return page.show("days/days.html", {"days": shown, "older": older, "is_newest": last is None})


@router.get("/days/{day}")
async def show_day(page: LookingPage, day: Day, number: Number = None) -> HTMLResponse:
    """One day: its state, a proof of it in figures, and what can be done."""
    days: Days = page.house.days
    desk: Reconcile = page.house.reconcile
    state, proofs = await days.of(BusinessDay(day)), await days.proofs(BusinessDay(day))
    proof = await desk.proof(BusinessDay(day), number=number, limit=1) if proofs else None
    return page.show("days/day.html", {"state": state, "proofs": proofs, "proof": proof, "today": days.today})


@router.get("/days/{day}/report")
async def show_report(page: LookingPage, day: Day) -> HTMLResponse:
    """What each account moved on a day: by kind, and of merchants, drawers and the like one by one."""
    desk: Reconcile = page.house.reconcile
    days: Days = page.house.days
    report, names = await desk.report(BusinessDay(day)), await names_of(page)
    kinds: list[tuple[AccountKind, Figures, list[tuple[str, Figures]]]] = []
    for kind in AccountKind:
        mine = [line for line in report.lines if line.account_kind == kind]
        shown = [(await account_named(page, Account(kind, line.owner), names), _figures(line)) for line in mine]
        if any(any(figures) for _, figures in shown):
            happened, settled, late = (sum(column) for column in zip(*(figures for _, figures in shown), strict=True))
            kinds.append((kind, (happened, settled, late), shown if any(line.owner for line in mine) else []))
    state, now = await days.of(BusinessDay(day)), page.house.clock()
    return page.show("days/report.html", {"report": report, "kinds": kinds, "state": state, "now": now})


def _figures(line: ReportLine) -> Figures:
    """What happened on the day, what counts in it, what came late: as people see the account grow."""
    kind = line.account_kind
    return change_of(kind, line.happened_cents), change_of(kind, line.settled_cents), change_of(kind, line.late_cents)


@router.get("/days/{day}/findings/{cls}")
async def show_findings(
    page: LookingPage,
    day: Day,
    cls: str,
    number: Number = None,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$")] = "",
) -> HTMLResponse:
    """The findings of one class, largest first."""
    if cls not in set(Difference):
        raise NotFound("no_such_class", "there is no such class of differences")
    desk: Reconcile = page.house.reconcile
    proof = await desk.proof(BusinessDay(day), number=number, cls=cls, after=after, limit=FINDINGS_SHOWN + 1)
    found = proof.findings[:FINDINGS_SHOWN]
    more = found[-1].key if len(proof.findings) > FINDINGS_SHOWN else ""
    what = {"proof": proof, "cls": cls, "findings": found, "more": more, "names": await names_of(page)}
    return page.show("days/findings.html", what)


@router.get("/postings")
async def show_postings(page: LookingPage, cause: Annotated[str, Query(pattern=CAUSE)]) -> HTMLResponse:
    """What was posted under one cause."""
    books: Ledger = page.house.ledger
    names = await names_of(page)
    rows: list[tuple[object, str, int]] = []
    for row in await books.postings_of_causes([cause]):
        account = Account(AccountKind(row["account_kind"]), row["owner"])
        rows.append((row, await account_named(page, account, names), change_of(account.kind, row["cents"])))
    return page.show("days/postings.html", {"cause": cause, "rows": rows})


@router.post("/days/{day}/proof")
async def prove_from_page(page: FinancePage, day: Day, form: Annotated[ProveFields, Form()]) -> StreamingResponse:
    """Prove the day; the page grows while it is done."""
    return StreamingResponse(proving(page, BusinessDay(day), dry=form.dry), media_type="text/html; charset=utf-8")


@router.post("/days/{day}/close")
async def close_day_from_page(page: FinancePage, day: Day) -> Response:
    """Close it and all before it."""
    desk: Reconcile = page.house.reconcile
    await desk.close_day(BusinessDay(day))
    return page.done("day_closed", f"/days/{day}")


@router.post("/days/{day}/reopen")
async def reopen_day_from_page(page: FinancePage, day: Day) -> Response:
    """Open a day again that a clock ahead let somebody close."""
    desk: Reconcile = page.house.reconcile
    await desk.reopen_day(BusinessDay(day))
    return page.done("day_opened", f"/days/{day}")


@router.get("/days/{day}/float")
async def show_float(page: LookingPage, day: Day) -> HTMLResponse:
    """Both sides of the float at the end of a day, and documents."""
    desk: Reconcile = page.house.reconcile
    days: Days = page.house.days
    proof, _ = await desk.float_proof(BusinessDay(day))
    names = await names_of(page)
    lines = [(line, await account_named(page, line.account, names)) for line in proof.lines]
    what = {
        "proof": proof,
        "owed": [(kind, proof.owed[kind]) for kind in AccountKind if proof.owed.get(kind)],
        "lines": lines,
        "accounts": await _accounts(page, [line.account for line in proof.lines]),
        "state": await days.of(BusinessDay(day)),
    }
    return page.show("days/float.html", what)


@router.post("/days/{day}/documents")
async def put_document_from_page(page: FinancePage, day: Day, form: Annotated[DocumentFields, Form()]) -> Response:
    """Keep what somebody else says about an account."""
    desk: Reconcile = page.house.reconcile
    await desk.take_document(BusinessDay(day), Document(form.named(), form.cents, form.document))
    return page.done("document_kept", f"/days/{day}/float")


@router.post("/days/{day}/documents/withdraw")
async def withdraw_document_from_page(page: FinancePage, day: Day, form: Annotated[AccountFields, Form()]) -> Response:
    """Take it back."""
    desk: Reconcile = page.house.reconcile
    await desk.withdraw_document(BusinessDay(day), form.named())
    return page.done("document_gone", f"/days/{day}/float")


async def _accounts(page: Page, lines: list[Account]) -> list[tuple[str, str]]:
    """What a document can be about: all lines, the vault, the bank, and every channel."""
    books: Ledger = page.house.ledger
    known = {VAULT, Account(AccountKind.BANK), *lines}
    channels = {
        owner for kind in _CHANNELS for owner, _ in await books.accounts(kind, None, _CHANNELS_SHOWN_MAX, None) if owner
    }
    known |= {Account(kind, owner) for kind in _CHANNELS for owner in channels}
    names = await names_of(page)
    return [(str(account), await account_named(page, account, names)) for account in sorted(known)]
