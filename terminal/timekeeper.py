"""What time it is at a terminal that may have no network, no clock chip and a wrong date (SPEC, "Time").

A base instant is fixed at boot and moves only by a signed server time; in between the monotonic clock counts. So no
daemon that steps the system clock can make two sales of one customer fall on different days.
"""

from dataclasses import dataclass

from protocol.instants import SECOND_MS, ClockSource, MonoMs, Now, UtcMs

STEP_MS = 2 * SECOND_MS
"""A server time this close to our own is agreement, not a change."""


@dataclass(frozen=True, slots=True)
class Timebase:
    """An instant, when on the monotonic clock it was, and who said so."""

    utc_ms: UtcMs
    mono_ms: MonoMs
    source: ClockSource

    def now(self, mono_ms: MonoMs) -> Now:
        """The time at this point of the monotonic clock."""
        assert mono_ms >= self.mono_ms, "the monotonic clock never runs backwards"
        return Now(UtcMs(self.utc_ms + mono_ms - self.mono_ms), mono_ms, self.source)


@dataclass(frozen=True, slots=True)
class Stepped:
    """The clock was set: what it showed before, for the `clock_changed` entry."""

    base: Timebase
    was: UtcMs


def at_boot(
    mono_ms: MonoMs, *, built_at: UtcMs, last_entry_at: UtcMs, server_said_at: UtcMs, clock_chip: UtcMs | None
) -> Timebase:
    """The latest instant that is known to have passed. Only a clock chip makes it more than a lower bound."""
    known = max(built_at, last_entry_at, server_said_at)
    if clock_chip is not None and clock_chip >= known:
        return Timebase(clock_chip, mono_ms, ClockSource.RTC)
    return Timebase(known, mono_ms, ClockSource.NONE)


def server_said(base: Timebase, mono_ms: MonoMs, server_ms: UtcMs) -> Timebase | Stepped:
    """Take over a signed server time, forwards or backwards; a real step is journaled."""
    shown = base.now(mono_ms).utc_ms
    taken = Timebase(server_ms, mono_ms, ClockSource.SERVER)
    if base.source is not ClockSource.NONE and abs(shown - server_ms) <= STEP_MS:
        return taken
    return Stepped(taken, shown)
