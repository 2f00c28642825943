"""Tries under names that nobody has: they are made to wait as those of accounts are, so that waiting tells nothing."""

from protocol.instants import UtcMs
from server.accounts.rules import wait_ms


class Strangers:
    """Counts them for a bounded number of names: the oldest is forgotten first, and all of them at a new start."""

    def __init__(self, names_max: int = 10_000) -> None:
        self._tried: dict[str, tuple[int, int]] = {}
        self._names_max = names_max

    def may_try(self, name: str, at: UtcMs) -> bool:
        """Whether a name is not locked now. If so, this was one more try."""
        failures, locked_until = self._tried.pop(name, (0, 0))
        is_open = at >= locked_until
        if is_open:
            failures += 1
            locked_until = at + wait_ms(failures) if wait_ms(failures) else 0
        if len(self._tried) >= self._names_max:
            del self._tried[next(iter(self._tried))]
        self._tried[name] = failures, locked_until
        return is_open
