"""A terminal vanishes without a word: no FIN, no RST. The server notices, the terminal sells on and comes back."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.integration.campus import Campus, Till, wait_until
from tests.integration.engines import held, open_campus
from tests.integration.proxy import Wire

pytestmark = pytest.mark.integration

KEEPALIVE_S, PRICE = 2, 125


def is_there(campus: Campus, till: Till) -> bool:
    """Whether the server believes so."""
    return bool(campus.ask("GET", f"/terminals/{till.tid}/state")["online"])


def sell(till: Till, times: int) -> list[int]:
    """Cash, so that no card waits; the entries."""
    found = list[int]()
    for _ in range(times):
        till.program.wait("view", since=till.program.type(f"ring {PRICE / 100}"), phase="ringing")
        found.append(int(till.program.wait("entry", since=till.program.type("cash"), kind="cash_sale")["seq"]))
    return found


def test_a_terminal_that_vanished_is_missed_and_comes_back_with_all_it_sold() -> None:
    """Its network goes dead both ways and wakes up with what was under way; then the machine itself stands still."""
    with open_campus(keepalive_s=KEEPALIVE_S) as campus, Wire(campus.broker.settings.port) as wire:
        till = campus.add_till("till-1", 0, broker_port=wire.port)
        till.program.wait("entry", since=till.program.type("shift open w-07 0"), kind="shift_opened")

        def vanishes(gone: Callable[[], None], sold_meanwhile: int, back: Callable[[], None]) -> None:
            sell(till, 1)
            campus.wait_online(till)
            wait_until(lambda: is_there(campus, till), "its word that it is there")
            gone()
            sold = sell(till, sold_meanwhile)
            wait_until(lambda: not is_there(campus, till), "its last will")
            assert till.program.running and not (sold and campus.tip(till) >= sold[0])
            back()
            campus.wait_online(till)
            wait_until(lambda: is_there(campus, till), "its word that it is back")

        def is_noticed_here() -> None:
            wait_until(lambda: "offline" in till.program.ask("status"), "that the terminal notices too")
            sell(till, 2)
            wire.revive()

        before = wire.connections
        vanishes(wire.die, 3, is_noticed_here)
        assert wire.connections > before, "the old connection was given up"
        assert till.program.process is not None
        number = till.program.process.pid
        vanishes(lambda: os.kill(number, signal.SIGSTOP), 0, lambda: os.kill(number, signal.SIGCONT))
        (newest,) = sell(till, 1)
        campus.wait_online(till)
        ledger = campus.ledger()
        assert ledger["cents_by_kind"]["drawer"] == -8 * PRICE and ledger["total_cents"] == 0
        assert till.program.stop() == 0 and campus.server.stop() == 0
        here, there = [sealed.jws for sealed in till.entries()], held(campus, till)
        assert there == here[: len(there)] and len(there) >= newest
