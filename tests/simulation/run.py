"""One seed, played and counted: its life with the named money sequences in it; and the sum of many."""

import traceback
from collections import Counter
from dataclasses import dataclass, field, replace

from protocol.purse import PURSES
from tests.simulation.faults import FAULTS_MIN, Fault
from tests.simulation.life import Life
from tests.simulation.sequences.catalogue import EVERY_SEQUENCE
from tests.simulation.stage import DAYS
from tests.simulation.story import LAST_LINES
from tests.simulation.token_people import CodeFault, TokenFault

INJECTED_MIN_PER_100_SEEDS, SEQUENCE_MIN_PER_100_SEEDS = 50, 3
LEAST = {
    "tills": 3,
    "stations": 1,
    "cards": 20,
    "technologies": 2,
    "taps": 300,
    "days": 3,
    "kinds of fault": FAULTS_MIN,
}
"""What each seed must have at least."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one seed."""

    seed: int
    injected: dict[str, int]
    """Faults by kind; "taps" beside them."""
    planted: dict[str, int]
    found: dict[str, int]
    sequences: tuple[str, ...] = ()
    failure: str = ""
    raised_in: str = ""
    """The file in which the failure was raised."""
    story: str = field(default="", repr=False)
    history_hash: str = ""
    entries: int = 0
    """Rows that became durable on tills."""


@dataclass
class Sum:
    """Everything that was counted in some seeds."""

    seeds: int = 0
    entries: int = 0
    failed: list[Played] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    sequences: Counter[str] = field(default_factory=Counter)

    def add(self, one: Played) -> None:
        """One seed more."""
        self.seeds += 1
        self.entries += one.entries
        self.failed += [one] if one.failure else []
        self.injected.update(one.injected)
        self.planted.update(one.planted)
        self.found.update(one.found)
        self.sequences.update(one.sequences)

    def too_few(self) -> list[str]:
        """What was not done as often as a run of this length must; shorter runs than 100 seeds are only for looking."""
        hundreds = self.seeds // 100
        kinds = {str(fault): INJECTED_MIN_PER_100_SEEDS for fault in (*Fault, *TokenFault, *CodeFault)}
        named = {sequence.name: SEQUENCE_MIN_PER_100_SEEDS for sequence in EVERY_SEQUENCE}
        short = [name for name, least in kinds.items() if self.injected[name] < least * hundreds]
        return short + [name for name, least in named.items() if self.sequences[name] < least * hundreds]

    def not_found(self) -> list[str]:
        """Classes of which not as many were found as planted."""
        return [name for name in sorted(self.planted | self.found) if self.planted[name] != self.found[name]]


def play(seed: int) -> Played:
    """Live through one seed. Anything raised is a failure of that seed, told with its story."""
    life = Life(seed)
    played = live(life)
    too_small = [name for name, number in size_of(life).items() if number < LEAST[name]]
    if too_small and not played.failure:
        return replace(played, failure=f"AssertionError: too little happened: {too_small}", raised_in=__file__)
    return played


def live(life: Life) -> Played:
    """Live through a life, whatever is left out of it."""
    failure, raised_in, story = "", "", ""
    try:
        life.run()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure, story = told(life, error)
        raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return Played(
        life.seed,
        injected_in(life),
        dict(life.checks.planted.counts),
        dict(life.checks.found),
        tuple(life.stage.played),
        failure,
        raised_in,
        story,
        life.campus.history_hash,
        len(life.campus.truth.rows),
    )


def told(life: Life, error: BaseException) -> tuple[str, str]:
    """What broke, and the story of the card concerned."""
    playing = f" (while it plays: {life.stage.playing})" if life.stage.playing else ""
    story = life.campus.story.about(getattr(error, "card", None), LAST_LINES)
    return f"{type(error).__name__}: {error}{playing}", story


def injected_in(life: Life) -> dict[str, int]:
    """How often each kind of fault struck; "taps" beside them."""
    counts = {str(what): number for what, number in life.campus.counts.items()}
    counts[Fault.DISK_FAULT] = sum(till.power.passed["disk fault"] for till in life.campus.all_tills)
    return counts


def size_of(life: Life) -> dict[str, int]:
    """How much there was in a life, by the names of `LEAST`."""
    injected = injected_in(life)
    return {
        "tills": len(life.tills),
        "stations": len(life.stations),
        "cards": len({card.key[0] for card in (*life.cards, *life.handed_in)}),
        "technologies": len({card.technology for card in life.cards} & set(PURSES)),
        "taps": injected["taps"],
        "days": DAYS if life.mended else 0,
        "kinds of fault": sum(injected.get(fault, 0) > 0 for fault in Fault),
    }
