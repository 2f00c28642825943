"""The rows that posting a batch reads and changes: loaded before, written after, by one transaction of the store.

`Book` itself is plain dictionaries. The store fills one with what a batch can touch and writes back what changed;
the simulation keeps one for ever.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.entries import CardStep, Operation, RefundStep, Stage
from protocol.ids import CardKey, CardNo, Counter, Epoch, Seq, ShiftNo, SiteId, TerminalId, Tno
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.journal import Tip
from protocol.money import Cents
from protocol.purse import SeenStep
from protocol.signing import Verifier, VerifyKey
from protocol.sync_receiver import Branch
from server.ingest.card_row import CardRow as CardRow
from server.ingest.card_row import CardStatus as CardStatus
from server.ingest.chain_hashes import ChainHashes
from server.ledger.accounts import AccountKind, Postings, owner_of, purse, subsidy, suspense
from server.ledger.rules import ON_CARD, Resolution, Use

StepId = tuple[Tno, int, int]
"""(tno, branch, seq of the prepared entry)."""
Reached = tuple[CardKey, int]
"""A card and a counter it would show."""
BRANCHES_MAX = 16
"""So many histories of a chain are kept beside its first one. An honest terminal hardly ever has a second."""


class TerminalStatus(enum.StrEnum):
    """Whether a terminal may still bring what it has written. Whether it is believed is another question."""

    ACTIVE = "active"
    LOST = "lost"
    """Declared lost by two people; its entries are still welcome."""


class ShiftStatus(enum.StrEnum):
    """Whether the drawer of a shift was counted."""

    OPEN = "open"
    CLOSED = "closed"


class CaseClass(enum.StrEnum):
    """What ingest itself notices, and what the nightly reconciliation raises an alarm about."""

    FORK = "fork"
    FALLBACK = "fallback"
    CONTRADICTION = "balance_contradiction"
    LOAD_UNMATCHED = "load_unmatched"
    DEBITED_NOT_DELIVERED = "debited_not_delivered"
    TORN = "torn"
    """Decided by time, and proven otherwise."""
    CHAIN_FORK = "chain_break"
    OVER_REFUND = "over_refund"
    PURSE_UNREADABLE = "purse_unreadable"
    HOLE = "hole"
    CARD_ABOVE_LEDGER = "card_above_ledger"
    LEDGER_BROKEN = "ledger_broken"
    SHIFT_DIFFERENCE = "shift_difference"
    PROVIDER_DIFFERENCE = "provider_difference"
    STUCK = "stuck"
    """Something that is tried again and again, and fails."""


@dataclass(slots=True)
class ChainRow:
    """One (terminal, epoch): who writes it, and how far it is known."""

    tno: Tno
    site: SiteId
    tid: TerminalId
    epoch: Epoch
    key: VerifyKey
    start: Tip
    branches: dict[int, Branch] = field(default_factory=dict[int, Branch])
    status: TerminalStatus = TerminalStatus.ACTIVE
    reported_at: UtcMs = UtcMs(0)
    """The `at` of the newest posted entry: everything the terminal did up to then is known."""
    cards_version: int = 0
    """The newest `cards` list it has shown in an entry."""
    limits_version: int = 0
    """The newest `limits` list it has shown in an entry."""
    each_signature: bool = False
    """A hole was booked: from then on every entry must be signed itself."""
    cards_published: int = 0
    """The newest `cards` list there is for its site: it cannot have seen a newer one."""
    limits_published: int = 0
    """The same of `limits`."""
    can_load: bool = False
    """The register's word: it may put value onto cards and take money in for that."""
    can_issue: bool = False
    """The register's word: it may tell of cards that the server does not know."""
    merchant: str = ""
    """The register's word: whose sales it tells of; empty: anybody's."""
    revoked_at: UtcMs = UtcMs(0)
    """Since when its entries are kept aside until their cards confirm them; 0: they are not. A lost one may be, too."""
    is_spare: bool = False
    """The register's word: it waits for a place and sells nothing."""

    def __post_init__(self) -> None:
        self.branches.setdefault(0, Branch(0, self.start))


