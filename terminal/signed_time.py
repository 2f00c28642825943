"""How late it is at the very least, by the server's word alone (SPEC, "Time"): a fold over the journal.

A signed time, and what has elapsed since: by the clock chip's advance where there is one and nobody stepped it, else
by the monotonic clock summed over boots, which does not count while the power is off.
"""

import msgspec

from protocol.entries import ClockChanged, Entry
from protocol.instants import ClockSource, MonoMs, Now, UtcMs


class SignedTime(msgspec.Struct, frozen=True):
    """The state after some entry; `after` takes the next one."""

    said_ms: UtcMs = UtcMs(0)
    """The newest instant told by the server's clock; 0 while there was none."""
    passed_ms: int = 0
    """What the monotonic clock has counted since, up to the newest entry."""
    newest: Now = Now(UtcMs(0), MonoMs(0), ClockSource.NONE)
    boot: int = 0
    stepped_boot: int = 0
    """The boot in which the clock chip was stepped last: what it shows then says nothing about later boots."""
    chip_ahead_ms: int | None = None
    """How far the clock chip was ahead of the server; None where nobody compared them since the last step."""

    def after(self, entry: Entry) -> "SignedTime":
        """Take in the next entry."""
        same_boot = entry.boot == self.boot
        # `boot` counts starts of the program: where the clock goes on, the machine has not been off.
        goes_on = same_boot or entry.mono >= self.newest.mono_ms
        since_ms = entry.mono - self.newest.mono_ms if goes_on else entry.mono
        stepped, ahead_ms = self.stepped_boot, self.chip_ahead_ms
        if isinstance(entry.body, ClockChanged) and entry.body.source is not ClockSource.SERVER:
            stepped, ahead_ms = entry.boot, None
        by_server = entry.clock is ClockSource.SERVER
        if by_server and same_boot and self.newest.clock is ClockSource.RTC and stepped != entry.boot:
            ahead_ms = self.newest.utc_ms + since_ms - entry.at
        newest = Now(entry.at, entry.mono, entry.clock)
        if by_server:
            return SignedTime(entry.at, 0, newest, entry.boot, stepped, ahead_ms)
        return SignedTime(self.said_ms, self.passed_ms + since_ms, newest, entry.boot, stepped, ahead_ms)

    @property
    def told(self) -> UtcMs:
        """The instant vouched for at the newest entry, without the clock chip."""
        return UtcMs(self.said_ms + self.passed_ms)

    def at(self, now: Now, enrolled_ms: UtcMs) -> UtcMs:
        """The instant vouched for at a later moment of the same boot. The grant is the first signed time there is."""
        if now.clock is ClockSource.SERVER:
            return now.utc_ms
        counted = max(self.said_ms, enrolled_ms) + self.passed_ms + now.mono_ms - self.newest.mono_ms
        chip = now.utc_ms - self.chip_ahead_ms if now.clock is ClockSource.RTC and self.chip_ahead_ms is not None else 0
        return UtcMs(max(counted, chip))
