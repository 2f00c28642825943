"""A long backlog through a network that is cut again and again: each row once on both sides, and the same cents."""

import asyncio
import time
from pathlib import Path

import pytest

from protocol.entries import NO_LISTS, CashSale, Kind
from protocol.ids import MerchantId, ShiftNo, StaffId
from protocol.instants import ClockSource, MonoMs, Now
from protocol.money import Cents
from terminal.identity import load_identity
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.ports import Draft
from tests.brokers import now
from tests.integration.campus import MERCHANT, wait_until
from tests.integration.engines import POSTGRESQL, SQLITE, held, open_campus
from tests.integration.proxy import Wire

pytestmark = pytest.mark.integration

PRICE = 125


async def sell_for_cash(data: Path, count: int) -> None:
    """So many sales that no server has heard of, in a terminal's own journal."""
    store = await JournalStore.open(JournalSettings(data / "journal.db", free_bytes_min=0), load_identity(data))
    for number in range(count):
        at = Now(now(), MonoMs(number + 1), ClockSource.SERVER)
        body = CashSale(MerchantId(MERCHANT), Cents(PRICE))
        await store.append(Draft(Kind.CASH_SALE, body, at, NO_LISTS, StaffId("w-07"), ShiftNo(1)))
    await store.close()


@pytest.mark.parametrize(
    ("engine", "entries", "cuts"),
    [
        (SQLITE, 2_000, 5),
        pytest.param(SQLITE, 10_000, 100, marks=pytest.mark.slow),
        pytest.param(POSTGRESQL, 10_000, 100, marks=pytest.mark.slow),
    ],
)
def test_a_backlog_comes_through_a_network_that_is_cut_again_and_again(engine: str, entries: int, cuts: int) -> None:
    with open_campus(engine) as campus:
        with Wire(campus.broker.settings.port) as wire:
            till = campus.add_till("till-1", 0, broker_port=wire.port, start=False)
            asyncio.run(sell_for_cash(till.directory / "data", entries))
            till.program.start()
            tips = list[int]()
            for _ in range(cuts):
                wait_until(wire.is_live, "a connection to cut", 60)
                time.sleep(0.2)
                wire.cut()
                tips.append(campus.tip(till))
            wait_until(wire.is_live, "the last connection", 60)
            wait_until(lambda: campus.tip(till) >= entries, "the whole backlog", 60 + entries / 50)
            assert wire.connections > cuts and tips[0] < entries, "it was cut while there was something to send"
            ledger = campus.ledger()
            campus.wait_online(till)
            assert till.program.stop() == 0 and campus.server.stop() == 0
        here, there = [entry.jws for entry in till.entries()], held(campus, till)
        assert there == here[: len(there)] and len(there) >= entries and len(here) - len(there) <= 2
        assert ledger["total_cents"] == 0 and entries * PRICE in map(abs, ledger["cents_by_kind"].values())
