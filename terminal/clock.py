"""The machine's clocks, and the terminal's own time on top of them (`terminal/timekeeper.py` has the rules)."""

import time

from hardware.ports import Clock
from protocol.instants import MINUTE_MS, ClockSource, MonoMs, Now, UtcMs
from terminal.timekeeper import STEP_MS, Stepped, Timebase, server_said

LATE_MS = MINUTE_MS
"""A server time so little behind our own lay in a queue: it is no reason to go back."""


class MachineClock:
    """Implements the port `Clock` on Linux: time asleep counts, and no daemon can step it."""

    def utc_ms(self) -> UtcMs:
        """What the machine takes for the present UTC."""
        return UtcMs(time.time_ns() // 1_000_000)

    def mono_ms(self) -> MonoMs:
        """Milliseconds since boot."""
        return MonoMs(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


class ChipWatch:
    """Notices when somebody steps the machine's own clock, which a clock chip keeps while the power is off."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._ahead_ms = machine.utc_ms() - machine.mono_ms()

    def stepped(self) -> UtcMs | None:
        """What the clock would show now if it had not been stepped since the last look; None if it was not."""
        mono_ms, shown = self._machine.mono_ms(), self._machine.utc_ms()
        before = UtcMs(self._ahead_ms + mono_ms)
        self._ahead_ms = shown - mono_ms
        return before if abs(shown - before) > STEP_MS else None


class TerminalClock:
    """What time it is here."""

    def __init__(self, machine: Clock, base: Timebase) -> None:
        self._machine, self._base = machine, base

    def now(self) -> Now:
        """The present instant, and how much it is to be trusted."""
        return self._base.now(self._machine.mono_ms())

    def server_said(self, at: UtcMs) -> UtcMs | None:
        """Take over a signed server time; what was shown before, if that is a step worth an entry."""
        mono_ms = self._machine.mono_ms()
        behind_ms = self._base.now(mono_ms).utc_ms - at
        if self._base.source is ClockSource.SERVER and 0 < behind_ms <= LATE_MS:
            return None
        said = server_said(self._base, mono_ms, at)
        self._base = said.base if isinstance(said, Stepped) else said
        return said.was if isinstance(said, Stepped) else None
