"""What a terminal knows because of its journal: open steps, refundable sales, floors, the shift's totals.

Nothing here is a truth of its own: it is a fold over the entries, kept in memory, and rebuilt at every start from
the newest checkpoint's snapshot and the entries after it.
"""

from typing import Final, Literal

import msgspec

from protocol.authorise import Standing
from protocol.card_bodies import Erased
from protocol.entries import (
    CASH,
    Body,
    Booted,
    CardBegun,
    CardErased,
    CardIssued,
    CardStep,
    CashSale,
    Checkpoint,
    CloseStep,
    CloseTo,
    Fault,
    LoadStep,
    Operation,
    PinTried,
    RefundStep,
    SaleRefused,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    Stage,
    TopUpStep,
    TopUpTo,
    stage_of,
    turnover_of,
)
from protocol.ids import CardKey, Counter, LoadSeq, Seq, ShiftNo, StaffId
from protocol.instants import BusinessDay, CampusTime, MonoMs, Now, UtcMs
from protocol.journal import Sealed, read_entry
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardId, Mark
from terminal.desk import Receipt
from terminal.refund import Sold
from terminal.signed_time import SignedTime
from terminal.step_draft import Open
from terminal.wake import Unfinished

_FORM: Final = 11
"""Raised whenever `Derived` says something else, so that a newer program does not go on from an older one's state."""
HISTORY: Final = "history"
"""The device of a `fault` that notes another history of this chain at the server."""
STAFF_PIN_WRONG: Final = "staff_pin_wrong"
"""The reason of a `sale_refused` that notes a wrong PIN of somebody who wanted to open a shift."""
SOLD_DAYS = 2
"""Sales are remembered for refunds this long; a refund is given on the same business day only."""
SOLD_MAX = 20_000
"""So many of them at most, the newest: more than a counter sells in a day."""


class ShiftTotals(msgspec.Struct):
    """What the running shift took in, for the X report and the count at its end."""

    number: ShiftNo = ShiftNo(0)
    staff: StaffId = StaffId("")
    drawer_cents: Cents = Cents(0)
    sales: int = 0
    sales_cents: Cents = Cents(0)
    refunds_cents: Cents = Cents(0)
    cash_cents: Cents = Cents(0)

    @property
    def expected_cents(self) -> Cents:
        """What should lie in the drawer."""
        return Cents(self.drawer_cents + self.cash_cents)


class _Floor(msgspec.Struct):
    counter: Counter = Counter(0)
    load_seq: LoadSeq = LoadSeq(0)


