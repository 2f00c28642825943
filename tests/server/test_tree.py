"""What a night seals is proven afterwards; what somebody changed is found, by the next night and by who kept a root."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from protocol.audit_command import DIFFERS, OK, USAGE, main
from protocol.entries import CashSale, Kind
from protocol.instants import DAY_MS, BusinessDay
from protocol.merkle import Frontier, leaf_hash
from protocol.messages import TreeHead, verified
from protocol.money import Cents
from protocol.sealed_rows import leaf_of
from protocol.signing import to_base64url
from server import tables
from server.act_tables import trail
from server.numbers import read_setting
from server.tree import service, store
from server.tree.rules import checked
from server.tree.service import CHECKED, Tree
from server.tree.tables import tree_head, tree_leaf, tree_node
from tests.server.desk import let_change, rows_of
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_cards import enrol, send
from tests.server.world import CAMPUS, MERCHANT, NOON, Till

TODAY = CAMPUS.business_day(NOON)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    url = ""
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("cluster"), f"tree_{abs(hash(request.node.name))}")
    async with open_desk(tmp_path, url) as desk:
        yield desk


def sell(till: Till, times: int = 3) -> None:
    for _ in range(times):
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))


async def open_till(desk: Desk) -> Till:
    """A till with some sales, asked for by an operator whose rows are in the trail."""
    till = Till(1)
    await enrol(desk, till)
    await desk.post("/cards", {"count": 2}, expect=201)
    sell(till)
    await send(desk, till)
    return till


async def night(desk: Desk) -> None:
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.nightly.run_if_due() is not None


def tree_of(desk: Desk, chunk_rows: int = 2) -> Tree:
    return Tree(desk.house.database, desk.house.keys, desk.house.alarms, desk.clock, chunk_rows=chunk_rows)


async def ask(desk: Desk, path: str, **more: Any) -> Any:
    return await desk.get(f"/tree-heads{path}", **{"who": "uma", **more})


async def names(desk: Desk) -> list[str]:
    """Every row that a night must seal."""
    entry, found = tables.entry.c, list[str]()
    found += [
        f"entry/{a}/{b}/{c}"
        for a, b, c in await rows_of(desk.house.database, select(entry.tno, entry.branch, entry.seq))
    ]
    found += [f"posting/{number}" for (number,) in await rows_of(desk.house.database, select(tables.posting.c.id))]
    return found + [f"trail/{number}" for (number,) in await rows_of(desk.house.database, select(trail.c.number))]


async def change(desk: Desk, table: str, statement: str) -> None:
    """What only somebody can do who owns the database."""
    async with desk.house.database.writing() as connection:
        await let_change(connection, table)
        await connection.execute(text(statement))


async def alarm(desk: Desk) -> str:
    found = [known for known in await desk.get("/alarms?kind=record_changed") if not known["ended_at"]]
    return found[0]["text"] if found else ""


class Auditor:
    """Keeps what the server told, as files, and checks it with the program for auditors alone."""

    def __init__(self, desk: Desk, directory: Path) -> None:
        self.desk, self.directory, self.said = desk, directory, list[str]()
        self.key = to_base64url(desk.house.keys.ack.public.raw)

    async def keep(self, name: str, path: str) -> Path:
        told = await ask(self.desk, path)
        file = self.directory / name
        file.write_text(told[0]["jws"] if isinstance(told, list) else json.dumps(told))
        return file

    def check(self, head: Path, *more: str | Path) -> int:
        self.said = []
        command = [str(head), "--server-key", self.key, *map(str, more)]
        return main(command, self.said.append, self.said.append)


async def test_every_row_is_proven_under_the_root_of_its_night(desk: Desk, tmp_path: Path) -> None:
    await open_till(desk)
    await night(desk)
    (head,) = await ask(desk, "")
    said = verified(head["jws"].encode(), TreeHead, desk.house.keys.trust.ack)
    assert (said.number, said.day, said.size, said.root) == (1, TODAY, head["size"], head["root"])
    known = await names(desk)
    assert {name.partition("/")[0] for name in known} == {"entry", "posting", "trail"}
    auditor = Auditor(desk, tmp_path)
    kept = await auditor.keep("head", "")
    for name in known:
        proof = await auditor.keep("row", f"/1/row?name={name}")
        assert auditor.check(kept, "--row", proof) == OK, name
        assert f"holds: {name} is row" in auditor.said[-1]
    assert head["size"] == len(known)


async def test_the_next_root_goes_on_from_the_last(desk: Desk, tmp_path: Path) -> None:
    till, auditor = await open_till(desk), Auditor(desk, tmp_path)
    await night(desk)
    before = await auditor.keep("before", "")
    sell(till, 5)
    await send(desk, till, 3)
    await night(desk)
    head = await auditor.keep("head", "")
    growth = await auditor.keep("growth", "/2/growth?since=1")
    rows = await auditor.keep("rows", "/2/rows")
    assert auditor.check(head, "--since", before, "--growth", growth, "--rows", rows) == OK
    assert auditor.said[1:] == [
        "holds: nothing under head 1 has changed under head 2",
        f"holds: head 1 and these {len(json.loads(rows.read_text())['rows'])} rows are head 2",
    ]
    old, new = await ask(desk, "?limit=1&before=2"), await ask(desk, "?limit=1")
    assert (old[0]["number"], new[0]["number"]) == (1, 2) and new[0]["size"] == len(await names(desk))
    assert await ask(desk, "/2/growth?since=2") == {"since": new[0]["jws"], "path": []}
    for wrong, expected in (("/1/growth?since=2", 422), ("/3/growth?since=1", 404), ("/1/row?name=trail/99", 404)):
        await ask(desk, wrong, expect=expected)


async def test_pages_of_rows_are_checked_in_their_order(desk: Desk, tmp_path: Path) -> None:
    till, auditor = await open_till(desk), Auditor(desk, tmp_path)
    await night(desk)
    before, size = await auditor.keep("before", ""), (await ask(desk, ""))[0]["size"]
    sell(till, 5)
    await send(desk, till, 3)
    await night(desk)
    head = await auditor.keep("head", "")
    first = await auditor.keep("first", "/2/rows?limit=3")
    rest = await auditor.keep("rest", f"/2/rows?start={size + 3}")
    assert auditor.check(head, "--since", before, "--rows", first, rest) == OK
    assert auditor.check(head, "--since", before, "--rows", first) == USAGE
    assert f"start={size + 3}" in auditor.said[-1]
    assert auditor.check(head, "--since", before, "--rows", rest, first) == USAGE
    told = json.loads(first.read_text())
    told["rows"][0] = told["rows"][0].replace('"seq":', '"seq":1')
    first.write_text(json.dumps(told))
    assert auditor.check(head, "--since", before, "--rows", first, rest) == DIFFERS


CHANGES = [
    ("posting", "UPDATE posting SET cents = cents + 1 WHERE id = 2", "posting/2"),
    ("posting", "DELETE FROM posting WHERE id = 1", "posting/1"),
    ("entry", "UPDATE entry SET received_at = received_at + 1 WHERE seq = 2", "entry/"),
    ("entry", "UPDATE entry SET jws = (SELECT e.jws FROM entry e WHERE e.seq = 1) WHERE seq = 3", "entry/"),
    ("entry", "DELETE FROM entry WHERE seq = 3", "entry/"),
    ("trail", "UPDATE trail SET operator = 'bob' WHERE number = 1", "trail/1"),
    ("trail", "DELETE FROM trail WHERE number = 2", "trail/2"),
]


@pytest.mark.parametrize(("table", "statement", "name"), CHANGES)
async def test_a_row_that_somebody_changed_is_found_by_the_next_night(
    desk: Desk, tmp_path: Path, table: str, statement: str, name: str
) -> None:
    await open_till(desk)
    await night(desk)
    known, auditor = [found for found in await names(desk) if found.startswith(name)], Auditor(desk, tmp_path)
    kept = await auditor.keep("head", "")
    proofs = {found: await auditor.keep(found.replace("/", "-"), f"/1/row?name={found}") for found in known}
    await change(desk, table, statement)
    await night(desk)
    said = await alarm(desk)
    (broken,) = [found for found in known if found in said]
    assert (await ask(desk, f"/1/row?name={broken}", expect=409))["code"] == "record_changed"
    assert auditor.check(kept, "--row", proofs[broken]) == OK, "what was sealed is proven still"
    growth = await auditor.keep("growth", "/2/growth?since=1")
    rows = await auditor.keep("rows", "/2/rows?start=0")
    head = await auditor.keep("head2", "")
    assert auditor.check(head, "--since", kept, "--growth", growth) == OK, "the tree itself is as it was"
    told = json.loads(rows.read_text())
    position = json.loads(proofs[broken].read_text())["position"]
    assert told["rows"][position] != json.loads(proofs[broken].read_text())["row"]


async def test_the_alarm_ends_when_the_row_is_what_it_was(desk: Desk) -> None:
    await open_till(desk)
    await night(desk)
    await change(desk, "posting", "UPDATE posting SET cents = cents + 1 WHERE id = 2")
    await night(desk)
    assert await alarm(desk) == "not as it was sealed: posting/2"
    await change(desk, "posting", "UPDATE posting SET cents = cents - 1 WHERE id = 2")
    await night(desk)
    assert not await alarm(desk)


@pytest.mark.parametrize(
    ("table", "statement", "said"),
    [
        ("tree_head", "UPDATE tree_head SET day = day - 1 WHERE number = 1", "head 1"),
        ("tree_head", "DELETE FROM tree_head WHERE number = 1", "head 2"),
        ("tree_head", "UPDATE tree_head SET root = (SELECT hash FROM tree_leaf WHERE position = 0) WHERE number = 1",
         "head 1, the root of head 1"),
        ("tree_leaf", "DELETE FROM tree_leaf WHERE position = 3", "leaf 3, the root of head 1, the root of head 2"),
    ],
)  # fmt: skip
async def test_a_tree_that_somebody_changed_is_found(desk: Desk, table: str, statement: str, said: str) -> None:
    await open_till(desk)
    await night(desk)
    await night(desk)
    await change(desk, table, statement)
    await night(desk)
    assert await alarm(desk) == f"not as it was sealed: {said}"


async def test_who_rewrites_everything_is_found_by_whoever_kept_a_root(desk: Desk, tmp_path: Path) -> None:
    """The owner of the database and of the key makes another past; the server's own check believes it."""
    await open_till(desk)
    auditor = Auditor(desk, tmp_path)
    await night(desk)
    kept = await auditor.keep("kept", "")
    await change(desk, "posting", "UPDATE posting SET cents = cents * 2 WHERE id IN (1, 2)")
    for table in ("tree_head", "tree_node", "tree_leaf"):
        await change(desk, table, f"DELETE FROM {table}")
    await tree_of(desk).run(BusinessDay(TODAY))
    await night(desk)
    assert not await alarm(desk)
    head, growth = await auditor.keep("head", ""), await auditor.keep("growth", "/2/growth?since=1")
    assert auditor.check(head, "--since", kept, "--growth", growth) == DIFFERS
    assert auditor.said[-1] == "DOES NOT HOLD: nothing under head 1 has changed under head 2"


