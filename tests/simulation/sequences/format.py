"""How a money sequence is written down: who does what, and what must be so afterwards. Data, nothing that runs.

Tills are called X, Y, Z, load stations S, T, cards A, B; amounts have names (LUNCH, TEA). Whoever plays a sequence
says which tills, cards and amounts these are: the same lines run alone, in the middle of a simulated day, and
against a real server. Everything that is expected is a change since the sequence began, and whatever an `Expect`
does not name must not have changed.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.instants import MINUTE_MS, SECOND_MS
from protocol.purse import PURSES, Technology
from server.ledger.accounts import AccountKind

# Who -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Till:
    """A counter with a cashier; with `loads` also a station that may put value onto cards."""

    name: str
    loads: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One piece of plastic."""

    name: str


X, Y, Z = Till("X"), Till("Y"), Till("Z")
S, T = Till("S", loads=True), Till("T", loads=True)
A, B = Card("A"), Card("B")
CLONE = Card("clone of A")
NEW = Card("replacement of A")


# How much --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sum:
    """Cents as a sum of named amounts: `LUNCH + 2 * TEA`."""

    parts: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: "Sum") -> "Sum":
        counts = dict(self.parts)
        for name, count in other.parts:
            counts[name] = counts.get(name, 0) + count
        return Sum(tuple(sorted((name, count) for name, count in counts.items() if count)))

    def __neg__(self) -> "Sum":
        return Sum(tuple((name, -count) for name, count in self.parts))

    def __sub__(self, other: "Sum") -> "Sum":
        return self + -other

    def __rmul__(self, times: int) -> "Sum":
        return Sum(tuple((name, times * count) for name, count in self.parts if times))

    def cents(self, amounts: Mapping[str, int]) -> int:
        """The sum, once its names have amounts."""
        return sum(amounts[name] * count for name, count in self.parts)


def amount(name: str) -> Sum:
    """One named amount."""
    return Sum(((name, 1),))


AMOUNTS = {
    "lunch": 1_200,
    "tea": 300,
    "soup": 550,
    "first": 2_000,
    "second": 1_700,
    "cash": 2_500,
    "aid": 800,
    "balance": 5_000,
}
"""What the names stand for unless the player says otherwise. A card has `balance` on it when a sequence begins."""
NOTHING = Sum()
LUNCH, TEA, SOUP = amount("lunch"), amount("tea"), amount("soup")
FIRST, SECOND = amount("first"), amount("second")
"""Two grants of the server, one after the other."""
CASH, BALANCE = amount("cash"), amount("balance")
AID = amount("aid")
"""A subsidy that is less than LUNCH and more than TEA."""


# What happens ----------------------------------------------------------------------------------------------------


class Torn(enum.Enum):
    """When the card leaves while it is written."""

    BEFORE = "before its first byte is written"
    HALF = "in the last byte: one bit of it is weak from then on (MIFARE Classic only)"
    AFTER = "when all is written, but before it could say so"


@dataclass(frozen=True, slots=True)
class Ring:
    """The cashier rings an amount."""

    till: Till
    amount: Sum


@dataclass(frozen=True, slots=True)
class Pay:
    """The cashier asks for a card."""

    till: Till


@dataclass(frozen=True, slots=True)
class Tap:
    """A card is held to the reader, and stays there unless it is torn away."""

    till: Till
    card: Card
    torn: Torn | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A phone shows a code to the scanner; the card must be a phone."""

    till: Till
    card: Card
    old_ms: int = 0
    """So long ago the server made it."""
    again: bool = False
    """The very code that was shown last."""
    forged: bool = False
    """Somebody else than the server has signed it."""


@dataclass(frozen=True, slots=True)
class Lift:
    """The card is taken away; the next thing happens `away_ms` later."""

    till: Till
    away_ms: int = SECOND_MS


@dataclass(frozen=True, slots=True)
class Confirm:
    """The cashier says yes: charge once more, or hand over what was paid earlier."""

    till: Till


@dataclass(frozen=True, slots=True)
class Cancel:
    """The cashier says no, or goes on."""

    till: Till


@dataclass(frozen=True, slots=True)
class EnterPin:
    """The customer enters a PIN; `right` is whether it is the card's."""

    till: Till
    right: bool
    torn: Torn | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The n-th card step that a till prepared in this sequence: its place in the chain is the mark on the card."""

    till: Till
    number: int = 1


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The cashier gives back some of a sale; `refused` where the rules say no at once."""

    till: Till
    of: Made
    amount: Sum
    refused: str = ""