@dataclass(slots=True)
class StepRow:
    """One card operation of one terminal, from prepared to decided."""

    id: StepId
    operation: Operation
    stage: Stage
    body: CardStep
    tid: TerminalId
    shift: ShiftNo
    day: BusinessDay
    at: UtcMs
    last: tuple[SeenStep, ...] = ()
    use: Use | None = None
    resolved: Resolution | None = None
    torn_at: UtcMs = UtcMs(0)
    claimed: bool = False
    """A branch sale whose merchant has been paid after all."""
    lost: bool = False
    """Still open when its terminal was declared lost: other evidence may decide it."""
    returned: bool = False
    """Paid and not delivered: the price was given back."""
    given_back_cents: Cents = Cents(0)
    """Of a sale: how much of it was given back. Of a refund: how much of its sale had been given back before it."""

    @property
    def card(self) -> CardKey:
        """The plastic it was made on."""
        return self.body.card.key

    @property
    def counter(self) -> Counter:
        """The card's counter before the step."""
        return self.body.counter

    @property
    def counter_after(self) -> Counter:
        """The counter the card shows if the step was made."""
        return self.body.counter_after

    @property
    def undecided(self) -> bool:
        """Whether other evidence than its own terminal's may and must decide it."""
        given_up = self.stage is Stage.TORN or (self.lost and self.stage is Stage.PREPARED)
        return given_up and self.resolved is None

    @property
    def counts(self) -> bool:
        """Whether it is settled and proves something: a second history's own word proves nothing of itself."""
        return self.stage is Stage.SETTLED and self.use in ON_CARD and not self.unclaimed

    @property
    def is_of_branch(self) -> bool:
        """Whether only a second history says that it was settled."""
        return self.use in (Use.BRANCH, Use.DISPUTED)

    @property
    def unclaimed(self) -> bool:
        """Whether it was sold on a second history and no tap has confirmed that the card paid."""
        return self.use is Use.BRANCH and not self.claimed

    @property
    def moved_purse(self) -> bool:
        """Whether the ledger's purse shows this step as made by this card: proven, settled, and not forgotten."""
        if self.use in (Use.FORGOTTEN, Use.RELEASED) or not self.body.touches_card:
            return False
        return self.resolved is Resolution.ON_CARD or (self.stage is Stage.SETTLED and self.use in ON_CARD)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it is kept: bytes first, then what an index needs."""

    tno: Tno
    branch: int
    seq: int
    hash: bytes
    jws: bytes
    kind: str
    day: BusinessDay
    at: UtcMs
    parked: str = ""
    """Why it could not be posted yet; empty for a posted one."""


class HoleStatus(enum.StrEnum):
    """What became of entries that are missing in a chain."""

    ASKED = "asked"
    OFFERED = "offered"
    """Asked for twice in vain: two people may book it."""
    BOOKED = "booked"
    FILLED = "filled"


@dataclass(slots=True)
class HoleRow:
    """Entries `first` to `last` of a chain are missing; the one after them demands `hash` of the last."""

    tno: Tno
    first: Seq
    last: Seq
    hash: bytes
    asked: int = 0
    asked_at: UtcMs = UtcMs(0)
    status: HoleStatus = HoleStatus.ASKED


@dataclass(frozen=True, slots=True)
class Posted:
    """A set of postings and the one cause it may ever be posted for."""

    cause: str
    day: BusinessDay
    postings: Postings


@dataclass(frozen=True, slots=True)
class Case:
    """Something for two people to look at."""

    cls: CaseClass
    card: CardKey | None
    step: StepId
    cents: Cents
    text: str
    about: str = ""
    """The account that was counted or documented, after its day where the document is of one day."""


@dataclass(slots=True)
class Book:
    """Everything at hand. Keys are ids; lists only ever grow."""

    campus: CampusTime
    load_key: Verifier | None = None
    """What genuine load records are signed by; None where no entries are taken in."""
    code_key: Verifier | None = None
    """The same of pay codes."""
    chains: dict[Tno, ChainRow] = field(default_factory=dict[Tno, ChainRow])
    cards: dict[CardKey, CardRow] = field(default_factory=dict[CardKey, CardRow])
    entries: dict[tuple[Tno, int, int], EntryRow] = field(default_factory=dict[tuple[Tno, int, int], EntryRow])
    steps: dict[StepId, StepRow] = field(default_factory=dict[StepId, StepRow])
    by_counter: dict[Reached, list[StepRow]] = field(default_factory=dict[Reached, list[StepRow]])
    posted: dict[str, Posted] = field(default_factory=dict[str, Posted])
    cases: list[Case] = field(default_factory=list[Case])
    ended_cases: list[tuple[CaseClass, StepId, str]] = field(default_factory=list[tuple[CaseClass, StepId, str]])
    """Of cases whose cause is gone the class, the step and the text."""
    provisional: dict[Reached, str] = field(default_factory=dict[Reached, str])
    """Causes of provisional hole postings by (card, counter reached)."""
    products: dict[SiteId, frozenset[str]] = field(default_factory=dict[SiteId, frozenset[str]])
    """Of the products that the entries at hand name those of the site's price lists; no row for a site without any."""
    holes: dict[tuple[Tno, int], HoleRow] = field(default_factory=dict[tuple[Tno, int], HoleRow])
    """By (tno, first missing entry)."""
    shifts: dict[tuple[Tno, int], ShiftStatus] = field(default_factory=dict[tuple[Tno, int], ShiftStatus])
    """By (tno, number of the shift)."""
    drawers: dict[str, int] = field(default_factory=dict[str, int])
    """What the ledger says of drawers, credit positive; from the store only those that are counted now."""
    debts: dict[CardNo, Cents] = field(default_factory=dict[CardNo, Cents])
    """What is to be set off against the next grants of a number; from the store only where one is asked for now."""
    refunds: dict[tuple[Tno, int], list[StepRow]] = field(default_factory=dict[tuple[Tno, int], list[StepRow]])
    """Refunds by (tno, prepared entry of their sale)."""
    token_uses: dict[tuple[CardKey, str, int], StepId] = field(default_factory=dict[tuple[CardKey, str, int], StepId])
    """Sales that are settled by what a token has shown: card, kind of proof, its counter."""

    def add_step(self, step: StepRow) -> None:
        """Remember a new step."""
        self.steps[step.id] = step
        self.by_counter.setdefault((step.card, step.counter_after), []).append(step)
        if isinstance(step.body, RefundStep):
            self.refunds.setdefault((step.id[0], step.body.of), []).append(step)

    def steps_at(self, card: CardKey, counter_after: int) -> list[StepRow]:
        """All steps of a card that would reach this counter, in the order they became known."""
        return self.by_counter.get((card, counter_after), [])

    def find_step(self, chain: ChainRow, branch: int, prepared: Seq) -> StepRow | None:
        """The step that an outcome on some branch belongs to; it may have been prepared before the branch forked."""
        while branch and prepared <= chain.branches[branch].forked_after:
            branch = chain.branches[branch].parent
        return self.steps.get((chain.tno, branch, prepared))

    def entry_before(self, chain: ChainRow, branch: Branch, seq: Seq) -> EntryRow | None:
        """The entry before one in its own branch's history."""
        number = branch.number
        while number and seq - 1 <= chain.branches.get(number, branch).forked_after:
            number = chain.branches.get(number, branch).parent
        return self.entries.get((chain.tno, number, seq - 1))

    def hashes_of(self, tno: Tno) -> Mapping[tuple[int, Seq], bytes]:
        """Hashes by (branch, seq) of what is at hand of a chain."""
        return ChainHashes(self.entries, tno, {hole.last: hole.hash for hole in self.holes_of(tno, HoleStatus.BOOKED)})

    def holes_of(self, tno: Tno, *statuses: HoleStatus) -> list[HoleRow]:
        """The holes of a chain that are in one of these states, first entries first."""
        found = [hole for hole in self.holes.values() if hole.tno == tno and hole.status in statuses]
        return sorted(found, key=lambda hole: hole.first)

    def stands_for(self, provisional: str, step: StepRow) -> bool:
        """Whether a provisional posting of a hole is about this very step: what is set aside for it has its mark."""
        aside = suspense(step.id[0], 0, step.id[2])
        return any(posting.account == aside for posting in self.posted[provisional].postings)

    def debited(self, step: StepRow) -> bool:
        """Whether its card's purse has borne this step already: by its decision, or provisionally as part of a hole."""
        decided = (Resolution.ON_CARD, Resolution.STUDENT)[: 1 + (step.operation is Operation.SALE)]
        if step.resolved in decided and step.use is not Use.RELEASED:
            return True
        cause = self.provisional.get((step.card, step.counter_after))
        purses = (AccountKind.PURSE, AccountKind.SUBSIDY)
        moved = cause is not None and any(leg.account.kind in purses for leg in self.posted[cause].postings)
        return cause is not None and moved and self.stands_for(cause, step)

    def open_case(self, cls: CaseClass, card: CardKey | None, step: StepId, cents: Cents, text: str) -> None:
        """Put something in front of two people."""
        self.cases.append(Case(cls, card, step, cents, text))

    def end_case(self, cls: CaseClass, step: StepId, text: str) -> None:
        """What a case was opened for is so no more."""
        self.cases = [case for case in self.cases if (case.cls, case.step, case.text) != (cls, step, text)]
        self.ended_cases.append((cls, step, text))

    def open_chain_fork(self, tno: Tno, branch: int, after: Seq) -> None:
        """A terminal has two histories: a restored image, or a copied key."""
        is_last, text = branch == BRANCHES_MAX, "the chain goes on twice"
        text += "; it is the last further history that is taken" if is_last else ""
        self.open_case(CaseClass.CHAIN_FORK, None, (tno, branch, after), Cents(0), text)

    def post(self, cause: str, day: BusinessDay, postings: Postings) -> None:
        """Post once: the same cause a second time is a broken invariant. Cached balances follow."""
        assert cause not in self.posted, f"{cause} was posted before"
        assert sum(posting.cents for posting in postings) == 0
        if not postings:
            return
        self.posted[cause] = Posted(cause, day, postings)
        for posting in postings:
            owner = posting.account.owner
            if posting.account.kind in (AccountKind.PURSE, AccountKind.SUBSIDY):
                self._move(owner, posting.account.kind, posting.cents)
            if posting.account.kind is AccountKind.DRAWER:
                self.drawers[owner] = self.drawers.get(owner, 0) + posting.cents

    def _move(self, owner: str, kind: AccountKind, cents: Cents) -> None:
        number, _, generation = owner.partition("/")
        card = self.cards[(int(number), int(generation))]  # type: ignore[index]
        assert owner_of(card.key) == owner and {purse(card.key).kind, subsidy(card.key).kind} >= {kind}
        if kind is AccountKind.PURSE:
            card.main_cents = Cents(card.main_cents + cents)
        else:
            card.subsidy_cents = Cents(card.subsidy_cents + cents)
