"""A basket and a card's class become lines and a total. Terminal and server run this same code."""

from dataclasses import dataclass

from protocol.basket import Basket, Item
from protocol.entries import Line
from protocol.ids import ProductId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT, PriceList
from protocol.purse import CardClass


@dataclass(frozen=True, slots=True)
class Ticket:
    """A priced basket: the lines as entries carry them, their sum, and the version of the prices used."""

    lines: tuple[Line, ...]
    total_cents: Cents
    prices_version: int


@dataclass(frozen=True, slots=True)
class Unpriced:
    """The price list does not know this product."""

    product: ProductId


@dataclass(frozen=True, slots=True)
class TotalTooLarge:
    """No single sale may move this much."""

    total_cents: Cents
    total_cents_max: Cents = Cents(SALE_CENTS_MAX)


PricingRefusal = Unpriced | TotalTooLarge


def price_basket(basket: Basket, card_class: CardClass | None, minute_of_day: int) -> Ticket | PricingRefusal:
    """Price every line for this class (None while no card was shown) at this campus minute (0 to 1439).

    The prices are those the basket was opened with. An empty basket costs 0.
    """
    lines: list[Line] = []
    for item in basket.items:
        line = _price_item(item, basket.prices, card_class, minute_of_day)
        if line is None:
            return Unpriced(item.product)
        lines.append(line)
    total = Cents(sum(line.net_cents for line in lines))
    if total > SALE_CENTS_MAX:
        return TotalTooLarge(total)
    return Ticket(tuple(lines), total, basket.prices.version)


def _price_item(item: Item, prices: PriceList, card_class: CardClass | None, minute_of_day: int) -> Line | None:
    if item.product == FREE_AMOUNT:
        assert item.typed_cents is not None
        return Line(item.product, item.qty, item.typed_cents)
    product = prices.product(item.product)
    if product is None:
        return None
    unit = product.price_for(card_class, minute_of_day) if item.typed_cents is None else item.typed_cents
    return Line(item.product, item.qty, unit, product.price if product.price != unit else Cents(0))