@dataclass(frozen=True, slots=True)
class TakeCash:
    """Cash is laid on a station's counter and shall go onto a card."""

    till: Till
    amount: Sum


@dataclass(frozen=True, slots=True)
class OpenShift:
    """A cashier takes over a till with so much in its drawer."""

    till: Till
    drawer: Sum


@dataclass(frozen=True, slots=True)
class CloseShift:
    """The cashier counts what lies in the drawer, and is wrong by `error`."""

    till: Till
    error: Sum = NOTHING


@dataclass(frozen=True, slots=True)
class Collect:
    """A station is asked to bring what waits for a card."""

    till: Till


@dataclass(frozen=True, slots=True)
class CutAt:
    """The power will fail at a point of what comes next: "before hand over", "after sale_settled" ..."""

    till: Till
    point: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The till writes down where its next start may begin."""

    till: Till


@dataclass(frozen=True, slots=True)
class Vended:
    """A vending machine says what became of a paid selection: "dispensed", "failed" or "unknown"."""

    till: Till
    of: Made
    what: str


@dataclass(frozen=True, slots=True)
class SellForCash:
    """The cashier sells for notes and coins."""

    till: Till
    amount: Sum


@dataclass(frozen=True, slots=True)
class Cut:
    """The power fails now."""

    till: Till


@dataclass(frozen=True, slots=True)
class Boot:
    """The power is back and the program has started."""

    till: Till


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes everywhere; running tills notice."""

    ms: int


@dataclass(frozen=True, slots=True)
class StepClock:
    """The till's clock on the wall is wrong by so much from now on."""

    till: Till
    by_ms: int


@dataclass(frozen=True, slots=True)
class LoseClock:
    """The till cannot say what time it is."""

    till: Till


@dataclass(frozen=True, slots=True)
class Offline:
    """The till's network is gone."""

    till: Till


@dataclass(frozen=True, slots=True)
class Online:
    """It is back."""

    till: Till


@dataclass(frozen=True, slots=True)
class HoldBack:
    """The till's batches do not get through any more, its questions do."""

    till: Till


@dataclass(frozen=True, slots=True)
class LetGo:
    """They do again."""

    till: Till


@dataclass(frozen=True, slots=True)
class Deaf:
    """What the server says gets lost on its way to the till."""

    till: Till


@dataclass(frozen=True, slots=True)
class HearsLate:
    """What the server says reaches the till so much later."""

    till: Till
    by_ms: int


@dataclass(frozen=True, slots=True)
class Hears:
    """It arrives again, and at once."""

    till: Till


@dataclass(frozen=True, slots=True)
class Sync:
    """Everybody online sends what there is to send and gets the newest lists, until all is quiet."""


@dataclass(frozen=True, slots=True)
class WeakReads:
    """From now on the weak bits of a card read as what was being written (`new`), or as anything else."""

    card: Card
    new: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """MIFARE Classic: the newest slot of a card has lost a bit; the one before it is in force again."""

    card: Card


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody copies a card, byte by byte, onto another piece of plastic."""

    card: Card
    onto: Card


@dataclass(frozen=True, slots=True)
class Grant:
    """The server decides that a card shall get so much more."""

    card: Card
    amount: Sum


@dataclass(frozen=True, slots=True)
class Subsidise:
    """The server grants a subsidy of some period; what is left of an earlier period's expires."""

    card: Card
    amount: Sum
    period: int


@dataclass(frozen=True, slots=True)
class SetLimits:
    """The server publishes limits: a PIN is asked for above this amount, a day's spending ends at that one."""

    pin_above: Sum = NOTHING
    day: Sum = NOTHING
    period: int = 0
    """The subsidy period that runs."""
    topup: Sum = NOTHING
    """More cash than this waits for the server."""
    stand_in: Sum = NOTHING
    """So much is sold to a proven token without the server's answer."""
    unacked_topups: Sum = NOTHING
    """So much cash is taken in before the server has acknowledged it; NOTHING: what holds where no list says more."""


