"""What became of a card between two states it was seen in: which known steps fill the counters between them.

    known state --- slot --- slot --- slot --- next known state
                     |        |        |
                     open     (none)   torn          the sum of what fills the slots is what the balance moved

A *filler* is a step that may or may not have been made: open, torn without proof, a PIN try (its outcome is never
journaled), a parked entry, a provisional posting of a hole. Each counter has room for one. The marks that the later
tap saw on the card decide where they speak; exact sums come first, then what silent terminals can have done, then
the intervals [b-a, b] and [b, b+a].
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.entries import Operation, Stage
from protocol.ids import TerminalId
from protocol.instants import UtcMs
from protocol.purse import SeenStep
from server.ingest.book import StepId
from server.ledger.rules import Resolution
from server.reconcile.facts import Move, Parked, StepFact

WAYS_MAX = 512
"""Ways to fill one link that are followed; more undecided steps than that on one link are cut deterministically."""


class FillerKind(enum.StrEnum):
    """What a filler is; it names the class of its share."""

    OPEN = "open"
    TORN = "torn"
    PIN = "pin"
    PARKED = "parked"
    HOLE = "hole"


@dataclass(frozen=True, slots=True)
class Filler:
    """A step that may have been made, what it would add to the card, and what the ledger shows of it already."""

    kind: FillerKind
    counter_after: int
    cents: int
    ledger_cents: int = 0
    id: StepId | None = None
    tid: TerminalId = TerminalId("")
    cause: str = ""
    why: str = ""
    decided_by_time: bool = False
    last: tuple[SeenStep, ...] = ()
    """What the card showed when it was begun."""

    def agrees_with(self, seen: SeenStep | None) -> bool:
        """Whether a mark that the card shows at its counter lets it be the step that was made."""
        return seen is None or self.id is None or (seen.tno, seen.seq) == (self.id[0], self.id[2])

    def is_named_by(self, seen: SeenStep | None) -> bool:
        """Whether the card shows this very step's mark."""
        return seen is not None and self.id is not None and self.agrees_with(seen)


@dataclass(frozen=True, slots=True)
class State:
    """A card as it was known at one counter."""

    counter: int
    main: int
    subsidy: int
    at: UtcMs = UtcMs(0)
    step: StepFact | None = None
    """The step that showed it: the one it came out of, or the one that builds on it."""

    @property
    def cents(self) -> int:
        """Both purses."""
        return self.main + self.subsidy


@dataclass(frozen=True, slots=True)
class Link:
    """Two neighbouring known states, and what may lie between them."""

    before: State
    after: State
    fillers: tuple[Filler, ...] = ()

    @property
    def missing(self) -> int:
        """Steps of the card between the two that no settled entry tells of."""
        return self.after.counter - self.before.counter

    @property
    def cents(self) -> int:
        """What the balance moved between the two."""
        return self.after.cents - self.before.cents

    @property
    def joined(self) -> bool:
        """Whether the later state simply is the earlier one."""
        if self.before.step is None:
            return (self.before.counter, self.before.cents) == (self.after.counter, self.after.cents)
        same = (self.before.counter, self.before.main, self.before.subsidy)
        return same == (self.after.counter, self.after.main, self.after.subsidy)

    def marks(self) -> dict[int, SeenStep]:
        """What the card showed, by counter: to the later tap, and to every step below that is named by such a mark."""
        found: dict[int, SeenStep] = {}
        for seen in self.after.step.last if self.after.step else ():
            if seen.ok:
                found.setdefault(seen.counter, seen)
        for filler in sorted(self.fillers, key=lambda filler: -filler.counter_after):
            if filler.is_named_by(found.get(filler.counter_after)):
                for seen in filler.last:
                    if seen.ok:
                        found.setdefault(seen.counter, seen)
        return found


@dataclass(frozen=True, slots=True)
class Filling:
    """One way to read a link: which fillers were made, with how much each, and what then is left over."""

    made: tuple[tuple[Filler, int], ...]
    missing: int
    """Counters that no filler stands for."""
    rest_cents: int


