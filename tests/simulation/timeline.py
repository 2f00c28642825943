"""Virtual time: one heap of events for the whole campus, and a clock for each till that may be wrong about it."""

import heapq
from collections.abc import Callable

from protocol.instants import ClockSource, MonoMs, Now, UtcMs

MONDAY_MS = 1_772_409_600_000
"""2026-03-02 00:00 UTC: eight in the morning on the campus."""


class Timeline:
    """What happens when. Of two events at one instant the one that was planned first comes first."""

    def __init__(self) -> None:
        self.now_ms = MONDAY_MS
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._planned = 0

    @property
    def since_start_ms(self) -> int:
        """Milliseconds since the run began."""
        return self.now_ms - MONDAY_MS

    def after(self, ms: int, act: Callable[[], None]) -> None:
        """Plan something for later; after 0 ms it happens when time is next let pass."""
        assert ms >= 0
        self._planned += 1
        heapq.heappush(self._heap, (self.now_ms + ms, self._planned, act))

    def run(self, ms: int) -> None:
        """Let this much time pass, and everything happen that is due in it."""
        until = self.now_ms + ms
        while self._heap and self._heap[0][0] <= until:
            at, _, act = heapq.heappop(self._heap)
            self.now_ms = at
            act()
        self.now_ms = max(self.now_ms, until)


class TillClock:
    """A till's idea of time: an error against the truth, time since boot, and how much it trusts itself."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._booted_at_ms = timeline.now_ms
        self.error_ms = 0
        self.source = ClockSource.NTP

    def __call__(self) -> Now:
        """The present, as this till believes it."""
        true = self._timeline.now_ms
        return Now(UtcMs(max(0, true + self.error_ms)), MonoMs(true - self._booted_at_ms), self.source)

    def boot(self) -> None:
        """Time since boot begins anew."""
        self._booted_at_ms = self._timeline.now_ms

    def jump(self, ms: int) -> None:
        """The clock on the wall is stepped; time since boot does not care. The server has not said that time."""
        self.error_ms += ms
        self.source = ClockSource.NTP if self.source is ClockSource.SERVER else self.source

    def lose(self) -> None:
        """Nobody can say what time it is: no clock chip, no network."""
        self.source = ClockSource.NONE

    def set_right(self) -> None:
        """A signed server time arrived."""
        self.error_ms, self.source = 0, ClockSource.SERVER
