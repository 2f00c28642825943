"""What runs by the clock ends when the server does."""

import asyncio
from contextlib import suppress

from server.running import end


async def test_work_that_loses_a_cancellation_ends_all_the_same() -> None:
    """As an error of a rollback did on PostgreSQL: it came in the cancellation's place, and the night went on."""
    lost: list[int] = []

    async def night() -> None:
        for time in range(3):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            lost.append(time)
        await asyncio.sleep(60)

    task, idle = asyncio.create_task(night()), asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    await end([task, idle], again_s=0.01)
    assert task.cancelled() and idle.cancelled() and lost == [0, 1, 2]
    await end([])
