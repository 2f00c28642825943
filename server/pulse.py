"""Whether the database takes what is written: a disk that is full or broken, or a standby, still answers questions."""

import asyncio
import logging
import time
from collections.abc import Callable

from server.db import Database
from server.numbers import write_setting

PULSE = "pulse"
BEATS_S = 5.0
"""Anybody may ask; the disk is asked no more often."""
PATIENCE_S = 5.0

log = logging.getLogger(__name__)


class Pulse:
    """One row is written now and then, in a transaction like all others."""

    def __init__(self, database: Database, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._database, self._mono_s = database, mono_s
        self._one = asyncio.Lock()
        self._at: float | None = None
        self._beats = True

    async def beats(self) -> bool:
        """Whether a row was written within the last few seconds. Who has to wait for the writer only has to wait."""
        async with self._one:
            if self._at is None or self._mono_s() - self._at >= BEATS_S:
                self._beats = await self._beat()
                self._at = self._mono_s()
        return self._beats

    async def _beat(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._database.transact(lambda connection: write_setting(connection, PULSE, str(time.time_ns())))
        except TimeoutError:
            return self._beats
        except Exception:
            log.exception("the database takes nothing in")
            return False
        return True
