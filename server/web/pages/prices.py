"""Prices of a site: what holds now, what waits for its time, who runs which version, and what held before."""

from typing import Annotated, Literal, Self

import msgspec
from fastapi import APIRouter, Form, Query
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from starlette.responses import HTMLResponse, RedirectResponse, Response

from protocol.ids import ProductId, SiteId
from protocol.instants import DAY_MIN, UtcMs
from protocol.money import SALE_CENTS_MAX, parse_cents
from protocol.price_list import PriceList, PriceRule, Product
from protocol.purse import CardClass
from protocol.settings import explained
from server.errors import Invalid, NotFound
from server.fields import Id
from server.note import note_subject
from server.policy.service import Policy
from server.states.service import States
from server.web.door import PAGES
from server.web.page import LOCAL_TIME_OR_NONE, Fields, ListsPage, LookingPage, Page
from server.web.price_table import Row, changes_between, row_of

router = APIRouter()

PRODUCTS_SHOWN, VERSIONS_SHOWN, RULES_SPARE = 100, 50, 2
_Text = Annotated[str, Field(max_length=60)]
_Start = Annotated[int, Query(ge=0, le=100_000)]
_Search = Annotated[str, Query(max_length=60)]


def _price(text: object) -> object:
    return parse_cents(text) if isinstance(text, str) else text


def _sold(cents: int) -> int:
    if cents > SALE_CENTS_MAX:
        raise ValueError("an amount of at most 50000.00")
    return cents


PriceYuan = Annotated[int, BeforeValidator(_price), AfterValidator(_sold)]


class VersionFields(Fields):
    """The version of the prices that somebody looked at."""

    made_from: Annotated[int, Field(ge=0, le=2**53)]


class WhenFields(VersionFields):
    """From when on a change holds."""

    when: Literal["now", "waiting", "at"] = "now"
    at: Annotated[str, Field(pattern=LOCAL_TIME_OR_NONE)] = ""

    @model_validator(mode="after")
    def _has_an_instant(self) -> Self:
        if self.when == "at" and not self.at:
            raise ValueError("at: say the date and the time, or choose another start")
        return self


