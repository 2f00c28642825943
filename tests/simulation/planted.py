"""What was done to cards and drawers by other hands than a till's, and how a broken promise is told."""

from collections import Counter
from dataclasses import dataclass, field

from protocol.ids import CardKey
from server.reconcile.facts import Difference


@dataclass(frozen=True, slots=True)
class Forged:
    """What a forger did to a card: by how much it changed, at which counter, and as what that must be found."""

    counter: int
    cls: Difference
    cents: int


@dataclass
class Planted:
    """What was done to cards, by card: the proof must find just this."""

    cloned: set[CardKey] = field(default_factory=set)
    faded: set[CardKey] = field(default_factory=set)
    replaced: set[CardKey] = field(default_factory=set)
    forged: dict[CardKey, Forged] = field(default_factory=dict)
    unreadable: set[CardKey] = field(default_factory=set)
    doubtful: set[CardKey] = field(default_factory=set)
    """Cards torn at two tills in a row: for a while no slot read for certain, and a third till may have found none."""
    told: set[tuple[CardKey, str]] = field(default_factory=set)
    """Classes that a named sequence has led to, by card."""
    miscounted: Counter[str] = field(default_factory=Counter)
    """Cents that cashiers counted too much, by till."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many differences of each class there were, summed over all nights."""

    @property
    def tampered(self) -> set[CardKey]:
        """Cards whose memory was changed by other hands than a till's."""
        return self.others | set(self.forged)

    @property
    def others(self) -> set[CardKey]:
        """Those of them whose steps are not all known any more."""
        return self.cloned | self.faded | self.unreadable


class Broken(AssertionError):
    """A promise was broken; `card` is the one concerned, if any."""

    def __init__(self, what: str, card: CardKey | None = None) -> None:
        super().__init__(what)
        self.card = card
