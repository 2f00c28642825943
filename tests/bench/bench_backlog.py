"""A long backlog comes in while others sell: how fast beside bare ingest, and what it does to the others' acks.

    drain    an entry of the backlog, from its terminal's first ack to the last: shipping terminal, Mosquitto, server
    ingest   an entry of the very same batches, taken in one by one by `Ingest` alone, into a copy of the database
    acks     of a till that sells for cash meanwhile, from the durable entry to the signed ack; and before all that

The live till sells all the while, so a drain has the machine less to itself than bare ingest has.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from protocol.ids import TerminalId
from protocol.instants import CampusTime, UtcMs
from protocol.messages import BATCH_ENTRIES_MAX, batch_of, encode_batch
from server.db import Database
from server.ingest.service import Ingest
from server.keys import open_keys
from tests.bench.figures import Line, cost, on_disk
from tests.brokers import now
from tests.integration.alone import sell_for_cash
from tests.integration.campus import Campus, Till
from tests.integration.engines import held
from tests.integration.programs import ProgramFailed
from tests.integration.stopwatch import Stopwatch, opened
from tests.server.postgres import new_database, private_postgres

ENTRIES: Final = 100_000
IDLE_SALES: Final = 200
DRAIN_BAR: Final = 2.0
PRICE: Final = 125
HOUR_MS: Final = 3_600_000
WHOLE_S: Final = 3_600.0


def run(scale: float = 1.0) -> Iterator[Line]:
    """Microseconds for an entry of the backlog, and milliseconds to an ack."""
    entries = max(4 * BATCH_ENTRIES_MAX, int(ENTRIES * scale))
    with private_postgres(durable=True) as postgres, on_disk() as name:
        yield from _measure(Path(name).resolve() / "c", new_database(postgres, "campus"), entries, scale)


def _measure(directory: Path, database: str, entries: int, scale: float) -> Iterator[Line]:
    with Campus(directory, 2, database=database) as campus:
        away, live = opened(campus, "till-away", 0), opened(campus, "till-live", 1)
        assert away.program.stop() == 0
        asyncio.run(sell_for_cash(away.directory / "data", entries, PRICE, UtcMs(now() - HOUR_MS), now()))
        sales = max(20, int(IDLE_SALES * scale))
        idle = Stopwatch(live).sell(lambda count: count == sales)
        campus.wait_online(live)
        assert live.program.stop() == 0
        ingest = asyncio.run(_ingest(campus, away))
        live.program.start()
        drain, busy = _drain(campus, away, live)
        more = {"entries": entries, "entries_per_s": round(1 / drain)}
        yield cost("backlog_drain", drain * 1e6, ingest * 1e6, "us", DRAIN_BAR, **more)
        far = {f"p{share}": round(1e3 * sorted(busy)[len(busy) * share // 100], 1) for share in (90, 99)}
        told = statistics.median(busy) * 1e3, statistics.median(idle) * 1e3
        yield cost("backlog_live_ack", *told, "ms", sales=len(busy), **far)


async def _ingest(campus: Campus, away: Till) -> float:
    """Seconds for an entry of the whole backlog, into a copy of the database; the server stands still meanwhile."""
    assert campus.server.stop() == 0
    known = len(held(campus, away))
    url = new_database(str(make_url(campus.database).query["host"]), "alone", "campus")
    lines = [sealed.jws for sealed in away.entries()][known:]
    messages = _batches(lines)
    keys = open_keys(Path(campus.directory) / "server" / "data" / "keys", now(), may_create=False)
    async with Database(url) as database:
        ingest = Ingest(database, keys, CampusTime(), now)
        started = time.perf_counter()
        for message in messages:
            assert await ingest.take(TerminalId(away.tid), message) is not None
        taken = time.perf_counter() - started
    campus.server.start()
    return taken / len(lines)


def _batches(lines: list[bytes]) -> list[bytes]:
    """As a terminal sends them."""
    found, at = list[bytes](), 0
    while at < len(lines):
        count = batch_of(lines[at : at + BATCH_ENTRIES_MAX])
        found.append(encode_batch(lines[at : at + count]))
        at += count
    return found


def _drain(campus: Campus, away: Till, live: Till) -> tuple[float, list[float]]:
    """Seconds for an entry between the first ack and the last, and to the acks of the sales meanwhile."""
    clock, watch = Stopwatch(away), Stopwatch(live)
    mark = away.program.mark()
    away.program.start()
    newest = int(away.program.wait("entry", since=mark, kind="booted")["seq"])
    first = int(away.program.wait("acked", since=mark)["seq"])
    deadline = time.monotonic() + WHOLE_S

    def is_over(_: int) -> bool:
        if time.monotonic() > deadline:
            raise ProgramFailed(f"entry {newest} was not acknowledged in {WHOLE_S} s")
        return clock.acked[-1][1] >= newest

    busy = watch.sell(is_over)
    began, ended = (next(at for at, seq in clock.acked if seq >= wanted) for wanted in (first, newest))
    return (ended - began) / (newest - first), busy
