"""A failing seed made small: what can be left out of its life while the same promise still breaks.

Each planned thing of a life draws from a source of its own (`Life.plan`), so that leaving one out leaves the others as
they were; what is left is a short story. The search is delta debugging (Zeller and Hildebrandt, "Simplifying and
isolating failure-inducing input", 2002) without its complements: ever smaller pieces are tried.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.life import Life
from tests.simulation.run import Played, live

TRIES_MAX = 400
_NUMBERS = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left of a seed."""

    seed: int
    kept: tuple[str, ...]
    """What has to happen, in the order of the plan."""
    of: int
    """How many things were planned until it failed."""
    tries: int
    failure: str
    story: str

    def __str__(self) -> str:
        what = "\n".join(f"  {name}" for name in self.kept)
        return f"{self.story}\nseed {self.seed} still fails with nothing planned but\n{what}\n{self.failure}"


def shrunk(failed: Played, tried: Callable[[int], None] = lambda count: None) -> Shrunk:
    """Leave out of a failing seed whatever its failure does not need. `tried` hears of each try.

    A failure is the same when the same file says the same sentence, whatever the numbers and the sequence it names.
    """
    life = Life(failed.seed)
    live(life)
    tries = 0

    def fails_with(kept: Sequence[str]) -> bool:
        nonlocal tries
        tries += 1
        tried(tries)
        return _promise_of(live(Life(failed.seed, only=frozenset(kept)))) == _promise_of(failed)

    names = tuple(dict.fromkeys(life.planned))
    kept = smallest(names, fails_with, TRIES_MAX)
    last = Life(failed.seed, only=frozenset(kept))
    return Shrunk(failed.seed, tuple(kept), len(names), tries, live(last).failure, last.campus.story.short())


def smallest(items: Sequence[str], still: Callable[[Sequence[str]], bool], tries_max: int) -> list[str]:
    """A short part of `items` for which `still` holds, in their order; it must hold for all of them."""
    kept, tries = list(items), 0
    size = max(1, len(kept) // 2)
    while True:
        before, start = len(kept), 0
        while start < len(kept) and tries < tries_max:
            tries += 1
            part = kept[:start] + kept[start + size :]
            if still(part):
                kept = part
            else:
                start += size
        if tries >= tries_max or (size == 1 and len(kept) == before):
            return kept
        size = max(1, size // 2)


def _promise_of(played: Played) -> tuple[str, str]:
    """What broke, without numbers, which change with everything that is left out."""
    sentence, _, _ = played.failure.partition(" (while it plays: ")
    return Path(played.raised_in).name, _NUMBERS.sub("#", sentence)
