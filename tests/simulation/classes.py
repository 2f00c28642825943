"""At the end of a life: whatever was planted is found in its class, to the cent, and nothing else is."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from protocol.authorise import Refusal
from protocol.entries import SaleRefused
from protocol.ids import TerminalId
from protocol.journal import Sealed
from server.ingest.waiting import SECOND_OUTCOME
from server.ledger.accounts import AccountKind
from server.reconcile.facts import Difference, Finding
from tests.simulation.drawers import miscounts_of
from tests.simulation.oracle import Oracle, cents_of
from tests.simulation.planted import Broken, Planted

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

_LEFT_OPEN = (Difference.TORN, Difference.OPEN, Difference.DEBITED_NOT_DELIVERED, Difference.LOAD_UNMATCHED)
"""What cannot be decided, or was decided for a holder: `Checks` compares it card by card, every night."""
_TRICKS = ("below_floor", "value_not_covered", "not_genuine", "replayed", "other_card", "several_cards")
Count = Callable[[str, int, int], None]
"""Of a class so many differences are there, and so many were found."""


class Classes:
    """What the last proof of a life has found, against what was planted."""

    def __init__(self, campus: "Campus", planted: Planted, count: Count) -> None:
        self._campus, self._planted, self._count = campus, planted, count
        self._findings = campus.reconcile()
        self._oracle = Oracle(campus)

    def are_right(self) -> None:
        """Raise `Broken` for the first that is missing, or that nobody planted."""
        self._forgeries_are_found()
        self._unreadable_cards_are_found()
        self._second_histories_are_found()
        self._drawers_are_found()
        self._refusals_are_found()
        for finding in self._findings:
            if not self._was_planted(finding):
                raise Broken(f"found what was not planted: {finding}", finding.card)

    def _was_planted(self, finding: Finding) -> bool:
        card, cls, planted = finding.card, finding.cls, self._planted
        if cls in _LEFT_OPEN or (card, cls) in planted.told:
            return True
        if cls is Difference.PURSE_UNREADABLE and card in planted.doubtful:
            return True
        if cls in (Difference.CHAIN_BREAK, Difference.SHIFT_DIFFERENCE, Difference.REFUSED) or _is_second_outcome(
            finding
        ):
            return True  # each has been looked at above
        if card in planted.forged and card not in planted.others:
            return cls is planted.forged[card].cls
        return card in planted.tampered or (cls is Difference.OVERDUE and card in planted.replaced)

    def _forgeries_are_found(self) -> None:
        """Beside an undecided step nobody can say how much of the balance is whose: the sum of both is sure."""
        for key, forged in self._planted.forged.items():
            if key in self._planted.others or not self._oracle.settled_after(key, forged.counter):
                continue
            card = next(card for card in self._campus.cards if card.key == key)
            expected = self._oracle.expected_of(card)
            planted = forged.cents + expected.open_cents + expected.torn_cents
            found = cents_of(self._findings, key, forged.cls, Difference.OPEN, Difference.TORN)
            self._count(forged.cls, 1, int(found == planted))
            if found != planted:
                raise Broken(f"{forged.cls}: {planted} cents are planted, {found} are found", key)

    def _unreadable_cards_are_found(self) -> None:
        refusals = (row.entry.body for row in self._campus.truth.rows if _says_unreadable(row))
        told = {body.card.key for body in refusals if isinstance(body, SaleRefused) and body.card}
        unreadable = {finding.card for finding in self._findings if finding.cls is Difference.PURSE_UNREADABLE}
        self._count(Difference.PURSE_UNREADABLE, len(told), len(unreadable))
        if told != unreadable:
            raise Broken(f"unreadable: {told}, found: {unreadable}", next(iter(told ^ unreadable)))

    def _second_histories_are_found(self) -> None:
        """One break for each history beyond the first; second outcomes just where two entries tell one."""
        breaks = sorted(
            finding.steps[0][:2]
            for finding in self._findings
            if finding.cls is Difference.CHAIN_BREAK and finding.card is None
        )
        forks = self._oracle.second_histories()
        self._count("second history", sum(forks.values()), len(breaks))
        if Counter(tno for tno, _ in breaks) != forks or len(set(breaks)) != len(breaks):
            raise Broken(f"chains go on twice: {dict(forks)}, found: {breaks}")
        twice = [finding for finding in self._findings if _is_second_outcome(finding)]
        must, may = self._oracle.second_outcomes()
        marks = {(finding.steps[0][0], finding.steps[0][2]) for finding in twice}
        if not must <= marks <= may:
            raise Broken(f"two outcomes: {must}, found: {marks}, possible: {may}")
        for finding in self._findings:
            if finding.cls is Difference.CHAIN_BREAK and not {step[0] for step in finding.steps} & set(forks):
                raise Broken(f"no terminal of this has a second history: {finding}", finding.card)

    def _drawers_are_found(self) -> None:
        """Every cent between cash and books is in the finding of its drawer, and each cashier's mistake is one."""
        found = sorted(
            (finding.terminals[0], finding.text.partition(":")[0], finding.amount)
            for finding in self._findings
            if finding.cls is Difference.SHIFT_DIFFERENCE
        )
        wrong = sorted((tid, f"shift {shift}", cents) for tid, shift, cents in miscounts_of(self._campus))
        self._count(Difference.SHIFT_DIFFERENCE, len(wrong), len(found))
        if wrong != found:
            raise Broken(f"drawers were wrong by {wrong}, found: {found}")
        there = sum(self._campus.truth.cash_in.values())
        legs = (leg for posted in self._campus.server.book.posted.values() for leg in posted.postings)
        booked = -sum(leg.cents for leg in legs if leg.account.kind in (AccountKind.DRAWER, AccountKind.VAULT))
        if booked != there + sum(cents for *_, cents in found):
            raise Broken(f"{there} of cash is there, {booked} in the books, found: {found}")
        self._mistakes_are_found(found)

    def _refusals_are_found(self) -> None:
        """Every trick that a till has refused and told is told once, with all attempts, and moves no cent."""
        believed = {row.hash for row in self._campus.server.book.entries.values() if not row.parked}
        told, found = Counter[tuple[object, str]](), Counter[tuple[object, str]]()
        for row in self._campus.truth.rows:
            body = row.entry.body
            if isinstance(body, SaleRefused) and body.reason in _TRICKS and row.hash in believed:
                told[(body.card.key if body.card else row.entry.tid, body.reason)] += body.count
        for finding in self._findings:
            if finding.tried is not None:
                found[(finding.card or finding.terminals[0], finding.tried.reason)] += finding.tried.attempts
                if finding.cls is not Difference.REFUSED or finding.cents:
                    raise Broken(f"a refusal has moved money: {finding}", finding.card)
        self._count("attempts that were refused", told.total(), found.total())
        if told != found:
            raise Broken(f"refused: {told}, found: {found}")

    def _mistakes_are_found(self, found: list[tuple[TerminalId, str, int]]) -> None:
        """Where a till began a new history or epoch in a shift, the cashier counts what an earlier one left there too:
        the mistake is not the drawer's difference then."""
        twofold = {till.name for till, _ in self._campus.old_media}
        twofold |= {till.name for till in self._campus.all_tills if till.archives}
        told = Counter[str]()
        for tid, _, cents in found:
            told[tid] += cents
        for till in {*self._planted.miscounted, *told} - twofold:
            if self._planted.miscounted[till] != told[till]:
                raise Broken(f"{till}: wrong by {self._planted.miscounted[till]}, found: {told[till]}")


def _is_second_outcome(finding: Finding) -> bool:
    return finding.cls is Difference.DUPLICATE and finding.text == SECOND_OUTCOME


def _says_unreadable(row: Sealed) -> bool:
    body = row.entry.body
    return isinstance(body, SaleRefused) and body.card is not None and body.reason == Refusal.PURSE_UNREADABLE
