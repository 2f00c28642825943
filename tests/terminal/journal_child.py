"""A process that uses a journal and dies: `python -m tests.terminal.journal_child <how> <directory>`."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from unittest import mock

from protocol.journal import Sealed, seal
from terminal import journal_file
from terminal.journal_file import JournalFile
from terminal.ports import Draft, JournalLow
from tests.terminal.journals import BOOTED, FAULT, PREPARED, checkpoint, open_store, sell, settled

T = TypeVar("T")

STORY: list[tuple[Draft, bytes | None]] = [
    (BOOTED, None),
    (PREPARED, None),
    (settled(2), None),
    (checkpoint(b"state one"), b"state one"),
    (PREPARED, None),
    (settled(5), None),
]


def main() -> None:
    how, directory = sys.argv[1], Path(sys.argv[2])
    plays = {
        "steps": die_at_every_step,
        "load": sell_until_killed,
        "full": fill_the_disk,
        "again": settle_on_the_full_disk,
    }
    try:
        plays[how](directory)
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        os._exit(1)  # The journal's thread would wait for more.


def die_at_every_step(directory: Path) -> None:
    """Play the story in `directory/1`, `directory/2` ...: the nth player dies at the nth step."""
    step = 0
    while True:
        step += 1
        place = directory / str(step)
        place.mkdir()
        player = os.fork()
        if player == 0:
            asyncio.run(_play(place, step))
            os._exit(0)
        if os.waitpid(player, 0)[1] == 0:
            return


async def _play(place: Path, last_step: int) -> None:
    _count_steps(last_step)
    store = await open_store(place)
    for draft, snapshot in STORY:
        _acknowledge(place, await store.append(draft, snapshot))
    await store.close()


def _acknowledge(place: Path, sealed: Sealed) -> None:
    with (place / "acknowledged").open("a") as file:
        file.write(f"{sealed.seq}\n")


def _count_steps(last_step: int) -> None:
    """A step: before and after a signature, before each SQL statement, after a commit."""
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(function: Callable[..., T], *, after: bool = False) -> Callable[..., T]:
        def call(*args: object, **options: object) -> T:
            step()
            result = function(*args, **options)
            if after:
                step()
            return result

        return call

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)
        db.set_trace_callback(step)
        return db

    connect = stepping(sqlite3.connect)
    mock.patch.object(sqlite3, "connect", traced).start()
    mock.patch.object(journal_file, "seal", stepping(seal, after=True)).start()
    mock.patch.object(JournalFile, "_advance", stepping(JournalFile._advance)).start()


def sell_until_killed(directory: Path) -> None:
    """Say every seq that is durable, as fast as possible."""

    async def sell_on() -> None:
        store = await open_store(directory)
        while True:
            sealed = await store.append(FAULT)
            os.write(1, f"{sealed.seq}\n".encode())

    asyncio.run(sell_on())


def fill_the_disk(directory: Path) -> None:
    """Begin a sale, let somebody else take the last byte, finish the sale, die."""

    async def sell_on() -> None:
        store = await open_store(directory)
        await sell(store, 200)
        await store.append(PREPARED)
        _take_everything(directory / "somebody-else")
        await store.append(settled(store.tip.seq))
        with contextlib.suppress(JournalLow):
            await sell(store, 20)
        assert store.low
        for _ in range(60):
            await store.append(FAULT)
        os.write(1, f"{store.tip.seq}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(sell_on())


def settle_on_the_full_disk(directory: Path) -> None:
    """Start on a disk without a free byte, write an outcome, stop in order; twice."""

    async def settle() -> None:
        store = await open_store(directory)
        assert store.low
        await store.append(FAULT)
        os.write(1, f"{store.tip.seq}\n".encode())
        await store.close()

    for somebody in ("first", "second"):
        asyncio.run(settle())
        _take_everything(directory / somebody)


def _take_everything(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


if __name__ == "__main__":
    main()
