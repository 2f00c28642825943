"""What the sale machine asks to be done, and what is said of a thing once it is done."""

from dataclasses import dataclass

from protocol.entries import Body, CardStep, CashSale, CloseStep, Kind
from protocol.ids import Counter, Seq
from protocol.instants import Now
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardId, Mark, PurseChange


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done: the number on the receipt is the place of the prepared entry, the same offline and online."""

    number: Mark
    kind: Kind
    body: Body
    at: Now

    @property
    def amount(self) -> Cents:
        """What was moved; of a card that was handed in what its holder gets."""
        if isinstance(self.body, CloseStep):
            return Cents(self.body.main - self.body.main_after)
        return self.body.amount if isinstance(self.body, CardStep | CashSale) else Cents(0)


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


@dataclass(frozen=True, slots=True)
class AskWho:
    """Ask the server whose token a UID is, then report `TokenKnown`, if it answers."""

    uid: str


@dataclass(frozen=True, slots=True)
class AskServer:
    """Ask the server whether a token may pay what a prepared entry says, then report `TokenAnswered`, if it answers."""

    seq: Seq
    card: CardId
    amount: Cents
    proof: Proof | None


Effect = AppendEntry | WriteCard | MakeFirm | ReadCard | ComparePin | HandOver | AskWho | AskServer
