"""The database is killed and started again, and fails over to its standby, under a real server and a terminal."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from protocol.purse import Technology
from tests.integration.campus import Campus, Till, wait_until
from tests.integration.fuse import Card
from tests.server.postgres import ACCOUNT, Cluster, new_database

pytestmark = pytest.mark.integration

START, PRICE = 1_000, 100


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary and its synchronous standby."""
    with ExitStack() as stack:
        found: list[Cluster] = []
        for _ in range(2):
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-pg-"))
            found.append(Cluster(Path(name), durable=True))
            stack.callback(found[-1].stop)
        primary, standby = found
        primary.create()
        primary.start()
        new_database(str(primary.directory), "campus")
        standby.follow(primary)
        yield primary, standby


def ready(campus: Campus) -> tuple[int, bool]:
    """What `/ready` says: its status, and whether the database answers."""
    answer = httpx.get(f"{campus.server.url}/ready", timeout=30)
    return answer.status_code, answer.json()["database"]


def test_killed_started_again_and_failed_over(pair: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    primary, standby = pair
    hosts = f"host={primary.directory}&host={standby.directory}&target_session_attrs=read-write"
    url = f"postgresql+psycopg://{ACCOUNT}@/campus?{hosts}"
    with tempfile.TemporaryDirectory(prefix="fanka-") as name, Campus(Path(name) / "c", 2, database=url) as campus:
        office = campus.add_till("office", 0, may=("office", "load"))
        till = campus.add_till("till-1", 1)
        cards = dict(campus.issue(office, Technology.DESFIRE, START) for _ in range(5))
        waiting = iter(cards.values())

        def sell() -> None:
            assert till.sell(next(waiting), PRICE)["title"] == "Paid"

        # Killed right after a sale, whose batch is on its way; nobody is turned away while it is gone.
        sell()
        campus.wait_online(till)
        sell()
        primary.kill()
        sell()
        wait_until(lambda: ready(campus) == (503, False), "a word that the database is gone")
        primary.start()
        assert_all_is_there(campus, [office, till], cards, sold=3)

        # Lost for good: the standby holds everything that was acknowledged, and goes on.
        sell()
        primary.kill()
        sell()
        assert ready(campus) == (503, False), "a standby that nobody promoted takes nothing in"
        standby.say("SELECT pg_promote()")
        assert_all_is_there(campus, [office, till], cards, sold=5)


def assert_all_is_there(campus: Campus, tills: list[Till], cards: Mapping[int, Card], sold: int) -> None:
    """Rows on both sides are equal, and so is the money; the server and its terminals went on by themselves."""
    wait_until(lambda: ready(campus) == (200, True), "the database's return")
    for till in tills:
        campus.wait_online(till)
        newest = max(event["seq"] for event in till.program.events if event["event"] == "entry")
        assert campus.tip(till) == newest
    booked = [campus.card(no)["main_cents"] for no in cards]
    assert campus.server.running and booked == [START - PRICE] * sold + [START] * (len(cards) - sold)
    assert [campus.money_on(card) for card in cards.values()] == booked
    assert campus.ledger()["total_cents"] == 0
