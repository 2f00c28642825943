"""The price list: read strictly, and one price for each product, class and minute."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import MerchantId, ProductId
from protocol.instants import DAY_MIN
from protocol.money import Cents
from protocol.price_list import (
    NO_PRICES,
    Names,
    NotAPriceList,
    PriceList,
    PriceRule,
    Product,
    decode_prices,
    encode_prices,
)
from protocol.purse import CardClass
from tests.protocol.deep import DEEP

NAMES = Names("Rice", "米饭", "米飯")
LIST = PriceList(
    (1 << 32) + 7,
    "CNY",
    (
        Product(
            ProductId("rice"),
            NAMES,
            Cents(150),
            rules=(PriceRule(Cents(100), CardClass.STUDENT), PriceRule(Cents(120), from_min=660, to_min=780)),
        ),
        Product(ProductId("tea"), NAMES, Cents(300), MerchantId("m-1"), "drinks", "6901234567892"),
    ),
)
minutes = st.integers(0, DAY_MIN - 1)
windows = st.tuples(minutes, st.integers(0, DAY_MIN)).filter(lambda window: window[0] != window[1] or window == (0, 0))
rules = st.builds(
    lambda cents, card_class, window: (Cents(cents), card_class, *window),
    st.integers(0, 10_000),
    st.integers(0, 3),
    windows,
).filter(lambda rule: rule[1] != 0 or (rule[3] - rule[2]) % DAY_MIN != 0)


def test_the_bytes_of_a_price_list_never_change() -> None:
    assert encode_prices(LIST).decode() == (
        '{"version":4294967303,"currency":"CNY","products":['
        '{"id":"rice","names":{"en":"Rice","zh-Hans":"米饭","zh-Hant":"米飯"},"price":150,'
        '"rules":[{"cents":100,"card_class":1},{"cents":120,"from_min":660,"to_min":780}]},'
        '{"id":"tea","names":{"en":"Rice","zh-Hans":"米饭","zh-Hant":"米飯"},"price":300,'
        '"merchant":"m-1","category":"drinks","barcode":"6901234567892"}]}'
    )
    assert decode_prices(encode_prices(LIST)) == LIST == decode_prices(encode_prices(LIST), read_before=True)
    with pytest.raises(NotAPriceList):
        decode_prices(encode_prices(LIST)[:-1], read_before=True)
    assert decode_prices(encode_prices(NO_PRICES)) == NO_PRICES


def test_a_class_beats_a_window_and_a_short_window_beats_a_long_one() -> None:
    product = Product(
        ProductId("noodles"),
        NAMES,
        Cents(1000),
        rules=(
            PriceRule(Cents(900), from_min=600, to_min=900),
            PriceRule(Cents(800), from_min=660, to_min=780),
            PriceRule(Cents(700), CardClass.STAFF),
            PriceRule(Cents(600), CardClass.STAFF, 660, 720),
            PriceRule(Cents(1), CardClass.STAFF, 690, 750),
        ),
    )
    assert product.price_for(None, 599) == 1000
    assert product.price_for(None, 600) == 900
    assert product.price_for(CardClass.VISITOR, 660) == 800
    assert product.price_for(None, 779) == 800
    assert product.price_for(None, 780) == 900
    assert product.price_for(None, 900) == 1000
    assert product.price_for(CardClass.STAFF, 0) == 700
    assert product.price_for(CardClass.STAFF, 700) == 600, "of two equally narrow rules the first one holds"
    assert product.price_for(CardClass.STAFF, 740) == 1


def test_a_window_may_span_midnight() -> None:
    night = PriceRule(Cents(1), from_min=22 * 60, to_min=120)
    assert night.window_min == 240
    assert [night.matches(None, minute) for minute in (1319, 1320, 1439, 0, 119, 120)] == [
        *(False, True, True, True, True, False)
    ]


@given(st.lists(rules, max_size=6), st.sampled_from([None, *CardClass]), minutes)
def test_the_most_specific_rule_wins(
    raw: list[tuple[Cents, int, int, int]], card_class: CardClass | None, minute: int
) -> None:
    """Judged by a second, slower telling of the same order: strike out what a better rule beats."""
    product = Product(ProductId("p"), NAMES, Cents(5_000), rules=tuple(PriceRule(*rule) for rule in raw))
    left = [
        (wanted, (until - since) % DAY_MIN or DAY_MIN, cents)
        for cents, wanted, since, until in raw
        if wanted in (0, card_class or 0)
        and (since == until or (since <= minute < until if since < until else not until <= minute < since))
    ]
    if any(wanted for wanted, _, _ in left):
        left = [rule for rule in left if rule[0]]
    shortest = min((length for _, length, _ in left), default=0)
    left = [rule for rule in left if rule[1] == shortest]
    assert product.price_for(card_class, minute) == (left[0][2] if left else 5_000)


@given(st.lists(rules, max_size=4), st.text("ab饭-é", min_size=1, max_size=9))
def test_a_list_survives_its_bytes(raw: list[tuple[Cents, int, int, int]], name: str) -> None:
    product = Product(ProductId("p"), Names(name, name, name), Cents(1), rules=tuple(PriceRule(*rule) for rule in raw))
    prices = PriceList(3, "CNY", (product,))
    assert decode_prices(encode_prices(prices)) == prices


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data["products"].append(data["products"][0]), "twice"),
        (lambda data: data["products"][0].update(id="free"), "typed amounts"),
        (lambda data: data["products"][0].pop("price"), "price"),
        (lambda data: data["products"][0].update(price=1.0), "int"),
        (lambda data: data["products"][0].update(price=-1), ">= 0"),
        (lambda data: data["products"][0].update(extra=1), "extra"),
        (lambda data: data["products"][0].update(rules=[]), "canonical"),
        (lambda data: data["products"][0]["rules"][0].update(from_min=5, to_min=5), "empty"),
        (lambda data: data["products"][0]["rules"][0].update(card_class=0), "canonical|base price"),
        (lambda data: data["products"][0]["rules"][0].pop("card_class"), "base price"),
        (lambda data: data["products"][0]["rules"][1].update(to_min=1441), "1440"),
        (lambda data: data["products"][0]["rules"][0].update(card_class=0, to_min=1440), "canonical|base price"),
        (lambda data: data["products"][0]["rules"][1].update(from_min=1440), "1439"),
        (lambda data: data["products"][0]["names"].pop("zh-Hant"), "zh-Hant"),
        (lambda data: data["products"][0]["names"].update(en="e\u0301"), "normal form"),
        (lambda data: data["products"][1].update(merchant=""), "canonical|merchant"),
        (lambda data: data.update(currency="EUR"), "EUR"),
        (lambda data: data.update(version=2**53), "9007199254740991|int"),
    ],
)
def test_a_faulty_list_is_refused(change: object, says: str) -> None:
    data = json.loads(encode_prices(LIST))
    assert callable(change)
    change(data)
    with pytest.raises(NotAPriceList, match=says):
        decode_prices(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def test_another_spelling_of_the_same_list_is_refused() -> None:
    raw = encode_prices(LIST)
    with pytest.raises(NotAPriceList, match="deeper"):
        decode_prices(b'{"version":1,"x":' + DEEP[1].encode() + b"}")
    for other in (raw + b"\n", raw.replace(b":", b": ", 1), raw.replace(b"Rice", b"\\u0052ice", 1)):
        with pytest.raises(NotAPriceList, match="canonical"):
            decode_prices(other)


def test_products_are_found_by_id_and_by_merchant() -> None:
    assert LIST.product(ProductId("tea")) is LIST.products[1]
    assert LIST.product(ProductId("coffee")) is None
    assert LIST.on_sale_at(MerchantId("m-1")) == LIST.products
    assert LIST.on_sale_at(MerchantId("m-2")) == LIST.products[:1]
