"""An honest campus in memory: cards that really move, terminals that journal it, and arrival in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol.entries import (
    NO_LISTS,
    CardStep,
    Entry,
    Kind,
    LoadStep,
    Operation,
    PinTried,
    SaleStep,
    Stage,
    TopUpStep,
    TopUpTo,
    kind_of,
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
    SiteId,
    TerminalId,
    Tno,
)
from protocol.instants import MINUTE_MS, BusinessDay, CampusTime, ClockSource, MonoMs, UtcMs
from protocol.journal import Sealed, Tip, seal
from protocol.load_record import encode_load, sign_load
from protocol.money import Cents
from protocol.policy import load_text
from protocol.purse import CardClass, CardId, LoadRecord, SeenStep, Technology
from protocol.signing import SigningKey
from server.ingest.book import Book, CardRow, ChainRow
from server.ingest.rules import take_batch
from server.ledger.accounts import Account, AccountKind, balanced, pending, purse
from server.reconcile.facts import CardProof, Terms
from server.reconcile.rows import rows_of
from server.reconcile.rules import prove_cards

SITE, NOON, DAY = SiteId("north-campus"), UtcMs(1_796_011_200_000), BusinessDay(20_787)
OPENING, GRANT = 10_000, 5_000
BANK_ACCOUNT = Account(AccountKind.BANK)
KEY = SigningKey(bytes(32))
START = Tip(Seq(0), bytes(32))
CREDITS = (Operation.TOPUP, Operation.LOAD)


@dataclass
class Plastic:
    """A card as it really is."""

    id: CardId
    counter: int = 0
    main: int = OPENING
    loaded: int = 0
    slots: list[SeenStep] = field(default_factory=list[SeenStep])

    @property
    def last(self) -> tuple[SeenStep, ...]:
        """What a tap sees: both slots, or the newest log record."""
        return tuple(self.slots[-2:] if self.id.technology is Technology.CLASSIC else self.slots[-1:])

    def write(self, tno: int, seq: int, cents: int) -> None:
        """Make a step."""
        self.counter, self.main = self.counter + 1, self.main + cents
        self.slots.append(SeenStep(1, tno, seq, Counter(self.counter), Cents(self.main), Cents(0), Cents(cents)))


@dataclass
class Device:
    """A terminal with its journal."""

    tno: int
    skew_ms: int = 0
    journal: list[Sealed] = field(default_factory=list[Sealed])

    def append(self, kind: Kind, body: CardStep, now: int) -> int:
        """Write an entry down; its seq."""
        tip = Tip(self.journal[-1].seq, self.journal[-1].hash) if self.journal else START
        since = self.journal[-1].entry.turnover if self.journal else Cents(0)
        seq = Seq(tip.seq + 1)
        entry = Entry(
            1,
            SITE,
            TerminalId(f"till-{self.tno}"),
            Epoch(1),
            Tno(self.tno),
            seq,
            tip.prev,
            kind,
            UtcMs(now + self.skew_ms),
            MonoMs(seq),
            1,
            ClockSource.SERVER,
            lists=NO_LISTS,
            turnover=Cents(since + turnover_of(kind, body)),
            body=body,
        )
        self.journal.append(seal(entry, KEY))
        return seq


def step_body(
    plastic: Plastic, operation: Operation, cents: int, last: tuple[SeenStep, ...], prepared: int = 0
) -> CardStep:
    """The body of a step that finds the card as it is now."""
    figures = (
        plastic.id,
        Cents(abs(cents)),
        Counter(plastic.counter),
        Counter(plastic.counter + 1),
        Cents(plastic.main),
        Cents(plastic.main + cents),
        Cents(0),
        Cents(0),
        Seq(prepared),
        last,
    )
    match operation:
        case Operation.LOAD:
            after = Cents(plastic.loaded + cents)
            record = LoadRecord(*plastic.id.key, LoadSeq(1), after)
            return LoadStep(
                *figures,
                load_seq=LoadSeq(1),
                loaded=Cents(plastic.loaded),
                loaded_after=after,
                record=load_text(encode_load(sign_load(record, KEY))),
            )
        case Operation.TOPUP:
            return TopUpStep(*figures, channel=ChannelId("cash"), to=TopUpTo.CARD)
        case _:
            return SaleStep(*figures, merchant=MerchantId("canteen-1"))


@dataclass
class Campus:
    """Cards, devices and time."""

    cards: list[Plastic]
    devices: list[Device]
    now: int = NOON

    @classmethod
    def of(cls, cards: int, skews: Sequence[int]) -> "Campus":
        """Every other card is a DESFire card; the last device is a station."""
        kinds = (Technology.CLASSIC, Technology.DESFIRE)
        made = [Plastic(CardId(CardNo(n + 1), Generation(1), kinds[n % 2], CardClass.STUDENT)) for n in range(cards)]
        return cls(made, [Device(n + 1, skew) for n, skew in enumerate(skews)])

    def tap(self, card: int, device: int, what: str, cents: int) -> None:
        """One tap; `what` is an outcome, with `+` where the card was written although nobody said so."""
        plastic, terminal = self.cards[card % len(self.cards)], self.devices[device % len(self.devices)]
        self.now += MINUTE_MS
        if what.startswith("pin"):
            self._try_pin(plastic, terminal, counted=what.endswith("+"))
            return
        operation = self._operation(plastic, terminal)
        if operation is Operation.LOAD:
            cents = GRANT - plastic.loaded
        moved = cents if operation in CREDITS else -min(cents, plastic.main)
        last = plastic.last
        seq = terminal.append(kind_of(operation, Stage.PREPARED), step_body(plastic, operation, moved, last), self.now)
        outcome = step_body(plastic, operation, moved, last, seq)
        if what.endswith("+") or what == "settled":
            plastic.write(terminal.tno, seq, moved)
            plastic.loaded += moved if operation is Operation.LOAD else 0
        stage = what.removesuffix("+")
        if stage != "open":
            terminal.append(kind_of(operation, Stage(stage)), outcome, self.now)

    def _operation(self, plastic: Plastic, terminal: Device) -> Operation:
        if terminal is not self.devices[-1]:
            return Operation.SALE
        if plastic.loaded < GRANT:
            return Operation.LOAD
        return Operation.TOPUP if plastic.id.technology is Technology.DESFIRE else Operation.SALE

    def _try_pin(self, plastic: Plastic, terminal: Device, *, counted: bool) -> None:
        body = PinTried(
            plastic.id,
            Cents(0),
            Counter(plastic.counter),
            Counter(plastic.counter + 1),
            Cents(plastic.main),
            Cents(plastic.main),
            card_last=plastic.last,
            tries_after=1,
        )
        seq = terminal.append(Kind.PIN_TRIED, body, self.now)
        if counted:
            plastic.write(terminal.tno, seq, 0)

    def book(self) -> Book:
        """The server before anything has arrived: cards issued, a load granted to each."""
        book = Book(CampusTime(), KEY.public)
        for plastic in self.cards:
            key = plastic.id.key
            book.cards[key] = CardRow(
                key, technology=plastic.id.technology, load_seq=LoadSeq(1), loaded_total_cents=Cents(GRANT)
            )
            book.post(f"issue:{key[0]}", DAY, balanced((BANK_ACCOUNT, -OPENING), (purse(key), OPENING)))
            book.post(f"grant:{key[0]}", DAY, balanced((BANK_ACCOUNT, -GRANT), (pending(key[0]), GRANT)))
        for device in self.devices:
            tid = TerminalId(f"till-{device.tno}")
            book.chains[Tno(device.tno)] = ChainRow(
                Tno(device.tno), SITE, tid, Epoch(1), KEY.public, START, can_load=True
            )
        return book

    def deliver(self, book: Book, order: Sequence[int], upto: Sequence[int] | None = None) -> None:
        """Entries arrive in the order of devices given, each next entry of its own chain; then the rest of `upto`."""
        ends = list(upto) if upto is not None else [len(device.journal) for device in self.devices]
        sent = [0] * len(self.devices)
        rest = [index for index, end in enumerate(ends) for _ in range(end)]
        for index in [*(turn % len(self.devices) for turn in order), *rest]:
            device = self.devices[index]
            if sent[index] < min(ends[index], len(device.journal)):
                line = device.journal[sent[index]].jws
                take_batch(book, Tno(device.tno), [line], UtcMs(self.now + MINUTE_MS))
                sent[index] += 1

    def prove(self, book: Book) -> list[CardProof]:
        """The proofs of all cards, with the station known as one."""
        cards, around = rows_of(book, [TerminalId(f"till-{self.devices[-1].tno}")])
        return list(prove_cards(cards, around, Terms(UtcMs(self.now + MINUTE_MS))))
