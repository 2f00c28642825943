"""People who hold cards, and by what else they pay: UIDs and phones."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query
from pydantic import BeforeValidator
from starlette.responses import HTMLResponse, Response

from protocol.ids import CardNo, PersonId
from server.errors import Conflict, NotFound
from server.fields import CardClassNumber, CardNumber, Label, Words
from server.finding.rules import uid_typed
from server.finding.service import Finding
from server.people.service import People
from server.phones.service import Phones
from server.tokens.schemas import Uid
from server.tokens.service import Tokens
from server.web.looking import looked_at_person
from server.web.page import CardsPage, Fields, LookingPage

router = APIRouter()

No = Annotated[CardNumber, Path()]
Who = Annotated[Label, Path()]
_ROWS = 100


class PersonFields(Fields):
    """A person's particulars."""

    name: Words
    card_class: CardClassNumber


class NewPersonFields(PersonFields):
    """A person nobody has heard of."""

    id: Label


class UidFields(Fields):
    """4, 7, 8 or 10 bytes, hexadecimal, as readers print it: with colons or without."""

    uid: Annotated[Uid, BeforeValidator(uid_typed)]


@router.get("/people")
async def show_people(
    page: LookingPage, after: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
) -> HTMLResponse:
    """Everybody, by id."""
    people: People = page.house.people
    found = await people.page(after, _ROWS + 1)
    listed = {"people": found[:_ROWS], "is_more": len(found) > _ROWS, "after": after}
    return page.show("cards/people.html", listed)


@router.post("/people")
async def register_from_page(page: CardsPage, form: Annotated[NewPersonFields, Form()]) -> Response:
    """Somebody new; who is known already is not overwritten."""
    people: People = page.house.people
    try:
        await people.get(PersonId(form.id))
    except NotFound:
        await people.put(PersonId(form.id), form.name, form.card_class)
        return page.done("person_saved", f"/people/{form.id}")
    raise Conflict("person_exists", f"{form.id} is registered already")


@router.get("/people/{person}")
async def show_person(page: LookingPage, person: Who) -> HTMLResponse:
    """One person and their cards."""
    people: People = page.house.people
    finding: Finding = page.house.finding
    known = await people.get(PersonId(person))
    await looked_at_person(page, person)
    return page.show("cards/person.html", {"person": known, "cards": await finding.cards_of(PersonId(person))})


@router.post("/people/{person}")
async def change_person_from_page(page: CardsPage, person: Who, form: Annotated[PersonFields, Form()]) -> Response:
    """Other particulars of somebody who is known."""
    people: People = page.house.people
    await people.get(PersonId(person))
    await people.put(PersonId(person), form.name, form.card_class)
    return page.done("person_saved", f"/people/{person}")


@router.post("/cards/{no}/uid")
async def bind_uid_from_page(page: CardsPage, no: No, form: Annotated[UidFields, Form()]) -> Response:
    """Whoever shows this UID is the holder."""
    tokens: Tokens = page.house.tokens
    await tokens.bind(form.uid, CardNo(no))
    return page.done("uid_bound", f"/cards/{no}")


@router.post("/cards/{no}/uid/{uid}/unbind")
async def unbind_uid_from_page(page: CardsPage, no: No, uid: Annotated[Uid, Path()]) -> Response:
    """A UID of this card is nobody's any more."""
    tokens: Tokens = page.house.tokens
    if (await tokens.of(uid))["card"] != no:
        raise NotFound("no_such_token", f"{uid} is not bound to card {no}")
    await tokens.unbind(uid)
    return page.done("uid_unbound", f"/cards/{no}")


@router.post("/cards/{no}/phone")
async def bind_phone_from_page(page: CardsPage, no: No) -> Response:
    """Another phone shows codes from now on; its secret is shown this once."""
    phones: Phones = page.house.phones
    _, secret = await phones.bind(CardNo(no))
    told = page.say("cards.phone_secret_says")
    what = {"no": no, "title": page.say("cards.phone_secret"), "told": told, "secret": secret}
    return page.show_once("cards/told.html", what)


@router.post("/cards/{no}/phone/unbind")
async def unbind_phone_from_page(page: CardsPage, no: No) -> Response:
    """No phone shows codes for it any more."""
    phones: Phones = page.house.phones
    await phones.unbind(CardNo(no))
    return page.done("phone_unbound", f"/cards/{no}")
