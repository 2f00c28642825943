"""The machine's clocks, watched."""

from hardware.ports import Clock
from protocol.instants import HOUR_MS, MonoMs, UtcMs
from terminal.clock import ChipWatch
from terminal.timekeeper import STEP_MS
from tests.protocol.samples import NOON


class Machine(Clock):
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.utc, self.mono = int(NOON), 0

    def utc_ms(self) -> UtcMs:
        """The clock chip."""
        return UtcMs(self.utc)

    def mono_ms(self) -> MonoMs:
        """Since boot."""
        return MonoMs(self.mono)

    def runs(self, ms: int, drift_ms: int = 0) -> None:
        """Time passes."""
        self.utc, self.mono = self.utc + ms + drift_ms, self.mono + ms


def test_a_step_of_the_chip_is_noticed_once_and_drift_is_none() -> None:
    machine = Machine()
    watch = ChipWatch(machine)
    for _ in range(100):
        machine.runs(HOUR_MS, drift_ms=STEP_MS // 2)
        assert watch.stepped() is None
    for step in (5 * HOUR_MS, -5 * HOUR_MS):
        before = machine.utc
        machine.runs(200, drift_ms=step)
        assert watch.stepped() == before + 200
        assert watch.stepped() is None
