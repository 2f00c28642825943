"""The lists in force at a terminal, as the counter uses them."""

from dataclasses import dataclass, field, replace

from msgspec import structs

from protocol.entries import NO_LISTS, ListVersions
from protocol.ids import CardKey
from protocol.instants import ClockSource, Now, UtcMs
from protocol.limits import NO_LIMITS, LimitRules
from protocol.policy import CardBook, CardsFile
from protocol.price_list import PriceList
from protocol.purse import SignedLoad
from protocol.site_files import ConfigFile, PromotionsFile, StaffFile, TextsFile

AGE_UNKNOWN_MS = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Lists:
    """What the server's newest applied manifest says, already looked up and verified."""

    prices: PriceList
    versions: ListVersions = NO_LISTS
    book: CardBook = field(default_factory=lambda: CardBook(CardsFile()))
    rules: LimitRules = NO_LIMITS
    loads: dict[CardKey, SignedLoad] = field(default_factory=dict[CardKey, SignedLoad])
    staff: StaffFile = StaffFile()
    texts: TextsFile = TextsFile()
    config: ConfigFile = ConfigFile()
    promotions: PromotionsFile = PromotionsFile()
    as_of: UtcMs = UtcMs(0)
    """The server's time when it signed the manifest."""
    expires: UtcMs = UtcMs(0)
    """When newer lists should have come."""
    manifest: str = ""
    """Its hash, base64url."""

    def due(self, now: Now) -> "Lists | None":
        """The lists with the later prices in force, where their time has come; without a clock nobody knows."""
        prices = self.prices if now.clock is ClockSource.NONE else self.prices.at(now.utc_ms)
        if prices is self.prices:
            return None
        return replace(self, prices=prices, versions=structs.replace(self.versions, prices=prices.version))

    def age_ms(self, now: Now) -> int:
        """How old the lists are; without a clock nobody knows, and the strictest step applies."""
        if now.clock is ClockSource.NONE or not self.as_of:
            return AGE_UNKNOWN_MS
        return max(0, now.utc_ms - self.as_of)
