"""A small campus for tests: tills with real chains, cards that remember, and everything that can go wrong at a tap."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as struct_replace

from protocol.entries import (
    NO_LISTS,
    Body,
    CardStep,
    CashSale,
    Entry,
    Kind,
    LoadStep,
    PinTried,
    RefundStep,
    RefundTo,
    SaleStep,
    ShiftOpened,
    TopUpStep,
    TopUpTo,
    Vend,
    turnover_of,
)
from protocol.ids import (
    CardNo,
    ChannelId,
    Counter,
    Epoch,
    Generation,
    LoadSeq,
    MerchantId,
    Seq,
    ShiftNo,
    SiteId,
    StaffId,
    TerminalId,
    Tno,
)
from protocol.instants import CampusTime, ClockSource, MonoMs, UtcMs
from protocol.journal import Sealed, Tip, seal
from protocol.load_record import encode_load, sign_load
from protocol.messages import Grant, sign
from protocol.money import Cents
from protocol.policy import load_text
from protocol.purse import CardClass, CardId, LoadRecord, SeenStep, Technology
from protocol.signing import SigningKey, sha256_of, to_base64url
from server.ingest.book import Book, CardRow, ChainRow

SITE = SiteId("north-campus")
NOON = UtcMs(1_796_011_200_000)
CAMPUS = CampusTime()
GRANT_KEY = SigningKey(sha256_of(b"grant"))
MERCHANT = MerchantId("canteen-1")
LOAD_SEED = sha256_of(b"load")
LOAD_KEY = SigningKey(LOAD_SEED)


@dataclass
class Plastic:
    """A card as the world knows it: what a tap reads, and what it remembers of its last steps."""

    id: CardId
    counter: int = 0
    main: int = 0
    subsidy: int = 0
    load_seq: int = 0
    loaded: int = 0
    slots: list[SeenStep] = field(default_factory=list[SeenStep])

    @property
    def last(self) -> tuple[SeenStep, ...]:
        return tuple(self.slots[-2:] if self.id.technology is Technology.CLASSIC else self.slots[-1:])

    def write(self, tno: int, step: CardStep, mark: int) -> None:
        moved = step.main_after - step.main + step.subsidy_after - step.subsidy
        self.counter, self.main, self.subsidy = step.counter_after, step.main_after, step.subsidy_after
        self.slots.append(
            SeenStep(1, tno, mark, step.counter_after, step.main_after, step.subsidy_after)
            if self.id.technology is Technology.CLASSIC
            else SeenStep(1, tno, mark, step.counter_after, amount=Cents(moved))
        )

    def copy(self) -> "Plastic":
        return replace(self, slots=list(self.slots))


class Till:
    """A terminal with a journal key and a chain."""

    def __init__(self, number: int, epoch: int = 1) -> None:
        self.tid, self.tno, self.epoch = TerminalId(f"till-{number:02d}"), Tno(100 * epoch + number), Epoch(epoch)
        self.key = SigningKey(sha256_of(f"{number}/{epoch}".encode()))
        self.grant = Grant(SITE, self.tid, self.epoch, self.tno, to_base64url(self.key.public.raw), NOON)
        self.grant_jws = sign(self.grant, GRANT_KEY)
        self.chain: list[Sealed] = []
        self.now = NOON
        self.clock = ClockSource.SERVER
        self.lists = NO_LISTS
        self.shift = ShiftNo(1)
        self.staff = StaffId("")

    @property
    def start(self) -> Tip:
        return self.grant.start(self.grant_jws)

    @property
    def lines(self) -> list[bytes]:
        return [sealed.jws for sealed in self.chain]

    def append(self, kind: Kind, body: Body, *, at: int | None = None) -> Sealed:
        before = self.chain[-1] if self.chain else None
        tip = Tip(before.seq, before.hash) if before else self.start
        turnover = Cents((before.entry.turnover if before else 0) + turnover_of(kind, body))
        self.now = UtcMs(self.now + 1_000)
        entry = Entry(
            1, SITE, self.tid, self.epoch, self.tno, Seq(tip.seq + 1), tip.prev, kind,
            UtcMs(self.now if at is None else at), MonoMs(1), 1, self.clock, self.lists, shift=self.shift,
            staff=self.staff, turnover=turnover, body=body,
        )  # fmt: skip
        self.chain.append(seal(entry, self.key))
        return self.chain[-1]

    def row(self) -> ChainRow:
        """As the server knows it: a station with every right."""
        start = self.start
        return ChainRow(
            self.tno, SITE, self.tid, self.epoch, self.key.public, start, can_load=True, can_issue=True
        )  # fmt: skip

    def restored(self, length: int) -> "Till":
        """The same terminal with an older image of its card."""
        other = Till.__new__(Till)
        other.__dict__.update(self.__dict__)
        other.chain = self.chain[:length]
        return other


def plastic(number: int, technology: Technology = Technology.CLASSIC, *, main: int = 0) -> Plastic:
    return Plastic(CardId(CardNo(number), Generation(1), technology, CardClass.STUDENT), main=main)


def sale_of(card: Plastic, amount: int, merchant: MerchantId = MERCHANT) -> SaleStep:
    subsidy = min(card.subsidy, amount)
    return SaleStep(
        **_head(card, amount), main_after=Cents(card.main - amount + subsidy),
        subsidy_after=Cents(card.subsidy - subsidy), merchant=merchant,
    )  # fmt: skip


def refund_of(card: Plastic, amount: int, of: int, to: RefundTo = RefundTo.CARD) -> RefundStep:
    head = _head(card, amount)
    if to is RefundTo.PENDING:
        head |= {"counter_after": card.counter}
    gain = amount if to is RefundTo.CARD else 0
    return RefundStep(
        **head,
        main_after=Cents(card.main + gain),
        subsidy_after=Cents(card.subsidy),
        merchant=MERCHANT,
        of=Seq(of),
        to=to,
    )


def topup_of(card: Plastic, amount: int, to: TopUpTo = TopUpTo.CARD) -> TopUpStep:
    head = _head(card, amount)
    if to is TopUpTo.LOAD:
        head |= {"counter_after": card.counter}
    gain = amount if to is TopUpTo.CARD else 0
    return TopUpStep(
        **head, main_after=Cents(card.main + gain), subsidy_after=Cents(card.subsidy), channel=ChannelId("cash"), to=to
    )


def load_of(card: Plastic, total: int, load_seq: int, key: SigningKey = LOAD_KEY) -> LoadStep:
    gain = total - card.loaded
    signed = sign_load(LoadRecord(*card.id.key, LoadSeq(load_seq), Cents(total)), key)
    return LoadStep(
        **_head(card, gain), main_after=Cents(card.main + gain), subsidy_after=Cents(card.subsidy),
        load_seq=LoadSeq(load_seq), loaded=Cents(card.loaded), loaded_after=Cents(total),
        record=load_text(encode_load(signed)),
    )  # fmt: skip


def pin_of(card: Plastic) -> PinTried:
    return PinTried(**_head(card, 0), main_after=Cents(card.main), subsidy_after=Cents(card.subsidy), tries_after=1)


def _head(card: Plastic, amount: int) -> dict[str, Any]:
    return {
        "card": card.id, "amount": Cents(amount),
        "counter": Counter(card.counter), "counter_after": Counter(card.counter + 1),
        "main": Cents(card.main), "subsidy": Cents(card.subsidy), "card_last": card.last,
    }  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """A batch on its way to the server."""

    tid: TerminalId
    tno: Tno
    lines: tuple[bytes, ...]


class Lunch:
    """A seeded lunch hour: taps, torn writes, clones, restored images, and deliveries that repeat, skip and overlap."""

    def __init__(self, seed: int, *, tills: int = 3, cards: int = 6) -> None:
        self.chance = random.Random(seed)
        self.tills = [Till(number) for number in range(1, tills + 1)]
        kinds = (Technology.CLASSIC, Technology.DESFIRE)
        self.cards = [plastic(number, kinds[number % 2]) for number in range(1, cards + 1)]
        self.unknown = plastic(900)
        self.images: list[Till] = []
        self.sold: dict[int, list[tuple[int, SaleStep]]] = {}
        self.granted: dict[int, int] = {}

    def play(self, taps: int) -> None:
        """So many things happen; every chain grows."""
        for _ in range(taps):
            till = self.chance.choice(self.tills + self.images)
            till.clock = ClockSource.NONE if self.chance.random() < 0.05 else ClockSource.SERVER
            self.chance.choice(self._things)(till)

    @property
    def _things(self) -> Sequence[Any]:
        return (
            *[self._sell] * 8, self._refund, self._refund, self._top_up, self._load, self._load, self._pin, self._cash,
            self._shift, self._vend, self._clone, self._image, self._open,
        )  # fmt: skip

    def _card(self) -> Plastic:
        return self.unknown if self.chance.random() < 0.05 else self.chance.choice(self.cards)

    def _step(self, till: Till, card: Plastic, kind: str, body: CardStep) -> int:
        """Prepare, write or not, and journal one of the outcomes; returns the prepared seq."""
        prepared = till.append(Kind(f"{kind}_prepared"), body).seq
        outcome = self.chance.choices(["settled", "torn_on", "torn_off", "voided", "settled_late"], [80, 6, 6, 6, 2])[0]
        done = struct_replace(body, prepared=prepared)
        if outcome != "torn_off" and outcome != "voided" and body.touches_card:
            card.write(till.tno, body, prepared)
        if outcome.startswith("torn") or outcome == "settled_late":
            till.append(Kind(f"{kind}_torn"), done)
        if outcome in ("settled", "settled_late", "voided"):
            till.append(Kind(f"{kind}_{outcome.split('_')[0]}"), done)
        return prepared if outcome == "settled" else 0

    def _sell(self, till: Till) -> None:
        card = self._card()
        body = sale_of(card, self.chance.randint(1, 2_000))
        if prepared := self._step(till, card, "sale", body):
            self.sold.setdefault(till.tno, []).append((prepared, body))

    def _refund(self, till: Till) -> None:
        if sold := self.sold.get(till.tno):
            of, sale = self.chance.choice(sold)
            card = next((known for known in self.cards if known.id == sale.card), None)
            if card is not None:
                to = self.chance.choice(list(RefundTo))
                self._step(till, card, "refund", refund_of(card, self.chance.randint(1, sale.amount), of, to))

    def _top_up(self, till: Till) -> None:
        card = self._card()
        if self.chance.random() < 0.5:
            body = topup_of(card, self.chance.randint(1, 5_000), TopUpTo.LOAD)
            till.append(Kind.TOPUP_PREPARED, body)
            self.granted[card.id.no] = self.granted.get(card.id.no, 0) + body.amount
        else:
            self._step(till, card, "topup", topup_of(card, self.chance.randint(1, 5_000)))

    def _load(self, till: Till) -> None:
        card = self._card()
        total = self.granted.get(card.id.no, 0) + self.chance.choice([0, 0, 500])
        if total > card.loaded:
            card.load_seq += 1
            if self._step(till, card, "load", load_of(card, total, card.load_seq)):
                card.loaded = total

    def _pin(self, till: Till) -> None:
        card = self._card()
        body = pin_of(card)
        card.write(till.tno, body, till.append(Kind.PIN_TRIED, body).seq)

    def _cash(self, till: Till) -> None:
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(self.chance.randint(1, 900))))

    def _shift(self, till: Till) -> None:
        till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(self.chance.randint(1, 9)), Cents(1_000)))

    def _vend(self, till: Till) -> None:
        if sold := self.sold.get(till.tno):
            kind = self.chance.choice([Kind.VEND_FAILED, Kind.VEND_UNKNOWN, Kind.VEND_DISPENSED])
            till.append(kind, Vend(Seq(self.chance.choice(sold)[0]), 1))

    def _clone(self, _: Till) -> None:
        if self.chance.random() < 0.3:
            self.cards.append(self.chance.choice(self.cards).copy())

    def _image(self, till: Till) -> None:
        if self.chance.random() < 0.3 and till.chain:
            self.images.append(till.restored(self.chance.randrange(len(till.chain))))

    def _open(self, till: Till) -> None:
        till.append(Kind.SALE_PREPARED, sale_of(self.chance.choice(self.cards), 300))

    def deliveries(self) -> list[Delivery]:
        """Every entry at least once, in batches that repeat, overlap, run ahead and mix terminals."""
        waiting = [(till, 0) for till in self.tills + self.images]
        sent: list[Delivery] = []
        while waiting:
            index = self.chance.randrange(len(waiting))
            till, start = waiting[index]
            end = min(len(till.chain), start + self.chance.randint(1, 12))
            if start < end:
                begin = max(0, start - self.chance.choice([0, 0, 0, 3]))
                sent.append(Delivery(till.tid, till.tno, tuple(till.lines[begin:end])))
                if self.chance.random() < 0.1:
                    sent.append(self.chance.choice(sent))
                if self.chance.random() < 0.1 and end + 1 < len(till.chain):
                    sent.append(Delivery(till.tid, till.tno, tuple(till.lines[end + 1 : end + 3])))
                waiting[index] = (till, end)
            else:
                waiting.pop(index)
        return sent

    def book(self) -> Book:
        """An empty book that knows these terminals and cards."""
        book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in self.tills})
        for card in self.cards:
            book.cards[card.id.key] = CardRow(card.id.key, technology=card.id.technology)
        return book
