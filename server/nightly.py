"""What a night does once: prove the days that are over, make what was read from cards their floor, seal all of it."""

import logging
import time
from collections.abc import Callable

from protocol.instants import HOUR_MS, BusinessDay, CampusTime, UtcMs
from server.alarms.rules import SERVER, AlarmKind
from server.alarms.service import Alarms
from server.db import Database
from server.numbers import CLOSED_THROUGH, DONE_THROUGH, read_setting, write_setting
from server.policy.service import Policy
from server.reconcile.service import Progress, Reconcile
from server.tree.service import Tree

STARTS_AFTER_MS = HOUR_MS
"""How long after the end of a business day; late terminals report in this time."""
TELLS_EVERY_S = 30.0

log = logging.getLogger(__name__)


class Nightly:
    """Runs once a business day; a night that was interrupted is finished at the next start."""

    def __init__(
        self,
        database: Database,
        reconcile: Reconcile,
        policy: Policy,
        tree: Tree,
        alarms: Alarms,
        campus: CampusTime,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._database, self._reconcile, self._policy, self._tree = database, reconcile, policy, tree
        self._alarms, self._campus, self._clock = alarms, campus, clock

    async def run_if_due(self) -> BusinessDay | None:
        """Do the night's work if it has not been done: every day since the last night, and what changed of older ones.

        Returns the newest day that is over, which was proved.
        """
        newest, done = self._newest_due(0), await self.done_through()
        if done >= self._campus.business_day(self._clock()):
            await self._take_back(done, newest)
        if newest <= done:
            return None
        for day in await self._reconcile.days_due(done, newest):
            await self._prove(day)
        await self._policy.take_floors()
        await self._tree.run(newest)
        await self._note(newest)
        return newest

    async def done_through(self) -> BusinessDay:
        """The newest day whose night's work is done; 0: none."""
        async with self._database.glancing() as connection:
            return BusinessDay(int(await read_setting(connection, DONE_THROUGH) or "0"))

    async def late(self, by_ms: int) -> BusinessDay | None:
        """The day whose night's work should have been done so long ago, and is not."""
        newest = self._newest_due(by_ms)
        return newest if newest > await self.done_through() else None

    def _newest_due(self, since_ms: int) -> BusinessDay:
        return BusinessDay(self._campus.business_day(UtcMs(self._clock() - STARTS_AFTER_MS - since_ms)) - 1)

    async def _prove(self, day: BusinessDay) -> None:
        """Try first: what breaks on the way breaks before anything is written."""
        await self._reconcile.dry_run(day, _Told(day, "tried").tell)
        proof = await self._reconcile.run(day, _Told(day, "proven").tell)
        log.info("business day %s, proof %s: %s cards looked at", day, proof.number, proof.cards)
        if proof.stand_in_cents:
            told = (day, proof.stand_in_cents)
            log.info("business day %s: silent terminals may have sold %s cents to tokens without an answer", *told)

    async def _take_back(self, done: BusinessDay, newest: BusinessDay) -> None:
        """The clock was ahead, and days were proved before they were over: those are due again, each in its time."""
        text = f"the server's clock was ahead: business day {done} was proved before it was over, and will be again"
        today = self._campus.business_day(self._clock())
        async with self._database.glancing() as connection:
            closed = int(await read_setting(connection, CLOSED_THROUGH) or "0")
        if closed >= today:
            text += f"; business day {closed} is closed and not over: POST /days/{today}/reopen"
        await self._alarms.happened(AlarmKind.CLOCK_OFF, SERVER, text)
        await self._note(newest)

    async def _note(self, day: BusinessDay) -> None:
        await self._database.transact(lambda connection: write_setting(connection, DONE_THROUGH, str(day)))


class _Told:
    """Says in the log how far a long proof has come, now and then."""

    def __init__(self, day: BusinessDay, done: str) -> None:
        self._day, self._done = day, done
        self._told_at = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Called with every chunk."""
        if time.monotonic() - self._told_at >= TELLS_EVERY_S:
            self._told_at = time.monotonic()
            card, generation = progress.upto
            told = (self._day, self._done, progress.cards, card, generation)
            log.info("business day %s: %s up to now: %s cards, the last one is %s/%s", *told)
