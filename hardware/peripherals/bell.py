"""The bell of a text terminal: what a customer hears where the reader has neither buzzer nor lamps."""

from typing import BinaryIO

from hardware.ports import Indicator, Signal

_RINGS = {Signal.APPROVED: 1, Signal.REFUSED: 2, Signal.TAP_AGAIN: 3, Signal.WAITING: 0}


class Bell:
    """Implements the port `Indicator`: one ring: approved, two: refused, three: tap again; silent in a file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def signal(self, signal: Signal) -> None:
        """Ring; nobody listening is no reason to stop a sale."""
        try:
            if not self._out.isatty():
                return
            self._out.write(b"\a" * _RINGS[signal])
            self._out.flush()
        except (OSError, ValueError):
            return


class Both:
    """Implements the port `Indicator`: what one shows and sounds, the other does too."""

    def __init__(self, first: Indicator, second: Indicator) -> None:
        self._first, self._second = first, second

    def signal(self, signal: Signal) -> None:
        """Tell both."""
        self._first.signal(signal)
        self._second.signal(signal)
