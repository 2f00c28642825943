"""Whole campuses in virtual time: `make simulate SEEDS=N`, or `python -m tests.simulation --seeds N --first K`.

A seed that fails is printed with its number, what broke, and the story of the card concerned; `--seeds 1 --first K`
plays it again. The last line is JSON. A failing seed is a non-zero exit.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.life import Life

STORY_LINES = 60


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one seed: counts of what happened and of what was found, and the story where it failed."""

    seed: int
    happened: dict[str, int]
    found: dict[str, int]
    failure: str = ""


def play(seed: int) -> Played:
    """Live through one seed. Anything raised is a failure of that seed, and said with its story."""
    life = Life(seed)
    failure = ""
    try:
        life.run()
    except Exception as error:  # noqa: BLE001 - it belongs to this seed, the others go on
        story = life.campus.story.about(getattr(error, "card", None), STORY_LINES)
        failure = f"seed {seed}: {type(error).__name__}: {error}\n{story}"
    counts = {str(what): number for what, number in life.campus.counts.items()}
    return Played(seed, counts, dict(life.checks.found), failure)


def main() -> int:
    """Play the seeds on all cores and print what was injected, what was found and how fast."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--seeds", type=int, default=100)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--jobs", type=int, default=2)
    asked = options.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(asked.jobs) as pool:
        seeds = range(asked.first, asked.first + asked.seeds)
        return _report(_watched(pool.map(play, seeds), len(seeds)), began)


def _watched(played: Iterable[Played], of: int) -> Iterator[Played]:
    for count, one in enumerate(played, 1):
        if one.failure:
            print(one.failure, flush=True)
        if sys.stderr.isatty():
            print(f"\r{count}/{of} seeds", end="", file=sys.stderr, flush=True)
        yield one


def _report(played: Iterable[Played], began: float) -> int:
    happened, found, failed, seeds = Counter[str](), Counter[str](), list[int](), 0
    for one in played:
        seeds += 1
        happened.update(one.happened)
        found.update(one.found)
        failed += [one.seed] if one.failure else []
    took_s = time.monotonic() - began
    for title, counts in (("happened", happened), ("found at night, each in its class", found)):
        print(f"\n{title}")
        for what, number in counts.most_common():
            print(f"  {number:8}  {what}")
    speed = {"seeds_per_s": round(seeds / took_s, 2), "taps_per_s": round(happened["taps"] / took_s, 1)}
    print(json.dumps({"seeds": seeds, "failed": failed, **speed, "happened": happened, "found": found}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
