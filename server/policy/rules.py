"""Cut list files into parts and name them in a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from msgspec import structs

from protocol.ids import ProductId, SiteId
from protocol.instants import UtcMs
from protocol.limits import OfflineStep
from protocol.messages import PART_BYTES_MAX, ListFile, Manifest
from protocol.price_list import LaterPrices, PriceList, Product
from protocol.signing import sha256_of

PriceChanges = Mapping[ProductId, Product | None]
"""New products, or new particulars of known ones; None: not on sale any more."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A signed manifest of a site, the parts it names by their SHA-256 (hex), and old parts to clear."""

    site: SiteId
    manifest: bytes
    parts: Mapping[str, bytes]
    gone: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """The version of each file the manifest names."""


def ladder_fault(steps: Sequence[OfflineStep]) -> str:
    """What is wrong with limits by age of the lists; empty if nothing. The last step is the strictest: it holds where
    nobody knows how old the lists are."""
    for before, after in pairwise(steps):
        if after.age_ms <= before.age_ms:
            return f"offline: the step from {after.age_ms} ms on stands behind the one from {before.age_ms} ms on"
        if after.sale > before.sale:
            return f"offline: from {after.age_ms} ms on more would be sold than before"
    return ""


def edited(prices: PriceList, changes: PriceChanges, later: LaterPrices | None) -> PriceList:
    """These prices with some products changed, added (at the end) or taken away (None).

    `later`: its version and instant, where the change waits for one; what waits already is part of it. A change at
    once is one of what waits too: it would be gone when that takes its place.
    """
    waiting = prices.later.products if prices.later is not None else prices.products
    if later is not None:
        return structs.replace(prices, later=structs.replace(later, products=_changed(waiting, changes)))
    still = structs.replace(prices.later, products=_changed(waiting, changes)) if prices.later is not None else None
    return structs.replace(prices, products=_changed(prices.products, changes), later=still)


def _changed(products: Sequence[Product], changes: PriceChanges) -> tuple[Product, ...]:
    kept = [changes.get(product.id, product) for product in products]
    known = {product.id for product in products}
    return tuple(
        one for one in (*kept, *(new for name, new in changes.items() if name not in known)) if one is not None
    )


def parts_of(body: bytes) -> dict[str, bytes]:
    """A file cut into parts, by their hashes, in order. An empty file has one empty part."""
    pieces = [body[start : start + PART_BYTES_MAX] for start in range(0, len(body), PART_BYTES_MAX)] or [b""]
    return {sha256_of(piece).hex(): piece for piece in pieces}


def list_file(version: int, body: bytes) -> ListFile:
    """A file as the manifest names it; a part that stands in it twice is named twice."""
    pieces = [body[start : start + PART_BYTES_MAX] for start in range(0, len(body), PART_BYTES_MAX)] or [b""]
    return ListFile(version, sha256_of(body).hex(), len(body), tuple(sha256_of(piece).hex() for piece in pieces))


def manifest(site: SiteId, version: int, files: Mapping[str, tuple[int, bytes]], now: UtcMs, valid_ms: int) -> Manifest:
    """Which files a site's terminals shall have in force."""
    named = {name: list_file(known, body) for name, (known, body) in sorted(files.items())}
    return Manifest(site, version, UtcMs(now + valid_ms), now, named)