@pytest.mark.parametrize("table", [trail, tables.posting, tree_leaf, tree_head])
async def test_the_database_itself_lets_nobody_change_what_only_grows(desk: Desk, table: Any) -> None:
    await open_till(desk)
    await night(desk)
    column = next(iter(table.primary_key.columns)).name
    statements = [f"UPDATE {table.name} SET {column} = {column}", f"DELETE FROM {table.name}"]
    for statement in statements if desk.house.database.is_sqlite else [*statements, f"TRUNCATE {table.name}"]:
        with pytest.raises(DBAPIError, match="never changed or removed"):
            async with desk.house.database.writing() as connection:
                await connection.execute(text(statement))


async def test_a_night_that_is_stopped_anywhere_ends_with_the_same_root(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await open_till(desk)
    await night(desk)
    sell(till, 4)
    await send(desk, till, 3)
    keep, left = store.keep, 0

    async def until_the_power_fails(*given: Any) -> None:
        nonlocal left
        left -= bool(given[1])
        if left < 0:
            raise OSError("the power fails")
        await keep(*given)

    monkeypatch.setattr(store, "keep", until_the_power_fails)
    stops = 0
    while True:
        left = 1
        try:
            await tree_of(desk).run(BusinessDay(TODAY + 1))
        except OSError:
            stops += 1
        else:
            break
    assert stops >= 2
    rows = (await ask(desk, "/2/rows?start=0"))["rows"]
    frontier = Frontier()
    for row in rows:
        frontier.push(leaf_of(row))
    assert (await ask(desk, ""))[0]["root"] == to_base64url(frontier.root()) and len(rows) == len(await names(desk))
    assert len(set(rows)) == len(rows)
    await tree_of(desk).run(BusinessDay(TODAY + 1))
    assert [head["number"] for head in await ask(desk, "")] == [2, 1], "a day has one root"


async def test_a_check_that_is_stopped_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_till(desk)
    await night(desk)
    await change(desk, "entry", "UPDATE entry SET received_at = 1 WHERE seq = 1")
    monkeypatch.setattr(service, "KEEPS_PLACE_EVERY", 1)
    chunks = 0

    def until_the_power_fails(*given: Any) -> Any:
        nonlocal chunks
        chunks += 1
        if chunks == 3:
            raise OSError("the power fails")
        return checked(*given)

    monkeypatch.setattr("server.tree.service.checked", until_the_power_fails)
    with pytest.raises(OSError, match="power"):
        await tree_of(desk).check()
    async with desk.house.database.reading() as connection:
        assert (json.loads(await read_setting(connection, CHECKED) or ""))["size"] == 4
    assert await tree_of(desk).check() == 1, "what was found before the stop is told after it"
    assert "entry/" in await alarm(desk)
    async with desk.house.database.reading() as connection:
        assert await read_setting(connection, CHECKED) == ""


async def test_a_row_that_is_committed_after_younger_ones_is_sealed_the_next_night(desk: Desk) -> None:
    await open_till(desk)
    line = {"cause": "late", "line": 1, "day": TODAY, "period_day": TODAY, "owner": "", "cents": 0, "at": 1}
    async with desk.house.database.writing() as connection:
        await connection.execute(insert(tables.posting).values(**line, id=500, account_kind="vault"))
    await night(desk)
    async with desk.house.database.writing() as connection:
        await connection.execute(insert(tables.posting).values(**{**line, "line": 2}, id=400, account_kind="vault"))
    await night(desk)
    await ask(desk, "/1/row?name=posting/400", expect=404)
    assert (await ask(desk, "/2/row?name=posting/400"))["position"] == (await ask(desk, ""))[0]["size"] - 1


async def test_a_tree_of_many_rows_is_proven_from_kept_subtrees(desk: Desk, tmp_path: Path) -> None:
    sizes, row = (255, 700, 1_100), {
        "operator": "ann", "roles": "admin", "at": 1, "action": "a", "subject": "s", "digest": "d", "outcome": "done",
        "proposed_by": "",
    }  # fmt: skip
    for number, size in enumerate(sizes):
        async with desk.house.database.writing() as connection:
            there = await connection.execute(select(trail.c.number))
            missing = size - len(there.all())
            await connection.execute(insert(trail), [row] * missing)
        await tree_of(desk, 97).run(BusinessDay(TODAY + number))
    assert {level for (level,) in await rows_of(desk.house.database, select(tree_node.c.level))} == {8}
    auditor = Auditor(desk, tmp_path)
    head = await auditor.keep("head", "")
    for number in (1, 256, 257, 512, 700, 1_024, 1_025, 1_100):
        assert auditor.check(head, "--row", await auditor.keep("row", f"/3/row?name=trail/{number}")) == OK
    for older in (1, 2):
        before = await auditor.keep("before", f"?limit=1&before={older + 1}")
        growth = await auditor.keep("growth", f"/3/growth?since={older}")
        rows = await auditor.keep("rows", f"/3/rows?start={sizes[older - 1]}")
        assert auditor.check(head, "--since", before, "--growth", growth, "--rows", rows) == OK
    assert await tree_of(desk, 97).check() == 0


async def test_a_night_without_rows_has_a_root_too(desk: Desk) -> None:
    await night(desk)
    await night(desk)
    assert [(head["size"], head["root"]) for head in await ask(desk, "")] == [(0, to_base64url(Frontier().root()))] * 2
    assert await ask(desk, "/1/rows") == {"start": 0, "frontier": [], "rows": []}


async def test_who_may_look(desk: Desk) -> None:
    await night(desk)
    await ask(desk, "", who="eve")
    for path in ("/1/rows", "/1/row?name=trail/1", "/1/growth?since=1"):
        await ask(desk, path, who="tom", expect=403)
    for name in ("posting", "posting/1/2", "person/1", "entry/1/1", "trail/x", "trail/-1"):
        await ask(desk, f"/1/row?name={name}", expect=422)


async def test_files_that_make_no_sense_are_told_in_a_sentence(desk: Desk, tmp_path: Path) -> None:
    await open_till(desk)
    await night(desk)
    auditor = Auditor(desk, tmp_path)
    head, row = await auditor.keep("head", ""), await auditor.keep("row", "/1/row?name=trail/1")
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("{}")
    missing = partial(auditor.check, head)
    for more in (("--row", nonsense), ("--growth", row), ("--since", nonsense), ("--row", tmp_path / "none")):
        assert missing(*more) == USAGE and auditor.said[0].startswith("audit: ")
    other = to_base64url(leaf_hash(b"another key"))
    assert main([str(head), "--server-key", other], auditor.said.append, auditor.said.append) == USAGE
    assert "name the server's former ack keys too, each by --server-key" in auditor.said[-1]
    both = [str(head), "--server-key", other, "--server-key", auditor.key]
    assert main(both, auditor.said.append, auditor.said.append) == OK, "of before a rotation, or of after it"
    assert main([str(head), "--trust-head", "--row", str(row)], auditor.said.append, auditor.said.append) == OK
    assert "whether the server signed this head was not checked (--trust-head)" in auditor.said
