"""The twin of the machine's clocks: time passes only when it is told to."""

from protocol.instants import MonoMs, UtcMs


class SimulatedClock:
    """Both clocks of a machine, moved by hand; implements the port `Clock`."""

    def __init__(self, utc_ms: int = 0, mono_ms: int = 0) -> None:
        self._utc_ms, self._mono_ms = utc_ms, mono_ms

    def utc_ms(self) -> UtcMs:
        """The present UTC, in milliseconds."""
        return UtcMs(self._utc_ms)

    def mono_ms(self) -> MonoMs:
        """Milliseconds since boot."""
        return MonoMs(self._mono_ms)

    def pass_time(self, ms: int) -> None:
        """Let time pass on both clocks."""
        assert ms >= 0
        self._utc_ms += ms
        self._mono_ms += ms

    def set_utc(self, utc_ms: int) -> None:
        """Step the clock on the wall; the time since boot does not care."""
        self._utc_ms = utc_ms
