"""The shipping server on SQLite among faults: three short stories of its intake, and what must hold after any of them.

noon     it starts on the books of a morning, takes batches of tills in, ends in order
cut      it starts on what a killed server left, takes batches in, and is killed
begun    its first start: keys, authority, schema; a few batches, an end in order
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from os import _exit
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from protocol.messages import encode_batch
from protocol.signing import to_base64url
from server.app import House, open_house
from server.db import DatabaseUnusable
from server.durable import make_directory, replace_file
from tests.crash.server_child import clock_at, lunch_hour, say, settings_in, tell
from tests.crash.server_images import REFUSALS, ServerOpener
from tests.crash.story import DISK, Asked, Event
from tests.faults.planted import plant_in_server
from tests.server.desk import put_book
from tests.server.world import LOAD_SEED, Delivery

_TRIES: Final = 2
_BATCHES: Final = {"begun": range(3), "cut": range(6, 9), "noon": range(3, 7)}
"""Which deliveries of the lunch hour a story takes in."""


class HouseStories:
    """The target `server`."""

    name = "server"
    stories: tuple[str, ...] = ("noon", "cut", "begun")
    long_stories: tuple[str, ...] = ("begun",)
    clear_ends: tuple[type[Exception], ...] = REFUSALS

    def __init__(self) -> None:
        lunch_hour()

    def prepare(self, story: str, folder: Path) -> None:
        """What lies there before the story begins."""
        (folder / DISK).mkdir()
        make_directory(keys := folder / DISK / "keys")
        replace_file(keys / "load.key", to_base64url(LOAD_SEED).encode(), 0o600)
        if story != "begun":
            asyncio.run(_work(folder, _BATCHES["begun"], _nothing))
        if story == "cut":
            asyncio.run(_work(folder, range(3, 6), partial(_exit, 0)))

    def work(self, story: str, folder: Path, cut: Callable[[], None], control: str) -> None:
        """The story; `cut` is the power cut that ends what is not ended in order. Raises what ends the program."""
        plant_in_server(control)
        asyncio.run(_work(folder, _BATCHES[story], cut if story == "cut" else _nothing))

    def judge(self, folder: Path, said: Sequence[Event]) -> int:
        """How many acknowledged entries were looked for; then it goes on. Raises Broken."""

        async def open_and_go_on() -> int:
            opener = ServerOpener(folder)
            try:
                return await opener.check(folder, said, Asked(program=True))
            finally:
                await opener.close()

        return asyncio.run(open_and_go_on())


async def _work(folder: Path, batches: range, cut: Callable[[], None]) -> None:
    (lunch, deliveries), clock = lunch_hour(), clock_at(0)
    async with open_house(settings_in(folder), clock) as house:
        say("ready")
        if 0 not in batches or await _done(partial(put_book, house.database, lunch.book())):
            say("registered")
            for index in batches:
                clock.now = clock_at(index)()
                if await _done(partial(_take, house, deliveries[index])):
                    say("taken", delivery=index)
        cut()


async def _take(house: House, sent: Delivery) -> None:
    tell(await house.ingest.take(sent.tid, encode_batch(list(sent.lines))), sent.tno)


async def _done(work: Callable[[], Awaitable[None]]) -> bool:
    """Whether somebody who tries again has it done: what cannot be stored is an error of that request alone."""
    for _ in range(_TRIES):
        try:
            await work()
        except (DBAPIError, DatabaseUnusable) as error:
            logging.getLogger(__name__).warning("not done: %s", error)
        else:
            return True
    return False


def _nothing() -> None:
    """No power cut."""
