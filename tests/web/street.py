"""What a story on a campus is told with: tills that really sign, cards that remember, and a desk that really asks."""

from collections import Counter as Count
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace as with_members

from protocol.card_bodies import CardBegun
from protocol.entries import (
    CardIssued,
    CashSale,
    Kind,
    Line,
    ListVersions,
    LoadStep,
    RefundTo,
    SaleRefused,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
)
from protocol.ids import CardNo, Generation, MerchantId, ProductId, Seq, ShiftNo, StaffId
from protocol.instants import UtcMs
from protocol.load_record import decode_load
from protocol.messages import read_signed
from protocol.money import Cents
from protocol.policy import load_text
from protocol.purse import CardClass, CardId, Technology
from protocol.signing import to_base64url
from protocol.state import State, encode_state
from tests.server.desk import Clock
from tests.server.office import Desk
from tests.server.world import SITE, Plastic, Till, load_of, refund_of, sale_of, topup_of

PRICES = {"rice": 150, "noodles": 1_280, "beef": 1_850, "tea": 300, "pen": 450, "book": 3_990}


@dataclass
class Street:
    """The desk and the tills of one site; what a till wrote is delivered when somebody says so."""

    desk: Desk
    sent: Count[int] = field(default_factory=Count[int])
    cards: dict[str, Plastic] = field(default_factory=dict[str, Plastic])
    """By what is told of them."""
    subsidies: Count[int] = field(default_factory=Count[int])

    @property
    def clock(self) -> Clock:
        return self.desk.clock

    async def open_till(self, till: Till, title: str, merchant: str, **rights: bool) -> None:
        """The server itself grants the till its epoch; rights take two people."""
        form = {"site": SITE, "title": title, "merchant": merchant, **rights}
        if rights:
            await self.desk.put(f"/terminals/{till.tid}", form, who="bob", expect=202)
        await self.desk.put(f"/terminals/{till.tid}", form)
        ask = f"/terminals/{till.tid}/epochs", {"journal_key": to_base64url(till.key.public.raw)}
        if rights:
            await self.desk.post(*ask, who="bob", expect=202)
        till.grant_jws = (await self.desk.post(*ask))["grant"].encode()
        till.grant = read_signed(till.grant_jws)  # type: ignore[assignment]
        till.tno = till.grant.tno

    async def deliver(self, *tills: Till) -> None:
        """What they have written since; the server books all of it."""
        for till in tills:
            taken = await self.desk.house.ingest.take_lines(till.tid, till.lines[self.sent[till.tno] :])
            assert taken is not None, till.tid
            self.sent[till.tno] = len(till.chain)

    async def says(self, till: Till, *, online: bool, alarm: str = "", behind: bool = False) -> None:
        """What a terminal tells of itself."""
        newest = {} if behind else (await self.desk.house.states.newest()).get(SITE, {})
        till.lists = ListVersions(**newest)
        said = State(1, till.epoch, till.lists, as_of=self.clock(), alarm=alarm)
        await self.desk.house.states.take(till.tid, encode_state(said))
        if not online:
            await self.desk.house.states.take(till.tid, encode_state(State(0, till.epoch, till.lists)))

    def write(self, till: Till, kind: Kind, body: Any) -> int:
        """One entry, three seconds later; its seq."""
        self.clock.pass_ms(3_000)
        till.now = UtcMs(self.clock() - 1_000)
        return till.append(kind, body).seq

    async def issue(self, station: Till, name: str, person: str | None, kind: str, card_class: int = 1) -> Plastic:
        """A new card, made at the card office; `name` is what the story calls it."""
        form = {"technology": kind, "card_class": card_class, "person": person}
        no = (await self.desk.post("/cards", form, who="cleo", expect=201))["numbers"][0]
        card = Plastic(CardId(CardNo(no), Generation(1), Technology(kind), CardClass(card_class)))
        uid = f"{0x2A10_0000 + no:08x}" if kind == "classic" else f"04a1b2{no:02x}5e6f80"
        self.write(station, Kind.CARD_BEGUN, CardBegun(card.id, uid, key_set=1))
        self.write(station, Kind.CARD_ISSUED, CardIssued(card.id, uid, key_set=1))
        self.cards[name] = card
        return card

    async def load(self, name: str, cents: int) -> None:
        """Money is taken in at the desk."""
        no = self.cards[name].id.no
        await self.desk.post(f"/cards/{no}/loads", {"id": f"load-{no:04d}-{cents}", "cents": cents}, who="cleo")

    async def subsidise(self, name: str, cents: int) -> None:
        no = self.cards[name].id.no
        await self.desk.post(f"/cards/{no}/subsidies", {"id": f"aid-{no:05d}", "cents": cents, "period": 1}, who="cleo")

    async def collect(self, station: Till) -> None:
        """Everybody taps the station: all that is granted comes onto the cards."""
        known = {card.id.no: card for card in self.cards.values()}
        for no, raw in await self.desk.house.cards.sign_loads():
            if no in known:
                self._collect(station, known[no], raw)
        await self.deliver(station)

    def _collect(self, station: Till, card: Plastic, raw: bytes) -> None:
        load = decode_load(raw)
        assert load is not None
        record, aid = load.record, load.record.subsidy_total_cents - self.subsidies[card.id.no]
        body: LoadStep = with_members(load_of(card, record.loaded_total_cents, record.load_seq), record=load_text(raw))
        body = with_members(body, amount=Cents(body.amount + aid), subsidy_after=Cents(card.subsidy + aid))
        prepared = self.write(station, Kind.LOAD_PREPARED, body)
        card.write(station.tno, body, prepared)
        card.loaded, card.load_seq = record.loaded_total_cents, record.load_seq
        self.subsidies[card.id.no] = record.subsidy_total_cents
        self.write(station, Kind.LOAD_SETTLED, with_members(body, prepared=Seq(prepared)))

    def basket(self, card: Plastic, products: str, merchant: str = "canteen-1") -> SaleStep:
        """A sale of these products."""
        counted = Count(products.split())
        lines = tuple(Line(ProductId(name), qty, Cents(PRICES[name])) for name, qty in counted.items())
        total = sum(line.net_cents for line in lines)
        return with_members(sale_of(card, total, MerchantId(merchant)), lines=lines)

    def sell(self, till: Till, card: Plastic, products: str, merchant: str = "canteen-1") -> int:
        """A sale that goes well; the seq of its settled entry."""
        body = self.basket(card, products, merchant)
        prepared = self.write(till, Kind.SALE_PREPARED, body)
        card.write(till.tno, body, prepared)
        return self.write(till, Kind.SALE_SETTLED, with_members(body, prepared=Seq(prepared)))

    def tear(self, till: Till, card: Plastic, products: str, *, written: bool) -> SaleStep:
        """The card leaves too early; what the terminal would settle at its next tap."""
        body = self.basket(card, products)
        prepared = self.write(till, Kind.SALE_PREPARED, body)
        torn: SaleStep = with_members(body, prepared=Seq(prepared))
        if written:
            card.write(till.tno, body, prepared)
        self.write(till, Kind.SALE_TORN, torn)
        return torn

    def refund(self, till: Till, card: Plastic, settled_seq: int, cents: int) -> None:
        """Money back onto the card."""
        body = refund_of(card, cents, settled_seq - 1, RefundTo.CARD)
        prepared = self.write(till, Kind.REFUND_PREPARED, body)
        card.write(till.tno, body, prepared)
        self.write(till, Kind.REFUND_SETTLED, with_members(body, prepared=Seq(prepared)))

    def top_up(self, till: Till, card: Plastic, cents: int) -> None:
        """Coins and notes onto the card, at a station."""
        body = topup_of(card, cents)
        prepared = self.write(till, Kind.TOPUP_PREPARED, body)
        card.write(till.tno, body, prepared)
        self.write(till, Kind.TOPUP_SETTLED, with_members(body, prepared=Seq(prepared)))

    def refuse(self, till: Till, card: Plastic, reason: str, cents: int) -> None:
        head = Cents(cents), card.id, card.counter, Cents(card.main), Cents(card.subsidy)
        self.write(till, Kind.SALE_REFUSED, SaleRefused(reason, *head, count=1, card_last=card.last))  # type: ignore[arg-type]

    def cash(self, till: Till, cents: int, merchant: str = "canteen-1") -> None:
        self.write(till, Kind.CASH_SALE, CashSale(MerchantId(merchant), Cents(cents)))

    def open_shift(self, till: Till, number: int, staff: str, drawer: int) -> None:
        till.shift, till.staff = ShiftNo(number), StaffId(staff)
        self.write(till, Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(number), Cents(drawer)))

    def close_shift(self, till: Till, counted: int, expected: int) -> None:
        body = ShiftClosed(till.shift, counted=Cents(counted), expected=Cents(expected))
        self.write(till, Kind.SHIFT_CLOSED, body)
