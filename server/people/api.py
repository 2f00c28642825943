"""Persons over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from protocol.ids import PersonId
from server.auth.api import AtCards, Looking
from server.fields import Label, Limit
from server.people.schemas import PersonForm, PersonView
from server.people.service import People, Person
from server.problems import PROBLEMS

router = APIRouter(prefix="/people", tags=["people"], responses=PROBLEMS)


async def _people(request: Request) -> People:
    found: People = request.app.state.people
    return found


Register = Annotated[People, Depends(_people)]


@router.put("/{person}")
async def put_person(_: AtCards, people: Register, person: Label, form: PersonForm) -> PersonView:
    """Register a person, or correct the particulars."""
    return _view(await people.put(PersonId(person), form.name, form.card_class))


@router.get("/{person}")
async def get_person(_: Looking, people: Register, person: Label) -> PersonView:
    """One person."""
    return _view(await people.get(PersonId(person)))


@router.get("")
async def list_people(
    _: Looking,
    people: Register,
    after: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = "",
    limit: Limit = 100,
) -> list[PersonView]:
    """Persons in the order of their ids."""
    return [_view(known) for known in await people.page(after, limit)]


def _view(known: Person) -> PersonView:
    return PersonView(id=known.id, name=known.name, card_class=known.card_class, created_at=known.created_at)
