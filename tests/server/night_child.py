"""A night that is killed after so many chunks: `python -m tests.server.night_child URL DAY NOW CHUNKS`."""

import asyncio
import os
import signal
import sys

from protocol.instants import BusinessDay, UtcMs
from server.db import Database
from server.reconcile.service import Reconcile
from tests.server.world import CAMPUS


async def main(url: str, day: int, now: int, chunks: int) -> None:
    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        if done == chunks:
            os.kill(os.getpid(), signal.SIGKILL)

    async with Database(url) as database:
        await Reconcile(database, CAMPUS, lambda: UtcMs(now), chunk_cards=1).run(BusinessDay(day), count)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
