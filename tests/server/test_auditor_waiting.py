"""Of entries that came late or waited an audit tells where one half of what was booked for them is gone, or both."""

import asyncio
from pathlib import Path

import pytest

from protocol.entries import Kind
from protocol.ids import Seq
from server.audit_command import OK
from server.db import Database
from server.ingest.book import CardRow
from server.ingest.service import Ingest
from server.upkeep.service import Upkeep
from tests.server.audited import Site, audit, keys_of_world
from tests.server.desk import put_card, put_chain, sqlite_url
from tests.server.test_holes import Street
from tests.server.world import CAMPUS, plastic, topup_of

HOLE = "hole:7/1@2"


async def lay_out(directory: Path, *, fills: bool) -> Site:
    """A booked hole, filled or not, and a top-up to a card that became known a while after it."""
    street, site, late = Street(), Site(directory, {}), plastic(8)
    keys = keys_of_world(directory)
    async with Database(sqlite_url(directory)) as database:
        await database.migrate()
        async with database.writing() as connection:
            for till in (street.one, street.two):
                await put_chain(connection, till.row(), till.grant_jws)
        await put_card(database, CardRow(street.card.id.key))
        ingest, upkeep = (
            Ingest(database, keys, CAMPUS, street.clock),
            Upkeep(database, keys.trust, CAMPUS, street.clock),
        )
        street.two.append(Kind.TOPUP_PREPARED, topup_of(late, 700))
        for till, start, end in (
            (street.one, 0, 2),
            (street.two, 0, None),
            (street.one, 4, None),
            (street.one, 4, None),
        ):
            street.clock.pass_ms(10_000)
            await ingest.take_lines(till.tid, till.lines[start:end])
        await upkeep.book_hole(street.one.tno, Seq(3))
        await put_card(database, CardRow(late.id.key))
        assert await upkeep.post_parked() == 1
        if fills:
            street.clock.pass_ms(10_000)
            await ingest.take_file(street.one.tid, street.one.lines)
    return site


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return asyncio.run(lay_out(tmp_path_factory.mktemp("filled"), fills=True))


async def test_what_is_found_without_its_entry_is_told(tmp_path: Path) -> None:
    site = await lay_out(tmp_path, fills=False)
    told = await asyncio.to_thread(audit, site)
    assert told.status == OK, told.found
    columns = "line, day, period_day, account_kind, owner"
    site.change(
        f"INSERT INTO posting (cause, {columns}, cents, at) "
        f"SELECT 'found:{HOLE}', {columns}, -cents, at FROM posting WHERE cause = '{HOLE}'"
    )
    told = await asyncio.to_thread(audit, site)
    assert any(f"takes back {HOLE}, and no entry of that card step was found" in found for found in told.found)


def test_halves_that_are_gone_are_told(filled: Site) -> None:
    told = audit(filled)
    assert told.status == OK, told.found
    filled.change(
        f"DELETE FROM posting WHERE cause = 'found:{HOLE}'",
        "DELETE FROM posting WHERE cause LIKE 'park:%' OR cause LIKE 'unpark:%'",
    )
    told = audit(filled)
    assert any("is not taken back, although its entry is here" in found for found in told.found)
    assert any("it waited before it was posted, and its money was never set aside" in found for found in told.found)
