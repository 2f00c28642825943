"""Takes, renews and gives back this program's leases, and says which it holds.

What it holds it knows from its last look, and believes for a little less long than the lease lasts; what it writes
is checked by the database (`server/fence.py`), what it says to others it must ask `held` for just before.
On SQLite one program does everything: it holds all that it is asked about, and no row says so.
"""

import logging
import time
from collections.abc import Callable

from protocol.ids import SiteId, TerminalId
from server.db import Database
from server.fence import Fence
from server.leases import store
from server.leases.rules import (
    NOBODYS,
    Duties,
    Self,
    every,
    goes_by,
    is_believed,
    of_site,
    turn,
    unserved,
)

SITES_KEPT_MAX = 100_000
SITE_KEPT_MS = 60_000
"""So long a terminal that moves to another site may be taken in by both sites' workers; rows' locks keep that right."""

log = logging.getLogger(__name__)


def boot_ms() -> int:
    """A clock that only goes forward, also while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Replaced(Exception):
    """Another program of the same name has begun: this one ends. The text says what to do."""


class Leases:
    """The leases of one program."""

    def __init__(
        self, database: Database, me: Self, *, keeps: bool, takes_in: bool, mono_ms: Callable[[], int] = boot_ms
    ) -> None:
        self._database, self._me, self._keeps, self._takes_in = database, me, keeps, takes_in
        self._mono_ms = mono_ms
        self._held: dict[str, Fence] = {}
        self._asked_ms: int | None = None
        self._sites: dict[TerminalId, tuple[SiteId, int]] = {}

    async def look(self) -> bool:
        """Renew what is held, take what is free and give back what is another's share; whether a site was taken.

        Raises Replaced.
        """
        if self._database.is_sqlite:
            return False
        asked_ms, before, me = self._mono_ms(), self._held, self._me
        async with self._database.aside() as connection:
            renewed = await store.renew(connection, me.holder)
            duties = Duties(self._keeps, self._takes_in, {NOBODYS, *await store.sites(connection)})
            known = await store.every(connection)
            if missing := every(me, duties) - {row.name for row in known}:
                await store.add(connection, sorted(missing))
                known = await store.every(connection)
            now = await store.clock(connection)
            due = turn(known, me, duties, now, is_first=self._asked_ms is None)
            taken = await store.take(connection, due.take, me.holder)
            await store.give_back(connection, due.give_back, me.holder)
        terms = {name: term for name, term in {**renewed, **taken}.items() if name not in due.give_back}
        self._held = {name: Fence(name, me.holder, term) for name, term in terms.items()}
        self._asked_ms = asked_ms
        for name in sorted(self._held.keys() ^ before.keys()):
            log.info("%s: %s", name, "taken" if name in self._held else "given back or lost")
        if any(row.name in before and row.name not in renewed and goes_by(row, me.name) for row in known):
            raise Replaced(f"another program is called {me.name}, and began later. Give each its own --number")
        return any(name.startswith(of_site(NOBODYS)) for name in self._held.keys() - before.keys())

    def held(self, name: str) -> Fence | None:
        """The present term, where this program holds the lease as far as it knows."""
        if self._database.is_sqlite:
            return Fence(name, self._me.holder, 0)
        if self._asked_ms is None or not is_believed(self._asked_ms, self._mono_ms()):
            return None
        return self._held.get(name)

    async def held_for(self, tid: TerminalId) -> Fence | None:
        """The present term of the site that a terminal is registered at."""
        return self.held(of_site(NOBODYS if self._database.is_sqlite else await self._site_of(tid)))

    @property
    def names(self) -> list[str]:
        """What this program holds now."""
        return sorted(name for name in self._held if self.held(name) is not None)

    async def unserved(self) -> list[SiteId]:
        """Sites whose journals nobody has taken in for too long."""
        if self._database.is_sqlite:
            return []
        async with self._database.reading() as connection:
            sites, known = await store.sites(connection), await store.every(connection)
            return unserved(known, sites, await store.clock(connection))

    async def give_back(self) -> None:
        """Leave everything for others, at once."""
        names, self._held = sorted(self._held), {}
        if names:
            async with self._database.aside() as connection:
                await store.give_back(connection, names, self._me.holder)

    async def _site_of(self, tid: TerminalId) -> SiteId:
        site, until = self._sites.get(tid, (NOBODYS, 0))
        if until <= self._mono_ms():
            async with self._database.glancing() as connection:
                site = await store.site_of(connection, tid) or NOBODYS
            if len(self._sites) >= SITES_KEPT_MAX:
                self._sites.clear()
            if site:  # who is registered a moment later is served a moment later
                self._sites[tid] = site, self._mono_ms() + SITE_KEPT_MS
        return site
