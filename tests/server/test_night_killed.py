"""The process that proves a day is killed in the middle, twice: the next one goes on, with the same result."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from protocol.instants import DAY_MS
from server.db import Database
from server.errors import Conflict
from server.reconcile.service import LEASE_MS, Reconcile
from server.reconcile.tables import finding
from tests.server.desk import rows_of, sqlite_url
from tests.server.postgres import new_database, private_postgres
from tests.server.test_reconcile_service import TODAY, put_lunch
from tests.server.world import CAMPUS

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with private_postgres() as cluster:
        yield new_database(cluster, "night")


async def test_a_night_that_is_killed_again_and_again_finds_the_same(url: str) -> None:
    async with Database(url) as database:
        await database.migrate()
        _, clock = await put_lunch(database, 2)
        clock.pass_ms(DAY_MS)
        expected = await Reconcile(database, CAMPUS, clock).dry_run(TODAY)
        reconcile = Reconcile(database, CAMPUS, clock)
        for chunks in (1, 2):
            command = [sys.executable, "-m", "tests.server.night_child", url, str(TODAY), str(clock()), str(chunks)]
            child = await asyncio.create_subprocess_exec(*command)
            assert await child.wait() == -signal.SIGKILL
            with pytest.raises(Conflict):  # it may be alive
                await reconcile.run(TODAY)
            clock.pass_ms(LEASE_MS + 1)
        assert (await reconcile.proof(TODAY)).cards == 1 + 2
        proof = await reconcile.run(TODAY)
        assert proof.is_finished and (proof.cards, proof.classes) == (expected.cards, expected.classes)
        assert proof.difference_cents == expected.difference_cents
        kept = [found.key for found in proof.findings]
        assert sorted(kept) == sorted(found.key for found in expected.findings)
        assert await rows_of(database, select(func.count()).select_from(finding)) == [(len(kept),)]
