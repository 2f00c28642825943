"""One changed byte among a million signed entries is found and named. Says how long each step took."""

import asyncio
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind
from protocol.instants import DAY_MS
from server import tables
from server.alarms.service import Alarms
from server.audit_command import DIFFERS, OK
from server.db import Database
from server.ingest.book import Book, CardRow
from server.ingest.rows import branch_columns, card_columns, entry_columns, step_columns
from server.ingest.rules import Ack, take_batch
from server.sets import insert_rows
from server.tree.service import Tree
from tests.server.audited import TODAY, Site, keys_of_world
from tests.server.desk import Clock, put_chain, sqlite_url
from tests.server.world import CAMPUS, LOAD_KEY, NOON, Plastic, Till, plastic, sale_of

ENTRIES, TILLS = int(os.environ.get("FANKA_AUDIT_ENTRIES", "1000000")), 40
ENTRIES_OF_PIECE = 2_500
CARDS_OF_TILL, OPENING = 20, 30_000_000
Rows = dict[str, list[dict[str, Any]]]


class Counter:
    """A till that sells to cards of its own, and the books of that as the server would keep them."""

    def __init__(self, number: int) -> None:
        self.till = Till(number)
        self.book = Book(CAMPUS, LOAD_KEY.public, chains={self.till.tno: self.till.row()})
        self.cards = [plastic(number * 1_000 + place, main=OPENING) for place in range(CARDS_OF_TILL)]
        for card in self.cards:
            self.book.cards[card.id.key] = CardRow(card.id.key, technology=card.id.technology)

    def sell(self, entries: int) -> Rows:
        """So many entries more, posted; their rows."""
        begun, before = len(self.till.chain), set(self.book.entries)
        for place in range(entries // 2):
            self._sell(self.cards[place % CARDS_OF_TILL], 1 + place % 1_900)
        assert isinstance(take_batch(self.book, self.till.tno, self.till.lines[begun:], NOON), Ack)
        del self.till.chain[:-1]
        for known in before:
            del self.book.entries[known]
        rows = self._rows()
        for kept in (self.book.steps, self.book.by_counter, self.book.posted):
            kept.clear()
        for known in sorted(self.book.entries)[:-1]:
            del self.book.entries[known]  # the next ones go on from the last
        return rows

    def _sell(self, card: Plastic, cents: int) -> None:
        body = sale_of(card, cents)
        prepared = self.till.append(Kind.SALE_PREPARED, body, at=NOON - 1).seq
        card.write(self.till.tno, body, prepared)
        card.slots = card.slots[-2:]
        self.till.append(Kind.SALE_SETTLED, with_members(body, prepared=prepared), at=NOON - 1)

    def _rows(self) -> Rows:
        postings = [
            {
                "cause": posted.cause, "line": line, "day": posted.day, "period_day": posted.day, "at": NOON,
                "account_kind": leg.account.kind, "owner": leg.account.owner, "cents": leg.cents,
            }
            for posted in self.book.posted.values()
            for line, leg in enumerate(posted.postings)
        ]  # fmt: skip
        return {
            "entry": [entry_columns(row, NOON) for row in self.book.entries.values()],
            "step": [step_columns(step) for step in self.book.steps.values()],
            "posting": postings,
        }

    def ends(self) -> Rows:
        """Its cards and the end of its chain."""
        chain = self.book.chains[self.till.tno]
        return {
            "card": [card_columns(card) for card in self.book.cards.values()],
            "branch": [branch_columns(chain.tno, known) for known in chain.branches.values()],
        }


def sold_by(number: int, entries: int) -> tuple[list[Rows], Rows]:
    """All that one till does, in pieces; run by a process of its own."""
    counter = Counter(number)
    pieces = [min(ENTRIES_OF_PIECE, entries - start) for start in range(0, entries, ENTRIES_OF_PIECE)]
    return [counter.sell(piece) for piece in pieces], counter.ends()


async def fill(directory: Path, entries: int) -> Site:
    """A server that has taken all this in and sealed it."""
    site, clock, each = Site(directory, {}), Clock(), entries // TILLS
    directory.mkdir()  # noqa: ASYNC240 - before anything runs beside it
    keys = keys_of_world(directory)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        async with Database(sqlite_url(directory)) as database:
            await database.migrate()
            ahead = [pool.submit(sold_by, number, each) for number in (1, 2)]
            for number in range(1, TILLS + 1):
                pieces, ends = await asyncio.wrap_future(ahead.pop(0))
                if number + 2 <= TILLS:
                    ahead.append(pool.submit(sold_by, number + 2, each))
                till = Till(number)
                async with database.writing() as connection:
                    await put_chain(connection, till.row(), till.grant_jws)
                    await connection.execute(tables.branch.delete().where(tables.branch.c.tno == till.tno))
                    await insert_rows(connection, tables.branch, ends["branch"])
                    await insert_rows(connection, tables.card, ends["card"])
                    for piece in pieces:
                        for name, rows in piece.items():
                            await insert_rows(connection, tables.metadata.tables[name], rows)
            clock.pass_ms(DAY_MS)
            await Tree(database, keys, Alarms(database, clock), clock).run(TODAY)
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    began = time.monotonic()
    site = asyncio.run(fill(tmp_path_factory.mktemp("million") / "data", ENTRIES))
    print(f"{ENTRIES:,} entries signed, posted and sealed in {time.monotonic() - began:.0f} s")
    return site


def audit(site: Site) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "server", "audit", "--config", str(site.config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_600)
    told = json.loads(done.stdout)
    print({step["name"]: step["seconds"] for step in told["steps"]})
    return done.returncode, told


def flip(site: Site, seed: int) -> tuple[int, int, int]:
    """Change one byte at a random place of a random line."""
    chance = random.Random(seed)
    tno, seq = 100 + chance.randint(1, TILLS), chance.randint(1, ENTRIES // TILLS)
    ((jws,),) = site.ask(f"SELECT jws FROM entry WHERE tno = {tno} AND seq = {seq}")
    place = chance.randrange(len(jws))
    changed = jws[:place] + bytes([jws[place] ^ 1 << chance.randrange(7)]) + jws[place + 1 :]
    site.change("UPDATE tree_head SET number = number")  # takes the triggers away
    with closing(sqlite3.connect(site.file)) as connection:
        connection.execute("UPDATE entry SET jws = ? WHERE tno = ? AND seq = ?", (changed, tno, seq))
        connection.commit()
    return tno, seq, place


@pytest.mark.slow
def test_one_changed_byte_among_a_million_entries_is_found(site: Site) -> None:
    status, told = audit(site)
    assert status == OK, told["differences"][:5]
    assert next(step for step in told["steps"] if step["name"] == "entries")["checked"]["entries"] == ENTRIES
    tno, seq, place = flip(site, seed := random.SystemRandom().randrange(2**32))
    status, told = audit(site)
    print(f"seed {seed}: byte {place} of entry {seq} of chain {tno}")
    assert status == DIFFERS
    own, prepared = f"entry/{tno}/0/{seq}", f"entry/{tno}/0/{seq - 1}"
    rows = {one["row"] for one in told["differences"]}
    assert rows == {own} or (rows == {own, prepared} and seq % 2 == 0), (
        "an outcome that nobody can read is told by none"
    )
    assert {"hash", "sealed"} <= set(told["by_check"])