def fill(link: Link, excused: Callable[[Filling], bool]) -> Filling:
    """The best reading of a link. `excused` says whether somebody silent can have done what a reading leaves over."""
    ways = _ways(link)
    for way in ways:
        if way.missing == 0 and way.rest_cents == 0:
            return way
    for way in ways:
        if way.missing and excused(way):
            return way
    within = _within_intervals(link)
    if within is not None:
        return within
    return min(ways, key=lambda way: (abs(way.rest_cents), way.missing))


def fillers_of(steps: Iterable[StepFact], parked: Sequence[Parked], holes: Sequence[Move]) -> list[Filler]:
    """Everything known of a card that may have been made or not."""
    found: list[Filler] = []
    for step in steps:
        if step.undecided:
            by_time = step.resolved is Resolution.STUDENT
            moved, known = (step.cents, step.ledger_cents), step.counter_after
            word = Filler(_kind_of(step), known, *moved, step.id, step.tid, decided_by_time=by_time, last=step.last)
            found.append(word)
    for entry in parked:
        kind, known = FillerKind.PARKED, entry.counter_after
        found.append(Filler(kind, known, entry.cents, 0, entry.id, entry.tid, why=entry.why))
    found.extend(
        Filler(FillerKind.HOLE, move.counter_after, move.cents, move.cents, cause=move.cause) for move in holes
    )
    return sorted(found, key=lambda filler: (filler.counter_after, filler.kind, filler.id or (0, 0, 0), filler.cause))


def _kind_of(step: StepFact) -> FillerKind:
    if step.stage is Stage.TORN or step.resolved is Resolution.STUDENT:
        return FillerKind.TORN
    is_pin = step.operation is Operation.SALE and step.amount == 0 and step.cents == 0
    return FillerKind.PIN if is_pin else FillerKind.OPEN


def _options(link: Link) -> list[tuple[bool, list[Filler]]]:
    """For each counter that somebody has a filler for: whether one of them must be taken, and which may."""
    by_counter: dict[int, list[Filler]] = {}
    for filler in link.fillers:
        by_counter.setdefault(filler.counter_after, []).append(filler)
    options: list[tuple[bool, list[Filler]]] = []
    marks = link.marks()
    for counter in sorted(by_counter):
        seen = marks.get(counter)
        booked = [filler for filler in by_counter[counter] if filler.kind is FillerKind.HOLE]
        named = booked or [filler for filler in by_counter[counter] if filler.is_named_by(seen)]
        may = named or [filler for filler in by_counter[counter] if filler.agrees_with(seen)]
        options.append((bool(named), may))
    return options


def _ways(link: Link) -> list[Filling]:
    """All sums that the fillers can make, those that fill most counters first."""
    made: Mapping[tuple[int, int], tuple[tuple[Filler, int], ...]] = {(0, 0): ()}
    for must, may in _options(link):
        grown: dict[tuple[int, int], tuple[tuple[Filler, int], ...]] = {} if must else dict(made)
        for (count, cents), chosen in made.items():
            for filler in may:
                grown.setdefault((count + 1, cents + filler.cents), (*chosen, (filler, filler.cents)))
        made = dict(sorted(grown.items(), key=lambda way: _rank(link, way[0]))[:WAYS_MAX])
    ways = [Filling(chosen, link.missing - count, link.cents - cents) for (count, cents), chosen in made.items()]
    return sorted(ways, key=lambda way: (way.missing, abs(way.rest_cents)))


def _rank(link: Link, way: tuple[int, int]) -> tuple[int, int]:
    count, cents = way
    return (abs(link.cents - cents), -count)


def _within_intervals(link: Link) -> Filling | None:
    """Read a balance that lies inside the intervals of undecided steps as theirs: only outside is a difference."""
    rest, made = link.cents, list[tuple[Filler, int]]()
    for _, may in _options(link):
        signed = [filler for filler in may if filler.cents and (filler.cents < 0) == (rest < 0)]
        if signed and rest:
            widest = max(signed, key=lambda filler: abs(filler.cents))
            share = max(rest, widest.cents) if rest < 0 else min(rest, widest.cents)
            made.append((widest, share))
            rest -= share
    missing = link.missing - len(made)
    return Filling(tuple(made), missing, 0) if rest == 0 and made and missing == 0 else None
