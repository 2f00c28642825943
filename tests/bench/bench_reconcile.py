"""The night's proof of a million steps beside the bare queries over the same tables, in one run.

The proof links the steps of cards and sums up the ledger; the bare queries are one window over the steps and one sum
for each cause of the postings.

The campus is honest but for one card in two hundred, which has something to be looked at. SQLite works in this process,
so both are timed by the processor time of the process. Memory is what Python holds at most during a proof, beside a
proof of a tenth of the steps; the database sorts within its own fixed cache. `FANKA_BENCH_DATABASE` may name another
database than a fresh SQLite file; it is timed by the clock, its tables are made and dropped. `FANKA_BENCH_STEPS` says
how many steps instead of a million.
"""

import asyncio
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select, text

from protocol.instants import DAY_MS, BusinessDay, CampusTime, UtcMs
from server import tables
from server.db import Database
from server.ledger.accounts import AccountKind
from server.reconcile.service import Reconcile
from server.schema import NOTHING, downgrade
from server.sets import insert_rows
from tests.bench.figures import Line, cost, on_disk, undisturbed

STEPS, STEPS_OF_CARD, TILLS, ODD_EVERY = int(os.environ.get("FANKA_BENCH_STEPS", "1000000")), 100, 64, 200
NOON, DAY = 1_796_011_200_000, BusinessDay(20_786)
AMOUNT, OPENING = 5, 100_000
ROWS_AT_ONCE = 10_000
ROUNDS = 5
BAR = 2.0
MEMORY_BAR = 1.5
CHUNK_CARDS = 5
"""For the figure of memory: so few that a tenth of the steps fills a chunk as well."""
OTHER_DATABASE = os.environ.get("FANKA_BENCH_DATABASE", "")
clock = time.perf_counter if OTHER_DATABASE else time.process_time


def run(scale: float = 1.0) -> Iterator[Line]:
    """Seconds of the proof beside the bare query, and whether its memory grows with the steps."""
    steps = max(10 * STEPS_OF_CARD, int(STEPS * scale))
    small = asyncio.run(_measure(steps // 10, 1))
    large = asyncio.run(_measure(steps, ROUNDS))
    value, bare, window = (undisturbed(seconds) / 1e6 for seconds in (large.proofs, large.bare, large.window))
    yield cost("reconcile", value, bare, "s", BAR, steps=steps, findings=large.findings)
    yield cost("reconcile_to_window_query", value, window, "s")
    yield cost("reconcile_memory", large.peak_bytes, small.peak_bytes, "bytes", MEMORY_BAR)


@dataclass(slots=True)
class Spent:
    """Seconds of each round, and what the proof found and held."""

    window: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])
    """The window query and the sums of the ledger."""
    proofs: list[float] = field(default_factory=list[float])
    findings: int = 0
    peak_bytes: int = 0


async def fill(database: Database, steps: int, days: int = 1) -> int:
    """Honest histories of as many steps on the last so many days, a few of them torn open; how many cards that are."""
    cards = steps // STEPS_OF_CARD
    async with database.writing() as connection:
        await insert_rows(connection, tables.chain, [_chain(till) for till in range(1, TILLS + 1)])
        await insert_rows(connection, tables.branch, [_branch(till) for till in range(1, TILLS + 1)])
        rows = [_card(card) for card in range(1, cards + 1)]
        for start in range(0, cards, ROWS_AT_ONCE):
            await insert_rows(connection, tables.card, rows[start : start + ROWS_AT_ONCE])
        for card in range(1, cards + 1):
            await insert_rows(connection, tables.posting, _postings(card, days))
        batch: list[dict[str, Any]] = []
        for counter in range(STEPS_OF_CARD):  # by time, as entries arrive: the rows of a card lie far apart
            for card in range(1, cards + 1):
                batch.append(_step(card, counter, days))
                if len(batch) == ROWS_AT_ONCE:
                    await insert_rows(connection, tables.step, batch)
                    batch = []
        if batch:
            await insert_rows(connection, tables.step, batch)
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))
    return cards


async def _measure(steps: int, rounds: int) -> Spent:
    spent = Spent()
    async with _database() as database:
        cards = await fill(database, steps)
        reconcile = Reconcile(database, CampusTime(), lambda: UtcMs(NOON + 60_000))
        for _ in range(rounds):  # in turn, so that both meet the same warm caches
            spent.window.append(await _time_window(database))
            spent.bare.append(spent.window[-1] + await _time_sums(database))
            started = clock()
            proof = await reconcile.dry_run(DAY)
            spent.proofs.append(clock() - started)
            assert proof.unexplained_cents == 0 and proof.cards == len(range(ODD_EVERY, cards + 1, ODD_EVERY))
            spent.findings = len(proof.findings)
        in_small_chunks = Reconcile(database, CampusTime(), lambda: UtcMs(NOON + 60_000), chunk_cards=CHUNK_CARDS)
        tracemalloc.start()
        await in_small_chunks.dry_run(DAY)
        spent.peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return spent


