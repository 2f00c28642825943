"""Money is whole cents, whatever is done to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.money import (
    JSON_INTEGER_MAX,
    PURSE_CENTS_MAX,
    SALE_CENTS_MAX,
    Cents,
    format_cents,
    parse_cents,
)

amounts = st.integers(-JSON_INTEGER_MAX, JSON_INTEGER_MAX).map(Cents)


@given(st.integers(0, 10**14 - 1).map(Cents))
def test_what_is_written_is_read_as_the_same_amount(amount: Cents) -> None:
    assert parse_cents(format_cents(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "text"), [(1_234, "12.34"), (0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-1_234, "-12.34"), (-100, "-1.00")]
)
def test_amounts_are_written_as_people_read_them(amount: int, text: str) -> None:
    assert format_cents(amount) == text


@pytest.mark.parametrize(
    ("text", "amount"), [("12", 1_200), ("12.3", 1_230), (" 12.34 ", 1_234), ("0.05", 5), ("007", 700)]
)
def test_amounts_are_read_as_people_type_them(text: str, amount: int) -> None:
    assert parse_cents(text) == amount


@pytest.mark.parametrize(
    "text",
    ["", ".", "12.", ".5", "-1", "+1", "1,5", "1.234", "1e3", "１２", "1.5.0", "1 2", "9" * 13, "١", "0x10", "nan"],
)
def test_anything_else_is_not_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        parse_cents(text)


def test_the_largest_sale_fits_every_place_that_holds_it() -> None:
    assert SALE_CENTS_MAX < PURSE_CENTS_MAX == 2**31 - 1
    assert JSON_INTEGER_MAX == 2**53 - 1
