"""What the service of reconciliation answers: proofs and day reports, as they are kept and shown."""

from dataclasses import dataclass

from protocol.ids import CardNo, Generation, TerminalId
from protocol.instants import BusinessDay, UtcMs
from server.ledger.accounts import AccountKind
from server.reconcile.facts import Difference, Tried
from server.reconcile.float_proof import Line


@dataclass(frozen=True, slots=True)
class FoundDifference:
    """One classified difference with its evidence."""

    key: str
    cls: Difference
    card: CardNo | None
    generation: Generation | None
    counter: int
    cents: int
    amount: int
    of_day: BusinessDay
    text: str
    steps: tuple[tuple[int, int, int], ...] = ()
    terminals: tuple[TerminalId, ...] = ()
    causes: tuple[str, ...] = ()
    tried: Tried | None = None


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """One class of a proof in figures."""

    cls: Difference
    count: int = 0
    cents: int = 0
    amount: int = 0
    above: int = 0
    """Of the amount what is too much; a drawer with too much never hides another one with too little."""
    below: int = 0

    def more(self, cents: int, amount: int) -> "ClassTotal":
        """With one finding more."""
        above, below = self.above + max(0, amount), self.below + min(0, amount)
        return ClassTotal(self.cls, self.count + 1, self.cents + cents, self.amount + amount, above, below)


@dataclass(frozen=True, slots=True)
class DayProof:
    """One proof of a business day."""

    day: BusinessDay
    number: int
    """The proofs of a day are counted from 1; 0: a dry run."""
    revision: int
    """Of the day's report that was proven; 0 while the day is open."""
    as_of: UtcMs
    is_dry: bool
    is_finished: bool
    cards: int
    """How many cards had to be looked at one by one."""
    difference_cents: int
    unexplained_cents: int
    stand_in_cents: int
    """The most that terminals may have sold to tokens without an answer and not have told: no difference yet."""
    classes: tuple[ClassTotal, ...]
    findings: tuple[FoundDifference, ...] = ()
    lines: tuple[Line, ...] = ()
    """What we have, each account next to its outside document."""
    signatures: int = 0
    """How many entries were audited for it: every single signature since the proof before."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What a kind of account moved on a day: what happened on it, and what was settled in it."""

    account_kind: str
    owner: str
    happened_cents: int
    settled_cents: int
    late_cents: int
    """Happened on this day, settled in a later one."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """The report of a business day. The revision rises with everything that arrives after it was closed."""

    day: BusinessDay
    closed_at: UtcMs
    revision: int
    lines: tuple[ReportLine, ...]


WITHDRAWN = ""
"""The name of a document that is one no more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody else says about one account at the end of a day, as it is kept."""

    account_kind: AccountKind
    owner: str
    cents: int
    document: str
    at: UtcMs
