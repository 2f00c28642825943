"""Nothing private in a log, no forged line, nothing served to strangers, and no key replaced behind anybody's back."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from protocol.journal import header_of
from protocol.signing import to_base64url
from server import tables
from server.app import open_house
from server.body_limit import BodyLimit
from server.keys import KeysUnusable
from tests.server.desk import Clock, rows_of
from tests.server.office import Desk, open_desk, settings_in
from tests.server.test_cards import enrol
from tests.server.world import Till


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def test_a_failed_statement_does_not_tell_what_it_was_about(desk: Desk) -> None:
    async def twice(connection: AsyncConnection) -> None:
        for _ in range(2):
            await connection.execute(insert(tables.person).values(id="s-1", name="Wang Li", card_class=1))

    with pytest.raises(DBAPIError) as failed:
        await desk.house.database.transact(twice)
    assert "Wang" not in str(failed.value)


def signed_anyhow(till: Till, member: str) -> bytes:
    """An entry with a member that no version knows."""
    start = till.start
    payload = json.dumps({member: 1, "seq": 1, "prev": start.prev}).encode()
    signed = header_of(till.tid, till.epoch) + b"." + to_base64url(payload).encode()
    return signed + b"." + to_base64url(till.key.sign(signed)).encode()


@pytest.mark.parametrize("member", ["x\n2026 ERROR forged", "x\x00y", "x" * 9_000, "x\u2028ERROR forged"])
async def test_what_a_terminal_writes_forges_no_line_and_stops_no_queue(
    desk: Desk, caplog: pytest.LogCaptureFixture, member: str
) -> None:
    caplog.set_level(logging.INFO)
    till = Till(1)
    await enrol(desk, till)
    await desk.house.ingest.hello(till.tid, json.dumps({member: 1}).encode())
    assert await desk.house.ingest.take_lines(till.tid, [signed_anyhow(till, member)]) is not None
    ((why,),) = await rows_of(desk.house.database, select(tables.entry.c.parked))
    told = [record.getMessage() for record in caplog.records]
    assert why and all(text.isprintable() and text.isascii() and len(text) < 400 for text in (why, *told))


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_no_page_brings_scripts_from_elsewhere(desk: Desk, path: str) -> None:
    assert (await desk.client.get(path)).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic x"}])
async def test_a_stranger_s_body_is_not_read(desk: Desk, headers: dict[str, str]) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(4):
            read += 1
            yield b"a" * 65_536

    for path in ("/api/1/terminals/till-01/journal", "/api/1/cards/1/loads"):
        answer = await desk.client.post(path, content=body(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "http_401")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert read == 0


@pytest.mark.parametrize(
    ("path", "size", "is_read"),
    [
        ("/api/1/terminals/till-01/journal", 9 << 20, True),
        ("/api/1/sites/journal", 9 << 20, False),
        ("/api/1/sites/journal", 7 << 20, True),
        ("/enrol", 16 << 10, True),
        ("/enrol", (16 << 10) + 1, False),
        ("/time", 7 << 20, False),
    ],
)
async def test_only_a_journal_may_be_long_and_strangers_are_brief(path: str, size: int, is_read: bool) -> None:
    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await receive()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * size}

    async def send(_: Message) -> None: ...

    asked = BodyLimit(app)({"type": "http", "path": path}, receive, send)
    if is_read:
        await asked
    else:
        with pytest.raises(HTTPException):
            await asked


@pytest.mark.parametrize("lost", ["ack.key", "trust.json"])
async def test_a_lost_key_is_told_and_not_replaced(tmp_path: Path, lost: str) -> None:
    settings = settings_in(tmp_path)
    async with open_house(settings, Clock()):
        pass
    (tmp_path / "keys" / "ack.key").unlink()
    (tmp_path / "keys" / lost).unlink(missing_ok=True)
    with pytest.raises(KeysUnusable, match=lost):
        async with open_house(settings, Clock()):
            pass


async def test_every_plastic_is_on_a_page(desk: Desk) -> None:
    await desk.post("/cards", {"count": 2}, expect=201)
    await desk.post("/cards/1/replace")
    found: list[tuple[int, int]] = []
    after = (0, 0)
    while page := await desk.get(f"/cards?limit=1&after={after[0]}&after_generation={after[1]}"):
        after = (page[-1]["no"], page[-1]["generation"])
        found.append(after)
    assert found == [(1, 1), (1, 2), (2, 1)]
