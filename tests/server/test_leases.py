"""Leases on a real database: taken, renewed, lost and fenced, between programs that do not talk to one another."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from protocol.ids import TerminalId
from server.db import POSTGRES_CONNECTIONS_MAX, Database
from server.fence import Fence, LeaseLost, under
from server.lease_tables import lease
from server.leases.rules import BELIEVED_MS, KEEPER, LEASE_MS, NOBODYS, UNSERVED_MS, Self, of_site
from server.leases.service import Leases, Replaced
from server.numbers import closed_through, read_setting, write_setting
from server.tables import terminal
from tests.server.desk import rows_of, sqlite_url
from tests.server.postgres import new_database, private_postgres

SITES = [f"site-{number}" for number in range(6)]
TILL = TerminalId("till-1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture
async def database(request: pytest.FixtureRequest, cluster: str) -> AsyncIterator[Database]:
    """With six sites of one terminal each."""
    async with Database(new_database(cluster, f"leases_{abs(hash(request.node.name))}")) as database:
        await database.migrate()
        async with database.writing() as connection:
            sites = [{"tid": f"till-{number}", "site": site} for number, site in enumerate(SITES)]
            await connection.execute(insert(terminal), sites)
        yield database


class Program:
    """One process of the server; its own clock stands still until it is told."""

    def __init__(self, database: Database, name: str, life: str = "1", *, keeps: bool = True, takes_in: bool = True):
        self.ms = 0
        me = Self(name, life)
        self.leases = Leases(database, me, keeps=keeps, takes_in=takes_in, mono_ms=lambda: self.ms)

    @property
    def sites(self) -> set[str]:
        return {site for site in SITES if self.leases.held(f"site/{site}")}

    @property
    def keeper(self) -> Fence:
        fence = self.leases.held(KEEPER)
        assert fence is not None
        return fence


async def pass_lease(database: Database, holder: str = "%") -> None:
    """As if nobody had renewed them since."""
    async with database.writing() as connection:
        past = update(lease).where(lease.c.holder.like(holder)).values(ends_at=lease.c.ends_at - LEASE_MS - 1)
        await connection.execute(past)


async def write(database: Database, fence: Fence, value: str) -> None:
    async def work(connection: Any) -> None:
        await write_setting(connection, "proof", value)

    with under(fence):
        await database.transact(work)


async def written(database: Database) -> str | None:
    async with database.reading() as connection:
        return await read_setting(connection, "proof")


pytestmark = pytest.mark.integration


async def test_one_is_the_keeper_until_its_lease_is_over(database: Database) -> None:
    one, two = Program(database, "one"), Program(database, "two")
    for _ in range(2):
        await one.leases.look()
        await two.leases.look()
    assert one.keeper.term == 1 and two.leases.held(KEEPER) is None
    await pass_lease(database)
    await one.leases.look()
    assert one.keeper.term == 1, "over, but nobody has taken it: it goes on"
    await pass_lease(database)
    await two.leases.look()
    assert two.keeper.term == 2
    await one.leases.look()
    assert one.leases.held(KEEPER) is None


async def test_sites_are_shared_taken_over_and_given_back(database: Database) -> None:
    one, two = Program(database, "one"), Program(database, "two")
    assert await one.leases.look() and one.sites == set(SITES) and one.leases.held(of_site(NOBODYS))
    await two.leases.look()
    assert not two.sites, "what another has is not free"
    assert not await one.leases.look()
    assert await two.leases.look()
    assert one.sites and two.sites and one.sites | two.sites == set(SITES) and not one.sites & two.sites
    await pass_lease(database, "two/%")
    assert await one.leases.look() and one.sites == set(SITES)
    await two.leases.look()
    assert not two.sites, "it slept"
    await one.leases.give_back()
    await two.leases.look()
    assert two.sites == set(SITES) and not one.sites and two.keeper.term == 2


async def test_who_slept_through_its_lease_writes_nothing(database: Database) -> None:
    one, two = Program(database, "one"), Program(database, "two")
    await one.leases.look()
    old = one.keeper
    await write(database, old, "one")
    await pass_lease(database)
    await write(database, old, "still one")
    await two.leases.look()
    with pytest.raises(LeaseLost, match="keeper"):
        await write(database, old, "one again")
    await write(database, two.keeper, "two")
    await two.leases.give_back()
    with pytest.raises(LeaseLost):
        await write(database, old, "one again")
    await one.leases.look()
    with pytest.raises(LeaseLost):
        await write(database, old, "of an older term")
    await write(database, one.keeper, "one, in a new term")
    assert await written(database) == "one, in a new term"


async def test_nobody_takes_a_lease_in_the_middle_of_its_holder_s_transaction(database: Database) -> None:
    """Otherwise both would have written: the old holder after the new one began."""
    one, two = Program(database, "one"), Program(database, "two")
    await one.leases.look()
    with under(one.keeper):
        async with database.writing() as connection:
            await one.leases.look()  # renewing does not wait for it
            await pass_lease(database)
            await two.leases.look()
            assert two.leases.held(KEEPER) is None
            await write_setting(connection, "proof", "one")
    await pass_lease(database)
    await two.leases.look()
    assert two.keeper.term == 2 and await written(database) == "one"


async def test_a_transaction_whose_program_has_gone_to_sleep_is_ended_by_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fence.IDLE_MS", 300)
    one, two = Program(database, "one"), Program(database, "two")
    await one.leases.look()

    async def sleep_in_the_middle() -> None:
        with under(one.keeper):
            async with database.writing() as connection:
                await write_setting(connection, "proof", "one")
                while two.leases.held(KEEPER) is None:
                    await asyncio.sleep(0.1)
                    await pass_lease(database, "one/%")
                    await two.leases.look()

    with pytest.raises(DBAPIError):
        await sleep_in_the_middle()
    assert await written(database) is None


async def test_a_program_that_stops_while_it_closes_a_day_keeps_nobody_s_money_waiting_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever posts anything needs the row that it has locked."""
    monkeypatch.setattr("server.fence.IDLE_ELSE_MS", 300)

    async def stop_in_the_middle() -> None:
        async with database.writing() as stopped:
            await closed_through(stopped, to_close=True)
            assert await asyncio.wait_for(database.transact(closed_through), 10) == 0

    with pytest.raises(DBAPIError):
        await stop_in_the_middle()


