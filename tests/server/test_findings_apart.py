"""Every finding of a night has a key of its own: two that shared one would keep the proof from ever being finished."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind, RefundTo
from protocol.instants import DAY_MS
from server.db import Database
from server.ingest.service import Ingest
from server.reconcile.facts import Difference
from server.reconcile.service import Reconcile
from tests.server.desk import Clock, keys_in, put_book, sqlite_url
from tests.server.test_ingest_posting import book_for, settled_sale
from tests.server.world import CAMPUS, NOON, Till, plastic, refund_of

TODAY = CAMPUS.business_day(NOON)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        yield database


async def test_a_refund_above_its_sale_that_is_told_of_twice(database: Database, tmp_path: Path) -> None:
    till, card, clock = Till(1), plastic(7, main=1_000), Clock()
    sold = settled_sale(till, card)
    body = refund_of(card, 900, sold, RefundTo.CARD)
    body = with_members(body, prepared=till.append(Kind.REFUND_PREPARED, body).seq)
    for _ in range(2):
        till.append(Kind.REFUND_SETTLED, body)
    await put_book(database, book_for(till, cards=(card,)))
    await Ingest(database, keys_in(tmp_path), CAMPUS, clock).take_lines(till.tid, till.lines)
    clock.pass_ms(DAY_MS)
    proof = await Reconcile(database, CAMPUS, clock).run(TODAY)
    assert proof.is_finished
    found = [found for found in proof.findings if found.cls is Difference.DUPLICATE]
    assert sorted(one.text for one in found) == ["an outcome of a step that was decided before", "more than was paid"]
