"""What the demo says while it runs: one line a thing, with the seconds since its start."""

import sys
import threading
import time

from protocol.money import format_cents


class Commentary:
    """Prints whole lines; from any thread."""

    def __init__(self) -> None:
        self._start_s, self._lock = time.monotonic(), threading.Lock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start_s

    def title(self, text: str) -> None:
        """A new scene."""
        self._print(f"\n{text}")

    def line(self, text: str) -> None:
        """Something happened."""
        self._print(f"{self.seconds:6.1f}s  {text}")

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, flush=True, file=sys.stdout)


def yuan(cents: int) -> str:
    """An amount for people."""
    return f"{'-' if cents < 0 else ''}¥{format_cents(abs(cents))}"
