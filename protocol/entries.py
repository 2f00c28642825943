"""Every kind of journal entry: what a terminal writes down, signs and never changes.

An entry is a head that is the same for all kinds, and a body of its kind. Members are written in the order in which
they stand here, defaults are not written, all values are integers, strings, arrays and objects (SPEC, "Entries").
The bytes of version 1 are fixed by golden vectors: terminals in the field have signed them.
"""

import enum
from typing import Annotated, Literal

from msgspec import Meta

from protocol.card_bodies import CARD_BODIES, CardBody
from protocol.card_bodies import CardBegun as CardBegun
from protocol.card_bodies import CardBlocked as CardBlocked
from protocol.card_bodies import CardErased as CardErased
from protocol.card_bodies import CardIssued as CardIssued
from protocol.card_bodies import CardRekeyed as CardRekeyed
from protocol.ids import (
    U8,
    U16,
    U32,
    U53,
    ChannelField,
    ChannelId,
    Counter,
    CounterField,
    EarlierSeqField,
    EpochField,
    LoadSeqField,
    MerchantField,
    ProductField,
    Seq,
    SeqField,
    ShiftField,
    ShiftNo,
    SiteField,
    StaffField,
    StaffId,
    TerminalField,
    TnoField,
)
from protocol.instants import ClockSource, MonoField, UtcField
from protocol.kinds import Kind as Kind
from protocol.kinds import Operation as Operation
from protocol.kinds import Stage as Stage
from protocol.kinds import kind_of as kind_of
from protocol.kinds import stage_of as stage_of
from protocol.money import Amount, AnyCents, Cents, PurseCents, TotalCents
from protocol.proofs import Proof
from protocol.purse import CardId, SeenStep
from protocol.texts import Text
from protocol.wire import Wire

ENTRY_VERSION = 1
ENTRY_BYTES_MAX = 16 * 1_024
LINES_MAX = 99

HashField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
"""base64url of a SHA-256; the last character carries four bits, the other two are zero."""


class Discount(Wire, frozen=True):
    """Something taken off a line, and why."""

    reason: Annotated[str, Meta(pattern=r"^[a-z0-9_:-]{1,40}\Z")]
    cents: Amount


class Line(Wire, frozen=True):
    """One line of a basket: `unit` is the price of one, `list` the price before class or time of day if it differs."""

    product: ProductField
    qty: Annotated[int, Meta(ge=1, le=9_999)]
    unit: Amount
    list: Amount = Cents(0)
    discounts: Annotated[tuple[Discount, ...], Meta(max_length=8)] = ()

    @property
    def net_cents(self) -> Cents:
        """What the customer pays for the line."""
        return Cents(self.qty * self.unit - sum(discount.cents for discount in self.discounts))


Lines = Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)]


class CardStep(Wire, frozen=True):
    """One step of a card, as intended (prepared) or as it came out. `prepared` is 0 in the prepared entry itself.

    Counter and balances are before and after; an outcome repeats them, so that each entry can be posted alone.
    """

    card: CardId
    amount: Amount
    counter: CounterField = Counter(0)
    counter_after: CounterField = Counter(0)
    main: PurseCents = Cents(0)
    main_after: PurseCents = Cents(0)
    subsidy: PurseCents = Cents(0)
    subsidy_after: PurseCents = Cents(0)
    prepared: EarlierSeqField = Seq(0)
    card_last: Annotated[tuple[SeenStep, ...], Meta(max_length=16)] = ()

    @property
    def touches_card(self) -> bool:
        """False only for a refund that becomes pending credit: no card was written."""
        return self.counter_after != self.counter


class SaleStep(CardStep, frozen=True, kw_only=True):
    """A purchase: what was bought, from whom. Tokens: hash of the server's signed answer, and how it proved itself."""

    merchant: MerchantField
    lines: Lines = ()
    approval: HashField | Literal[""] = ""
    proof: Proof | None = None


class RefundTo(enum.StrEnum):
    """Where refunded money goes."""

    CARD = "card"
    PENDING = "pending"


