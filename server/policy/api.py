"""Prices and limits over HTTP; what is stored here reaches every terminal of the site as a signed list."""

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from protocol.ids import SiteId
from protocol.instants import UtcMs
from protocol.limits import LimitRules
from protocol.price_list import Product
from server.auth.api import AtLists, Looking
from server.errors import Invalid
from server.fields import Id
from server.policy.schemas import LimitsForm, ListView, PricesForm
from server.policy.service import Policy
from server.problems import PROBLEMS

router = APIRouter(prefix="/sites", tags=["lists"], responses=PROBLEMS)

_Wire = TypeVar("_Wire")


def _policy(request: Request) -> Policy:
    found: Policy = request.app.state.policy
    return found


Lists = Annotated[Policy, Depends(_policy)]
ListName = Annotated[str, Path(pattern=r"^[a-z]{1,16}$")]


@router.put("/{site}/prices")
async def put_prices(_: AtLists, lists: Lists, site: Id, form: PricesForm) -> ListView:
    """New prices for a site: at once, or at an instant ahead. Prices that wait for theirs stay until others do."""
    products = _converted(form.products, tuple[Product, ...])
    await lists.put_prices(SiteId(site), products, UtcMs(form.valid_from))
    return await _view(lists, site, "prices")


@router.put("/{site}/limits")
async def put_limits(_: AtLists, lists: Lists, site: Id, form: LimitsForm) -> ListView:
    """New spending rules for a site."""
    await lists.put_limits(SiteId(site), _converted(form.rules, LimitRules))
    return await _view(lists, site, "limits")


@router.get("/{site}/lists/{name}")
async def get_list(_: Looking, lists: Lists, site: Id, name: ListName) -> ListView:
    """Which version of a list is in force."""
    return await _view(lists, site, name)


@router.get("/{site}/lists/{name}/body", response_class=Response)
async def get_list_body(_: Looking, lists: Lists, site: Id, name: ListName) -> Response:
    """The list itself, byte by byte as terminals get it."""
    return Response((await lists.body_of(SiteId(site), name)).body, media_type="application/json")


async def _view(lists: Policy, site: str, name: str) -> ListView:
    file = await lists.body_of(SiteId(site), name)
    return ListView(name=name, version=file.version, sha256=file.sha256, bytes=len(file.body))


def _converted(value: Any, wire_type: type[_Wire]) -> _Wire:
    try:
        return msgspec.convert(value, wire_type)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid("not_a_list", str(error)) from error
