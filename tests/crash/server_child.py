"""A server that is recorded: `python -m tests.crash.server_child FOLDER kill|stop FIRST END CONTROL`.

The shipping house (`server.app.open_house`) on SQLite takes the deliveries FIRST to END - 1 of one lunch hour; each ack
that it answers is told on standard output. `kill` ends it by SIGKILL right after the last one.
"""

import asyncio
import json
import os
import signal
import sys
from functools import cache
from pathlib import Path
from typing import Final

from protocol.messages import Ack, encode_batch, read_signed
from protocol.signing import to_base64url
from server.app import open_house
from server.config import Settings
from server.durable import make_directory, replace_file
from tests.crash import controls
from tests.crash.story import DISK
from tests.server.desk import Clock, put_book, sqlite_url
from tests.server.world import LOAD_SEED, Delivery, Lunch

SEED: Final = 11
TAPS: Final = 70


@cache
def lunch_hour() -> tuple[Lunch, list[Delivery]]:
    """The same tills, cards, mishaps and deliveries each time."""
    lunch = Lunch(SEED)
    lunch.play(TAPS)
    return lunch, lunch.deliveries()


def settings_in(folder: Path) -> Settings:
    """SQLite, and neither broker nor operators."""
    return Settings(str(folder / DISK), sqlite_url(folder / DISK))


def clock_at(delivery: int) -> Clock:
    """Time goes on with the deliveries alone, so that one made again comes at the same time."""
    clock = Clock()
    clock.pass_ms(3_600_000 + delivery * 1_000)
    return clock


def say(event: str, **members: int) -> None:
    """One line of standard output."""
    os.write(1, json.dumps({"event": event, **members}).encode() + b"\n")


async def work(folder: Path, first: int, end: int, *, dies: bool) -> None:
    """Start, take deliveries in, end."""
    (lunch, deliveries), clock = lunch_hour(), clock_at(0)
    if first == 0:
        keys = folder / DISK / "keys"
        make_directory(keys)
        replace_file(keys / "load.key", to_base64url(LOAD_SEED).encode(), 0o600)
    async with open_house(settings_in(folder), clock) as house:
        if first == 0:
            say("ready")
            await put_book(house.database, lunch.book())
            say("registered")
        for index in range(first, min(end, len(deliveries))):
            sent = deliveries[index]
            clock.now = clock_at(index)()
            answer = await house.ingest.take(sent.tid, encode_batch(list(sent.lines)))
            tell(answer, sent.tno)
            say("taken", delivery=index)
            if index % 5 == 0:
                assert (await house.ledger.trial_balance()).total_cents == 0
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)


def tell(answer: bytes | None, tno: int) -> None:
    """What was acknowledged, if it was."""
    said = read_signed(answer) if answer else None
    if isinstance(said, Ack) and said.seq:
        controls.say_tip(tno, said.seq, said.hash)


def main() -> None:
    """Play one part of the story; an empty CONTROL plants nothing."""
    folder, part, first, end = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    controls.plant_in_server(sys.argv[5])
    asyncio.run(work(folder, first, end, dies=part == "kill"))


if __name__ == "__main__":
    main()
