"""What the nightly proof must find, worked out from the truth alone: which entries exist, arrived, and are on cards.

Nothing here asks the server what it concluded; only which bytes it holds.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.entries import CardStep, Kind, SaleStep
from protocol.ids import CardKey
from protocol.journal import Sealed
from server.ingest.book import StepRow
from server.ingest.late import CHAIN_STEPS_MAX
from server.ingest.waiting import UNPROVEN
from server.ledger.rules import Resolution
from server.reconcile.facts import Difference, Finding
from tests.simulation.plastic import Made, Plastic
from tests.simulation.truth import Intent

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

SILENCE = frozenset({Difference.SILENT_TILL, Difference.SILENT_LOADER, Difference.OVERDUE})
"""What somebody did who has not reported."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found of one card that nobody tampered with: cents between card and ledger, by reason."""

    open_cents: int
    torn_cents: int
    silent_cents: int
    aside_cents: int
    """On the card, and told by a second history alone."""
    is_ambiguous: bool
    """A step that is not on the card could as well fill a counter that nobody has told of: only the sum is sure."""
    undelivered: frozenset[tuple[int, int]]
    """Marks of sales that were torn, are on the card, and are proven by a settled step above them."""
    credited: frozenset[tuple[int, int]]
    """Marks of sales for which a holder may have been credited: on the card, or decided by time."""