@dataclass(frozen=True, slots=True)
class BackUp:
    """The server's database is backed up."""


@dataclass(frozen=True, slots=True)
class RestoreServer:
    """The server loses everything since the backup and starts again."""


@dataclass(frozen=True, slots=True)
class CopyDisk:
    """A technician makes an image of a till's medium."""

    till: Till


@dataclass(frozen=True, slots=True)
class RestoreDisk:
    """The till starts from that image: it has forgotten what it did since."""

    till: Till


@dataclass(frozen=True, slots=True)
class KeepDisk:
    """The till's medium is put into a drawer as it is."""

    till: Till


@dataclass(frozen=True, slots=True)
class SendKept:
    """What is on the medium in the drawer reaches the server as a file."""

    till: Till


@dataclass(frozen=True, slots=True)
class SendWithout:
    """A till sends everything but its entries of some steps, which it cannot read any more; it is asked twice.

    `outcomes_only`: only the outcomes of these steps are missing, what was prepared has arrived before.
    """

    till: Till
    lost: tuple[Made, ...]
    outcomes_only: bool = False


@dataclass(frozen=True, slots=True)
class SendLost:
    """The unreadable entries have been rescued and reach the server as a file."""

    till: Till


@dataclass(frozen=True, slots=True)
class BookHole:
    """Two people book what is missing of a till's chain from the cards' own chains."""

    till: Till


@dataclass(frozen=True, slots=True)
class DeclareLost:
    """Two people declare a till lost."""

    till: Till


@dataclass(frozen=True, slots=True)
class CountDrawer:
    """Two people count what lies in the drawer of a till that is lost, and are wrong by `error`."""

    till: Till
    error: Sum = NOTHING


@dataclass(frozen=True, slots=True)
class Replace:
    """The card office replaces a card: what may be given now goes to the new one, the rest waits."""

    card: Card
    by: Card


@dataclass(frozen=True, slots=True)
class LetThrough:
    """Two people let everything be posted that a till's second history alone has told."""

    till: Till


@dataclass(frozen=True, slots=True)
class Revoke:
    """The server has told a terminal that it may not work any more."""

    till: Till


@dataclass(frozen=True, slots=True)
class Nightly:
    """The server's nightly run: what time decides is decided."""


# What must be so -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Of:
    """One account of the ledger, by the till or card it belongs to."""

    kind: AccountKind
    owner: Till | Card | None = None


def purse(card: Card) -> Of:
    """What the ledger says is on a card."""
    return Of(AccountKind.PURSE, card)


def subsidy(card: Card) -> Of:
    """What the ledger says is in its expiring purse."""
    return Of(AccountKind.SUBSIDY, card)


def pending(card: Card) -> Of:
    """What its holder is still to get."""
    return Of(AccountKind.PENDING, card)


def pending_subsidy(card: Card) -> Of:
    """The same of a subsidy."""
    return Of(AccountKind.PENDING_SUBSIDY, card)


def merchant(till: Till) -> Of:
    """What the merchant behind a till is owed."""
    return Of(AccountKind.MERCHANT, till)


def suspense(till: Till) -> Of:
    """What waits for outcomes of a till's steps."""
    return Of(AccountKind.SUSPENSE, till)


def drawer(till: Till) -> Of:
    """Cash in a till: what we have is negative."""
    return Of(AccountKind.DRAWER, till)


def miscount(till: Till) -> Of:
    """What a till's counted drawers had too much (positive) or too little."""
    return Of(AccountKind.OPERATOR_LOSS, till)


VAULT = Of(AccountKind.VAULT)
GRANTED = Of(AccountKind.CLEARING)
"""Where the value of grants comes from: the desk that took the cash, and what a restored server has adopted."""
FUNDER = Of(AccountKind.FUNDER)
"""Who pays for subsidies."""
OPERATOR_LOSS, FRAUD_LOSS = Of(AccountKind.OPERATOR_LOSS), Of(AccountKind.FRAUD_LOSS)