class RemoveFields(WhenFields):
    """A product that shall not be sold any more."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]


class ProductFields(RemoveFields):
    """A product as its form has it; a line without a price is no rule."""

    en: _Text
    zh_hans: _Text
    zh_hant: _Text
    price: PriceYuan
    merchant: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    category: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    barcode: Annotated[str, Field(pattern=r"^[0-9]{0,14}$")] = ""
    rule_class: list[Annotated[int, Field(ge=0, le=3)]]
    rule_from: list[_Text]
    rule_to: list[_Text]
    rule_cents: list[_Text]

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        self.rules()
        return self

    def rules(self) -> tuple[PriceRule, ...]:
        """Prices for a class or some hours."""
        lines = zip(self.rule_class, self.rule_from, self.rule_to, self.rule_cents, strict=True)
        return tuple(
            msgspec.convert(
                {
                    "cents": _sold(parse_cents(cents)),
                    "card_class": card_class,
                    "from_min": _minute(begins),
                    "to_min": _minute(ends),
                },
                PriceRule,
            )
            for card_class, begins, ends, cents in lines
            if cents
        )

    def wanted(self) -> Product:
        """The product. Raises Invalid."""
        names = {"en": self.en, "zh-Hans": self.zh_hans, "zh-Hant": self.zh_hant}
        of_whom = {"merchant": self.merchant} if self.merchant else {}
        about = {"id": self.product, "names": names, "price": self.price, **of_whom}
        more = {"category": self.category, "barcode": self.barcode, "rules": msgspec.to_builtins(self.rules())}
        try:
            return msgspec.convert({**about, **more}, Product)
        except msgspec.ValidationError as error:
            raise Invalid("not_a_list", explained(error, Product)) from error


@router.get("/prices")
async def show_price_sites(page: LookingPage) -> Response:
    """All sites; where there is one, its prices."""
    sites = await _policy(page).sites()
    if len(sites) == 1:
        return RedirectResponse(f"{PAGES}/prices/{sites[0]}", 303)
    return page.show("prices/sites.html", {"sites": sites})


@router.get("/prices/{site}")
async def show_prices(page: LookingPage, site: Id, q: _Search = "", start: _Start = 0) -> HTMLResponse:
    """What holds at a site, and what waits."""
    await _policy(page).require(SiteId(site))
    prices = await _policy(page).prices(SiteId(site))
    found = [product for product in prices.products if _is_meant(product, q)]
    what: dict[str, object] = {
        "rows": [row_of(product) for product in found[start : start + PRODUCTS_SHOWN]],
        "count": len(found),
        "start": start,
        "step": PRODUCTS_SHOWN,
        "q": q,
        "waiting": changes_between(prices)[:PRODUCTS_SHOWN],
        **await _runs(page, site),
    }
    return page.show("prices/prices.html", {**what, "site": site, "prices": prices})


@router.get("/prices/{site}/live")
async def show_price_runs(page: LookingPage, site: Id) -> HTMLResponse:
    """Who has them, anew."""
    return page.show("prices/live.html", await _runs(page, site))


@router.get("/prices/{site}/product")
async def show_product(
    page: ListsPage,
    site: Id,
    product: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = "",
    waiting: bool = False,
) -> HTMLResponse:
    """The form of a product, as it is or as it waits; without one that of a new one."""
    await _policy(page).require(SiteId(site))
    prices = await _policy(page).prices(SiteId(site))
    products = prices.later.products if waiting and prices.later is not None else prices.products
    known = next((one for one in products if one.id == product), None)
    if product and known is None:
        raise NotFound("no_such_product", "this product is not on sale any more")
    merchants = await _policy(page).merchants(SiteId(site))
    what = {"site": site, "prices": prices, "known": known, "waiting": waiting, "classes": list(CardClass)}
    rules = [*(known.rules if known else ()), *[None] * RULES_SPARE]
    return page.show("prices/product.html", {**what, "merchants": merchants, "rules": rules, "clock": _clock})


@router.post("/prices/{site}/product")
async def put_product_from_page(page: ListsPage, site: Id, form: Annotated[ProductFields, Form()]) -> Response:
    """A new product, or new particulars of one."""
    product = form.wanted()
    await _policy(page).require(SiteId(site))
    await _policy(page).require_merchants(SiteId(site), [product])
    return await _change(page, site, form, product)


@router.post("/prices/{site}/remove")
async def remove_product_from_page(page: ListsPage, site: Id, form: Annotated[RemoveFields, Form()]) -> Response:
    """A product is not sold any more."""
    await _policy(page).require(SiteId(site))
    return await _change(page, site, form, None)


@router.post("/prices/{site}/start")
async def start_prices_from_page(page: ListsPage, site: Id, form: Annotated[VersionFields, Form()]) -> Response:
    """What waits holds at once."""
    await _policy(page).start_prices(SiteId(site), form.made_from)
    return page.done("prices_started", f"/prices/{site}")


@router.post("/prices/{site}/drop")
async def drop_prices_from_page(page: ListsPage, site: Id, form: Annotated[VersionFields, Form()]) -> Response:
    """What waits is not wanted."""
    await _policy(page).drop_prices(SiteId(site), form.made_from)
    return page.done("prices_dropped", f"/prices/{site}")


@router.get("/prices/{site}/versions")
async def show_price_versions(
    page: LookingPage, site: Id, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> HTMLResponse:
    """Every version that was put, newest first."""
    rows = await _policy(page).history(SiteId(site), "prices", before, VERSIONS_SHOWN + 1)
    more = rows[VERSIONS_SHOWN - 1]["version"] if len(rows) > VERSIONS_SHOWN else None
    return page.show("prices/versions.html", {"site": site, "rows": rows[:VERSIONS_SHOWN], "more": more})


@router.get("/prices/{site}/versions/{version}")
async def show_price_version(page: LookingPage, site: Id, version: int, start: _Start = 0) -> HTMLResponse:
    """Prices as they once were."""
    prices = await _policy(page).prices(SiteId(site), version)
    rows: list[Row] = [row_of(product) for product in prices.products[start : start + PRODUCTS_SHOWN]]
    what = {"rows": rows, "count": len(prices.products), "start": start, "step": PRODUCTS_SHOWN}
    return page.show("prices/version.html", {**what, "site": site, "prices": prices})


def _policy(page: Page) -> Policy:
    found: Policy = page.house.policy
    return found


async def _runs(page: Page, site: str) -> dict[str, object]:
    states: States = page.house.states
    known = [one for one in await states.every() if one.row["site"] == site and not one.row["shut_out"]]
    pairs = [(one, one.applied.get("prices", (0, 0))) for one in known]
    return {"site": site, "runs": pairs, "at": page.house.clock()}


async def _change(page: Page, site: str, form: RemoveFields, product: Product | None) -> Response:
    note_subject(f"sites/{site}/prices/{form.product}")
    prices = await _policy(page).prices(SiteId(site))
    changes = {ProductId(form.product): product}
    await _policy(page).change_prices(SiteId(site), form.made_from, changes, _from(page, form, prices))
    return page.done("prices_waiting" if form.when != "now" else "prices_changed", f"/prices/{site}")


def _from(page: Page, form: WhenFields, prices: PriceList) -> UtcMs:
    """The instant that was chosen; 0: at once."""
    match form.when:
        case "now":
            return UtcMs(0)
        case "waiting":
            return prices.later.at if prices.later is not None else UtcMs(0)
        case "at":
            return page.instant(form.at)


def _is_meant(product: Product, words: str) -> bool:
    names = product.names
    told = " ".join((product.id, names.en, names.zh_hans, names.zh_hant, product.category, product.barcode))
    return words.strip().lower() in told.lower()


def _minute(text: str) -> int:
    """Minutes after midnight of "11:30"; an empty one is midnight, "24:00" the end of the day."""
    if not text:
        return 0
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and int(minutes) < 60):
        raise ValueError(f"{text!r} is no time of the day: write it as 11:30")
    found = int(hours) * 60 + int(minutes)
    if found > DAY_MIN:
        raise ValueError(f"{text!r} is no time of the day: write it as 11:30")
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}" if minute else ""