class Oracle:
    """Compares what arrived with what happened."""

    def __init__(self, campus: "Campus") -> None:
        self._truth = campus.truth
        rows = campus.server.book.entries.values()
        self._aside = {row.hash for row in rows if row.parked == UNPROVEN}
        """What a second history alone tells: it says of no card how far it is, and has a class of its own."""
        self._held = {row.hash for row in rows} - self._aside
        self._for_the_student: dict[tuple[int, int], StepRow] = {
            (step.id[0], step.id[2]): step
            for step in campus.server.book.steps.values()
            if step.resolved is Resolution.STUDENT
        }
        """Torn steps that time has decided, by mark: the ledger shows a sale as made and a credit as not made, whatever
        the card shows."""

    def expected_of(self, card: Plastic) -> Expected:
        """One card's differences."""
        shown = self._newest_known(card.key)
        cents: Counter[str] = Counter()
        undelivered, unknown = set[tuple[int, int]](), set[int]()
        for index, made in enumerate(card.path):
            if made.counter > shown:
                break
            status = self._status(made, card.key)
            decided = self._for_the_student.get((made.tno, made.seq))
            if decided is not None:
                cents["torn"] += 0 if isinstance(decided.body, SaleStep) else made.cents
                continue
            if status == "torn" and self._is_proven(card, index):
                intent = self._truth.intent_of(made, card.key)
                if intent is not None and intent.sealed.entry.kind is Kind.SALE_PREPARED:
                    undelivered.add((made.tno, made.seq))
                continue
            if status == "unknown":
                unknown.add(made.counter)
            cents[status] += made.cents
        marks = {(made.tno, made.seq) for made in card.path}
        known = {(made.tno, made.seq) for made in card.path if made.counter <= shown}
        for mark, step in self._for_the_student.items():
            if step.card == card.key and mark not in known and isinstance(step.body, SaleStep):
                cents["torn"] += step.body.amount
        ambiguous = not unknown.isdisjoint(self._elsewhere(card.key, marks))
        sums = (cents["open"], cents["torn"], cents["unknown"], cents["aside"], ambiguous)
        return Expected(*sums, frozenset(undelivered), frozenset(marks | set(self._for_the_student)))

    def _is_proven(self, card: Plastic, index: int) -> bool:
        """Whether marks lead from a step up to a settled one, over steps whose outcome nobody may have told."""
        above = (self._status(made, card.key) for made in card.path[index + 1 : index + 2 + CHAIN_STEPS_MAX])
        first = next((status for status in above if status not in ("torn", "open", "tried")), "")
        return first == "settled"

    def _elsewhere(self, card: CardKey, marks: set[tuple[int, int]]) -> set[int]:
        """Counters that steps would have reached which the card did not make, and which are not known to be void."""
        counters: set[int] = set()
        for mark, found in self._truth.intents.items():
            for intent in found:
                body = intent.sealed.entry.body
                if mark in marks or not isinstance(body, CardStep) or body.card.key != card:
                    continue
                if intent.sealed.hash in self._held and not any(
                    "_voided" in row.entry.kind for row in self._arrived(intent)
                ):
                    counters.add(body.counter_after)
        return counters

    def second_uses(self) -> set[CardKey]:
        """Of whom two settled entries arrived: cards at the same counter, tokens by the same proof."""
        uses: Counter[tuple[CardKey, object]] = Counter()
        for outcomes in self._truth.outcomes.values():
            for sealed in outcomes:
                body = sealed.entry.body
                settled = sealed.entry.kind.endswith("_settled") and sealed.hash in self._held
                if settled and isinstance(body, CardStep) and body.touches_card:
                    uses[body.card.key, body.counter_after] += 1
                elif settled and isinstance(body, SaleStep) and body.proof is not None and body.proof.counter:
                    uses[body.card.key, body.proof] += 1
        return {card for (card, _), count in uses.items() if count > 1}

    def second_histories(self) -> Counter[int]:
        """By chain, how often an entry that arrived is followed by another one than the first."""
        followers: dict[tuple[int, str], set[bytes]] = {}
        arrived = self._held | self._aside
        for row in self._truth.rows:
            if row.hash in arrived:
                followers.setdefault((row.entry.tno, row.entry.prev), set()).add(row.hash)
        forks: Counter[int] = Counter()
        for (tno, _), hashes in followers.items():
            forks[tno] += len(hashes) - 1
        return +forks

    def second_outcomes(self) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Marks of steps of which more than one outcome arrived: certainly one too many, and possibly.

        A torn step may get a better outcome later, so that it depends on which came first.
        """
        must, may = set[tuple[int, int]](), set[tuple[int, int]]()
        for mark, intents in self._truth.intents.items():
            for intent in intents:
                arrived = {outcome.hash: outcome for outcome in self._arrived(intent)}.values()
                final = [outcome for outcome in arrived if not outcome.entry.kind.endswith("_torn")]
                may |= {mark} if len(arrived) > 1 else set()
                body = intent.sealed.entry.body
                is_void = isinstance(body, CardStep) and body.card.is_token  # one of a token's: it moved nothing
                must |= {mark} if len(final) > 1 and len(intents) == 1 and not is_void else set()
        return must, may

    def settled_after(self, card: CardKey, counter: int) -> bool:
        """Whether an entry arrived that was settled on the card above this counter."""
        return any(
            sealed.hash in self._held
            and isinstance(sealed.entry.body, CardStep)
            and sealed.entry.body.card.key == card
            and sealed.entry.body.counter_after > counter
            and sealed.entry.kind.endswith("_settled")
            for outcomes in self._truth.outcomes.values()
            for sealed in outcomes
        )

    def _newest_known(self, card: CardKey) -> int:
        """The highest counter at which an entry that arrived has seen the card."""
        newest = 0
        for found in self._truth.intents.values():
            for intent in found:
                body = intent.sealed.entry.body
                if not isinstance(body, CardStep) or body.card.key != card:
                    continue
                if intent.sealed.hash in self._held:
                    newest = max(newest, body.counter)
                for outcome in self._arrived(intent):
                    is_settled = outcome.entry.kind.endswith("_settled")
                    newest = max(newest, body.counter_after if is_settled else body.counter)
        return newest

    def _arrived(self, intent: Intent) -> list[Sealed]:
        return [outcome for outcome in self._truth.outcomes_of(intent) if outcome.hash in self._held]

    def _status(self, made: Made, card: CardKey) -> str:
        intent = self._truth.intent_of(made, card)
        if intent is None:
            return "unknown"
        kinds = {outcome.entry.kind.rpartition("_")[2] for outcome in self._arrived(intent)}
        for stage in ("settled", "torn", "voided"):
            if stage in kinds:
                return stage
        if intent.sealed.hash in self._aside:
            return "aside"
        if intent.sealed.hash not in self._held:
            return "unknown"
        return "tried" if intent.sealed.entry.kind is Kind.PIN_TRIED else "open"


def cents_of(findings: list[Finding], card: CardKey, *classes: Difference) -> int:
    """The shares of some classes in a card's difference."""
    return sum(finding.cents for finding in findings if finding.card == card and finding.cls in classes)
