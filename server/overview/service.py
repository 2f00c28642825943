"""The figures of the present day, looked at at most every few seconds however many pages show them."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.instants import MINUTE_MS, CampusTime, UtcMs
from server.db import Database
from server.overview import store

MINUTES = 60
_HOLDS_MS = 2_000
_STEPS_MAX = 10_000
"""Of the newest card operations so many are looked at: a busy campus' hour. A backlog that comes in fills no more."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How business goes."""

    at: UtcMs
    day: int
    sales: int
    sold_cents: int
    """What came to merchants on the business day, less what they gave back."""
    per_minute: tuple[int, ...]
    """Sales of the last hour as they were made, minute by minute, the present one last."""
    open_cases: int


class Overview:
    """The figures of this installation."""

    def __init__(self, database: Database, campus: CampusTime, clock: Callable[[], UtcMs]) -> None:
        self._database, self._campus, self._clock = database, campus, clock
        self._newest: Figures | None = None

    async def figures(self) -> Figures:
        """As they are, or were two seconds ago."""
        now = self._clock()
        if self._newest is None or not 0 <= now - self._newest.at < _HOLDS_MS:
            self._newest = await self._look(now)
        return self._newest

    async def _look(self, now: UtcMs) -> Figures:
        day, since = self._campus.business_day(now), (now // MINUTE_MS - MINUTES + 1) * MINUTE_MS
        async with self._database.reading() as connection:
            sales, cents = await store.sold_on(connection, day)
            instants = await store.newest_sales(connection, since, _STEPS_MAX)
            cases = await store.open_cases(connection)
        minutes = [0] * MINUTES
        for at in instants:
            if (minute := (at - since) // MINUTE_MS) < MINUTES:
                minutes[minute] += 1
        return Figures(now, day, sales, cents, tuple(minutes), cases)