class Derived(msgspec.Struct):
    """The state after some entry; `apply` takes the next one."""

    seq: Seq = Seq(0)
    turnover: Cents = Cents(0)
    acked: Seq = Seq(0)
    shifts: int = 0
    """The number of the newest shift."""
    shift: ShiftTotals = msgspec.field(default_factory=ShiftTotals)
    opens: dict[Seq, str] = msgspec.field(default_factory=dict[Seq, str])
    """Prepared entries without an outcome, as the compact JWS they are."""
    sold: dict[Seq, Sold] = msgspec.field(default_factory=dict[Seq, Sold])
    last_sale: str = ""
    """The newest settled sale, as its compact JWS."""
    pin_try: str = ""
    """The newest PIN try, as its compact JWS, until another entry shows its card."""
    signed: SignedTime = SignedTime()
    """How late it is at the very least."""
    forked: bool = False
    """Whether the server was found to hold another history: nothing is sold into this epoch any more."""
    ended: bool = False
    """Whether the program ended in order here: whoever was at the counter saw the sale settled last."""
    floors: dict[str, _Floor] = msgspec.field(default_factory=dict[str, _Floor])
    stand_ins: dict[str, tuple[BusinessDay, Cents]] = msgspec.field(
        default_factory=dict[str, tuple[BusinessDay, Cents]]
    )
    """What was sold to tokens without an answer on the newest day of each; no day before it is another one."""
    proofs: dict[str, Counter] = msgspec.field(default_factory=dict[str, Counter])
    """The highest counter that each token has shown in a proof, by kind."""
    staff_tries: int = 0
    """Wrong PINs of staff in a row."""
    staff_waits_from: MonoMs = MonoMs(0)
    """The newest of them, or the start since: how long a machine was off nobody knows."""
    begun: dict[str, CardId] = msgspec.field(default_factory=dict[str, CardId])
    """Plastics, by UID, that were begun here and are not known to be whole, and which card each one may be."""
    erasing: dict[str, CardErased] = msgspec.field(default_factory=dict[str, CardErased])
    """Plastics, by UID, that are on their way back to blanks and are not known to be there."""
    topups: dict[Seq, Cents] = msgspec.field(default_factory=dict[Seq, Cents])
    """What was taken in for top-ups, by entry; those that the server has acknowledged are forgotten one day."""

    def apply(self, sealed: Sealed, campus: CampusTime) -> None:
        """Take in the next entry of the chain."""
        entry = sealed.entry
        assert entry.seq == self.seq + 1, "entries are folded in order"
        self.seq = entry.seq
        self.signed = self.signed.after(entry)
        self.ended = self.ended and isinstance(entry.body, Checkpoint)
        self.turnover = Cents(self.turnover + turnover_of(entry.kind, entry.body))
        if self.pin_try and _card_named(entry.body) == _open_of(self.pin_try).card:
            self.pin_try = ""
        match entry.body:
            case PinTried():
                self.pin_try = sealed.jws.decode()
            case CardStep():
                self._step(sealed, entry.body, campus)
            case SaleRefused(reason) if reason == STAFF_PIN_WRONG:
                self.staff_tries, self.staff_waits_from = self.staff_tries + 1, entry.mono
            case Booted():
                self.staff_waits_from = entry.mono
            case ShiftOpened(number, drawer):
                self.shifts, self.staff_tries = number, 0
                self.shift = ShiftTotals(number, entry.staff, drawer)
            case CardBegun() | CardIssued() | CardErased():
                self._on_plastic(entry.body)
            case Fault(device):
                self.forked = self.forked or device == HISTORY
            case ShiftClosed():
                self.shift = ShiftTotals()
            case CashSale():
                self.shift.sales += 1
                self.shift.sales_cents = Cents(self.shift.sales_cents + entry.body.amount)
                self.shift.cash_cents = Cents(self.shift.cash_cents + entry.body.amount)
            case Checkpoint(acked):
                self.acked = max(self.acked, acked)
                self.topups = {seq: cents for seq, cents in self.topups.items() if seq > self.acked}
            case _:
                pass

    def unfinished(self) -> Unfinished:
        """What a start must look after."""
        opens = tuple(_open_of(jws) for _, jws in sorted(self.opens.items()))
        last = None if self.ended else self._last_receipt()
        return Unfinished(opens, last, _open_of(self.pin_try) if self.pin_try else None)

    def _last_receipt(self) -> Receipt | None:
        """The sale settled last, unless some of it was given back since: then nothing is left to hand over."""
        if not self.last_sale:
            return None
        entry = read_entry(self.last_sale.encode()).entry
        body = entry.body
        assert isinstance(body, CardStep)
        sold = self.sold.get(body.prepared)
        if sold is not None and sold.left_cents < body.amount:
            return None
        return Receipt(Mark(entry.tno, body.prepared), entry.kind, body, Now(entry.at, entry.mono, entry.clock))

    def was_here(self, card: CardKey) -> bool:
        """Whether this very plastic was made or written here."""
        return _name(card) in self.floors

    def begun_on(self, card: CardKey) -> str:
        """The UID of the plastic on which this card was begun; empty where it was not, or was finished."""
        return next((uid for uid, begun in self.begun.items() if begun.key == card), "")

    def is_open(self, card: CardKey) -> bool:
        """Whether a step of this card has no outcome yet."""
        return any(_open_of(jws).body.card.key == card for jws in self.opens.values())

    def standing(self, card: CardKey, listed: Standing, proof: Proof | None = None) -> Standing:
        """What list and journal together know of a card: the higher floor counts. `proof`: what a token shows now."""
        own = self.floors.get(_name(card), _Floor())
        return Standing(
            listed.listed,
            max(own.counter, listed.counter_floor),
            max(own.load_seq, listed.load_floor),
            listed.topup_waiting,
            self.proofs.get(_shown(card, proof), Counter(0)) if proof else Counter(0),
        )

    def stood_in(self, card: CardKey, day: BusinessDay) -> Cents:
        """What was sold to a token without an answer on a day, or later by a clock that was set back since."""
        known, cents = self.stand_ins.get(_name(card), (day, Cents(0)))
        return cents if known >= day else Cents(0)

    @property
    def unacked_topups_cents(self) -> Cents:
        """What was taken in for top-ups and the server has not acknowledged, whatever became of it on the card."""
        return Cents(sum(cents for seq, cents in self.topups.items() if seq > self.acked))

    def _on_plastic(self, body: CardBegun | CardIssued | CardErased) -> None:
        if isinstance(body, CardErased) and body.outcome is not Erased.DONE:
            self.erasing[body.uid] = body
            return
        self.erasing.pop(body.uid, None)
        match body:
            case CardBegun():
                self.begun[body.uid] = body.card
            case CardIssued():
                self.begun.pop(body.uid, None)
                self.floors.setdefault(_name(body.card.key), _Floor())
            case CardErased():
                pass

    def _step(self, sealed: Sealed, body: CardStep, campus: CampusTime) -> None:
        staged = stage_of(sealed.entry.kind)
        if staged is None:
            return
        operation, stage = staged
        if isinstance(body, SaleStep) and body.proof is not None:
            shown = _shown(body.card.key, body.proof)
            self.proofs[shown] = max(body.proof.counter, self.proofs.get(shown, Counter(0)))
        if stage is Stage.PREPARED:
            self._prepared(sealed, body)
        else:
            self.opens.pop(body.prepared, None)
        if stage is Stage.SETTLED and body.touches_card:
            self._floor(body.card.key, body.counter_after, body.load_seq if isinstance(body, LoadStep) else LoadSeq(0))
        if operation is Operation.SALE and stage is Stage.SETTLED:
            self._sold(sealed, body, campus)
        if isinstance(body, CloseStep) and stage is Stage.SETTLED and body.to is CloseTo.CASH:
            self.shift.cash_cents = Cents(self.shift.cash_cents - (body.main - body.main_after))
        if isinstance(body, RefundStep) and not body.prepared:
            self._given_back(body)

    def _prepared(self, sealed: Sealed, body: CardStep) -> None:
        if isinstance(body, TopUpStep):
            self.topups[sealed.seq] = body.amount
            if body.channel == CASH:
                self.shift.cash_cents = Cents(self.shift.cash_cents + body.amount)
            if body.to is TopUpTo.LOAD:
                return
        self.opens[sealed.seq] = sealed.jws.decode()

    def _sold(self, sealed: Sealed, body: CardStep, campus: CampusTime) -> None:
        assert isinstance(body, SaleStep)
        day = campus.business_day(sealed.entry.at)
        self.last_sale = sealed.jws.decode()
        self.shift.sales += 1
        self.shift.sales_cents = Cents(self.shift.sales_cents + body.amount)
        if body.card.is_token and not body.approval:
            self._stand_in(body, day, campus.business_day(self.signed.told))
        main, subsidy = Cents(body.main - body.main_after), Cents(body.subsidy - body.subsidy_after)
        newest = next(reversed(self.sold.values()), None)
        if newest is not None and newest.day != day:
            self.sold = {seq: sold for seq, sold in self.sold.items() if abs(sold.day - day) < SOLD_DAYS}
        if len(self.sold) >= SOLD_MAX:
            del self.sold[next(iter(self.sold))]
        self.sold[body.prepared] = Sold(body.prepared, body.card, body.merchant, day, main, subsidy)

    def _stand_in(self, body: SaleStep, day: BusinessDay, signed: BusinessDay) -> None:
        """Days before the one of the server's word are over: nothing is sold on them any more."""
        name, so_far = _name(body.card.key), self.stood_in(body.card.key, day)
        newest = max(day, self.stand_ins[name][0]) if name in self.stand_ins else day
        self.stand_ins = {other: known for other, known in self.stand_ins.items() if known[0] >= signed}
        self.stand_ins[name] = (newest, Cents(so_far + body.amount))

    def _given_back(self, body: RefundStep) -> None:
        """A refund counts from its first entry on: whatever becomes of it, nobody gives the same money back again."""
        self.shift.refunds_cents = Cents(self.shift.refunds_cents + body.amount)
        sold = self.sold.get(body.of)
        if sold is not None:
            main = min(body.amount, sold.main_cents)
            left = Cents(sold.main_cents - main), Cents(sold.subsidy_cents - (body.amount - main))
            self.sold[body.of] = Sold(sold.seq, sold.card, sold.merchant, sold.day, *left)

    def _floor(self, card: CardKey, counter: Counter, load_seq: LoadSeq) -> None:
        floor = self.floors.setdefault(_name(card), _Floor())
        floor.counter, floor.load_seq = max(floor.counter, counter), max(floor.load_seq, load_seq)


def snapshot_of(derived: Derived) -> bytes:
    """The state as a checkpoint keeps it; the same entries always give the same bytes.

    Dictionaries stand in the order of the fold, which is the same wherever it began.
    """
    return msgspec.json.encode((_FORM, derived))


def from_snapshot(raw: bytes) -> Derived | None:
    """Read a snapshot; None where it is not one of this form (then everything is folded from entry 1)."""
    try:
        return msgspec.json.decode(raw, type=tuple[Literal[11], Derived])[1]
    except ValueError:
        return None


def _open_of(jws: str) -> Open:
    entry = read_entry(jws.encode()).entry
    staged = stage_of(entry.kind)
    assert isinstance(entry.body, CardStep)
    at = Now(UtcMs(entry.at), MonoMs(entry.mono), entry.clock)
    return Open(entry.seq, staged[0] if staged else Operation.SALE, entry.body, at)


def _card_named(body: Body) -> CardKey | None:
    card = body.card if isinstance(body, CardStep | SaleRefused) else None
    return card.key if card else None


def _name(card: CardKey) -> str:
    return f"{card[0]}/{card[1]}"


def _shown(card: CardKey, proof: Proof) -> str:
    return f"{_name(card)}/{proof.kind}"
