"""Small histories of one card, written as data."""

from dataclasses import dataclass, field, replace

from protocol.entries import Operation, Stage
from protocol.ids import CardKey, CardNo, Counter, Generation, Seq, TerminalId, Tno
from protocol.instants import HOUR_MS, MINUTE_MS, BusinessDay, UtcMs
from protocol.money import Cents
from protocol.purse import SeenStep
from server.ingest.book import CardStatus, StepId, TerminalStatus
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import (
    Campus,
    CardFacts,
    CardProof,
    CaseFact,
    Difference,
    Finding,
    HoleFact,
    Move,
    Parked,
    StepFact,
    TerminalFact,
    Terms,
    reason_of,
)
from server.reconcile.rules import prove_card, prove_cards
from server.reconcile.silence import Silence

CARD: CardKey = (CardNo(7), Generation(1))
NOON = UtcMs(1_796_011_200_000)
DAY = BusinessDay(20_787)
NEXT_DAY = UtcMs(NOON + 24 * HOUR_MS)

TILL, OTHER, STATION = Tno(1), Tno(2), Tno(3)


def terminal(
    tno: int,
    *,
    reported: int = NEXT_DAY,
    tip: int = 1_000,
    loads: bool = False,
    status: TerminalStatus = TerminalStatus.ACTIVE,
    ended: bool = False,
    debit: int = 5_000,
    credit: int = 20_000,
) -> TerminalFact:
    """A terminal that has reported everything unless it is said otherwise."""
    return TerminalFact(
        Tno(tno), TerminalId(f"till-{tno}"), UtcMs(reported), Seq(tip), status, loads, ended, UtcMs(0), debit, credit
    )


def mark(tno: int, seq: int, counter: int, amount: int = 0) -> SeenStep:
    """What a card remembers of a step."""
    return SeenStep(1, tno, seq, Counter(counter), amount=Cents(amount))


@dataclass
class History:
    """One card and what was journaled about it; figures are kept by the test itself."""

    technology: str = "classic"
    steps: list[StepFact] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    cases: list[CaseFact] = field(default_factory=list)
    terminals: list[TerminalFact] = field(default_factory=lambda: [terminal(1), terminal(2), terminal(3, loads=True)])
    holes: list[HoleFact] = field(default_factory=list)
    status: CardStatus = CardStatus.ACTIVE
    loaded_total: int = 0
    as_of: UtcMs = NEXT_DAY

    def step(
        self,
        counter: int,
        main: int,
        cents: int,
        *,
        tno: int = 1,
        stage: Stage = Stage.SETTLED,
        use: Use | None = Use.FIRST,
        resolved: Resolution | None = None,
        operation: Operation = Operation.SALE,
        last: tuple[SeenStep, ...] = (),
        loaded_after: int = 0,
        claimed: bool = False,
        seq: int = 0,
        branch: int = 0,
        amount: int | None = None,
    ) -> StepId:
        """A step that found the card at `counter` with `main` and moves it by `cents`."""
        number = seq or 10 * (len(self.steps) + 1)
        fact = StepFact(
            (Tno(tno), branch, number),
            CARD,
            operation,
            stage,
            TerminalId(f"till-{tno}"),
            UtcMs(NOON + len(self.steps) * MINUTE_MS),
            DAY,
            abs(cents) if amount is None else amount,
            counter,
            counter + 1,
            main,
            main + cents,
            last=last,
            use=use if stage is Stage.SETTLED else None,
            resolved=resolved,
            loaded_after=loaded_after,
            claimed=claimed,
        )
        self.steps.append(fact)
        return fact.id

    def opened_with(self, cents: int) -> None:
        """The balance the card was issued with."""
        self.move("issue:7/1", cents)

    def move(self, cause: str, cents: int, counter: int = 0) -> None:
        """A posting on the purse that is no step's."""
        reason = reason_of(cause)
        assert reason is not None
        self.moves.append(Move(cause, reason, cents, counter, DAY))

    def silent(self, tno: int, *, since: int = NOON - HOUR_MS, tip: int = 0) -> None:
        """Make a terminal silent since an instant."""
        self.terminals = [
            replace(known, reported_at=UtcMs(since), tip=Seq(tip)) if known.tno == tno else known
            for known in self.terminals
        ]

    @property
    def facts(self) -> CardFacts:
        """The card as reconciliation gets it; the ledger is what the causes add up to."""
        ledger = sum(step.ledger_cents for step in self.steps) + sum(move.cents for move in self.moves)
        return CardFacts(
            CARD,
            ledger,
            self.status,
            self.technology,
            self.loaded_total,
            tuple(self.steps),
            tuple(self.moves),
            tuple(self.parked),
            tuple(self.cases),
        )

    def prove(self) -> CardProof:
        """The proof, which always adds up."""
        campus = Campus(tuple(self.terminals), (), tuple(self.holes))
        (proof,) = prove_cards([self.facts], campus, Terms(self.as_of))
        assert proof.unexplained_cents == 0
        return proof

    def found(self) -> list[tuple[Difference, int, int]]:
        """Class, share and amount of each finding, in order."""
        return [(finding.cls, finding.cents, finding.amount) for finding in self.prove().findings]

    def only(self) -> Finding:
        """The one finding there is."""
        (finding,) = self.prove().findings
        return finding


def prove_with(facts: CardFacts, terminals: tuple[TerminalFact, ...], as_of: UtcMs = NEXT_DAY) -> CardProof:
    """Prove facts that were tampered with."""
    return prove_card(facts, Silence(facts, terminals, Terms(as_of), {known.tno: known for known in terminals}))
