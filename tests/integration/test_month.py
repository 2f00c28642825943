"""A terminal comes back after a month with everything it sold: all of it arrives while others sell on, and its lists
are new again. Real programs on PostgreSQL; only the month is not waited for.
"""

import asyncio
import json
import statistics
import time

import pytest

from protocol.instants import DAY_MS, UtcMs
from protocol.purse import Technology
from server.ingest.alarming import BACKLOG_ENTRIES_MAX
from tests.brokers import now
from tests.integration.alone import sell_for_cash
from tests.integration.campus import SITE, Campus, Till, wait_until
from tests.integration.engines import POSTGRESQL, held, open_campus
from tests.integration.fuse import Card
from tests.integration.proxy import Wire
from tests.integration.stopwatch import LIVE_PRICE, Stopwatch, opened

pytestmark = pytest.mark.integration

DAYS, START, PRICE = 30, 5_000, 125
LADDER = [{"age_ms": 7 * DAY_MS, "sale": 1_000}, {"age_ms": 21 * DAY_MS, "sale": 300}]
"""What one sale may be once the lists are a week old, and three."""
ABOVE, WITHIN = 400, 200
IDLE_SALES = 20
WHOLE_S = 1_800.0


def title(till: Till, card: Card, cents: int) -> str:
    """What comes of a sale, or of one more to the same card; on to the next customer."""
    view = till.sell(card, cents)
    if view["phase"] == "repeat_asked":
        till.program.wait("view", since=till.program.type("confirm"), phase="awaiting_card")
        view = till.tap(card)
    till.program.wait("view", since=till.program.type("cancel"), phase="ringing")
    return str(view["title"])


@pytest.mark.parametrize("entries", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_terminal_comes_back_after_a_month(entries: int) -> None:
    with open_campus(POSTGRESQL, 3, days_behind=DAYS) as campus:
        wire = Wire(campus.broker.settings.port)
        with wire:
            office = campus.add_till("office", 0, may=("office", "load"))
            no, card = campus.issue(office, Technology.DESFIRE, START)
            away = opened(campus, "till-away", 1, broker_port=wire.port)
            campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"offline": LADDER}})
            wait_until(lambda: runs_the_newest(campus, away), "the limits at the till")
            assert title(away, card, ABOVE) == "Paid"
            campus.wait_online(away)
            assert away.program.stop() == 0 and campus.server.stop() == 0

        # A month passes: it sells, and nobody hears of it. Old lists let it sell less at once, and never nothing.
        asyncio.run(sell_for_cash(away.directory / "data", entries, PRICE, UtcMs(now() - DAYS * DAY_MS), now()))
        campus.server.mend_clock()
        campus.server.start()
        away.program.start()
        assert title(away, card, ABOVE) == "Not sold"
        assert title(away, card, WITHIN) == "Paid"
        live = Stopwatch(opened(campus, "till-live", 2))
        idle = live.sell(lambda count: count == IDLE_SALES)

        # The line is back: all of it arrives, while the other till sells on.
        mark = away.program.mark()
        written = max(event["seq"] for event in away.program.events[:mark] if event["event"] == "entry")
        deadline, started = time.monotonic() + WHOLE_S, time.monotonic()
        with wire:
            busy = live.sell(lambda count: count > 0 and (campus.tip(away) >= written or time.monotonic() > deadline))
            tell(entries, time.monotonic() - started, idle, busy)
            away.program.wait("lists", since=mark)
            wait_until(lambda: runs_the_newest(campus, away), "the newest lists at the till")
            assert title(away, card, ABOVE) == "Paid", "its lists are current"
            for till in (away, live_till := campus.tills["till-live"]):
                campus.wait_online(till)
            check_alarm(campus, entries)
            cash = entries * PRICE + (IDLE_SALES + len(busy)) * LIVE_PRICE
            ledger = campus.ledger()
            assert ledger["total_cents"] == 0 and -cash == ledger["cents_by_kind"]["drawer"]
            assert campus.card(no)["main_cents"] == campus.money_on(card) == START - 2 * ABOVE - WITHIN
            assert away.program.stop() == 0 and live_till.program.stop() == 0 and campus.server.stop() == 0
        for till in (away, live_till):
            here, there = [sealed.jws for sealed in till.entries()], held(campus, till)
            assert there == here[: len(there)] and len(here) - len(there) <= 2, "all but what it said at its end"


def runs_the_newest(campus: Campus, till: Till) -> bool:
    """Whether a till is there and runs the newest version of each list."""
    state = campus.ask("GET", f"/terminals/{till.tid}/state")
    return bool(state["online"] and state["lists"]) and not any(found["behind"] for found in state["lists"])


def check_alarm(campus: Campus, entries: int) -> None:
    """So much at once is worth a look, until it has come."""
    found = [alarm for alarm in campus.ask("GET", "/alarms") if alarm["kind"] == "backlog"]
    assert bool(found) == (entries >= BACKLOG_ENTRIES_MAX) and all(alarm["ended_at"] for alarm in found)


def tell(entries: int, seconds: float, idle: list[float], busy: list[float]) -> None:
    """The figures, for whoever reads them; none of them is a bar."""
    before, meanwhile = statistics.median(idle), statistics.median(busy)
    figures = {"entries": entries, "drain_s": round(seconds, 2), "live_sales": len(busy)}
    figures |= {"ack_idle_ms": round(before * 1e3, 1), "ack_live_ms": round(meanwhile * 1e3, 1)}
    print(json.dumps({**figures, "ratio": round(meanwhile / before, 2)}))
