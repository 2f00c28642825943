"""A drill on both engines: a backup of a running server, a server made from it, and at last the same cents."""

import asyncio
import io
import json
import secrets
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import func, select

from protocol.entries import Kind, Reason
from protocol.messages import Ack, Hello, TipAnswer, encode_hello, sign, verified
from protocol.signing import to_base64url
from server import tables
from server.app import House, open_house
from server.backup.manifest import DATABASE, MANIFEST, SECRETS, NotABackup
from server.backup.service import back_up, restore
from server.backup_command import main
from server.db import Database
from server.envelope import PIECE_BYTES, NotOpened, seal, unseal
from tests.server.desk import Clock, assert_balances_are_sums, put_book, rows_of
from tests.server.office import Desk, open_desk, settings_in
from tests.server.postgres import new_database, private_postgres
from tests.server.test_cards import enrol, send
from tests.server.world import NOON, Delivery, Lunch, Till

PASSPHRASE = b"correct horse battery"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two databases of one engine: of the server that dies, and of the one that takes its place."""
    if request.param == "sqlite":
        return "", ""
    cluster = request.getfixturevalue("cluster")
    name = secrets.token_hex(4)
    return new_database(cluster, f"before_{name}"), new_database(cluster, f"after_{name}")


@asynccontextmanager
async def house_at(directory: Path, url: str) -> AsyncGenerator[House]:
    settings = settings_in(directory)
    async with open_house(with_members(settings, database=url or settings.database), Clock()) as house:
        yield house


async def totals(database: Database) -> list[tuple[object, ...]]:
    posting = tables.posting.c
    sums = select(posting.account_kind, posting.owner, func.sum(posting.cents))
    return await rows_of(
        database, sums.group_by(posting.account_kind, posting.owner).order_by(posting.account_kind, posting.owner)
    )


async def entries(database: Database) -> list[tuple[object, ...]]:
    entry = tables.entry.c
    return await rows_of(database, select(entry.tno, entry.hash).order_by(entry.tno, entry.hash))


def shelf(tmp_path: Path) -> Path:
    """Where backups are kept."""
    found = tmp_path / "backups"
    found.mkdir(exist_ok=True)
    return found


async def take(house: House, deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        await house.ingest.take_lines(delivery.tid, delivery.lines)


async def test_a_restored_server_comes_to_the_same_cents(urls: tuple[str, str], tmp_path: Path) -> None:
    """Yesterday's backup, made while batches arrived; terminals send again what it lacks."""
    lunch = Lunch(7)
    lunch.play(160)
    sent = lunch.deliveries()
    half = len(sent) // 2
    before, after = tmp_path / "before", tmp_path / "after"
    async with house_at(before, urls[0]) as house:
        await put_book(house.database, lunch.book())
        await take(house, sent[:half])
        working = asyncio.create_task(take(house, sent[half:]))
        made = await back_up(house.settings, shelf(tmp_path), PASSPHRASE, NOON)
        await working
        expected = await totals(house.database), await entries(house.database)
    assert len(expected[0]) > 5 and len(expected[1]) > 100
    settings = settings_in(after)
    settings = with_members(settings, database=urls[1] or settings.database)
    held = await restore(settings, made, PASSPHRASE, NOON)
    async with house_at(after, urls[1]) as house:
        kept = await entries(house.database)
        assert set(kept) <= set(expected[1]) and len(kept) == held.entries > 0
        await assert_balances_are_sums(house.database)
        await take(house, sent)
        assert (await entries(house.database)) == expected[1]
        await house.upkeep.run()
        await assert_balances_are_sums(house.database)
    async with house_at(before, urls[0]) as house:
        await take(house, sent)
        await house.upkeep.run()
        books = await totals(house.database)
    async with house_at(after, urls[1]) as house:
        assert await totals(house.database) == books


