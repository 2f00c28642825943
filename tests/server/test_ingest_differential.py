"""The same deliveries through a book in memory and through the database mean the same money, to the cent."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from server import tables
from server.db import Database
from server.ingest.book import Book
from server.ingest.rows import card_columns, case_columns, hole_columns, step_columns
from server.ingest.rules import take_batch
from server.ingest.service import Ingest
from tests.server.desk import (
    Clock,
    assert_balances_are_sums,
    keys_in,
    postings_in,
    postings_of,
    put_book,
    rows_of,
    sqlite_url,
)
from tests.server.world import CAMPUS, Lunch

pytestmark = pytest.mark.seeds


async def table_rows(database: Database, table: Any, names: list[str], order: Any) -> list[tuple[Any, ...]]:
    return await rows_of(database, select(*(table.c[name] for name in names)).order_by(order))


async def assert_same(database: Database, book: Book) -> None:
    assert await postings_in(database) == postings_of(book)
    cases = [case_columns(case) for case in book.cases]
    if cases:
        names = list(cases[0])
        expected = [tuple(case[name] for name in names) for case in cases]
        assert await table_rows(database, tables.case_file, names, tables.case_file.c.id) == expected
    steps = [step_columns(step) for step in book.steps.values()]
    names = list(steps[0])
    expected = [tuple(step[name] for name in names) for step in steps]
    assert await table_rows(database, tables.step, names, tables.step.c.number) == expected
    cards = [card_columns(card) for _, card in sorted(book.cards.items())]
    names = list(cards[0])
    order = tables.card.c.card
    assert await table_rows(database, tables.card, names, order) == [
        tuple(card[name] for name in names) for card in cards
    ]
    tips = sorted(
        (chain.tno, known.number, known.tip.seq, known.tip.hash, known.parent, known.forked_after)
        for chain in book.chains.values()
        for known in chain.branches.values()
    )
    branch = tables.branch.c
    known = (branch.tno, branch.branch, branch.tip_seq, branch.tip_hash, branch.parent, branch.forked_after)
    assert sorted(await rows_of(database, select(*known))) == tips
    entries = sorted((*place, row.hash, row.parked, row.day) for place, row in book.entries.items())
    entry = tables.entry.c
    columns = (entry.tno, entry.branch, entry.seq, entry.hash, entry.parked, entry.day)
    assert sorted(await rows_of(database, select(*columns))) == entries
    holes = [tuple(hole_columns(hole).values()) for _, hole in sorted(book.holes.items())]
    assert sorted(await rows_of(database, select(tables.hole))) == holes


@pytest.mark.parametrize("seed", range(12))
async def test_database_and_memory_agree(seed: int, tmp_path: Path) -> None:
    lunch = Lunch(seed)
    lunch.play(150)
    clock, book = Clock(), lunch.book()
    clock.pass_ms(3_600_000)
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, lunch.book())
        ingest = Ingest(database, keys_in(tmp_path), CAMPUS, clock)
        for delivery in lunch.deliveries():
            clock.pass_ms(2_000)
            taken = await ingest.take_lines(delivery.tid, delivery.lines)
            assert taken is not None
            assert taken.reply == take_batch(book, delivery.tno, delivery.lines, clock())
        await assert_same(database, book)
        await assert_balances_are_sums(database)
