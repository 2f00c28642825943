"""An entry beside what stands around it: first ones, second histories, holes, what cannot be read; all recomputed."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import update

from protocol.entries import Kind, Reason
from protocol.ids import Seq
from protocol.signing import SigningKey, sha256_of, to_base64url
from server import tables
from server.entries.rules import Line, Signer, branch_with, checked, commands, spelled
from server.entries.service import Entries, Evidence
from server.errors import Conflict, NotFound
from tests.server.desk import let_change
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, loaded_card, send
from tests.server.test_holes import sell
from tests.server.world import Till, sale_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def evidence(desk: Desk, till: Till, seq: int, branch: int = 0) -> Evidence:
    entries: Entries = desk.house.app.state.entries
    return await entries.evidence(till.tno, branch, seq)


async def test_a_sale_is_shown_with_both_its_entries_and_its_card(desk: Desk) -> None:
    station, till = Till(1), Till(2)
    await enrol(desk, station, can_load=True)
    await enrol(desk, till)
    card = await loaded_card(desk, station, 1_000)
    sell(till, card, 300)
    sell(till, card, 200)
    await send(desk, till)
    first = await evidence(desk, till, 1)
    assert first.checked.holds and first.checked.before == to_base64url(sha256_of(till.grant_jws))
    assert [(line.seq, kind) for line, kind in first.outcomes] == [(2, Kind.SALE_SETTLED)]
    outcome = await evidence(desk, till, 2)
    assert outcome.prepared is not None and outcome.prepared.seq == 1
    assert outcome.places == [(till.tno, 0, 2), (till.tno, 0, 1)]
    assert outcome.checked.continues and outcome.checked.continued == (True,)
    assert outcome.card is not None
    assert [row["operation"] for row in outcome.card.below] == ["load"]
    assert [row["main_after"] for row in outcome.card.above] == [500]
    newest = await evidence(desk, till, 4)
    assert newest.after == [] and newest.card is not None and newest.card.above == []


async def test_a_torn_sale_that_is_settled_later_tells_both(desk: Desk) -> None:
    station, till = Till(1), Till(2)
    await enrol(desk, station, can_load=True)
    await enrol(desk, till)
    card = await loaded_card(desk, station, 1_000)
    body = sale_of(card, 100)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    for kind in (Kind.SALE_TORN, Kind.DRAWER_OPENED, Kind.SALE_SETTLED):
        till.append(
            kind, Reason("change") if kind is Kind.DRAWER_OPENED else with_members(body, prepared=Seq(prepared))
        )
    await send(desk, till)
    found = await evidence(desk, till, 1)
    assert [(line.seq, kind) for line, kind in found.outcomes] == [(2, Kind.SALE_TORN), (4, Kind.SALE_SETTLED)]


async def test_a_second_history_leaves_where_it_leaves(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for _ in range(3):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    image = till.restored(2)
    for _ in range(2):
        image.append(Kind.DRAWER_OPENED, Reason("another history"))
    await send(desk, till)
    await send(desk, image)
    shared = await evidence(desk, till, 2)
    assert [(line.branch, line.seq) for line in shared.after] == [(0, 3), (1, 3)]
    assert shared.checked.continued == (True, True)
    first = await evidence(desk, till, 3, branch=1)
    assert first.before is not None and first.before.place == (till.tno, 0, 2) and first.checked.holds
    second = await evidence(desk, till, 4, branch=1)
    assert second.before is not None and second.before.place == (till.tno, 1, 3) and second.checked.holds


async def test_what_never_came_is_named(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for _ in range(5):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    await desk.house.ingest.take_lines(till.tid, till.lines[:2])
    for _ in range(2):
        desk.clock.pass_ms(10_000)
        await desk.house.ingest.take_lines(till.tid, till.lines[3:])
    path = f"/holes/{till.tno}/3/book"
    await desk.post(path, expect=202)
    await desk.post(path, who="bob")
    await desk.house.ingest.take_lines(till.tid, till.lines[3:])
    found = await evidence(desk, till, 4)
    assert found.before is None and found.missing is not None
    assert (found.missing["first"], found.missing["last"], found.checked.before) == (3, 3, "")
    assert found.checked.holds, "nothing that is there says otherwise"
    for place in ((till.tno, 0, 3), (till.tno, 0, 99), (till.tno + 7, 0, 1), (till.tno, 4, 1)):
        with pytest.raises(NotFound):
            await desk.house.app.state.entries.evidence(*place)


async def test_what_was_overwritten_here_is_seen_and_breaks_no_page(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for _ in range(3):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, till)
    other = till.restored(1)
    forged = other.append(Kind.DRAWER_OPENED, Reason("nobody was here"))

    async def write(jws: bytes) -> None:
        async with desk.house.database.writing() as connection:
            await let_change(connection, "entry")
            same = (tables.entry.c.tno == till.tno, tables.entry.c.seq == 2)
            await connection.execute(update(tables.entry).where(*same).values(jws=jws))

    await write(forged.jws)
    found = await evidence(desk, till, 2)
    assert (found.checked.is_signed, found.checked.continues) == (True, True), "the terminal's own key signed it"
    assert (found.checked.is_kept, found.checked.continued, found.checked.holds) == (False, (False,), False)
    assert not (await evidence(desk, till, 3)).checked.continues
    await write(b"a.b.c")
    with pytest.raises(Conflict):
        await evidence(desk, till, 2)
    assert (await evidence(desk, till, 1)).checked.continued == (False,)


def test_a_stranger_s_key_signs_nothing() -> None:
    till = Till(1)
    sealed = till.append(Kind.DRAWER_OPENED, Reason("change"))
    line = Line(till.tno, 0, 1, sealed.jws, sealed.hash)
    good = Signer(till.tid, till.epoch, till.key.public, till.start.hash)
    assert checked(line, good, None, []).holds
    for bad in (
        Signer(till.tid, till.epoch, SigningKey(sha256_of(b"stranger")).public, till.start.hash),
        Signer(till.tid, till.epoch, till.key.public, sha256_of(b"another grant")),
    ):
        assert not checked(line, bad, None, []).holds


def test_branches_share_what_was_before_they_left() -> None:
    branches = {0: (0, 0), 1: (0, 4), 2: (1, 9)}
    assert [branch_with(branches, 2, seq) for seq in (10, 9, 5, 4, 1)] == [2, 1, 1, 0, 0]
    assert branch_with(branches, 0, 1) == 0


def test_parts_are_spelled_whatever_they_are() -> None:
    assert spelled(to_base64url(b'{"a":1}').encode()) == '{\n  "a": 1\n}'
    assert spelled(to_base64url(b"\xff{").encode()) == "\\xff{"
    assert spelled(b"?!") == "?!"


def test_lines_for_a_shell_check_an_entry_of_any_length(tmp_path: Path) -> None:
    """Every length of payload and so of padding; the lines that a page shows, run as they are."""
    till = Till(1)
    for length in range(1, 5):
        sealed = till.append(Kind.DRAWER_OPENED, Reason("x" * length))
        text = commands(sealed.jws, till.key.public, "entry")
        done = subprocess.run(["/bin/sh", "-e"], input=text, cwd=tmp_path, text=True, capture_output=True, timeout=30)
        assert (done.returncode, "Signature Verified Successfully" in done.stdout) == (0, True), done.stderr
        assert f'"reason":"{"x" * length}"' in done.stdout
        assert done.stdout.strip().split("\n")[-1] == to_base64url(sealed.hash)
