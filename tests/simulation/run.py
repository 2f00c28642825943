"""One seed, played and counted: its life, and some of the named money sequences with it."""

import traceback
from dataclasses import dataclass, field

from tests.simulation.campus import Campus
from tests.simulation.faults import Fault
from tests.simulation.life import Life
from tests.simulation.sequences.catalogue import SEQUENCES
from tests.simulation.sequences.play import plant
from tests.simulation.story import LAST_LINES

SEQUENCES_PER_SEED = 4
INJECTED_MIN_PER_100_SEEDS, SEQUENCE_MIN_PER_100_SEEDS = 50, 3


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


def play(seed: int, *, sequences: bool = True) -> Played:
    """Live through one seed. Anything raised is a failure of that seed, told with its story."""
    life, failure, raised_in, story = Life(seed), "", "", ""
    told: list[str] = []
    try:
        life.run()
        if sequences:
            told = play_sequences(seed)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure = f"{type(error).__name__}: {error}"
        raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
        story = life.campus.story.about(getattr(error, "card", None), LAST_LINES)
    counts = dict(life.campus.counts)
    counts[Fault.DISK_FAULT] = sum(till.power.passed["disk fault"] for till in life.campus.all_tills)
    return Played(
        seed,
        {str(what): number for what, number in counts.items()},
        dict(life.checks.planted.counts),
        dict(life.checks.found),
        tuple(told),
        failure,
        raised_in,
        story,
        life.campus.history_hash,
    )


def play_sequences(seed: int) -> list[str]:
    """The next few of all sequences, each on a campus of its own; their names."""
    names: list[str] = []
    for place in range(SEQUENCES_PER_SEED):
        number = seed * SEQUENCES_PER_SEED + place
        sequence = SEQUENCES[number % len(SEQUENCES)]
        technologies = sorted(sequence.on)
        round_ = number // len(SEQUENCES)
        plant(sequence, Campus(seed, tills=3, stations=2), technologies[round_ % len(technologies)])
        names.append(sequence.name)
    return names
