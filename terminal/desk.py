"""One counter in words: what it shows, what happens to it, and what it asks to be done. `sale.py` is how it behaves."""

from dataclasses import dataclass

import msgspec

from protocol.authorise import House, Refused
from protocol.basket import Basket
from protocol.entries import Body, Kind, Stage
from protocol.ids import CardKey, MerchantId, Seq, Tno
from protocol.instants import Now
from protocol.messages import Answer
from protocol.price_list import PriceList
from protocol.purse import CardRead, Outcome
from protocol.site_files import REPEAT_MS
from terminal.effects import AppendEntry as AppendEntry
from terminal.effects import AskServer as AskServer
from terminal.effects import AskWho as AskWho
from terminal.effects import ComparePin as ComparePin
from terminal.effects import Effect as Effect
from terminal.effects import HandOver as HandOver
from terminal.effects import MakeFirm as MakeFirm
from terminal.effects import ReadCard as ReadCard
from terminal.effects import Receipt as Receipt
from terminal.effects import WriteCard as WriteCard
from terminal.hand_in import Close
from terminal.load import Load, NothingToLoad
from terminal.purchase import Facts, NotPriced, Purchase
from terminal.refund import Refund
from terminal.refusal_count import RefusalCount
from terminal.step_draft import Open, StepDraft
from terminal.topup import TopUp

Order = Purchase | Refund | Load | TopUp | Close


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
class Identifying:
    """A card of a stranger, or a token: the server is asked whose it is. `back`: what the counter showed before."""

    tap: "CardTapped"
    back: "AwaitingCard | NotDone"
    left_at: Now | None = None


@dataclass(frozen=True, slots=True)
class Approving:
    """A token's sale is on disk, and the server is asked for the money; so often already."""

    order: Order
    open: Open
    draft: StepDraft
    facts: Facts
    asked_count: int = 1


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
class CloseAsked:
    """This is on the card that is handed in. Take it off? The cashier says so."""

    order: Close
    draft: StepDraft


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
    | Identifying
    | Approving
    | Settling
    | TapAgain
    | Firming
    | Done
    | Noting
    | NotDone
    | RepeatAsked
    | CloseAsked
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
    uid: str | None = None
    """Of what is no card of ours and may be a token; empty: it has none that stays. None: no server could be asked."""


@dataclass(frozen=True, slots=True)
class TokenKnown:
    """The server has said whose token a UID is; None: nobody's."""

    uid: str
    read: CardRead | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class TokenAnswered:
    """The server has answered about a token's sale; `approval` is the hash of its signed words."""

    answer: Answer
    approval: str
    now: Now


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
    | TokenKnown
    | TokenAnswered
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

Stepped = tuple[Desk, tuple[Effect, ...]]
