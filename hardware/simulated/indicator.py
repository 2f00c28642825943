"""The twin of buzzer and lamps: it remembers what it was told to show."""

from hardware.ports import Signal


class SimulatedIndicator:
    """Implements the port `Indicator`; keeps the last signals for tests and for the picture on a screen."""

    REMEMBERED_MAX = 100

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def signal(self, signal: Signal) -> None:
        """Remember the signal."""
        self.signals.append(signal)
        del self.signals[: -self.REMEMBERED_MAX]
