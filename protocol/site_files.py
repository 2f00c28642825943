"""The smaller list files: promotions, staff, texts and config (SPEC, "Lists"). Strict both ways, like every list."""

import enum
from hashlib import scrypt
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.entries import HashField
from protocol.ids import U8, MerchantField, MerchantId, ProductField, StaffId, TerminalField, TerminalId
from protocol.instants import MINUTE_MS, UtcField, UtcMs
from protocol.money import Amount, Cents
from protocol.price_list import Names
from protocol.signing import from_base64url, same_bytes, to_base64url

PIN_SALT_BYTES, PIN_HASH_BYTES = 16, 32
_N, _R, _P = 2**14, 8, 1
"""RFC 7914: 16 MiB and some 50 ms for one try on a terminal; fixed, so that no list can ask for more."""
STAFF_TRIES_MAX, STAFF_WAIT_MS = 5, 5 * MINUTE_MS
"""After so many wrong PINs in a row, whosever they are, a terminal compares none for so long; then one at a time."""
STAFF_MAX, PROMOTIONS_MAX, TEXTS_MAX = 1_000, 1_000, 200
REPEAT_MS, REPEAT_MS_MAX, PLACES_MAX = 10_000, 60_000, 1_000

_Label = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}\Z", description="1 to 32 of A-Z a-z 0-9 . _ -")]
_Line = Annotated[str, Meta(min_length=1, max_length=60)]
_Long = Annotated[str, Meta(min_length=1, max_length=200)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Strict both ways: an unknown member is refused, a default is not written."""


class Promotion(_File, frozen=True):
    """What is taken off, for whom, of what and when. How several of them combine no rule says yet: data only."""

    id: _Label
    names: Names
    since: UtcField = UtcMs(0)
    until: UtcField = UtcMs(0)
    """0: for good."""
    card_class: U8 = 0
    products: Annotated[tuple[ProductField, ...], Meta(max_length=1_000)] = ()
    """Empty: everything."""
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    cents: Amount = Cents(0)

    def __post_init__(self) -> None:
        if bool(self.percent) == bool(self.cents):
            raise ValueError("a promotion takes off a percentage or an amount")
        if self.until and self.until <= self.since:
            raise ValueError("a promotion ends after it began")


class PromotionsFile(_File, frozen=True):
    """The `promotions` list."""

    promotions: Annotated[tuple[Promotion, ...], Meta(max_length=PROMOTIONS_MAX)] = ()

    def __post_init__(self) -> None:
        _once("promotion", [promotion.id for promotion in self.promotions])


class StaffRole(enum.StrEnum):
    """What somebody at a till is employed as."""

    CASHIER = "cashier"
    LEADER = "leader"


class StaffRow(_File, frozen=True):
    """Somebody who may open a shift."""

    id: Annotated[StaffId, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}\Z")]
    name: _Line
    salt: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z")]
    pin: HashField
    role: StaffRole = StaffRole.CASHIER

    def has_pin(self, pin: str) -> bool:
        """Whether this is the person's PIN. Takes some 50 ms on purpose."""
        return same_bytes(pin_hash(pin, from_base64url(self.salt)), from_base64url(self.pin))


class StaffFile(_File, frozen=True):
    """The `staff` list. While nobody is listed, whoever stands at the till opens a shift."""

    staff: Annotated[tuple[StaffRow, ...], Meta(max_length=STAFF_MAX)] = ()

    def __post_init__(self) -> None:
        _once("person", [row.id for row in self.staff])

    def person(self, staff: StaffId) -> StaffRow | None:
        """Somebody by id."""
        return next((row for row in self.staff if row.id == staff), None)


class MerchantTexts(_File, frozen=True):
    """What a merchant is called, and what stands above its receipts."""

    merchant: MerchantField
    names: Names
    header: Annotated[tuple[_Line, ...], Meta(max_length=6)] = ()


class Announcement(_File, frozen=True, rename={"zh_hans": "zh-Hans", "zh_hant": "zh-Hant"}):
    """A sentence for whoever is at the till, for a time."""

    en: _Long
    zh_hans: _Long
    zh_hant: _Long
    since: UtcField = UtcMs(0)
    until: UtcField = UtcMs(0)
    """0: for good."""


class TextsFile(_File, frozen=True):
    """The `texts` list."""

    merchants: Annotated[tuple[MerchantTexts, ...], Meta(max_length=TEXTS_MAX)] = ()
    announcements: Annotated[tuple[Announcement, ...], Meta(max_length=TEXTS_MAX)] = ()

    def __post_init__(self) -> None:
        _once("merchant", [texts.merchant for texts in self.merchants])

    def announced(self, now_ms: int, language: str) -> tuple[str, ...]:
        """What is to be said now, in a language such as `zh_hans`."""
        running = (one for one in self.announcements if one.since <= now_ms and not 0 < one.until <= now_ms)
        return tuple(str(getattr(one, language)) for one in running)


class Place(_File, frozen=True):
    """A terminal that was a spare, and for whom it sells from an instant on."""

    tid: TerminalField
    merchant: MerchantField
    since: UtcField


class ConfigFile(_File, frozen=True):
    """The `config` list: how every terminal of the site is set up, beyond its own file."""

    repeat_ms: Annotated[int, Meta(ge=0, le=REPEAT_MS_MAX)] = REPEAT_MS
    """A card that paid is not charged again within this time unless the cashier confirms."""
    places: Annotated[tuple[Place, ...], Meta(max_length=PLACES_MAX)] = ()
    """The server's own, from its register."""

    def __post_init__(self) -> None:
        _once("terminal", [place.tid for place in self.places])

    def merchant_of(self, tid: TerminalId, now_ms: int) -> MerchantId:
        """For whom a spare sells now; empty: it has no place."""
        mine = (place.merchant for place in self.places if place.tid == tid and place.since <= now_ms)
        return next(mine, MerchantId(""))


def pin_hash(pin: str, salt: bytes) -> bytes:
    """What a list holds of a PIN: scrypt (RFC 7914), 32 bytes."""
    return scrypt(pin.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=PIN_HASH_BYTES)


def staff_row(staff: StaffId, name: str, role: StaffRole, pin: str, salt: bytes) -> StaffRow:
    """Somebody with a new PIN; the salt is 16 random bytes."""
    assert len(salt) == PIN_SALT_BYTES
    return StaffRow(staff, name, to_base64url(salt), to_base64url(pin_hash(pin, salt)), role)


def _once(what: str, ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        raise ValueError(f"a {what} stands twice in the list")
