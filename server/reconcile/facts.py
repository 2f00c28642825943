"""What reconciliation knows: plain frozen rows, the same from the tables of the server and from a `Book` in memory.

Figures of a step are those of the card, main and subsidy apart; `ledger` figures are sums of postings. Nothing here
decides anything.
"""

import enum
from dataclasses import dataclass

from protocol.entries import Operation, Stage
from protocol.ids import CardKey, Seq, ShiftNo, StaffId, TerminalId, Tno
from protocol.instants import DAY_MS, MINUTE_MS, BusinessDay, UtcMs
from protocol.limits import LimitRules
from protocol.money import SALE_CENTS_MAX
from protocol.purse import SeenStep
from server.ingest.book import CardStatus, CaseClass, StepId, TerminalStatus
from server.ledger.accounts import Account
from server.ledger.rules import Resolution, Use


class Difference(enum.StrEnum):
    """Every class a difference can be in; `rules.py` says when (SPEC, "Reconciliation proves, it does not repair")."""

    SILENT_TILL = "silent_till"
    SILENT_LOADER = "silent_loader"
    OVERDUE = "overdue"
    GAP = "gap"
    OPEN = "open"
    TORN = "torn"
    DEBITED_NOT_DELIVERED = "debited_not_delivered"
    DUPLICATE = "duplicate"
    FALLBACK = "fallback"
    FORK = "fork"
    BALANCE_CONTRADICTION = "balance_contradiction"
    CARD_ABOVE_LEDGER = "card_above_ledger"
    PURSE_UNREADABLE = "purse_unreadable"
    LOAD_UNMATCHED = "load_unmatched"
    SHIFT_DIFFERENCE = "shift_difference"
    PROVIDER_DIFFERENCE = "provider_difference"
    CHAIN_BREAK = "chain_break"
    HOLE = "hole"
    LEDGER_BROKEN = "ledger_broken"
    REFUSED = "refused"


ALARMS = {
    Difference.CARD_ABOVE_LEDGER: CaseClass.CARD_ABOVE_LEDGER,
    Difference.FORK: CaseClass.FORK,
    Difference.CHAIN_BREAK: CaseClass.CHAIN_FORK,
    Difference.LEDGER_BROKEN: CaseClass.LEDGER_BROKEN,
}
"""Classes somebody must hear of at once, and the case each opens; a card above its ledger gets no load meanwhile."""
COUNTED = {
    Difference.SHIFT_DIFFERENCE: CaseClass.SHIFT_DIFFERENCE,
    Difference.PROVIDER_DIFFERENCE: CaseClass.PROVIDER_DIFFERENCE,
}
"""Classes of counts and documents, and the case that each of these has as long as it differs from the books."""
LASTING = frozenset({Difference.CARD_ABOVE_LEDGER, Difference.LEDGER_BROKEN})
"""Alarms that are raised again for as long as money is off, whoever closed their case."""


class MoveReason(enum.StrEnum):
    """Why the ledger's purse moved other than by a step of the card."""

    OPENING = "opening"
    """Written on the card when it was issued or taken over from the old system."""
    HOLE = "hole"
    """Booked provisionally for one step of the card that no entry tells of."""
    OFF_CARD = "off_card"
    """The card office took the value over: closed, replaced, released. The plastic does not know."""
    CORRECTION = "correction"
    """Two people brought the ledger to what the card shows."""


_REASONS = {
    "issue": MoveReason.OPENING,
    "import": MoveReason.OPENING,
    "opening": MoveReason.OPENING,
    "hole": MoveReason.HOLE,
    "close": MoveReason.OFF_CARD,
    "replace": MoveReason.OFF_CARD,
    "release": MoveReason.OFF_CARD,
}
CAUSES_OF_STEPS = frozenset({"entry", "resolve", "overtaken", "lost", "claim", "disputed", "park", "unpark"})
"""First words of causes whose purse legs are those of steps."""


def reason_of(cause: str) -> MoveReason | None:
    """Why a cause moved a purse; None for a step. `found:hole:...` takes a provisional posting back."""
    word = cause.removeprefix("found:").partition(":")[0]
    if word in CAUSES_OF_STEPS:
        return None
    return _REASONS.get(word, MoveReason.CORRECTION)


