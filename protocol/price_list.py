"""The `prices` list: products, their names and what they cost, by class of card and time of day.

The file is canonical JSON like everything else that is signed or hashed; the manifest names its SHA-256. Which price
holds is decided by a total order (SPEC, "Prices"): a rule for this class beats a rule for every class; then the
shorter window beats the longer; then the rule that stands first. Where no rule matches, the base price holds.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from protocol.canonical import NotCanonical, encode, read, typed
from protocol.ids import U8, U53, MerchantField, MerchantId, ProductField, ProductId
from protocol.instants import DAY_MIN, EndField, MinuteField, UtcField, in_window, window_min
from protocol.money import Amount, Cents
from protocol.purse import CardClass

ANY_CLASS = 0
FREE_AMOUNT = ProductId("free")
"""The product of an amount that the cashier typed; no list may define it."""
PRODUCTS_MAX = 100_000

_NameText = Annotated[str, Meta(min_length=1, max_length=60)]


class NotAPriceList(ValueError):
    """These bytes are not a price list of ours; the text says why."""


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Strict both ways: an unknown member is refused, a default is not written."""


class Names(_Wire, frozen=True, rename={"zh_hans": "zh-Hans", "zh_hant": "zh-Hant"}):
    """What a product is called, in every language that a screen speaks."""

    en: _NameText
    zh_hans: _NameText
    zh_hant: _NameText


class PriceRule(_Wire, frozen=True):
    """A price for one class, one window of the day, or both."""

    cents: Amount
    card_class: U8 = ANY_CLASS
    from_min: MinuteField = 0
    to_min: EndField = 0

    def __post_init__(self) -> None:
        if self.window_min == DAY_MIN and self.card_class == ANY_CLASS:
            raise ValueError("a rule for every class and the whole day would replace the base price")

    @property
    def window_min(self) -> int:
        """How many minutes of a day the rule holds, 1 to 1440."""
        return window_min(self.from_min, self.to_min)

    def matches(self, card_class: CardClass | None, minute_of_day: int) -> bool:
        """Whether the rule holds for this class (None: not known yet) at this minute (0 to 1439)."""
        return self.card_class in (ANY_CLASS, card_class) and in_window(minute_of_day, self.from_min, self.to_min)


class Product(_Wire, frozen=True):
    """Something on sale. Without a merchant every terminal of the site may sell it."""

    id: ProductField
    names: Names
    price: Amount
    """The base price of one, for every class at any time."""
    merchant: MerchantField | Literal[""] = MerchantId("")
    category: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,32}\Z", description="up to 32 of A-Z a-z 0-9 . _ -")] = ""
    barcode: Annotated[str, Meta(pattern=r"^[0-9]{0,14}\Z", description="up to 14 digits")] = ""
    rules: Annotated[tuple[PriceRule, ...], Meta(max_length=64)] = ()

    def __post_init__(self) -> None:
        if self.id == FREE_AMOUNT:
            raise ValueError(f"the product id {FREE_AMOUNT!r} stands for typed amounts")

    def price_for(self, card_class: CardClass | None, minute_of_day: int) -> Cents:
        """What one costs for this class (None: not known yet) at this minute of the campus' day (0 to 1439)."""
        assert 0 <= minute_of_day < DAY_MIN
        matching = [rule for rule in self.rules if rule.matches(card_class, minute_of_day)]
        if not matching:
            return self.price
        return min(matching, key=lambda rule: (rule.card_class == ANY_CLASS, rule.window_min)).cents


_Products = Annotated[tuple[Product, ...], Meta(max_length=PRODUCTS_MAX)]


class LaterPrices(_Wire, frozen=True):
    """Prices that take the place of a list at an instant, wherever a terminal is then, under a version of their own."""

    version: U53
    at: UtcField
    products: _Products


class PriceList(_Wire, frozen=True, dict=True):
    """All prices of a site under one version: (server_epoch << 32) + n, as in the `lists` of an entry."""

    version: U53
    currency: Literal["CNY"]
    products: _Products
    later: LaterPrices | None = None

    def __post_init__(self) -> None:
        if len(self._by_id) != len(self.products):
            raise ValueError("a product stands twice in the price list")
        if self.later is not None and self.later.version <= self.version:
            raise ValueError("later prices have a higher version than those before them")
        if self.later is not None and len({product.id for product in self.later.products}) != len(self.later.products):
            raise ValueError("a product stands twice in the later price list")

    @cached_property
    def _by_id(self) -> dict[ProductId, Product]:
        return {product.id: product for product in self.products}

    def product(self, product: ProductId) -> Product | None:
        """The product of this id; None where it is not on sale."""
        return self._by_id.get(product)

    def at(self, utc_ms: int) -> "PriceList":
        """The list that holds at an instant: this one, or from its time on the later one."""
        later = self.later
        return self if later is None or utc_ms < later.at else PriceList(later.version, self.currency, later.products)

    def on_sale_at(self, merchant: MerchantId) -> tuple[Product, ...]:
        """The products that this merchant's terminals may sell, in the order of the list."""
        return tuple(product for product in self.products if product.merchant in ("", merchant))


NO_PRICES = PriceList(0, "CNY", ())
"""What a terminal has before its first list: only typed amounts can be sold."""

_decoder = msgspec.json.Decoder(PriceList)


def encode_prices(prices: PriceList) -> bytes:
    """The canonical file."""
    return encode(prices)


def decode_prices(raw: bytes, *, read_before: bool = False) -> PriceList:
    """Read a file strictly: typed, and encoding it again gives the same bytes. Raises NotAPriceList.

    `read_before`: these very bytes were read so before, and only become objects again: a third of the time.
    """
    try:
        return typed(raw, _decoder) if read_before else read(raw, _decoder)
    except NotCanonical as error:
        raise NotAPriceList(f"price list: {error}") from error
