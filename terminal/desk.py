"""One counter in words: what it shows, what happens to it, and what it asks to be done. `sale.py` is how it behaves."""

from dataclasses import dataclass

import msgspec

from protocol.authorise import House, Refused
from protocol.basket import Basket
from protocol.entries import Body, CardStep, CashSale, Kind, Stage
from protocol.ids import CardKey, Counter, MerchantId, Seq, Tno
from protocol.instants import Now
from protocol.money import Cents
from protocol.price_list import PriceList
from protocol.purse import CardRead, Mark, Outcome, PurseChange
from protocol.site_files import REPEAT_MS
from terminal.load import Load, NothingToLoad
from terminal.purchase import Facts, NotPriced, Purchase
from terminal.refund import Refund
from terminal.refusal_count import RefusalCount
from terminal.step_draft import Open, StepDraft
from terminal.topup import TopUp

Order = Purchase | Refund | Load | TopUp


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done: the number on the receipt is the place of the prepared entry, the same offline and online."""

    number: Mark
    kind: Kind
    body: Body
    at: Now

    @property
    def amount(self) -> Cents:
        """What was moved."""
        return self.body.amount if isinstance(self.body, CardStep | CashSale) else Cents(0)


# What the counter shows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ringing:
    """Items are being rung; nobody has been asked to pay."""

    basket: Basket


@dataclass(frozen=True, slots=True)
class AwaitingCard:
    """The amount is on the screen; tap a card."""

    order: Order
    confirmed: CardKey | None = None
    """The cashier said that this card shall be charged once more."""


@dataclass(frozen=True, slots=True)
class PinEntry:
    """The card needs its PIN for this amount."""

    order: Purchase
    read: CardRead
    """What the card showed when it was asked for."""
    pin: str = ""

    def __repr__(self) -> str:
        return f"PinEntry(card={self.read.identity.key})"


@dataclass(frozen=True, slots=True)
class PinComparing:
    """The try is counted on the card; the card's verifier decides."""

    order: Purchase
    read: CardRead
    facts: Facts


@dataclass(frozen=True, slots=True)
class Preparing:
    """The decision is being written down; the card has not been touched."""

    order: Order
    draft: StepDraft
    facts: Facts
    pin: str = ""

    def __repr__(self) -> str:
        return f"Preparing({self.draft.operation} {self.draft.body.amount})"


@dataclass(frozen=True, slots=True)
class Writing:
    """The card is being written."""

    order: Order
    open: Open
    facts: Facts
    pin: str = ""

    def __repr__(self) -> str:
        return f"Writing({self.open.operation} {self.open.seq})"


@dataclass(frozen=True, slots=True)
class Settling:
    """The outcome is being written down; `then` is what the counter shows afterwards."""

    open: Open
    stage: Stage
    then: "Phase"
    hand_over: bool = False


@dataclass(frozen=True, slots=True)
class TapAgain:
    """The card went away at the wrong moment: nobody knows whether it was written. The same card, please."""

    order: Order
    open: Open


@dataclass(frozen=True, slots=True)
class Firming:
    """A card with an open step is back and is being made definite. `back` is what the counter showed when it came."""

    open: Open
    back: "Phase"