@dataclass(frozen=True, slots=True)
class StepFact:
    """One card operation as it stands now."""

    id: StepId
    card: CardKey
    operation: Operation
    stage: Stage
    tid: TerminalId
    at: UtcMs
    """When, as its terminal believed; the end of its business day where that clock was in doubt."""
    day: BusinessDay
    amount: int
    counter: int
    counter_after: int
    main: int
    main_after: int
    subsidy: int = 0
    subsidy_after: int = 0
    last: tuple[SeenStep, ...] = ()
    use: Use | None = None
    resolved: Resolution | None = None
    claimed: bool = False
    loaded_after: int = 0

    @property
    def cents(self) -> int:
        """What the step adds to the card over both purses."""
        return self.main_after - self.main + self.subsidy_after - self.subsidy

    @property
    def touches_card(self) -> bool:
        """False for money that never was to reach the plastic by this step."""
        return self.counter_after != self.counter

    @property
    def settled_on_card(self) -> bool:
        """Whether the card is proven to have made this step, and did not forget it."""
        if not self.touches_card or self.use is Use.FORGOTTEN:
            return False
        if self.stage is Stage.SETTLED:
            return self.use in (Use.FIRST, Use.FALLBACK, Use.BRANCH, Use.RELEASED)
        return self.resolved is Resolution.ON_CARD

    @property
    def undecided(self) -> bool:
        """Whether it is open or torn, so that the card may show either side of it."""
        decided = self.resolved in (Resolution.ON_CARD, Resolution.NOT_ON_CARD)
        return self.touches_card and self.stage in (Stage.PREPARED, Stage.TORN) and not decided

    @property
    def ledger_cents(self) -> int:
        """What the step has moved on the ledger's purses (`server/ledger/rules.py`)."""
        if not self.touches_card or self.use in (Use.FORGOTTEN, Use.RELEASED):
            return 0
        if self.resolved is Resolution.ON_CARD:
            return self.cents
        is_settled = self.stage is Stage.SETTLED
        if self.operation in (Operation.REFUND, Operation.TOPUP) and self.resolved is not None:
            return self.cents if is_settled else 0
        if self.operation is Operation.SALE and self.resolved is Resolution.STUDENT:
            return self.cents
        return self.cents if is_settled and self.use in (Use.FIRST, Use.FALLBACK, Use.BRANCH) else 0


@dataclass(frozen=True, slots=True)
class Move:
    """What a cause other than a step has moved on the purses of a card."""

    cause: str
    reason: MoveReason
    cents: int
    counter_after: int = 0
    """Holes: the step of the card it stands for."""
    day: BusinessDay = BusinessDay(0)


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry about a card step that is kept and not posted: known, but not booked."""

    id: StepId
    tid: TerminalId
    why: str
    counter_after: int
    cents: int
    day: BusinessDay = BusinessDay(0)


@dataclass(frozen=True, slots=True)
class CaseFact:
    """Something ingest noticed."""

    cls: CaseClass
    step: StepId
    cents: int
    text: str
    card: CardKey | None = None
    day: BusinessDay = BusinessDay(0)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """One plastic card with everything that is known of it."""

    key: CardKey
    ledger_cents: int
    """Main and subsidy: the sums of the postings on its two purses."""
    status: CardStatus = CardStatus.ACTIVE
    technology: str = ""
    loaded_total: int = 0
    """What the server knows was ever loaded or is waiting to be; with the running subsidy."""
    steps: tuple[StepFact, ...] = ()
    moves: tuple[Move, ...] = ()
    parked: tuple[Parked, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    card_class: int = 1

    def day_of(self, cause: str) -> BusinessDay:
        """The business day of a cause other than a step."""
        return next((move.day for move in self.moves if move.cause == cause), BusinessDay(0))


@dataclass(frozen=True, slots=True)
class TerminalFact:
    """One chain: how far it has reported, and what it could have done since."""

    tno: Tno
    tid: TerminalId
    reported_at: UtcMs
    tip: Seq
    status: TerminalStatus = TerminalStatus.ACTIVE
    can_load: bool = False
    ended: bool = False
    """It said that nothing follows."""
    granted_at: UtcMs = UtcMs(0)
    debit_cents_max: int = SALE_CENTS_MAX
    """The most one sale can be where no list says less."""
    credit_cents_max: int = SALE_CENTS_MAX
    limits: tuple[tuple[UtcMs, LimitRules], ...] = ()
    """Every `limits` list of its site, and since when there is one to follow."""


@dataclass(frozen=True, slots=True)
class Count:
    """What a cashier counted in a drawer, by the entry that says so."""

    id: StepId
    staff: StaffId
    cents: int


@dataclass(frozen=True, slots=True)
class ShiftFact:
    """A counted drawer that had too much or too little."""

    tid: TerminalId
    shift: ShiftNo
    day: BusinessDay
    cents: int
    """Too much (positive) or too little, by the count and by cash whose entry came later."""
    causes: tuple[str, ...]
    """What was posted for that."""
    account: Account
    """The drawer."""
    count: Count | None = None
    """None: two people counted, or it was empty both ways."""


@dataclass(frozen=True, slots=True)
class HoleFact:
    """Entries of a chain that were asked for twice and never came, booked by two people or not yet."""

    tno: Tno
    tid: TerminalId
    first: int
    last: int
    day: BusinessDay = BusinessDay(0)


@dataclass(frozen=True, slots=True)
class Tried:
    """Sales refused for one reason to one card on one day; to no card at one terminal where none was read."""

    reason: str
    attempts: int
    first_at: UtcMs
    """When its first entry was written, by the terminal's clock: up to a minute after the first attempt."""
    last_at: UtcMs
    asked_cents: int
    """The most that was asked for at once."""
    hashes: tuple[str, ...]
    """Of the entries that are named, in their order."""
    shown_cents: int | None = None
    """The most that the card showed, main and subsidy; None: no purse was read."""
    ledger_cents: int | None = None
    """What the ledger has for it; None: it does not know this card."""


