"""Signed lists as a server makes them."""

from dataclasses import dataclass, field

from protocol.authorise import Listed
from protocol.ids import CardNo, Counter, Generation, SiteId
from protocol.instants import UtcMs
from protocol.limits import ClassLimits, LimitRules, OfflineStep
from protocol.load_record import encode_load
from protocol.messages import PART_BYTES_MAX, ListFile, Manifest, sign, version_of
from protocol.money import Cents
from protocol.policy import CardRow, CardsFile, FloorRow, LoadsFile, encode_file, load_text
from protocol.price_list import PriceList, encode_prices
from protocol.signing import SigningKey, sha256_of
from tests.protocol.samples import NOON, SERVER_KEY, SIGNED_LOAD, SITE

CARDS = CardsFile((CardRow(CardNo(1_001), Generation(1), Listed.BLOCKED),), (), ())
MORE_CARDS = CardsFile(CARDS.rows, (CardNo(2_002),), (FloorRow(CardNo(2_002), Generation(2), Counter(9)),))
LIMITS = LimitRules(
    (ClassLimits(1, Cents(5_000)),), offline=(OfflineStep(0, Cents(9_000)), OfflineStep(1_000, Cents(10)))
)
LOADS = LoadsFile((load_text(encode_load(SIGNED_LOAD)),))


def prices(version: int) -> bytes:
    """An empty price list of this version."""
    return encode_prices(PriceList(version, "CNY", ()))


@dataclass
class SiteLists:
    """The files of one site and the manifest that names them; `publish` makes a new version."""

    key: SigningKey = SERVER_KEY
    part_bytes: int = PART_BYTES_MAX
    named: dict[str, ListFile] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    number: int = 0

    def put(self, name: str, content: bytes, version: int) -> None:
        """Set the content of a list."""
        pieces = [content[start : start + self.part_bytes] for start in range(0, len(content), self.part_bytes)]
        self.parts |= {sha256_of(piece).hex(): piece for piece in pieces}
        hashes = tuple(sha256_of(piece).hex() for piece in pieces)
        self.named[name] = ListFile(version, sha256_of(content).hex(), len(content), hashes)

    def publish(self, number: int | None = None, server_time: int = NOON, site: str = SITE) -> bytes:
        """The signed manifest of what was put; its parts are in `parts`."""
        self.number = self.number + 1 if number is None else number
        version, expires = version_of(1, self.number), UtcMs(server_time + 86_400_000)
        manifest = Manifest(SiteId(site), version, expires, UtcMs(server_time), dict(self.named))
        return sign(manifest, self.key)


def first_lists() -> SiteLists:
    """Cards, prices and limits in their first version."""
    lists = SiteLists(part_bytes=40)
    lists.put("cards", encode_file(CARDS), 11)
    lists.put("prices", prices(12), 12)
    lists.put("limits", encode_file(LIMITS), 13)
    return lists
