"""Prices edited product by product: what another one did meanwhile stands, and what waits is not forgotten."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.ids import ProductId, SiteId
from protocol.instants import HOUR_MS, UtcMs
from protocol.money import Cents
from protocol.price_list import Names, PriceList, Product
from server.errors import Conflict, Invalid, NotFound
from server.policy.service import Policy
from tests.server.office import Desk, open_desk
from tests.server.world import SITE

RICE, TEA, SOUP = (ProductId(name) for name in ("rice", "tea", "soup"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/terminals/till-1", {"site": SITE})
        await desk.house.policy.put_prices(SITE, (of(RICE, 150), of(TEA, 250)))
        yield desk


def of(product: ProductId, cents: int) -> Product:
    return Product(product, Names(product, product, product), Cents(cents))


def held(prices: PriceList) -> dict[str, int]:
    return {str(product.id): int(product.price) for product in prices.products}


def waiting(prices: PriceList) -> dict[str, int]:
    return {str(product.id): int(product.price) for product in prices.later.products} if prices.later else {}


async def test_a_change_names_what_it_was_made_from(desk: Desk) -> None:
    policy: Policy = desk.house.policy
    seen = (await policy.prices(SITE)).version
    version = await policy.change_prices(SITE, seen, {RICE: of(RICE, 175)})
    with pytest.raises(Conflict, match="meanwhile"):
        await policy.change_prices(SITE, seen, {TEA: None})
    prices = await policy.prices(SITE)
    assert (prices.version, held(prices)) == (version, {"rice": 175, "tea": 250})
    await policy.change_prices(SITE, version, {TEA: None, SOUP: of(SOUP, 400)})
    assert held(await policy.prices(SITE)) == {"rice": 175, "soup": 400}
    assert held(await policy.prices(SITE, seen)) == {"rice": 150, "tea": 250}, "and what was, can be read"
    versions = [row["version"] for row in await policy.history(SITE, "prices", None, 10)]
    assert versions[1:] == [version, seen]
    assert [row["version"] for row in await policy.history(SITE, "prices", version, 10)] == [seen]
    with pytest.raises(NotFound):
        await policy.prices(SITE, seen + 99)


async def test_what_waits_gathers_changes_and_takes_those_of_now(desk: Desk) -> None:
    policy, at = desk.house.policy, UtcMs(desk.clock() + HOUR_MS)
    version = (await policy.prices(SITE)).version
    version = await policy.change_prices(SITE, version, {SOUP: of(SOUP, 400)}, at)
    version = await policy.change_prices(SITE, version, {TEA: None}, at)
    version = await policy.change_prices(SITE, version, {RICE: of(RICE, 175)})
    prices = await policy.prices(SITE)
    assert held(prices) == {"rice": 175, "tea": 250}
    assert waiting(prices) == {"rice": 175, "soup": 400} and prices.later is not None and prices.later.at == at
    desk.clock.pass_ms(HOUR_MS)
    switched = await policy.prices(SITE)
    assert held(switched) == {"rice": 175, "soup": 400} and switched.later is None
    with pytest.raises(Conflict):
        await policy.change_prices(SITE, version, {RICE: None})
    with pytest.raises(Invalid, match="past"):
        await policy.change_prices(SITE, switched.version, {RICE: None}, at)


@pytest.mark.parametrize("does", ["start", "drop"])
async def test_what_waits_begins_now_or_never(desk: Desk, does: str) -> None:
    policy, at = desk.house.policy, UtcMs(desk.clock() + HOUR_MS)
    seen = (await policy.prices(SITE)).version
    act = policy.start_prices if does == "start" else policy.drop_prices
    with pytest.raises(Conflict, match="no prices wait"):
        await act(SITE, seen)
    version = await policy.change_prices(SITE, seen, {SOUP: of(SOUP, 400)}, at)
    with pytest.raises(Conflict, match="meanwhile"):
        await act(SITE, seen)
    await act(SITE, version)
    prices = await policy.prices(SITE)
    assert prices.later is None
    assert held(prices) == {"rice": 150, "tea": 250, **({"soup": 400} if does == "start" else {})}


async def test_a_site_without_prices_gets_its_first_product(desk: Desk) -> None:
    await desk.put("/terminals/till-9", {"site": "south"})
    await desk.house.policy.change_prices(SiteId("south"), 0, {RICE: of(RICE, 150)})
    assert held(await desk.house.policy.prices(SiteId("south"))) == {"rice": 150}
