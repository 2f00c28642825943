"""Money is an integer number of the smallest unit (fen, cent). No float ever touches it."""

from typing import Annotated, NewType

from msgspec import Meta

Cents = NewType("Cents", int)

JSON_INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493 section 2.2)."""
PURSE_CENTS_MAX = 2**31 - 1
"""A purse on a card is a signed 32-bit number."""
SALE_CENTS_MAX = 99_999_999
"""No single card operation moves more than this: far above any meal, far below a purse."""
assert SALE_CENTS_MAX < PURSE_CENTS_MAX < JSON_INTEGER_MAX

AnyCents = Annotated[Cents, Meta(ge=-JSON_INTEGER_MAX, le=JSON_INTEGER_MAX)]
"""An amount on the wire that may be negative."""
Amount = Annotated[Cents, Meta(ge=0, le=SALE_CENTS_MAX)]
"""An amount on the wire that one operation moves."""
TotalCents = Annotated[Cents, Meta(ge=0, le=2**32 - 1)]
"""Everything that was ever loaded onto one card."""
PurseCents = Annotated[Cents, Meta(ge=-PURSE_CENTS_MAX, le=PURSE_CENTS_MAX)]
"""A balance on the wire as a card can hold it."""


def format_cents(amount_cents: int) -> str:
    """Write an amount as people read it: 1234 -> "12.34", -5 -> "-0.05"."""
    whole, rest = divmod(abs(amount_cents), 100)
    return f"{'-' if amount_cents < 0 else ''}{whole}.{rest:02d}"


def parse_cents(text: str) -> Cents:
    """Read "12", "12.3" or "12.34" as cents.

    Raises ValueError with a sentence for the person who typed it.
    """
    whole, point, rest = text.strip().partition(".")
    digits_ok = whole.isascii() and whole.isdigit() and (not point or (rest.isascii() and rest.isdigit()))
    if not digits_ok or len(rest) > 2 or len(whole) > 12:
        raise ValueError(f"{text!r} is not an amount: write digits, with at most two after the point, as in 12.50")
    return Cents(int(whole) * 100 + int(rest.ljust(2, "0")))
