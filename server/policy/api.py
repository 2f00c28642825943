"""Prices and limits over HTTP; what is stored here reaches every terminal of the site as a signed list."""

import asyncio
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from protocol.ids import SiteId
from protocol.instants import UtcMs
from protocol.limits import LimitRules
from protocol.price_list import Product
from protocol.purse import CardClass
from protocol.settings import explained
from protocol.site_files import ConfigFile, PromotionsFile, TextsFile
from server.auth.api import AtLists, Looking
from server.auth.rules import Permission
from server.errors import Forbidden, Invalid
from server.fields import Id
from server.policy.schemas import (
    ConfigForm,
    LimitsForm,
    ListView,
    PricesForm,
    PromotionsForm,
    StaffForm,
    TextsForm,
)
from server.policy.service import Policy
from server.policy.site_files import staff_file
from server.problems import PROBLEMS

router = APIRouter(prefix="/sites", tags=["lists"], responses=PROBLEMS)

_Wire = TypeVar("_Wire")


async def _policy(request: Request) -> Policy:
    found: Policy = request.app.state.policy
    return found


Lists = Annotated[Policy, Depends(_policy)]


async def _site_of(lists: Lists, site: Id) -> SiteId:
    known = SiteId(site)
    await lists.require(known)
    return known


Site = Annotated[SiteId, Depends(_site_of)]
ListName = Annotated[str, Path(pattern=r"^[a-z]{1,16}$")]


@router.put("/{site}/prices")
async def put_prices(_: AtLists, lists: Lists, site: Site, form: PricesForm) -> ListView:
    """New prices for a site: at once, or at an instant ahead. Prices that wait for theirs stay until others do."""
    products = _converted(form.products, tuple[Product, ...])
    await lists.require_merchants(site, products)
    await lists.put_prices(site, products, UtcMs(form.valid_from))
    return await _view(lists, site, "prices")


@router.put("/{site}/limits")
async def put_limits(_: AtLists, lists: Lists, site: Site, form: LimitsForm) -> ListView:
    """New spending rules for a site. Each step of `offline` names its `sale`: to sell nothing is said, not left out."""
    rules, steps = _converted(form.rules, LimitRules), form.rules.get("offline", [])
    if any("sale" not in step for step in steps):
        raise Invalid("not_a_ladder", "offline: a step says how much one sale may take (`sale`); 0 refuses")
    if strange := sorted({limits.card_class for limits in rules.classes} - set(CardClass)):
        known = ", ".join(f"{one.value} {one.name.lower()}" for one in CardClass)
        raise Invalid("no_such_class", f"classes: there is no class {strange[0]}; there are {known}")
    await lists.put_limits(site, rules)
    return await _view(lists, site, "limits")


@router.put("/{site}/promotions")
async def put_promotions(_: AtLists, lists: Lists, site: Site, form: PromotionsForm) -> ListView:
    """New promotions for a site. Data only: terminals receive them, and nothing is taken off a price for them yet."""
    file = _converted({"promotions": form.promotions}, PromotionsFile)
    await lists.put_file(site, "promotions", file)
    return await _view(lists, site, "promotions")


@router.put("/{site}/staff")
async def put_staff(_: AtLists, lists: Lists, site: Site, form: StaffForm) -> ListView:
    """Who may open a shift at this site's tills."""
    file = await asyncio.to_thread(staff_file, form.staff, await lists.staff(site))
    await lists.put_file(site, "staff", file)
    return await _view(lists, site, "staff")


@router.put("/{site}/texts")
async def put_texts(_: AtLists, lists: Lists, site: Site, form: TextsForm) -> ListView:
    """New names of merchants, headers of receipts and announcements."""
    await lists.put_file(site, "texts", _converted(form.texts, TextsFile))
    return await _view(lists, site, "texts")


@router.put("/{site}/config")
async def put_config(_: AtLists, lists: Lists, site: Site, form: ConfigForm) -> ListView:
    """How this site's terminals are set up; where former spares stand is the register's word (`place_spare`)."""
    if "places" in form.config:
        raise Invalid("not_a_list", "places: a spare gets its place by POST /terminals/T/place")
    await lists.put_file(site, "config", _converted(form.config, ConfigFile))
    return await _view(lists, site, "config")


@router.get("/{site}/lists/{name}")
async def get_list(_: Looking, lists: Lists, site: Id, name: ListName) -> ListView:
    """Which version of a list is in force."""
    return await _view(lists, site, name)


@router.get("/{site}/lists/{name}/body", response_class=Response)
async def get_list_body(operator: Looking, lists: Lists, site: Id, name: ListName) -> Response:
    """The list itself, byte by byte as terminals get it. Hashes of PINs are for those who may set them."""
    if name == "staff" and not operator.may(Permission.LISTS):
        raise Forbidden("not_allowed", f"this needs the permission {Permission.LISTS}")
    return Response((await lists.body_of(SiteId(site), name)).body, media_type="application/json")


async def _view(lists: Policy, site: str, name: str) -> ListView:
    file = await lists.body_of(SiteId(site), name)
    return ListView(name=name, version=file.version, sha256=file.sha256, bytes=len(file.body))


def _converted(value: Any, wire_type: type[_Wire]) -> _Wire:
    try:
        return msgspec.convert(value, wire_type)
    except msgspec.ValidationError as error:
        raise Invalid("not_a_list", explained(error, wire_type)) from error
    except ValueError as error:
        raise Invalid("not_a_list", "a text in it is no Unicode") from error
