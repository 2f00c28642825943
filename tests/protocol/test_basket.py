"""A basket is what was rung, under the prices it was opened with."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from protocol.basket import QTY_MAX, Basket, BasketRefusal, Item
from protocol.entries import LINES_MAX
from protocol.ids import ProductId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT, NO_PRICES

RICE, TEA = ProductId("rice"), ProductId("tea")
EMPTY: Final = Basket(NO_PRICES)


def rung(*products: ProductId) -> Basket:
    basket = EMPTY
    for product in products:
        added = basket.add(product)
        assert isinstance(added, Basket)
        basket = added
    return basket


def test_the_same_product_again_raises_its_quantity() -> None:
    assert rung(RICE, TEA, RICE).items == (Item(RICE, 2), Item(TEA, 1))


def test_each_typed_amount_is_a_line_of_its_own() -> None:
    once = EMPTY.add_amount(Cents(500))
    assert isinstance(once, Basket)
    twice = once.add_amount(Cents(500), 2)
    assert isinstance(twice, Basket)
    assert twice.items == (Item(FREE_AMOUNT, 1, Cents(500)), Item(FREE_AMOUNT, 2, Cents(500)))


def test_a_product_with_an_overridden_price_takes_no_further_pieces() -> None:
    """The person overrode what was on the counter then, not what is rung afterwards."""
    overridden = rung(RICE).override_price(0, Cents(100))
    assert isinstance(overridden, Basket)
    again = overridden.add(RICE)
    assert isinstance(again, Basket)
    assert again.items == (Item(RICE, 1, Cents(100)), Item(RICE, 1))


def test_quantities_change_and_zero_removes() -> None:
    basket = rung(RICE, TEA)
    changed = basket.change_qty(1, 7)
    assert isinstance(changed, Basket)
    assert changed.items == (Item(RICE), Item(TEA, 7))
    assert basket.change_qty(0, 0) == basket.remove(0) == rung(TEA)
    assert basket.cleared() == EMPTY


def test_limits_are_refused_as_values() -> None:
    full = EMPTY
    for index in range(LINES_MAX):
        added = full.add(ProductId(f"p{index}"))
        assert isinstance(added, Basket)
        full = added
    assert full.add(RICE) is BasketRefusal.BASKET_FULL
    assert full.add_amount(Cents(1)) is BasketRefusal.BASKET_FULL
    assert isinstance(full.add(ProductId("p0")), Basket), "a product already in a full basket still counts up"
    assert rung(RICE).change_qty(0, QTY_MAX + 1) is BasketRefusal.QTY_TOO_LARGE
    assert rung(RICE).add(RICE, QTY_MAX) is BasketRefusal.QTY_TOO_LARGE
    assert EMPTY.add(RICE, QTY_MAX + 1) is BasketRefusal.QTY_TOO_LARGE
    assert EMPTY.add_amount(Cents(SALE_CENTS_MAX + 1)) is BasketRefusal.AMOUNT_TOO_LARGE
    assert rung(RICE).override_price(0, Cents(SALE_CENTS_MAX + 1)) is BasketRefusal.AMOUNT_TOO_LARGE


@given(st.lists(st.tuples(st.sampled_from([RICE, TEA, ProductId("egg")]), st.integers(1, 5)), max_size=30))
def test_nothing_rung_is_forgotten(presses: list[tuple[ProductId, int]]) -> None:
    basket = EMPTY
    for product, qty in presses:
        added = basket.add(product, qty)
        assert isinstance(added, Basket)
        basket = added
    for product in {product for product, _ in presses}:
        assert sum(item.qty for item in basket.items if item.product == product) == sum(
            qty for pressed, qty in presses if pressed == product
        )
    assert len({item.product for item in basket.items}) == len(basket.items)
