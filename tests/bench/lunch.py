"""A lunch hour without incidents: the entries that a till writes all day, and the server that takes them in."""

from typing import Final

from msgspec.structs import replace

from protocol.entries import Discount, Entry, Kind, Line, ListVersions, SaleStep, turnover_of
from protocol.ids import MerchantId, ProductId, Seq, ShiftNo, StaffId
from protocol.instants import ClockSource, MonoMs, UtcMs
from protocol.journal import Sealed, Tip, seal
from protocol.messages import BATCH_ENTRIES_MAX, batch_of, version_of
from protocol.money import Cents
from protocol.price_list import Names, PriceList, Product
from protocol.purse import Technology
from server.ingest.book import Book, CardRow
from tests.server.world import CAMPUS, SITE, Plastic, Till, plastic, sale_of

CARDS: Final = 64
BALANCE: Final = 1_000_000
MERCHANT: Final = MerchantId("canteen-1")
PRICES: Final = PriceList(
    version_of(1, 3),
    "CNY",
    tuple(
        Product(ProductId(name), Names(name, name, name), Cents(cents), MERCHANT)
        for name, cents in (("rice", 100), ("mapo-tofu", 900), ("soup", 200))
    ),
)
LISTS: Final = ListVersions(cards=version_of(1, 7), prices=PRICES.version, limits=version_of(1, 2))
LINES: Final = (
    Line(ProductId("rice"), 1, Cents(100)),
    Line(ProductId("mapo-tofu"), 1, Cents(900), discounts=(Discount("percent:10", Cents(90)),)),
)
AMOUNT: Final = sum(line.net_cents for line in LINES)


class Lunch:
    """One till and its customers, one after the other; every sale goes well."""

    def __init__(self, number: int = 1) -> None:
        self.till = Till(number)
        kinds = (Technology.CLASSIC, Technology.DESFIRE)
        first = 1_000 * number
        self.cards = [plastic(first + index, kinds[index % 2], main=BALANCE) for index in range(CARDS)]
        self._sent = 0

    def sell(self, sales: int) -> list[Sealed]:
        """So many sales; the entries of them."""
        before = len(self.till.chain)
        for _ in range(sales):
            self._sell(self.cards[len(self.till.chain) // 2 % CARDS])
        return self.till.chain[before:]

    def batch(self) -> list[bytes]:
        """The next full batch, cut as a terminal cuts it."""
        self.sell(BATCH_ENTRIES_MAX // 2)
        lines = self.till.lines[self._sent : self._sent + BATCH_ENTRIES_MAX]
        count = batch_of(lines)
        self._sent += count
        return lines[:count]

    def book(self) -> Book:
        """The server's rows of this till and these cards, as long as nothing has arrived."""
        book = Book(CAMPUS, chains={self.till.tno: self.till.row()})
        for card in self.cards:
            book.cards[card.id.key] = CardRow(card.id.key, technology=card.id.technology, main_cents=Cents(card.main))
        return book

    def _sell(self, card: Plastic) -> None:
        body = replace(sale_of(card, AMOUNT, MERCHANT), lines=LINES)
        prepared = self._append(Kind.SALE_PREPARED, body).seq
        card.write(self.till.tno, body, prepared)
        self._append(Kind.SALE_SETTLED, replace(body, prepared=prepared))

    def _append(self, kind: Kind, body: SaleStep) -> Sealed:
        till = self.till
        before = till.chain[-1] if till.chain else None
        tip = Tip(before.seq, before.hash) if before else till.start
        till.now = UtcMs(till.now + 4_000)
        entry = Entry(
            1, SITE, till.tid, till.epoch, till.tno, Seq(tip.seq + 1), tip.prev, kind, till.now,
            MonoMs(till.now % 10**9), 12, ClockSource.SERVER, LISTS, StaffId("w-07"), ShiftNo(31),
            Cents((before.entry.turnover if before else 0) + turnover_of(kind, body)), body=body,
        )  # fmt: skip
        till.chain.append(seal(entry, till.key))
        return till.chain[-1]
