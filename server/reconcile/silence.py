"""Who can have done what no entry tells of: terminals that have not reported past the instant, within their range.

A mark on the card names the very entry; where the card says nothing, clocks decide, with room for doubt. A terminal's
range: any terminal can debit what the limits of its site allowed; a load-capable one can bring what is waiting (with
cash, on DESFire, up to its limit a step); a till can give back the sale it made last on a DESFire card.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocol.entries import Operation
from protocol.ids import TerminalId, Tno
from protocol.instants import DAY_MS
from protocol.limits import LimitRules
from protocol.purse import SeenStep, Technology
from server.ingest.book import StepId, TerminalStatus
from server.reconcile.facts import CardFacts, HoleFact, TerminalFact, Terms
from server.reconcile.links import Filling, Link


class Word(enum.StrEnum):
    """What the mark on a card says of a step that no entry tells of."""

    NOTHING = "nothing"
    NOT_YET = "not_yet"
    """It names an entry that its terminal has not sent."""
    STRANGER = "stranger"
    """It names a terminal that was never granted a number."""
    SECOND_HISTORY = "second_history"
    """It names an entry that is held and says something else: the terminal has another history."""
    IN_HOLE = "in_hole"
    """It names an entry that is missing for good, or kept and not booked."""
    DENIED = "denied"
    """It names a step whose outcome says that the card was not written."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What can be asked of one card's links."""

    card: CardFacts
    terminals: tuple[TerminalFact, ...]
    terms: Terms
    by_tno: Mapping[Tno, TerminalFact]
    holes: tuple[HoleFact, ...] = ()

    def word_on(self, seen: SeenStep) -> tuple[Word, Tno | None]:
        """What a mark on the card says of the step that reached its counter."""
        counter = seen.counter
        if seen.tno == 0:
            return Word.NOTHING, None
        tno = Tno(seen.tno)
        if any((*step.id[::2], step.counter_after) == (tno, seen.seq, counter) for step in self.card.steps):
            return Word.DENIED, tno
        terminal = self.by_tno.get(tno)
        if terminal is None:
            return Word.STRANGER, tno
        if any(hole.tno == tno and hole.first <= seen.seq <= hole.last for hole in self.holes):
            return Word.IN_HOLE, tno
        return (Word.NOT_YET if terminal.tip < seen.seq else Word.SECOND_HISTORY), tno

    def words_on(self, link: Link, filling: Filling) -> list[tuple[Word, Tno]]:
        """What the card says of the steps of a link that nothing known fills."""
        filled = {filler.counter_after for filler, _ in filling.made}
        said: list[tuple[Word, Tno]] = []
        for seen in link.marks().values():
            if link.before.counter < seen.counter <= link.after.counter and seen.counter not in filled:
                word, tno = self.word_on(seen)
                if tno is not None:
                    said.append((word, tno))
        return said

    def named(self, tnos: Iterable[Tno]) -> list[TerminalId]:
        """The terminals of some chains, as far as they are known."""
        return [self.by_tno[tno].tid for tno in tnos if tno in self.by_tno]

    def movers(self, link: Link, filling: Filling) -> list[TerminalFact]:
        """The silent terminals whose range the unfilled rest of a link is in; none where the card says otherwise."""
        missing, cents = filling.missing, filling.rest_cents
        if missing <= 0:
            return []
        silent = self._silent_on(link, filling)
        if cents <= 0:
            return [terminal for terminal in silent if -cents <= self._debit_max(terminal, link, missing)]
        return [terminal for terminal in silent if cents <= self._credit_max(terminal, link, missing)]

    def _silent_on(self, link: Link, filling: Filling) -> list[TerminalFact]:
        """Those the card names, and, for steps that it names nobody for, all that have not reported past the tap."""
        words = self.words_on(link, filling)
        if any(word is not Word.NOT_YET for word, _ in words):
            return []
        named = {tno for _, tno in words}
        all_named = len(words) >= filling.missing
        return [
            terminal
            for terminal in self.terminals
            if terminal.tno in named or (not all_named and self._is_silent(terminal, link))
        ]

    def _is_silent(self, terminal: TerminalFact, link: Link) -> bool:
        if terminal.ended or terminal.granted_at > link.after.at:
            return False
        return terminal.reported_at < link.after.at + self.terms.clock_doubt_ms

    def _debit_max(self, terminal: TerminalFact, link: Link, missing: int) -> int:
        """Sales within the limits it can have followed: any list since before its silence, so much a sale and a day.

        What a card spends in a day travels on the card. A load can also take back a subsidy, whatever the limits.
        """
        unlimited = missing * terminal.debit_cents_max
        followed = _followed(terminal, link)
        if terminal.can_load or not followed:
            return unlimited
        served = [limits for rules in followed if (limits := rules.for_class(self.card.card_class)) is not None]
        days = max(0, link.after.at - _silent_since(terminal, link)) // DAY_MS + 2
        a_sale = max((limits.sale or terminal.debit_cents_max for limits in served), default=0)
        a_day = max((limits.day or unlimited for limits in served), default=0)
        return min(missing * a_sale, days * a_day)

    def _credit_max(self, terminal: TerminalFact, link: Link, missing: int) -> int:
        refundable = _refundable(terminal, link)
        if not terminal.can_load:
            return refundable
        waiting = max(0, self.card.loaded_total - self._collected(link))
        offline = _topups_max(terminal, link, missing) if self.card.technology == Technology.DESFIRE else 0
        return max(refundable, waiting + offline)

    def _collected(self, link: Link) -> int:
        """What the card had collected by the earlier state: totals on a card never fall."""
        loads = (step for step in self.card.steps if step.settled_on_card and step.operation is Operation.LOAD)
        return max((step.loaded_after for step in loads if step.counter_after <= link.before.counter), default=0)


def _silent_since(terminal: TerminalFact, link: Link) -> int:
    return max(link.before.at, terminal.reported_at, terminal.granted_at)


def _followed(terminal: TerminalFact, link: Link) -> list[LimitRules]:
    """The lists that it can have followed when it made a link's steps; none where it can have had no list."""
    listed = [(at, rules) for at, rules in terminal.limits if at <= link.after.at]
    since = _silent_since(terminal, link)
    return [rules for _, rules in listed] if any(at <= since for at, _ in listed) else []


def _topups_max(terminal: TerminalFact, link: Link, missing: int) -> int:
    """Cash put onto a card in so many steps: each, and all of them, within a list that it can have followed.

    What has reached the server is known, so what is missing was not acknowledged when it was taken in.
    """
    followed = _followed(terminal, link)
    if not followed:
        return missing * terminal.credit_cents_max
    a_topup = max(rules.topup or terminal.credit_cents_max for rules in followed)
    return min(missing * a_topup, max(rules.unacked_topups for rules in followed))


def _refundable(terminal: TerminalFact, link: Link) -> int:
    step = link.before.step
    own = step is not None and step.operation is Operation.SALE and step.id[0] == terminal.tno
    return step.amount if step is not None and own else 0


def lost(terminals: list[TerminalFact]) -> bool:
    """Whether everybody who could explain it was declared lost by two people: then it is a hole."""
    return bool(terminals) and all(terminal.status is TerminalStatus.LOST for terminal in terminals)


def ids_of(link: Link) -> tuple[StepId, ...]:
    """The two steps between which something is missing."""
    return tuple(state.step.id for state in (link.before, link.after) if state.step is not None)
