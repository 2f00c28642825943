"""Whatever happens to cards and terminals, an audit of what the server made of it finds nothing."""

from pathlib import Path

import pytest

from protocol.instants import DAY_MS
from server.alarms.service import Alarms
from server.db import Database
from server.ingest.service import Ingest
from server.tree.service import Tree
from server.upkeep.service import Upkeep
from tests.server.audited import TODAY, Site, audit, keys_of_world
from tests.server.desk import Clock, put_card, put_chain, sqlite_url
from tests.server.world import CAMPUS, Lunch

pytestmark = pytest.mark.seeds


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_found_where_nothing_was_changed(seed: int, tmp_path: Path) -> None:
    lunch, clock, site = Lunch(seed), Clock(), Site(tmp_path, {})
    lunch.play(150)
    keys = keys_of_world(tmp_path)
    clock.pass_ms(3_600_000)
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        async with database.writing() as connection:
            for till in lunch.tills:
                await put_chain(connection, till.row(), till.grant_jws)
        for card in lunch.book().cards.values():
            await put_card(database, card)
        ingest = Ingest(database, keys, CAMPUS, clock)
        for delivery in lunch.deliveries():
            clock.pass_ms(2_000)
            assert await ingest.take_lines(delivery.tid, delivery.lines) is not None
        upkeep = Upkeep(database, keys.trust, CAMPUS, clock)
        if seed % 2:
            assert await upkeep.declare_lost(lunch.tills[0].tid) is not None
        clock.pass_ms(40 * DAY_MS)
        await upkeep.run()
        await Tree(database, keys, Alarms(database, clock), clock).run(TODAY)
    told = audit(site)
    assert told.found == []
