"""Cases: what the books wait for people to look into, with their evidence, and what two people correct of it."""

import secrets
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Form, Path, Query
from pydantic import Field, ValidationError, model_validator
from starlette.responses import HTMLResponse, Response

from protocol.money import parse_cents
from server.auth.service import TwoPeople
from server.booking.rules import MOVEMENTS
from server.booking.schemas import LegForm
from server.booking.service import Bookings
from server.errors import NotFound
from server.fields import RequestId, Words
from server.ingest.book import CaseClass
from server.ledger.accounts import Account, AccountKind
from server.upkeep.service import Upkeep
from server.web.books import account_named, change_of, holder_of, names_of, person_named
from server.web.looking import looked_at_card
from server.web.page import DecidingPage, Fields, FinancePage, LookingPage, Yuan
from server.web.suggesting import account_of, suggested

router = APIRouter()

CASES_SHOWN, LEGS_SHOWN = 100, 4
CaseNumber = Annotated[int, Path(ge=1, le=2**53)]
_Text = Annotated[str, Field(max_length=120)]


class OutcomeFields(Fields):
    """What came out."""

    outcome: Words


class MovementFields(Fields):
    """Money that moved, by its name."""

    request: RequestId
    name: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    cents: Yuan
    document: Words


class CorrectionFields(Fields):
    """Lines of a correction; a line without an amount is none."""

    request: RequestId
    kind: Annotated[list[_Text], Field(min_length=1, max_length=20)]
    owner: list[_Text]
    grows: list[Literal["more", "less"]]
    cents: list[_Text]
    reason: Words
    evidence: Words

    @model_validator(mode="after")
    def _lines_of_accounts(self) -> Self:
        self.legs()
        return self

    def legs(self) -> list[tuple[Account, int]]:
        """The accounts and what they gain, credit positive."""
        found: list[tuple[Account, int]] = []
        for kind, owner, grows, text in zip(self.kind, self.owner, self.grows, self.cents, strict=True):
            if not text:
                continue
            cents = change_of(kind, parse_cents(text) * (1 if grows == "more" else -1))
            try:
                leg = LegForm(kind=kind, owner=owner, cents=cents)
            except ValidationError as error:
                raise ValueError(
                    str(error.errors()[0].get("ctx", {}).get("error", "there is no such account"))
                ) from error
            found.append((Account(AccountKind(leg.kind), leg.owner), leg.cents))
        return found


@router.get("/cases")
async def show_cases(
    page: LookingPage,
    cls: Annotated[str, Query(pattern=r"^[a-z_]{0,24}$")] = "",
    closed: bool = False,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """Open cases, newest first; the closed ones too, where somebody asks."""
    if cls and cls not in set(CaseClass):
        raise NotFound("no_such_class", "there is no such class of cases")
    upkeep: Upkeep = page.house.upkeep
    rows = await upkeep.cases(cls or None, still_open=not closed, before=before, limit=CASES_SHOWN + 1)
    more = rows[CASES_SHOWN - 1]["id"] if len(rows) > CASES_SHOWN else None
    what = {"rows": rows[:CASES_SHOWN], "more": more, "cls": cls, "closed": closed, "classes": list(CaseClass)}
    return page.show("cases/cases.html", what)


@router.get("/cases/{number}")
async def show_case(page: LookingPage, number: CaseNumber) -> HTMLResponse:
    """One case with its evidence, and what can be done about it."""
    upkeep: Upkeep = page.house.upkeep
    together: TwoPeople = page.house.two_people
    case, names = await upkeep.case(number), await names_of(page)
    about, counted = suggested(case), account_of(case)
    lines = [*about, *[(None, 0)] * (LEGS_SHOWN - len(about))]
    holder = await holder_of(page, case["card"]) if case["card"] is not None else None
    await looked_at_card(page, case["card"], holder)
    waiting = [one for one in await together.waiting() if one.subject.partition(":")[2].startswith(f"case-{number}-")]
    what = {
        "case": case,
        "account": await account_named(page, counted, names) if counted else "",
        "holder": await person_named(page, holder) if case["card"] is not None else "",
        "terminal": names.by_tno.get(case["tno"], ""),
        "names": names,
        "lines": lines,
        "kinds": list(AccountKind),
        "movements": list(MOVEMENTS),
        "request": f"case-{number}-{secrets.token_hex(4)}",
        "waiting": waiting,
    }
    return page.show("cases/case.html", what)


@router.post("/cases/{number}/close")
async def close_case_from_page(
    page: DecidingPage, number: CaseNumber, form: Annotated[OutcomeFields, Form()]
) -> Response:
    """Somebody has looked into it; no money moves."""
    upkeep: Upkeep = page.house.upkeep
    await upkeep.close_case(number, page.operator.name, form.outcome)
    return page.done("case_closed", "/cases")


@router.post("/cases/{number}/correction")
async def correct_case_from_page(
    page: DecidingPage, number: CaseNumber, form: Annotated[CorrectionFields, Form()]
) -> Response:
    """Propose to post these lines."""
    booking: Bookings = page.house.bookings
    done = await booking.correct(page.operator, form.request, form.legs(), form.reason, form.evidence)
    return page.done("booked" if done else "proposed", f"/cases/{number}")


@router.post("/cases/{number}/movement")
async def move_for_case_from_page(
    page: FinancePage, number: CaseNumber, form: Annotated[MovementFields, Form()]
) -> Response:
    """Book money that moved; a large sum is proposed."""
    if form.name not in MOVEMENTS:
        raise NotFound("no_such_movement", "there is no such movement")
    booking: Bookings = page.house.bookings
    done = await booking.move(page.operator, form.request, form.name, form.owner, form.cents, form.document)
    return page.done("booked" if done else "proposed", f"/cases/{number}")
