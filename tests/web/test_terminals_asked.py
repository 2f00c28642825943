"""Pages of terminals without a browser: a spare that begins later, and a process that hears no terminal."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocol.instants import DAY_MS, MINUTE_MS
from protocol.signing import to_base64url
from server.roles import Role
from server.web.language import SENTENCES
from server.web.page import LOCAL_TIME
from tests.server.office import open_desk
from tests.server.world import MERCHANT, SITE
from tests.web.asking import Asking


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/terminals/spare-1", {"site": SITE, "spare": True})
        await desk.post("/terminals/spare-1/epochs", {"journal_key": to_base64url(bytes(31) + b"s")})
        await desk.put("/terminals/till-01", {"site": SITE, "title": "left", "merchant": MERCHANT})
        yield Asking(desk)


async def test_a_spare_sells_from_the_time_on_that_was_said(asking: Asking) -> None:
    desk = asking.desk
    offset_min = desk.house.app.state.campus.offset_min
    wanted = (desk.clock() + DAY_MS) // MINUTE_MS * MINUTE_MS
    local = datetime.fromtimestamp(wanted // 1_000 + offset_min * 60, UTC).strftime(LOCAL_TIME)
    form = {"spare": "spare-1", "since": local}
    await asking.send("/terminals/till-01/spare", {**form, "since": "2026-02-30T10:00"}, "tom", 422)
    await asking.send("/terminals/till-01/spare", form, "tom")
    assert SENTENCES["done.terminal_placed_later"][0] in await asking.read("/terminals/spare-1", "tom")
    assert (await desk.get("/terminals/spare-1"))["placed_at"] == wanted
    assert (await desk.get("/terminals/till-01"))["replaced_by"] == "spare-1"


async def test_a_process_that_hears_no_terminal_says_so(asking: Asking) -> None:
    state, told = asking.desk.house.app.state, SENTENCES["terminals.told_elsewhere"][0]
    assert told not in await asking.read("/terminals") + await asking.read("/terminals/till-01")
    state.takes_in = Role.API.takes_in
    for path in ("/terminals", "/terminals/till-01"):
        assert told in await asking.read(path)