async def test_a_holder_that_hears_nothing_stops_believing(database: Database) -> None:
    one = Program(database, "one")
    assert one.leases.held(KEEPER) is None
    await one.leases.look()
    one.ms = BELIEVED_MS - 1
    assert one.keeper.term == 1 and KEEPER in one.leases.names
    one.ms = BELIEVED_MS
    assert one.leases.held(KEEPER) is None and one.leases.names == []
    await one.leases.look()
    assert one.keeper.term == 1


async def test_a_program_that_starts_again_goes_on_at_once_and_its_twin_ends(database: Database) -> None:
    old = Program(database, "one", "1")
    await old.leases.look()
    new = Program(database, "one", "2")
    await new.leases.look()
    assert new.sites == set(SITES) and new.keeper.term == 2
    with pytest.raises(LeaseLost):
        await write(database, old.keeper, "old")
    with pytest.raises(Replaced, match="another program is called one"):
        await old.leases.look()
    await new.leases.look()
    assert new.keeper.term == 2


async def test_leases_are_renewed_while_every_connection_is_busy(database: Database) -> None:
    one = Program(database, "one")
    await one.leases.look()
    await pass_lease(database)
    async with AsyncExitStack() as stack:
        for _ in range(POSTGRES_CONNECTIONS_MAX + 10):
            await stack.enter_async_context(database.writing())
        await asyncio.wait_for(one.leases.look(), 30)
    await Program(database, "two").leases.look()
    assert {holder for (holder,) in await rows_of(database, select(lease.c.holder)) if holder} == {"one/1", "two/1"}
    await one.leases.look()
    assert one.keeper.term == 1


async def test_programs_that_look_at_the_same_moment_get_one_each(database: Database) -> None:
    programs = [Program(database, f"p{number}") for number in range(4)]
    others = [Database(database._writer.url.render_as_string(hide_password=False)) for _ in programs]
    for program, own in zip(programs, others, strict=True):
        program.leases._database = own
    for _ in range(4):
        await asyncio.gather(*(program.leases.look() for program in programs))
    assert sorted(site for program in programs for site in program.sites) == SITES
    assert sum(program.leases.held(KEEPER) is not None for program in programs) == 1
    for own in others:
        await own.close()


async def test_a_terminal_is_its_site_s_and_one_that_nobody_registered_is_somebody_s(database: Database) -> None:
    one, two = Program(database, "one"), Program(database, "two")
    for program in (one, two, one, two):
        await program.leases.look()
    for number, site in enumerate(SITES):
        fence = await one.leases.held_for(TerminalId(f"till-{number}"))
        assert (fence is not None) == (site in one.sites)
    stranger = TerminalId("stranger")
    held = [await program.leases.held_for(stranger) for program in (one, two)]
    assert [fence.name for fence in held if fence] == [of_site(NOBODYS)]
    async with database.writing() as connection:
        await connection.execute(insert(terminal).values(tid=stranger, site=SITES[0]))
    found = [await program.leases.held_for(stranger) for program in (one, two)]
    assert [fence.name for fence in found if fence] == [f"site/{SITES[0]}"]


async def test_sites_without_a_worker_are_told(database: Database) -> None:
    keeper = Program(database, "keeper", takes_in=False)
    await keeper.leases.look()
    assert await keeper.leases.unserved() == [] and not keeper.sites
    async with database.writing() as connection:
        await connection.execute(update(lease).values(ends_at=lease.c.ends_at - UNSERVED_MS))
    assert await keeper.leases.unserved() == SITES
    await Program(database, "worker", keeps=False).leases.look()
    assert await keeper.leases.unserved() == []


async def test_on_sqlite_one_program_holds_everything_and_no_row_says_so(tmp_path: Path) -> None:
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        one = Program(database, "one")
        assert not await one.leases.look()
        await write(database, one.keeper, "written")
        assert await one.leases.held_for(TILL) and await written(database) == "written"
        assert await rows_of(database, select(lease)) == [] and await one.leases.unserved() == []
