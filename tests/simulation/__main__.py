"""Whole campuses in virtual time: `make simulate SEEDS=N`, or `python -m tests.simulation --seeds N --first K`.

A seed that fails is printed with its number and what broke. The first of them is then made small: everything that its
failure does not need is left out, and the story of what remains is told (`--shrink K` does so for any seed; `--seed K`
plays one as it is, with `--story` it tells everything). The last line is JSON. A failing seed, or fewer faults than
the quality page asks for, is a non-zero exit.
"""

import argparse
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.life import Life
from tests.simulation.run import Played, Sum, play
from tests.simulation.sequences.catalogue import EVERY_SEQUENCE
from tests.simulation.shrink import shrunk

_SEEDS_A_LINE, _TRIES_A_LINE = 100, 20
"""Where nobody watches a terminal, progress is a line now and then."""


def main() -> int:
    """Play the seeds and print what was injected, planted and found, and how fast."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--seeds", type=_at_least_one, default=100)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--jobs", type=_at_least_one, default=2)
    options.add_argument("--seed", type=int, help="play this one only")
    options.add_argument("--shrink", type=int, help="make this failing one small")
    options.add_argument("--story", action="store_true", help="tell all of it")
    options.add_argument("--stop", action="store_true", help="end with the first seed that fails")
    asked = options.parse_args()
    if asked.shrink is not None:
        return _small(play(asked.shrink))
    if asked.seed is not None:
        return _one(asked.seed, whole=asked.story)
    began, seeds = time.monotonic(), range(asked.first, asked.first + asked.seeds)
    if asked.jobs == 1:
        return _report(_watched(map(play, seeds), stop=asked.stop), began)
    with ProcessPoolExecutor(asked.jobs, initializer=_collect_seldom) as pool:
        return _report(_watched(pool.map(play, seeds), stop=asked.stop), began)


def _collect_seldom() -> None:
    """A campus is thrown away whole when its seed is over: looking for rubbish inside it took a tenth of the time."""
    gc.set_threshold(200_000, 50, 100)


def _at_least_one(text: str) -> int:
    """A run of no seed would prove nothing and pass."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is needed, not {text!r}")
    return int(text)


def _one(seed: int, *, whole: bool) -> int:
    life = Life(seed)
    print(f"seed {seed}: {', '.join(sorted(life.faults))}")
    played = play(seed)
    if whole:
        try:
            life.run()
        except AssertionError:
            print(life.campus.story)
        else:
            print(life.campus.story)
    if played.failure:
        print(f"{played.story}\nseed {seed}: {played.failure}")
    print(json.dumps({"seed": seed, "history": played.history_hash, "failure": played.failure}))
    return 1 if played.failure else 0


def _small(failed: Played) -> int:
    """Tell what a failing seed comes down to."""
    if not failed.failure:
        print(f"seed {failed.seed} does not fail: there is nothing to make small")
        return 0

    def tried(count: int) -> None:
        if count % _TRIES_A_LINE == 0:
            print(f"seed {failed.seed}: {count} tries to leave things out", file=sys.stderr, flush=True)

    small = shrunk(failed, tried)
    print(small)
    print(json.dumps({"seed": failed.seed, "tries": small.tries, "kept": small.kept, "of": small.of}))
    return 1


def _watched(played: Iterable[Played], *, stop: bool) -> Iterator[Played]:
    for count, one in enumerate(played, 1):
        if one.failure:
            print(f"{one.story}\nseed {one.seed}: {one.failure}\n", flush=True)
        if sys.stderr.isatty():
            print(f"\r{count} seeds", end="", file=sys.stderr, flush=True)
        elif count % _SEEDS_A_LINE == 0:
            print(f"{count} seeds", file=sys.stderr, flush=True)
        yield one
        if one.failure and stop:
            return


def _report(played: Iterable[Played], began: float) -> int:
    total = Sum()
    for one in played:
        total.add(one)
    took_s = time.monotonic() - began
    taps = total.injected.pop("taps", 0)
    print("\ninjected")
    for what, number in sorted(total.injected.items()):
        print(f"  {number:8}  {what}")
    print("\nplanted, found (every night and at the end)")
    for what in sorted(total.planted | total.found):
        print(f"  {total.planted[what]:8} {total.found[what]:8}  {what}")
    few, unequal = total.too_few(), total.not_found()
    if few:
        print(f"\ntoo few of: {', '.join(few)}")
    if unequal:
        print(f"\nplanted and not found, or found and not planted: {', '.join(unequal)}")
    done = {"seeds": total.seeds, "taps": taps, "entries": total.entries, "faults": total.injected.total()}
    speed = {f"{what}_per_s": round(number / took_s, 2) for what, number in done.items()}
    counts = {"injected": total.injected, "planted": total.planted, "found": total.found}
    named = {"named": len(EVERY_SEQUENCE), "played": total.sequences.total(), "least": _least(total.sequences)}
    line = {
        **done,
        "failed": [one.seed for one in total.failed],
        "too_few": few,
        "unequal": unequal,
        **speed,
        **counts,
    }
    if total.failed:
        _small(total.failed[0])
    print(json.dumps({**line, "sequences": named}))
    return 1 if total.failed or few or unequal else 0


def _least(sequences: Counter[str]) -> int:
    return min((sequences[sequence.name] for sequence in EVERY_SEQUENCE), default=0)


if __name__ == "__main__":
    sys.exit(main())
