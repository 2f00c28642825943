"""Products as rows of a table: names, the price of each class all day, and prices of certain hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.instants import DAY_MIN
from protocol.price_list import ANY_CLASS, PriceList, PriceRule, Product
from protocol.purse import CardClass


@dataclass(frozen=True, slots=True)
class Row:
    """One product. `by_class`: what each class pays outside of `hours`."""

    product: Product
    by_class: Mapping[CardClass, int]
    hours: Sequence[PriceRule]


@dataclass(frozen=True, slots=True)
class Change:
    """What will be other than it is: a product before (None: it is new) and after (None: it goes)."""

    before: Row | None
    after: Row | None

    @property
    def product(self) -> Product:
        """What it is about."""
        row = self.after or self.before
        assert row is not None
        return row.product


def row_of(product: Product) -> Row:
    """How a product is shown."""
    whole_day = {rule.card_class: rule.cents for rule in reversed(product.rules) if rule.window_min == DAY_MIN}
    by_class = {one: whole_day.get(one, product.price) for one in CardClass}
    hours = [rule for rule in product.rules if rule.window_min != DAY_MIN or rule.card_class == ANY_CLASS]
    return Row(product, by_class, hours)


def changes_between(prices: PriceList) -> list[Change]:
    """What prices that wait will change, in the order of the list."""
    if prices.later is None:
        return []
    before = {product.id: product for product in prices.products}
    after = {product.id: product for product in prices.later.products}
    return [
        Change(
            row_of(before[name]) if name in before else None,
            row_of(after[name]) if name in after else None,
        )
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