class RefundStep(CardStep, frozen=True, kw_only=True):
    """Money back for the sale that entry `of` of this same chain prepared."""

    merchant: MerchantField
    of: SeqField
    to: RefundTo
    lines: Lines = ()


class TopUpTo(enum.StrEnum):
    """How a top-up reaches the card: as a credit now, or through the server's cumulative load."""

    CARD = "card"
    LOAD = "load"


CASH = ChannelId("cash")
"""The channel of coins and notes: they lie in the drawer of the shift."""


class TopUpStep(CardStep, frozen=True, kw_only=True):
    """Money taken in at this terminal. To a load: the prepared entry is all there is, the server does the rest."""

    channel: ChannelField
    to: TopUpTo


class LoadStep(CardStep, frozen=True, kw_only=True):
    """The server's load record collected: totals before and after, and the signed record itself (base64url).

    `expired` is what was left of a subsidy whose period is over. A `load_voided` without a prepared entry says that
    card and list contradict each other: `loaded` is the card's total, `loaded_after` the list's, nothing was written.
    """

    load_seq: LoadSeqField
    loaded: TotalCents = Cents(0)
    loaded_after: TotalCents = Cents(0)
    expired: Amount = Cents(0)
    record: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{128}\Z")]


class CloseTo(enum.StrEnum):
    """Where the main purse of a card that is handed in goes: cash out of the drawer, or owed at the server."""

    CASH = "cash"
    PENDING = "pending"


class CloseStep(CardStep, frozen=True, kw_only=True):
    """A card is handed in: all that both purses hold is taken off it. A subsidy is never paid out."""

    to: CloseTo


class PinTried(CardStep, frozen=True, kw_only=True):
    """A PIN try is counted on the card before the PIN is compared. No money moves, but the card makes a step."""

    tries_after: U8


class Booted(Wire, frozen=True):
    """The terminal started, and how the journal looked."""

    build: Text
    entries: U53 = 0
    open: U32 = 0


class ShiftOpened(Wire, frozen=True):
    """A cashier took over with this much in the drawer."""

    number: Annotated[ShiftNo, Meta(ge=1, le=2**32 - 1)]
    drawer: Amount = Cents(0)


class ShiftClosed(Wire, frozen=True):
    """A cashier counted the drawer. Any amount is accepted; the difference is booked, not argued about."""

    number: Annotated[ShiftNo, Meta(ge=1, le=2**32 - 1)]
    counted: Amount = Cents(0)
    expected: AnyCents = Cents(0)
    sales: U32 = 0
    sales_cents: AnyCents = Cents(0)
    refunds_cents: AnyCents = Cents(0)
    cash_cents: AnyCents = Cents(0)


class Vend(Wire, frozen=True):
    """Whether a paid selection fell. `prepared` names the sale."""

    prepared: SeqField
    selection: U16 = 0
    reason: Text = ""


class SaleRefused(Wire, frozen=True):
    """Why a sale was refused; equal refusals of one card within a minute are one entry with a count."""

    reason: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")]
    amount: Amount = Cents(0)
    card: CardId | None = None
    counter: CounterField = Counter(0)
    main: PurseCents = Cents(0)
    subsidy: PurseCents = Cents(0)
    count: U16 = 0
    card_last: Annotated[tuple[SeenStep, ...], Meta(max_length=16)] = ()


class CashSale(Wire, frozen=True):
    """Sold for coins and notes: the drawer has more, the merchant is owed."""

    merchant: MerchantField
    amount: Amount
    lines: Lines = ()


class Reason(Wire, frozen=True):
    """Something a person did, and why."""

    reason: Text
    of: EarlierSeqField = Seq(0)


class PriceOverridden(Wire, frozen=True):
    """A person changed a price for one sale."""

    product: ProductField
    was: Amount
    now: Amount
    reason: Text = ""


class ListsApplied(Wire, frozen=True):
    """New lists are in force from here on; the head of this entry already shows them."""

    manifest: HashField


class ClockChanged(Wire, frozen=True):
    """The clock was stepped."""

    was: UtcField
    source: ClockSource