@dataclass(frozen=True, slots=True)
class Done:
    """Paid (or given back, or loaded): the tick, the amount, the balance."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Noting:
    """An entry without a card write is being stored (cash taken for a later load, a refund to pending credit)."""

    kind: Kind
    body: Body


@dataclass(frozen=True, slots=True)
class NotDone:
    """Refused, with the reason in words on the screen; the order stays so that another card can pay."""

    order: Order
    reason: Refused | NotPriced | NothingToLoad


@dataclass(frozen=True, slots=True)
class RepeatAsked:
    """This card has just paid. Charge it again? Only the cashier can say so."""

    order: Order
    card: CardKey


@dataclass(frozen=True, slots=True)
class PaidEarlier:
    """The tap showed that an earlier sale is paid. Hand it over, or let the card be tapped again for a new one."""

    receipt: Receipt
    order: Order | None


Phase = (
    Ringing
    | AwaitingCard
    | PinEntry
    | PinComparing
    | Preparing
    | Writing
    | Settling
    | TapAgain
    | Firming
    | Done
    | Noting
    | NotDone
    | RepeatAsked
    | PaidEarlier
)


@dataclass(frozen=True, slots=True)
class Charged:
    """A card that has just paid: since when it is gone, and whether it was ever gone long enough to be a new tap."""

    card: CardKey
    at: Now
    gone_at: Now | None = None
    was_gone: bool = False


class Desk(msgspec.Struct, frozen=True):
    """One counter: what it shows, which steps are open, and who has just paid."""

    tno: Tno
    merchant: MerchantId
    prices: PriceList
    phase: Phase
    opens: tuple[Open, ...] = ()
    pin_tries: tuple[Open, ...] = ()
    """Counted on a card that left meanwhile: whether they are, it must be made to say before anything else."""
    charged: tuple[Charged, ...] = ()
    """Cards that have just paid, newest last."""
    present: CardKey | None = None
    """The card of ours that lies on the reader."""
    unconfirmed: Receipt | None = None
    """Settled last before a stop: paid, perhaps not handed over."""
    refusals: tuple[RefusalCount, ...] = ()
    repeat_ms: int = REPEAT_MS


# What happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BasketChanged:
    """The cashier rang, removed or cleared something."""

    basket: Basket


@dataclass(frozen=True, slots=True)
class PayPressed:
    """Ask for a card: for the basket that was rung, or for another order."""

    order: Order | None = None
    house: House | None = None
    """What holds for every card here now; the shell knows."""


@dataclass(frozen=True, slots=True)
class CashTaken:
    """The customer paid in notes and coins. The shell adds the facts."""

    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class CardTapped:
    """A card was read; None is a card that is not ours."""

    read: CardRead | None
    facts: Facts
    now: Now
    load: Load | None = None
    """Where loads are collected: the newest record of this card."""


@dataclass(frozen=True, slots=True)
class CardRemoved:
    """The card left the field."""

    now: Now


@dataclass(frozen=True, slots=True)
class EntryStored:
    """An entry is durable, at this place."""

    kind: Kind
    seq: Seq
    now: Now


@dataclass(frozen=True, slots=True)
class CardWritten:
    """The write was made and read back."""

    read: CardRead
    now: Now


@dataclass(frozen=True, slots=True)
class CardLost:
    """The card went away or failed while it was written: the outcome is unknown."""

    now: Now


@dataclass(frozen=True, slots=True)
class CardFirm:
    """An open step's card was made definite, and this is what it says."""

    outcome: Outcome
    read: CardRead
    now: Now


@dataclass(frozen=True, slots=True)
class PinEntered:
    """The customer's PIN; it lives only as long as the tap."""

    pin: str

    def __repr__(self) -> str:
        return "PinEntered()"


@dataclass(frozen=True, slots=True)
class PinCompared:
    """Whether the PIN was the card's."""

    right: bool
    now: Now


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The cashier says yes: charge again, or hand the earlier sale over."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The cashier says no, or goes on to the next customer."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""

    now: Now


Event = (
    BasketChanged
    | PayPressed
    | CashTaken
    | CardTapped
    | CardRemoved
    | EntryStored
    | CardWritten
    | CardLost
    | CardFirm
    | PinEntered
    | PinCompared
    | Confirmed
    | Cancelled
    | Ticked
)

# What to do ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Make this durable, then report `EntryStored`."""

    kind: Kind
    body: Body


@dataclass(frozen=True, slots=True)
class WriteCard:
    """Write one step onto the card, then report `CardWritten` or `CardLost`."""

    change: PurseChange


@dataclass(frozen=True, slots=True)
class MakeFirm:
    """Make the card definite about a step, then report `CardFirm` or `CardLost`."""

    mark: Mark
    counter_after: Counter


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Authenticate and read the card on the reader once more, then report `CardTapped`, if it is still there."""


@dataclass(frozen=True, slots=True)
class ComparePin:
    """Compare the PIN with the card's verifier, then report `PinCompared`."""

    pin: str

    def __repr__(self) -> str:
        return "ComparePin()"


@dataclass(frozen=True, slots=True)
class HandOver:
    """Paid for certain: the sound, the drawer, the receipt, the goods."""

    receipt: Receipt


Effect = AppendEntry | WriteCard | MakeFirm | ReadCard | ComparePin | HandOver
Stepped = tuple[Desk, tuple[Effect, ...]]
