"""Cards and nothing but cards: one tap after the other, every second one torn away, on the shipping code.

    python -m tests.simulation.taps --taps 2000000

A campus of its own for every few thousand taps. Its tills are offline all the time, so that nothing but the journal and
the card know what happened; then the entries of the whole day reach the server at once. What every life must keep is
kept here: after every moment of every tap (`Checks.moment`) and, to the cent, at the end. The last line is JSON; a
broken promise is told with its story and is a non-zero exit.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from protocol.instants import HOUR_MS
from tests.simulation.faults import Fault
from tests.simulation.life import Life
from tests.simulation.people import People
from tests.simulation.run import told

TAPS: Final = 2_500
"""Of one campus. Its truth is gone through after each step of a card, so that longer days cost more for each tap."""
TORN_SHARE: Final = 0.65
"""More than half, for some tears wait for an exchange that the tap has no more."""
_CUSTOMERS_AT_ONCE: Final = 40
_PRICES: Final = (1, 20, 150, 400)


class LifeOfTaps(Life):
    """One day without a network, on which at least half of all taps are torn."""

    def __init__(self, seed: int, taps: int = TAPS) -> None:
        super().__init__(seed, frozenset({Fault.TORN_CARD}), ())
        self._taps = taps
        self.people = People(self, torn_share=TORN_SHARE)

    def run(self) -> None:
        """Issue, go offline, tap, mend, prove."""
        self.issue()
        for till in self.tills:
            till.offline()
        while self.campus.counts["taps"] < self._taps:
            for _ in range(_CUSTOMERS_AT_ONCE):
                self.later(self.rng.randrange(HOUR_MS // 4), self.somebody_comes)
            self.campus.pass_time(HOUR_MS // 4)
        self.mend()
        self.checks.end()

    def price(self) -> int:
        """Little, so that the first load lasts for the day."""
        return self.rng.choice(_PRICES)


@dataclass
class Tapped:
    """What some campuses came to."""

    counts: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])


def tap(seed: int, taps: int = TAPS) -> Tapped:
    """Live through one campus. Anything raised is a failure, told with its story."""
    life, failures = LifeOfTaps(seed, taps), list[str]()
    try:
        life.run()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure, story = told(life, error)
        failures.append(f"{story}\nseed {seed}: {failure}\n")
    steps = Counter(f"steps {card.technology}" for card in life.campus.purses for _ in card.path)
    counts = Counter({name: life.campus.counts[name] for name in ("taps", "torn card")})
    counts["cards without a sure slot"] = len(life.checks.planted.doubtful)
    return Tapped(counts + steps, failures)


def main() -> int:
    """Tap, show how far it is, and print what came of it."""
    options = argparse.ArgumentParser(
        prog="python -m tests.simulation.taps", description="Tear cards at every second tap."
    )
    options.add_argument("--taps", type=int, default=20 * TAPS)
    options.add_argument("--first", type=int, default=0, help="the first seed")
    options.add_argument("--jobs", type=int, default=2)
    asked = options.parse_args()
    began, total = time.monotonic(), Tapped()
    seeds = range(asked.first, asked.first + max(1, -(-asked.taps // TAPS)))
    with ProcessPoolExecutor(asked.jobs) as pool:
        for one in pool.map(tap, seeds):
            total.counts += one.counts
            total.failures += one.failures
            print("\n".join(one.failures), end="", flush=True)
            if sys.stderr.isatty():
                print(f"\r{total.counts['taps']} of {asked.taps} taps", end="", file=sys.stderr, flush=True)
    counts, took_s = total.counts, time.monotonic() - began
    line = {"taps": counts.pop("taps"), "torn": counts.pop("torn card"), "violations": len(total.failures), **counts}
    print(json.dumps(line | {"campuses": len(seeds), "taps_per_s": round(line["taps"] / took_s, 1)}))
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