class Fault(Wire, frozen=True):
    """A device or the disk misbehaved; no secret ever stands here."""

    device: Annotated[str, Meta(pattern=r"^[a-z0-9_.-]{1,32}\Z")]
    text: Text


class Checkpoint(Wire, frozen=True):
    """Where a start may begin to verify from: the newest signed ack and a digest of the derived state."""

    acked: EarlierSeqField = Seq(0)
    ack: Annotated[str, Meta(max_length=2_000)] = ""
    state: Annotated[str, Meta(max_length=43)] = ""


class EpochEnded(Wire, frozen=True):
    """This chain ends here on purpose."""

    reason: Text


class ListVersions(Wire, frozen=True):
    """Versions in force: (server_epoch << 32) + n for each list, 0 while the terminal never had one."""

    cards: U53 = 0
    """With the floors in it: `floors` is a list of an older plan and stays 0."""
    prices: U53 = 0
    promotions: U53 = 0
    limits: U53 = 0
    loads: U53 = 0
    floors: U53 = 0
    staff: U53 = 0
    texts: U53 = 0
    config: U53 = 0


NO_LISTS = ListVersions()

Body = (
    CardStep
    | Booted
    | ShiftOpened
    | ShiftClosed
    | Vend
    | CardBody
    | SaleRefused
    | CashSale
    | Reason
    | PriceOverridden
    | ListsApplied
    | ClockChanged
    | Fault
    | Checkpoint
    | EpochEnded
)

_STEP_BODIES: dict[Operation, type[CardStep]] = {
    Operation.SALE: SaleStep,
    Operation.REFUND: RefundStep,
    Operation.TOPUP: TopUpStep,
    Operation.LOAD: LoadStep,
    Operation.CLOSE: CloseStep,
}

BODIES: dict[Kind, type[Body]] = {
    Kind.BOOTED: Booted,
    Kind.SHIFT_OPENED: ShiftOpened,
    Kind.SHIFT_CLOSED: ShiftClosed,
    Kind.VEND_DISPENSED: Vend,
    Kind.VEND_FAILED: Vend,
    Kind.VEND_UNKNOWN: Vend,
    Kind.PIN_TRIED: PinTried,
    **CARD_BODIES,
    Kind.SALE_REFUSED: SaleRefused,
    Kind.CASH_SALE: CashSale,
    Kind.DRAWER_OPENED: Reason,
    Kind.RECEIPT_REPRINTED: Reason,
    Kind.PRICE_OVERRIDDEN: PriceOverridden,
    Kind.LISTS_APPLIED: ListsApplied,
    Kind.CLOCK_CHANGED: ClockChanged,
    Kind.FAULT: Fault,
    Kind.CHECKPOINT: Checkpoint,
    Kind.EPOCH_ENDED: EpochEnded,
}
BODIES.update((kind_of(operation, stage), body) for operation, body in _STEP_BODIES.items() for stage in Stage)
assert set(BODIES) == set(Kind)


class Head(Wire, frozen=True):
    """What every entry carries, in this order, before its body."""

    v: Annotated[int, Meta(ge=ENTRY_VERSION, le=ENTRY_VERSION)]
    site: SiteField
    tid: TerminalField
    epoch: EpochField
    tno: TnoField
    seq: SeqField
    prev: HashField
    kind: Kind
    at: UtcField
    mono: MonoField
    boot: U32
    clock: ClockSource
    lists: ListVersions
    staff: StaffField = StaffId("")
    shift: ShiftField = ShiftNo(0)
    turnover: AnyCents = Cents(0)


class Entry(Head, frozen=True, kw_only=True):
    """One journal entry: the head and the body of its kind."""

    body: Body


def turnover_of(kind: Kind, body: Body) -> Cents:
    """What an entry adds to the running cents sold minus refunded of its chain."""
    match body:
        case SaleStep() if kind is Kind.SALE_SETTLED:
            return body.amount
        case CashSale():
            return body.amount
        case RefundStep() if kind is Kind.REFUND_SETTLED or kind is Kind.REFUND_VOIDED:
            return Cents(-body.amount)
        case _:
            return Cents(0)
