"""What the cashier has rung so far: products and typed amounts, not yet priced for anybody.

A basket holds the price list it was opened with and closes under it: a list that arrives in between is for the next
customer. Every change gives a new basket, or a refusal as a value.
"""

import enum
from dataclasses import dataclass, replace

from protocol.entries import LINES_MAX
from protocol.ids import ProductId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT, PriceList

QTY_MAX = 9_999


class BasketRefusal(enum.StrEnum):
    """Why a basket stays as it is."""

    BASKET_FULL = "basket_full"
    QTY_TOO_LARGE = "qty_too_large"
    AMOUNT_TOO_LARGE = "amount_too_large"


@dataclass(frozen=True, slots=True)
class Item:
    """One line as rung. `typed_cents` is a price for one that a person typed: a free amount or an overridden price."""

    product: ProductId
    qty: int = 1
    typed_cents: Cents | None = None

    def __post_init__(self) -> None:
        assert 1 <= self.qty <= QTY_MAX
        assert self.typed_cents is None or 0 <= self.typed_cents <= SALE_CENTS_MAX
        assert self.product != FREE_AMOUNT or self.typed_cents is not None, "a free amount has a typed price"


@dataclass(frozen=True, slots=True)
class Basket:
    """Lines in the order they were rung, and the prices they will be sold at. `Basket(prices)` is an empty one."""

    prices: PriceList
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.items) <= LINES_MAX

    def add(self, product: ProductId, qty: int = 1) -> "Basket | BasketRefusal":
        """Ring a product; the same product again raises the quantity of its line."""
        assert product != FREE_AMOUNT and qty >= 1
        for index, item in enumerate(self.items):
            if item.product == product and item.typed_cents is None:
                return self.change_qty(index, item.qty + qty)
        return self._append(product, qty, None)

    def add_amount(self, unit_cents: Cents, qty: int = 1) -> "Basket | BasketRefusal":
        """Ring a typed amount; each one is a line of its own."""
        assert unit_cents >= 0 and qty >= 1
        return self._append(FREE_AMOUNT, qty, unit_cents)

    def change_qty(self, index: int, qty: int) -> "Basket | BasketRefusal":
        """Set the quantity of a line (from 0); a quantity of 0 removes it."""
        assert 0 <= index < len(self.items) and qty >= 0
        if qty == 0:
            return self.remove(index)
        if qty > QTY_MAX:
            return BasketRefusal.QTY_TOO_LARGE
        return self._with(index, replace(self.items[index], qty=qty))

    def override_price(self, index: int, unit_cents: Cents) -> "Basket | BasketRefusal":
        """Sell a line at a price that a person typed; who and why is an entry of its own (`price_overridden`)."""
        assert 0 <= index < len(self.items) and unit_cents >= 0
        if unit_cents > SALE_CENTS_MAX:
            return BasketRefusal.AMOUNT_TOO_LARGE
        return self._with(index, replace(self.items[index], typed_cents=unit_cents))

    def remove(self, index: int) -> "Basket":
        """Take a line away."""
        assert 0 <= index < len(self.items)
        return replace(self, items=self.items[:index] + self.items[index + 1 :])

    def cleared(self) -> "Basket":
        """Nothing rung, the same prices. For the next customer open `Basket(newest prices)` instead."""
        return Basket(self.prices)

    def _append(self, product: ProductId, qty: int, typed_cents: Cents | None) -> "Basket | BasketRefusal":
        if len(self.items) == LINES_MAX:
            return BasketRefusal.BASKET_FULL
        if qty > QTY_MAX:
            return BasketRefusal.QTY_TOO_LARGE
        if typed_cents is not None and typed_cents > SALE_CENTS_MAX:
            return BasketRefusal.AMOUNT_TOO_LARGE
        return replace(self, items=(*self.items, Item(product, qty, typed_cents)))

    def _with(self, index: int, item: Item) -> "Basket":
        return replace(self, items=(*self.items[:index], item, *self.items[index + 1 :]))