async def _time_window(database: Database) -> float:
    """The plain window query: each step's balance beside the one before it on the same card, broken links counted."""
    step = tables.step.c
    by_card = func.lag(step.main_after).over(partition_by=(step.card, step.generation), order_by=step.counter_after)
    pairs = select(step.main, by_card.label("main_before")).subquery("pairs").c
    return await _time_none(database, select(func.count()).where(pairs.main_before != pairs.main))


async def _time_sums(database: Database) -> float:
    """The plain sums: every cause's postings, those counted that do not come to zero."""
    posting = tables.posting.c
    sums = select(posting.cause).group_by(posting.cause).having(func.sum(posting.cents) != 0).subquery("sums")
    return await _time_none(database, select(func.count()).select_from(sums))


async def _time_none(database: Database, query: Select[Any]) -> float:
    started = clock()
    async with database.reading() as connection:
        assert await connection.scalar(query) == 0
    return clock() - started


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    with on_disk() as directory:
        async with Database(OTHER_DATABASE or f"sqlite+aiosqlite:///{Path(directory) / 'bench.db'}") as database:
            await database.migrate()
            try:
                yield database
            finally:
                if OTHER_DATABASE:
                    async with database.writing() as connection:
                        await connection.run_sync(downgrade, NOTHING)


def _chain(tno: int) -> dict[str, Any]:
    return {
        "tno": tno, "site": "bench", "tid": f"till-{tno}", "epoch": 1, "key": bytes(32), "grant_jws": b"",
        "start_hash": bytes(32), "status": "active", "reported_at": NOON,
    }  # fmt: skip


def _branch(tno: int) -> dict[str, Any]:
    return {"tno": tno, "branch": 0, "tip_seq": 2**31, "tip_hash": bytes(32)}


def _is_odd(card: int) -> bool:
    return card % ODD_EVERY == 0


def _card(card: int) -> dict[str, Any]:
    left = OPENING - AMOUNT * (STEPS_OF_CARD - _is_odd(card))
    return {
        "card": card, "generation": 1, "status": "active", "technology": "classic", "main_cents": left,
        "counter": STEPS_OF_CARD - _is_odd(card),
    }  # fmt: skip


def _days_ago(counter: int, days: int) -> int:
    return (STEPS_OF_CARD - 1 - counter) * days // STEPS_OF_CARD


def _postings(card: int, days: int) -> list[dict[str, Any]]:
    """The opening and every step that was made, two lines each."""
    made = range(STEPS_OF_CARD - _is_odd(card))
    moved = [
        (f"issue:{card}", OPENING, DAY - days + 1),
        *((f"entry:{_tno(card)}.0.{_seq(card, n)}", -AMOUNT, DAY - _days_ago(n, days)) for n in made),
    ]
    accounts = ((AccountKind.PURSE, f"{card}/1", 1), (AccountKind.MERCHANT, "canteen-1", -1))
    return [
        {
            "cause": cause, "line": line, "day": day, "period_day": day, "account_kind": kind, "owner": owner,
            "cents": sign * cents, "at": NOON - (DAY - day) * DAY_MS,
        }
        for cause, cents, day in moved
        for line, (kind, owner, sign) in enumerate(accounts)
    ]  # fmt: skip


def _tno(card: int) -> int:
    return 1 + card % TILLS


def _seq(card: int, counter: int) -> int:
    return card * STEPS_OF_CARD + counter


def _step(card: int, counter: int, days: int) -> dict[str, Any]:
    """A sale; the last one of an odd card is still open."""
    is_open = _is_odd(card) and counter == STEPS_OF_CARD - 1
    main, ago = OPENING - AMOUNT * counter, _days_ago(counter, days)
    return {
        "tno": _tno(card), "branch": 0, "seq": _seq(card, counter), "operation": "sale",
        "stage": "prepared" if is_open else "settled", "shape": "sale", "body": "", "last": "[]",
        "tid": f"till-{_tno(card)}", "card": card, "generation": 1, "counter": counter,
        "counter_after": counter + 1, "amount": AMOUNT, "main": main, "main_after": main - AMOUNT, "subsidy": 0,
        "subsidy_after": 0, "use": None if is_open else "first", "day": DAY - ago, "at": NOON - ago * DAY_MS + counter,
    }  # fmt: skip