@dataclass(frozen=True, slots=True)
class OnCard:
    """What the bytes of a card say: steps made and cents moved since the start, and whose mark it carries."""

    steps: int = 0
    main: Sum = NOTHING
    mark: Made | None = None
    """None: the mark it had when the sequence began."""
    subsidy: Sum = NOTHING
    pin_tries: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A difference that the nightly proof finds: its class, the money it is about, and its share of the card."""

    cls: str
    amount: Sum = NOTHING
    """As the card's balance would move: a debit is negative."""
    share: Sum = NOTHING
    """How much more the card holds than the ledger says because of it."""
    card: Card | None = A
    """None: it is a till's, not a card's."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What must be so. Accounts, cards and goods that are not named have not changed; no other class is found."""

    accounts: Mapping[Of, Sum] = field(default_factory=dict[Of, Sum])
    cards: Mapping[Card, OnCard] = field(default_factory=dict[Card, OnCard])
    goods: Mapping[Till, tuple[Sum, ...]] = field(default_factory=dict[Till, tuple[Sum, ...]])
    """What each till has handed over so far: goods, money back, value."""
    classes: tuple[Found, ...] = ()
    days: Mapping[Made, int] = field(default_factory=dict[Made, int])
    """The business day a step was posted on, counted from the day on which the sequence began."""
    blocked: tuple[Card, ...] = ()
    exchange: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """In between, this must be so. What the server should know by now has been sent before with `Sync`."""

    expect: Expect


@dataclass(frozen=True, slots=True)
class Shows:
    """In between, a till shows this phase; for a refusal, the reason."""

    till: Till
    screen: str


Step = (
    Ring
    | Pay
    | Tap
    | Scan
    | Lift
    | Confirm
    | Cancel
    | EnterPin
    | GiveBack
    | TakeCash
    | OpenShift
    | CloseShift
    | Collect
    | Checkpoint
    | Vended
    | SellForCash
    | CutAt
    | Cut
    | Boot
    | Wait
    | StepClock
    | LoseClock
    | Offline
    | Online
    | HoldBack
    | LetGo
    | Deaf
    | HearsLate
    | Hears
    | Sync
    | WeakReads
    | Forget
    | Copy
    | Grant
    | Subsidise
    | SetLimits
    | BackUp
    | RestoreServer
    | CopyDisk
    | RestoreDisk
    | KeepDisk
    | SendKept
    | SendWithout
    | SendLost
    | BookHole
    | DeclareLost
    | CountDrawer
    | Replace
    | LetThrough
    | Revoke
    | Nightly
    | Check
    | Shows
)


@dataclass(frozen=True, slots=True)
class Sequence:
    """One money rule as a story."""

    name: str
    why: str
    """The rule, and where the specification says so."""
    steps: tuple[Step, ...]
    end: Expect
    on: frozenset[Technology] = frozenset(PURSES)
    """Which technologies card A may be of."""
    pin: bool = False
    """Card A has a PIN."""
    proven: bool = False
    """Tokens show by themselves who they are."""
    phone: bool = False
    """Tokens are phones that show codes."""


BOTH = frozenset(PURSES)
TOKENS = frozenset({Technology.TOKEN})
CLASSIC, DESFIRE = frozenset({Technology.CLASSIC}), frozenset({Technology.DESFIRE})
TOO_LATE = Wait(11 * MINUTE_MS)
"""Longer than the ten minutes in which a till may still hand over."""
NOT_AT_ONCE = Wait(15 * SECOND_MS)
"""Longer than the ten seconds in which a second charge has to be confirmed."""

Steps = tuple[Step, ...]


def sale(till: Till, card: Card, cents: Sum, torn: Torn | None = None) -> Steps:
    """Ring, ask, tap, take the card away."""
    return Ring(till, cents), Pay(till), Tap(till, card, torn), Lift(till)


def collect(till: Till, card: Card, torn: Torn | None = None) -> Steps:
    """Ask a station for what waits, tap, take the card away."""
    return Collect(till), Tap(till, card, torn), Lift(till)


def cash(till: Till, card: Card, cents: Sum, torn: Torn | None = None) -> Steps:
    """Put cash on the counter, tap, take the card away."""
    return TakeCash(till, cents), Tap(till, card, torn), Lift(till)


def refund(till: Till, of: Made, cents: Sum, card: Card, torn: Torn | None = None) -> Steps:
    """Give back onto the card: ask, tap, take the card away."""
    return GiveBack(till, of, cents), Tap(till, card, torn), Lift(till)