@dataclass(frozen=True, slots=True)
class RefusedFact:
    """A trick that a terminal may have refused: who and where, and what it says."""

    tried: Tried
    day: BusinessDay
    card: CardKey | None
    terminals: tuple[TerminalId, ...]
    entries: tuple[StepId, ...]
    counter: int = 0
    left_open: StepId | None = None
    """A step begun before at the same terminal that has no outcome; known where another card was shown."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was refused, as far as it is told line by line."""

    lines: tuple[RefusedFact, ...] = ()
    untold: int = 0
    """Attempts that would have made further lines."""


@dataclass(frozen=True, slots=True)
class Campus:
    """Everything that is not about one card."""

    terminals: tuple[TerminalFact, ...] = ()
    shifts: tuple[ShiftFact, ...] = ()
    holes: tuple[HoleFact, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    refusals: Refusals = Refusals()


@dataclass(frozen=True, slots=True)
class Terms:
    """When the proof is made, and how long silence is patience."""

    as_of: UtcMs
    overdue_after_ms: int = 7 * DAY_MS
    clock_doubt_ms: int = 10 * MINUTE_MS
    """A terminal has reported past an instant only by this much more: clocks differ."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One classified difference with its evidence."""

    cls: Difference
    cents: int
    """Its share of the card's balance minus the ledger's; 0 where nothing is off but money is in question."""
    amount: int
    """The money it is about: at stake while open, booked already as a loss or credit otherwise."""
    text: str
    card: CardKey | None = None
    counter: int = 0
    day: BusinessDay = BusinessDay(0)
    steps: tuple[StepId, ...] = ()
    terminals: tuple[TerminalId, ...] = ()
    causes: tuple[str, ...] = ()
    tried: Tried | None = None
    about: str = ""
    """Of a count or a document that differs from the books: what its case is about."""
    place: int = 0
    """Of several in one class about the very same, which it is."""

    @property
    def key(self) -> str:
        """The same finding has the same key in every run, and no other one has it (`told_apart`)."""
        who = "-" if self.card is None else f"{self.card[0]}/{self.card[1]}"
        what = ",".join([".".join(map(str, step)) for step in self.steps] + list(self.causes))
        return f"{self.cls}|{who}|{self.counter}|{what}" + (f"|{self.place}" if self.place else "")


@dataclass(frozen=True, slots=True)
class Unbalanced:
    """A cause whose postings do not sum to zero, or a card whose kept balances are not the sums of its postings."""

    cents: int
    cause: str = ""
    card: CardKey | None = None


@dataclass(frozen=True, slots=True)
class CardProof:
    """What one card comes to: its difference is the sum of its findings plus what is unexplained (must be 0)."""

    key: CardKey
    difference_cents: int
    findings: tuple[Finding, ...]

    @property
    def unexplained_cents(self) -> int:
        """The part of the difference that is in no class."""
        return self.difference_cents - sum(finding.cents for finding in self.findings)
