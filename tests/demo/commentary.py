"""What the demo says while it runs: one line a thing, with the seconds since its start."""

import sys
import textwrap
import threading
import time

from protocol.money import format_cents

INDENT = " " * 9
"""Where text begins behind the seconds."""
WIDTH = 104
"""So long a line gets behind that."""


class Commentary:
    """Prints whole lines; from any thread."""

    def __init__(self) -> None:
        self._start_s, self._lock = time.monotonic(), threading.Lock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start_s

    def title(self, text: str) -> None:
        """A new chapter."""
        self._print(f"\n{text}\n{'-' * len(text)}")

    def line(self, text: str, *more: str) -> None:
        """Something happened; `more` stands under it."""
        lines = [part for one in (text, *more) for part in textwrap.wrap(one, WIDTH, subsequent_indent="  ")]
        self._print("\n".join([f"{self.seconds:6.1f}s  {lines[0]}", *(f"{INDENT}{line}" for line in lines[1:])]))

    def plain(self, *lines: str) -> None:
        """Lines of a table."""
        self._print("\n".join(lines))

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, flush=True, file=sys.stdout)


def yuan(cents: int) -> str:
    """An amount for people."""
    return f"{'-' if cents < 0 else ''}¥{format_cents(abs(cents))}"


def counted(count: int, one: str, many: str = "") -> str:
    """1 sale, 2 sales."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
