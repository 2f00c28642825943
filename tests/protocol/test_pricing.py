"""A basket becomes lines and a total, the same on terminal and server."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.basket import Basket, Item
from protocol.entries import Line
from protocol.ids import ProductId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT, Names, PriceList, PriceRule, Product
from protocol.pricing import Ticket, TotalTooLarge, Unpriced, price_basket
from protocol.purse import CardClass

NAMES = Names("Rice", "米饭", "米飯")
RICE, GIFT = ProductId("rice"), ProductId("gift")
PRICES = PriceList(
    9,
    "CNY",
    (
        Product(RICE, NAMES, Cents(150), rules=(PriceRule(Cents(100), CardClass.STUDENT),)),
        Product(GIFT, NAMES, Cents(0)),
    ),
)


def test_a_line_shows_the_list_price_only_where_it_differs() -> None:
    basket = Basket(PRICES, (Item(RICE, 2), Item(FREE_AMOUNT, 1, Cents(250))))
    free = Line(FREE_AMOUNT, 1, Cents(250))
    assert price_basket(basket, CardClass.STUDENT, 0) == Ticket(
        (Line(RICE, 2, Cents(100), Cents(150)), free), Cents(450), 9
    )
    assert price_basket(basket, None, 0) == Ticket((Line(RICE, 2, Cents(150)), free), Cents(550), 9)


def test_an_overridden_price_beats_every_rule() -> None:
    ticket = price_basket(Basket(PRICES, (Item(RICE, 1, Cents(0)),)), CardClass.STUDENT, 0)
    assert ticket == Ticket((Line(RICE, 1, Cents(0), Cents(150)),), Cents(0), 9)


def test_a_product_without_a_price_is_named() -> None:
    basket = Basket(PRICES, (Item(RICE), Item(ProductId("egg"))))
    assert price_basket(basket, None, 0) == Unpriced(ProductId("egg"))


def test_a_total_no_sale_may_move_is_refused() -> None:
    at_most = Basket(PRICES, (Item(FREE_AMOUNT, 1, Cents(SALE_CENTS_MAX)),))
    assert isinstance(price_basket(at_most, None, 0), Ticket)
    over = at_most.add_amount(Cents(1))
    assert isinstance(over, Basket)
    assert price_basket(over, None, 0) == TotalTooLarge(Cents(SALE_CENTS_MAX + 1))


def test_a_basket_closes_under_the_prices_it_was_opened_with() -> None:
    newer = PriceList(10, "CNY", (Product(RICE, NAMES, Cents(999)),))
    added = Basket(PRICES).add(RICE)
    assert isinstance(added, Basket)
    again = added.add(RICE)
    assert isinstance(again, Basket)
    assert price_basket(again, None, 0) == Ticket((Line(RICE, 2, Cents(150)),), Cents(300), 9)
    assert price_basket(Basket(newer, again.items), None, 0) == Ticket((Line(RICE, 2, Cents(999)),), Cents(1998), 10)


items = st.one_of(
    st.builds(Item, st.sampled_from([RICE, GIFT]), st.integers(1, 9_999)),
    st.builds(Item, st.sampled_from([RICE, FREE_AMOUNT]), st.integers(1, 99), st.integers(0, 99_999)),
)


@given(st.lists(items, max_size=99).map(tuple), st.sampled_from([None, *CardClass]), st.integers(0, 1439))
def test_the_total_is_the_sum_of_the_lines(rung: tuple[Item, ...], card_class: CardClass | None, minute: int) -> None:
    ticket = price_basket(Basket(PRICES, rung), card_class, minute)
    match ticket:
        case Ticket():
            assert ticket.total_cents == sum(line.qty * line.unit for line in ticket.lines) <= SALE_CENTS_MAX
            assert [(line.product, line.qty) for line in ticket.lines] == [(item.product, item.qty) for item in rung]
        case TotalTooLarge():
            assert ticket.total_cents > SALE_CENTS_MAX
        case Unpriced():
            raise AssertionError("every product here has a price")
