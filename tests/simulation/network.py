"""The network between tills and server: messages get lost, doubled, late and out of order, or not through at all."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it is. Chances are in thousandths; a message that is not reordered arrives after those before it."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    acks_lost: int = 0
    """The server's answers alone."""
    delay_ms_max: int = 0
    acks_late_ms: int = 0
    """How much later than that the server's answers arrive."""


FAIR = Weather()


class Line:
    """The connection of one till. What is on its way when it breaks is lost."""

    def __init__(self, timeline: Timeline, rng: random.Random, counts: Counter[str]) -> None:
        self._timeline, self._rng, self._counts = timeline, rng, counts
        self._session = 0
        self._last_arrival_ms = [0, 0]
        self.up = False
        self.weather = FAIR

    def connect(self) -> None:
        """The line is up; a new conversation begins."""
        self._session += 1
        self.up = True

    def cut(self) -> None:
        """A partition: nothing gets through, and what is on its way is lost."""
        self._session += 1
        self.up = False

    def send(self, deliver: Callable[[], None], *, upwards: bool) -> None:
        """Put a message on its way."""
        if not self.up:
            return
        if self._happens(self.weather.lost, "message loss"):
            return
        if not upwards and self._happens(self.weather.acks_lost, "lost ack"):
            return
        self._plan(deliver, upwards)
        if self._happens(self.weather.doubled, "message duplication"):
            self._plan(deliver, upwards)

    def _plan(self, deliver: Callable[[], None], upwards: bool) -> None:
        session, now = self._session, self._timeline.now_ms
        delay = self._rng.randint(0, self.weather.delay_ms_max) if self.weather.delay_ms_max else 0
        delay += 0 if upwards else self.weather.acks_late_ms
        arrival = now + delay
        if not self._happens(self.weather.reordered, "message reorder"):
            arrival = max(arrival, self._last_arrival_ms[upwards])
            self._last_arrival_ms[upwards] = arrival
        self._timeline.after(arrival - now, lambda: deliver() if self._session == session else None)

    def _happens(self, chance: int, fault: str) -> bool:
        if not chance or self._rng.randrange(1000) >= chance:
            return False
        self._counts[fault] += 1
        return True
