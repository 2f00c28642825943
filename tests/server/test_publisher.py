"""Lists reach the broker until they have reached it: after a failure, for every site, and only when there is need."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event, select

from protocol.ids import SiteId
from protocol.price_list import decode_prices
from server import tables
from server.mqtt_link import MqttLink
from server.policy.rules import Publication
from server.policy.store import listed_cards, note_closed
from server.publisher import Publisher
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk
from tests.server.world import SITE

OTHER = "a-campus"


class Broker:
    """The link as the publisher sees it."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.is_up = True
        self.is_overwritten = False
        self.shown: list[str] = []
        self.states: list[int] = []
        self.fails_for = ""
        self.keys_shown = 0

    def publish_state(self, epoch: int) -> None:
        self.states.append(epoch)

    def publish_keys(self) -> None:
        self.keys_shown += 1

    def renew_instance(self) -> None: ...

    def publish_lists(self, publication: Publication) -> None:
        if publication.site == self.fails_for:
            raise OSError("no route")
        self.shown.append(publication.site)

    def taken(self) -> list[str]:
        shown, self.shown = self.shown, []
        return shown


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        for site in (OTHER, SITE):
            await desk.put(f"/terminals/first-of-{site}", {"site": site})
            await desk.put(f"/sites/{site}/limits", {"rules": {}})
        yield desk


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def publisher(desk: Desk, broker: Broker) -> Publisher:
    return Publisher(desk.house.policy, cast("MqttLink", broker), renew_every_s=3_600)


async def test_an_empty_broker_gets_everything_even_after_a_failure(
    desk: Desk, broker: Broker, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publisher.look()
    assert broker.taken() == [OTHER, SITE]
    broker.connected.set()
    make = desk.house.policy.publication

    async def busy(_: SiteId, **__: Any) -> Publication | None:
        raise OSError("database busy")

    monkeypatch.setattr(desk.house.policy, "publication", busy)
    await publisher.look()
    monkeypatch.setattr(desk.house.policy, "publication", make)
    assert broker.taken() == []
    await publisher.look()
    assert broker.taken() == [OTHER, SITE]
    await publisher.look()
    assert broker.taken() == [] and broker.states == [1, 1] and broker.keys_shown == 2


async def test_a_site_that_fails_keeps_no_other_waiting(desk: Desk, broker: Broker, publisher: Publisher) -> None:
    """What was made and not published is published, though nothing has changed since."""
    broker.fails_for = OTHER
    await publisher.look()
    assert broker.taken() == [SITE]
    broker.fails_for = ""
    await publisher.look()
    assert broker.taken() == [OTHER]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/cards/1/block", None),
        ("/cards/1/loads", {"id": "request-1", "cents": 5}),
        ("/cards/1/subsidies", {"id": "request-1", "cents": 5, "period": 1}),
        ("/cards/1/replace", None),
        ("/cards/1/close", {"card_cents": 0}),
    ],
)
async def test_what_changes_a_list_is_published(
    desk: Desk, broker: Broker, publisher: Publisher, path: str, body: Any
) -> None:
    await desk.post("/cards", {}, expect=201)
    await publisher.look()
    broker.taken()
    await desk.post(path, body)
    await publisher.look()
    assert broker.taken() == [OTHER, SITE]


async def test_prices_for_later_are_the_newest_as_soon_as_terminals_use_them(
    desk: Desk, broker: Broker, publisher: Publisher
) -> None:
    """Else a terminal would run a newer version than there is, until something else is published."""
    at = desk.clock() + 600_000
    await desk.put(f"/sites/{SITE}/prices", {"products": [], "valid_from": at})
    await publisher.look()
    body = await desk.house.policy.body_of(SiteId(SITE), "prices")
    later = decode_prices(body.body).later
    assert later is not None and broker.taken() == [OTHER, SITE]
    desk.clock.pass_ms(599_999)
    await publisher.look()
    assert broker.taken() == []
    desk.clock.pass_ms(1)
    await publisher.look()
    assert broker.taken() == [SITE]
    (state,) = [one for one in await desk.get("/states") if one["site"] == SITE]
    assert [one["newest"] for one in state["lists"] if one["name"] == "prices"] == [later.version]
    await publisher.look()
    assert broker.taken() == []


async def test_a_look_at_lists_that_have_not_changed_writes_nothing(
    desk: Desk, broker: Broker, publisher: Publisher
) -> None:
    await desk.post("/cards", {"count": 3}, expect=201)
    await publisher.look()
    statements: list[str] = []
    for engine in (desk.house.database._writer, desk.house.database._reader):
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    await publisher.look()
    assert {statement.split()[0] for statement in statements} == {"SELECT"}  # and no BEGIN IMMEDIATE
    assert not any("FROM card" in statement for statement in statements)


async def test_a_list_made_before_a_card_was_closed_does_not_say_so(desk: Desk) -> None:
    await desk.post("/cards", {"count": 2}, expect=201)
    await desk.post("/cards/1/close", {"card_cents": 0})
    async with desk.house.database.writing() as connection:
        listed = await listed_cards(connection)
    await desk.post("/cards/2/close", {"card_cents": 0})
    async with desk.house.database.writing() as connection:
        await note_closed(connection, 7, listed)
    versions = select(tables.card.c.closed_version).order_by(tables.card.c.card)
    assert await rows_of(desk.house.database, versions) == [(7,), (0,)]
