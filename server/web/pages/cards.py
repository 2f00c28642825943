"""Cards: found, listed, looked at; blocked, replaced, bound to a person, given out."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query
from pydantic import Field
from sqlalchemy import RowMapping
from starlette.responses import HTMLResponse, RedirectResponse, Response

from protocol.ids import U16_MAX, U32_MAX, CardNo, PersonId
from protocol.purse import Technology
from server.auth.rules import Proposal
from server.auth.service import TwoPeople
from server.cards.service import Cards
from server.errors import NotFound
from server.fields import CardClassNumber, CardNumber
from server.finding.rules import TEXT_MAX
from server.finding.service import Finding
from server.ingest.book import CardStatus
from server.people.service import People
from server.phones.service import Phones
from server.tokens.service import Tokens
from server.web.door import PAGES
from server.web.looking import looked_at_card
from server.web.page import CardsPage, Fields, LookingPage, Page

router = APIRouter()

No = Annotated[CardNumber, Path()]
_ROWS = 100
_MONEY_ACTIONS = ("load", "subsidise")


class HolderFields(Fields):
    """Whose card it is; empty: nobody's."""

    person: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""


class IssueFields(Fields):
    """One new number; with a person the class is that person's."""

    technology: Literal["classic", "desfire", "token"]
    card_class: CardClassNumber = 1
    person: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""


@router.get("/cards")
async def show_cards(
    page: LookingPage,
    q: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    status: Literal["", "active", "blocked", "closed", "released"] = "",
    after: Annotated[int, Query(ge=0, le=U32_MAX)] = 0,
    generation: Annotated[int, Query(ge=0, le=U16_MAX)] = U16_MAX,
) -> Response:
    """What a text can mean, or all cards by their numbers; who means one thing only is led to it."""
    finding: Finding = page.house.finding
    if not q.strip():
        cards = await finding.cards((after, generation), status, _ROWS + 1)
        listed = {"cards": cards[:_ROWS], "is_more": len(cards) > _ROWS, "after": after, "status": status}
        return page.show("cards/list.html", {**listed, "statuses": list(CardStatus)})
    found = await finding.find(q)
    if (no := found.only_card) is not None:
        return RedirectResponse(f"{PAGES}/cards/{no}", 303)
    if (person := found.only_person) is not None:
        return RedirectResponse(f"{PAGES}/people/{person}", 303)
    return page.show("cards/found.html", {"text": q.strip(), "cards": found.cards, "people": found.people})


@router.get("/cards/{no}")
async def show_card(
    page: LookingPage, no: No, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> HTMLResponse:
    """Everything about one number: what it has, what was done with it, what can be done."""
    office: Cards = page.house.cards
    finding: Finding = page.house.finding
    held = await office.get(CardNo(no))
    newest = held.rows[-1]
    steps = await office.history(CardNo(no), before, _ROWS + 1)
    await looked_at_card(page, no, newest["person"])
    return page.show(
        "cards/card.html",
        {
            "no": no,
            "held": held,
            "card": newest,
            "holder": await _holder(page, newest["person"]),
            "uids": await finding.uids_of(CardNo(no)),
            "cases": await finding.open_cases(CardNo(no)),
            "waiting": await _waiting(page, no),
            "drawers": await finding.open_drawers(),
            "unexplained_cents": sum(row["adopted_cents"] - row["explained_cents"] for row in held.rows),
            "steps": steps[:_ROWS],
            "is_more": len(steps) > _ROWS,
            "before": before,
            "events": await office.events(CardNo(no), _ROWS),
            "now": page.house.clock(),
            "request": lambda: f"desk-{secrets.token_hex(8)}",
            **await _as_token(page, newest),
        },
    )


async def _holder(page: Page, person: str | None) -> str:
    people: People = page.house.people
    return (await people.get(PersonId(person))).name if person is not None else ""


async def _waiting(page: Page, no: int) -> list[tuple[Proposal, int]]:
    """What was asked for this card and waits for a second person, and how much."""
    together: TwoPeople = page.house.two_people
    found = [(one, one.meant.asked) for one in await together.waiting() if one.meant is not None]
    mine = [(one, asked) for one, asked in found if one.action in _MONEY_ACTIONS and asked.get("card") == no]
    return [(one, int(asked["cents"])) for one, asked in mine]


async def _as_token(page: Page, newest: RowMapping) -> Mapping[str, object]:
    """UIDs that are bound at the desk, and the phone; only tokens have either."""
    if newest["technology"] != Technology.TOKEN:
        return {"tokens": [], "phone": None}
    tokens: Tokens = page.house.tokens
    phones: Phones = page.house.phones
    try:
        phone = await phones.of(CardNo(newest["card"]))
    except NotFound:
        phone = None
    return {"tokens": await tokens.page(CardNo(newest["card"]), "", _ROWS), "phone": phone}


@router.post("/cards")
async def issue_from_page(page: CardsPage, form: Annotated[IssueFields, Form()]) -> Response:
    """Give out the next number."""
    office: Cards = page.house.cards
    people: People = page.house.people
    person = PersonId(form.person) if form.person else None
    card_class = (await people.get(person)).card_class if person is not None else form.card_class
    (no,) = await office.issue(1, card_class, form.technology, person)
    return page.done("card_issued", f"/cards/{no}")


@router.post("/cards/{no}/block")
async def block_from_page(page: CardsPage, no: No) -> Response:
    """No terminal that has the next list takes it."""
    office: Cards = page.house.cards
    await office.set_blocked(CardNo(no), blocked=True)
    return page.done("card_blocked", f"/cards/{no}")


@router.post("/cards/{no}/unblock")
async def unblock_from_page(page: CardsPage, no: No) -> Response:
    """Let it pay again."""
    office: Cards = page.house.cards
    await office.set_blocked(CardNo(no), blocked=False)
    return page.done("card_unblocked", f"/cards/{no}")


@router.post("/cards/{no}/replace")
async def replace_from_page(page: CardsPage, no: No) -> Response:
    """A new plastic takes its place."""
    office: Cards = page.house.cards
    await office.replace(CardNo(no))
    return page.done("card_replaced", f"/cards/{no}")


@router.post("/cards/{no}/holder")
async def bind_from_page(page: CardsPage, no: No, form: Annotated[HolderFields, Form()]) -> Response:
    """Say whose it is."""
    office: Cards = page.house.cards
    await office.bind(CardNo(no), PersonId(form.person) if form.person else None)
    return page.done("card_bound", f"/cards/{no}")