async def test_a_restored_server_is_another_life_of_the_same_one(urls: tuple[str, str], tmp_path: Path) -> None:
    """Its numbers leap before it listens, and it believes itself: a terminal goes on, and nobody must tell it."""
    till = Till(1)
    async with open_desk(tmp_path / "before", urls[0]) as desk:
        await enrol(desk, till)
        till.append(Kind.DRAWER_OPENED, Reason("change"))
        await send(desk, till)
        made = await back_up(desk.house.settings, shelf(tmp_path), PASSPHRASE, NOON)
        till.append(Kind.DRAWER_OPENED, Reason("forgotten"))
        await send(desk, till)
        await desk.post("/cards", {"count": 3}, expect=201)
        tip, ack_key = till.chain[-1], desk.house.keys.ack
        acked = Ack(1, till.tid, till.epoch, tip.seq, to_base64url(tip.hash), NOON)
    settings = settings_in(tmp_path / "after")
    settings = with_members(settings, database=urls[1] or settings.database)
    await restore(settings, made, PASSPHRASE, NOON)
    async with open_desk(tmp_path / "after", urls[1]) as desk:
        assert desk.house.keys.ack.public == ack_key.public
        assert (await desk.client.get("/ready")).json()["server_epoch"] == 2
        assert [known["kind"] for known in await desk.get("/alarms")] == ["server_restored"]
        assert (await desk.post("/cards", {}, expect=201))["numbers"][0] > 10_000
        await says_hello(desk, till, acked)
        await send(desk, till)
        assert (await desk.get(f"/terminals/{till.tid}"))["epochs"][-1]["tip"] == 2


async def says_hello(desk: Desk, till: Till, acked: Ack) -> None:
    """With an ack of the life before: known as such, and no reason to leap once more."""
    tip = till.chain[-1]
    hello = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash), sign(acked, desk.house.keys.ack).decode())
    answer = await desk.house.ingest.hello(till.tid, encode_hello(hello))
    assert answer is not None
    found = verified(answer.tip, TipAnswer, desk.house.keys.trust.ack)
    assert (found.server_epoch, found.seq) == (2, 1)


async def a_backup(tmp_path: Path) -> Path:
    async with open_desk(tmp_path / "before") as desk:
        return await back_up(desk.house.settings, shelf(tmp_path), PASSPHRASE, NOON)


@pytest.mark.parametrize("name", [DATABASE, SECRETS, MANIFEST])
@pytest.mark.parametrize("damage", ["gone", "bent", "short", "no text"])
async def test_what_is_damaged_is_not_restored(tmp_path: Path, name: str, damage: str) -> None:
    made = await a_backup(tmp_path)
    path = made / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 0x80 if damage == "no text" else 1
        path.write_bytes(content[:-1_000] if damage == "short" else content)
    with pytest.raises((NotABackup, NotOpened)):
        await restore(settings_in(tmp_path / "after"), made, PASSPHRASE, NOON)
    assert not list((tmp_path / "after").glob("*"))


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = await a_backup(tmp_path)
    for kept in ("keys", "server.db"):
        there = tmp_path / kept
        there.mkdir()
        (there / kept).mkdir() if kept == "keys" else (there / kept).write_bytes(b"money")
        with pytest.raises(NotABackup, match="is there"):
            await restore(settings_in(there), made, PASSPHRASE, NOON)
    assert (tmp_path / "server.db" / "server.db").read_bytes() == b"money"
    with pytest.raises(NotOpened, match="another passphrase"):
        await restore(settings_in(tmp_path / "after"), made, b"another passphrase", NOON)
    assert not list((tmp_path / "after").glob("*")), "and nothing half made stays"


async def test_a_second_restore_from_the_same_backup_is_told_what_was_seen_since(tmp_path: Path) -> None:
    made = await a_backup(tmp_path)
    await restore(settings_in(tmp_path / "after"), made, PASSPHRASE, NOON, above_epoch=5)
    async with open_desk(tmp_path / "after") as desk:
        assert (await desk.client.get("/ready")).json()["server_epoch"] == 6


