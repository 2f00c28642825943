"""Tells somebody who waits how far a long step is: one line every few seconds, with the rate and the time left."""

import time
from collections.abc import Callable

TOLD_EVERY_S = 5.0


class Progress:
    """Counts a step; `say` gets a line now and then."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._name, self._unit, self._total, self._done = "", "", 0, 0
        self._started = self._told_at = clock()

    def begin(self, name: str, unit: str, total: int) -> None:
        """A step begins, of about so many."""
        self._name, self._unit, self._total, self._done = name, unit, total, 0
        self._started = self._told_at = self._clock()

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        now = self._clock()
        if now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            self._say(self._line(now))

    def seconds(self) -> float:
        """How long this step has taken so far."""
        return self._clock() - self._started

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._started, 1e-9)
        left = max(0, self._total - self._done) / rate if rate else 0.0
        return (
            f"{self._name}: {self._done:,} of {self._total:,} {self._unit}, {rate:,.0f} a second, "
            f"about {left:,.0f} s left"
        )
