"""Where a program can lose its power: between any two things that it does to the outside world.

Every port of a till passes a *point* before and after each effect. A cut planned for a point raises `PowerCut`,
which nothing in the shipping code catches; the till's memory is gone, its disk and the card are as they were.
"""

from collections import Counter
from collections.abc import Callable
from typing import NoReturn


class PowerCut(BaseException):
    """The machine stops between two instructions."""


class Power:
    """The power supply of one machine. Points are named "before sale_settled", "after apdu", "before hand over"."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._left = 0
        self._matches: Callable[[str], bool] | None = None

    @property
    def cut_is_planned(self) -> bool:
        """Whether a cut waits for its point."""
        return self._matches is not None

    def plan(self, at: str | int, times: int = 1) -> None:
        """Cut at the `times`-th point whose name begins with `at`, or at the at-th point of any name."""
        if isinstance(at, int):
            self._left, self._matches = at, lambda _: True
        else:
            self._left, self._matches = times, lambda name: name.startswith(at)

    def forget_plan(self) -> None:
        """No cut after all."""
        self._matches = None

    def point(self, name: str) -> None:
        """Pass a point, or lose power at it."""
        self.passed[name] += 1
        if self._matches is None or not self._matches(name):
            return
        self._left -= 1
        if self._left <= 0:
            self.cut(name)

    def cut(self, where: str) -> NoReturn:
        """Lose power here."""
        self._matches = None
        raise PowerCut(where)