async def test_nothing_of_a_backup_is_in_the_clear(tmp_path: Path) -> None:
    async with open_desk(tmp_path / "before") as desk:
        await desk.put("/people/s-1", {"name": "Wang Li of the seventh floor", "card_class": 1})
        made = await back_up(desk.house.settings, shelf(tmp_path), PASSPHRASE, NOON)
    keys = [path.read_bytes().strip() for path in (tmp_path / "before" / "keys").glob("*.key")]
    written = b"".join(path.read_bytes() for path in made.iterdir())
    assert len(keys) >= 4 and not any(secret in written for secret in (*keys, b"Wang Li", b"PRIVATE KEY"))
    assert {path.name for path in made.parent.iterdir()} == {made.name}
    assert json.loads((made / MANIFEST).read_bytes())["holds_at_least"]["entries"] == 0


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_a_sealed_file_is_whole_or_refused(size: int) -> None:
    clear = bytes(range(256)) * (size // 256 + 1)
    sealed = io.BytesIO()
    seal(io.BytesIO(clear[:size]), sealed, PASSPHRASE, "x")
    opened = io.BytesIO()
    unseal(io.BytesIO(sealed.getvalue()), opened, PASSPHRASE, "x")
    assert opened.getvalue() == clear[:size]
    whole = sealed.getvalue()
    for bent in (whole[:-1], whole + b"\0", whole[:31] + whole[31 + PIECE_BYTES + 16 :], whole[:10], b""):
        with pytest.raises(NotOpened):
            unseal(io.BytesIO(bent), io.BytesIO(), PASSPHRASE, "x")
    with pytest.raises(NotOpened):
        unseal(io.BytesIO(whole), io.BytesIO(), PASSPHRASE, "y")


def test_the_command_says_what_was_done_and_what_comes_next(tmp_path: Path) -> None:
    said, warned = list[str](), list[str]()
    passphrase, config = tmp_path / "passphrase", tmp_path / "server.toml"
    (tmp_path / "b").mkdir()
    config.write_text('data = "data"\n')
    passphrase.write_text("too short")
    passphrase.chmod(0o600)
    told = ["--config", str(config), "--passphrase-file", str(passphrase)]
    assert main(["backup", *told, "--to", str(tmp_path / "b")], said.append, warned.append) == 2
    passphrase.write_bytes(PASSPHRASE)
    passphrase.chmod(0o644)
    assert main(["backup", *told, "--to", str(tmp_path / "b")], said.append, warned.append) == 2
    passphrase.chmod(0o600)
    assert main(["backup", *told, "--to", str(tmp_path / "b")], said.append, warned.append) == 2
    reasons = ("at least 12", "chmod 600", "there is no database")
    assert all(reason in line for reason, line in zip(reasons, warned, strict=True))
    asyncio.run(_begin(tmp_path / "data"))
    nowhere = tmp_path / "not" / "mounted"
    assert main(["backup", *told, "--to", str(nowhere)], said.append, warned.append) == 2
    assert f"there is no directory {nowhere}. Is its disk mounted?" in warned[3] and not nowhere.parent.exists()
    nothing = ["--config", str(config), "--passphrase-file", str(tmp_path / "nothing")]
    assert main(["backup", *nothing, "--to", str(tmp_path / "b")], said.append, warned.append) == 2
    assert f"there is no {tmp_path / 'nothing'}. Name the file with the backup's passphrase" in warned[4]
    assert main(["backup", *told, "--to", str(tmp_path / "b")], said.append, warned.append) == 0
    root = tmp_path / "data" / "keys" / "root.key"
    assert f"{root} lies on this server, so that it is in this backup too" in warned.pop()
    shutil.rmtree(tmp_path / "data")
    assert main(["restore", *told, "--from", str(nowhere)], said.append, warned.append) == 2
    assert f"there is no {nowhere / 'manifest.json'}: this is no backup, or a part of one. Name the" in warned.pop()
    assert main(["restore", *told, "--from", said[0]], said.append, warned.append) == 0
    assert "Each terminal says hello" in said[1] and len(warned) == 5


async def _begin(directory: Path) -> None:
    async with open_desk(directory):
        pass
