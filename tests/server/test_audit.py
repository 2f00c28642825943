"""The night checks every single signature once: what a chain and its last signature had vouched for until then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from protocol.entries import Kind, Reason
from protocol.instants import DAY_MS
from protocol.journal import read_entry
from protocol.signing import to_base64url
from server import tables
from server.audit import service
from server.audit.rules import CHANGED, NOT_SIGNED
from server.audit.service import Audit
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, NOON, Till


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


def write(till: Till, entries: int) -> None:
    for _ in range(entries):
        till.append(Kind.DRAWER_OPENED, Reason("change"))


def forge(till: Till) -> int:
    """An entry that is chained and not signed; the ones after it vouch for its bytes all the same."""
    write(till, 1)
    signed, _, _ = till.chain[-1].jws.rpartition(b".")
    till.chain[-1] = read_entry(signed + b"." + to_base64url(bytes(64)).encode())
    return till.chain[-1].seq


def audit_of(desk: Desk, chunk_entries: int = 4) -> Audit:
    return Audit(desk.house.database, desk.clock, chunk_entries=chunk_entries)


async def breaks(desk: Desk) -> list[tuple[int, str]]:
    cases = await desk.get("/cases?cls=chain_break")
    return sorted((case["seq"], case["text"]) for case in cases)


async def test_an_entry_that_only_its_chain_vouched_for_is_found_at_night(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    write(till, 5)
    bad = forge(till)
    write(till, 6)
    await send(desk, till)
    assert await breaks(desk) == [], "a batch is believed by its chain and its last signature"
    desk.clock.pass_ms(DAY_MS)
    proof = await desk.post(f"/days/{CAMPUS.business_day(NOON)}/proof?dry=false")
    assert proof["signatures"] == 12
    assert [(found["cls"], found["steps"]) for found in proof["findings"]] == [("chain_break", [[till.tno, 0, bad]])]
    assert await breaks(desk) == [(bad, NOT_SIGNED)]


async def test_bytes_that_somebody_has_changed_are_found(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    write(till, 3)
    await send(desk, till)
    async with desk.house.database.writing() as connection:
        entry = tables.entry.c
        await connection.execute(update(tables.entry).where(entry.seq == 2).values(jws=till.lines[0]))
    assert await audit_of(desk).run() == 3
    assert await breaks(desk) == [(2, CHANGED)]


async def test_every_entry_is_audited_once_and_a_case_opened_once(desk: Desk) -> None:
    one, two = Till(1), Till(2)
    for till in (one, two):
        await enrol(desk, till)
        write(till, 9)
    bad = forge(two)
    write(two, 1)
    for till in (one, two):
        await send(desk, till)
    assert await audit_of(desk).run() == 20
    assert await audit_of(desk).run() == 0
    write(one, 3)
    await send(desk, one, 9)
    assert await audit_of(desk).run() == 3
    assert await breaks(desk) == [(bad, NOT_SIGNED)]


async def test_a_second_history_is_audited_from_where_it_forked(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    write(till, 4)
    copy = till.restored(2)
    await send(desk, till)
    copy.append(Kind.DRAWER_OPENED, Reason("another history"))
    bad = forge(copy)
    write(copy, 1)
    await send(desk, copy)
    assert await audit_of(desk).run() == 7
    assert (bad, NOT_SIGNED) in await breaks(desk)


async def test_an_audit_that_is_stopped_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till(1)
    await enrol(desk, till)
    write(till, 5)
    bad = forge(till)
    write(till, 6)
    await send(desk, till)
    checked: list[int] = []
    faults = service._faults

    def until_the_power_fails(*entries: object) -> list[tuple[int, str]]:
        if len(checked) == 2:
            raise RuntimeError("the power fails")
        checked.append(1)
        return faults(*entries)  # type: ignore[arg-type]

    monkeypatch.setattr(service, "_faults", until_the_power_fails)
    with pytest.raises(RuntimeError):
        await audit_of(desk).run()
    monkeypatch.undo()
    assert await breaks(desk) == [(bad, NOT_SIGNED)], "what was found is kept"
    assert await audit_of(desk).run() == 4
    assert await breaks(desk) == [(bad, NOT_SIGNED)]
