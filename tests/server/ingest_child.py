"""A server that is killed between a commit and its ack: `python -m tests.server.ingest_child DIR die`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import func, select

from protocol.messages import encode_batch, read_signed
from server import tables
from server.db import Database
from server.ingest.service import Ingest
from tests.server.desk import Clock, keys_in, put_book, rows_of, sqlite_url
from tests.server.test_holes import Street
from tests.server.world import CAMPUS


async def main(directory: Path, *, die: bool) -> None:
    street = Street()
    clock = Clock()
    clock.pass_ms(3_600_000)
    lines = street.one.lines
    async with Database(sqlite_url(directory)) as database:
        await database.migrate()
        if die:
            await put_book(database, street.book)
        ingest = Ingest(database, keys_in(directory), CAMPUS, clock)
        answer = await ingest.take(street.one.tid, encode_batch(lines))
        if die:
            os.kill(os.getpid(), signal.SIGKILL)
        assert answer is not None
        count = (await rows_of(database, select(func.count()).select_from(tables.entry)))[0][0]
        steps = (await rows_of(database, select(func.sum(tables.posting.c.cents))))[0][0]
        assert steps == 0
        print(type(read_signed(answer)).__name__, len(lines), count)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), die=sys.argv[2] == "die"))
