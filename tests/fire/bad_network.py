"""Terminals, a bad network, Mosquitto and the server program: at the end both sides hold the same rows."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from sqlalchemy import create_engine, func, select

from server import tables
from tests.fire.faulty_wire import CUT, FaultyWire
from tests.fire.sellers import PRICE, PUBACK, Seller, open_seller
from tests.integration.campus import Campus, Till
from tests.integration.engines import SQLITE, held, open_campus

TILLS: Final = 4
BYTES_A_MESSAGE: Final = 500
"""On the line, both ways, about."""
LIFE_SPREAD: Final = 6
"""The longest life of a connection is about so many times the mean one."""
QUIET_S: Final = 180.0
"""So long nothing moves before it is called lost."""
SETTLE_S: Final = 2.0
ENDING_ROWS: Final = 3


class Broken(Exception):
    """A claim does not hold; the text says where."""


def run(
    messages: int, cuts: int, seed: int, *, engine: str = SQLITE, control: str = "", tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """At least so many batches sent and so many connections cut; what happened. Raises Broken."""
    began, said = time.monotonic(), Counter[str]()
    life = max(4_000, LIFE_SPREAD * BYTES_A_MESSAGE * messages // max(1, cuts))
    with open_campus(engine, TILLS) as campus:
        with FaultyWire(campus.broker.settings.port, seed, life) as wire:
            tills = [campus.add_till(f"till-{i}", i, broker_port=wire.port, start=False) for i in range(TILLS)]

            def enough() -> bool:
                return said["journal"] >= messages and wire.counts[CUT] >= cuts

            asyncio.run(_sell(tills, wire, enough, said, seed, control, tell))
        ledger = campus.ledger()
        assert campus.server.stop() == 0
        rows = compare_rows(campus, tills)
        if ledger["total_cents"] != 0 or rows["sales"] * PRICE not in map(abs, ledger["cents_by_kind"].values()):
            raise Broken(f"the ledger does not hold {rows['sales']} sales of {PRICE}: {ledger}")
    faults = {name.replace(" ", "_"): count for name, count in sorted(wire.counts.items())}
    told = {"messages": said["journal"], "hellos": said["hello"], "heard": said["heard"]}
    return {"seed": seed, "engine": engine, **told, **faults, **rows, "seconds": round(time.monotonic() - began, 1)}


async def _sell(
    tills: list[Till],
    wire: FaultyWire,
    enough: Callable[[], bool],
    said: Counter[str],
    seed: int,
    control: str,
    tell: Callable[[str], None],
) -> None:
    async with AsyncExitStack() as stack:
        sellers = [await stack.enter_async_context(open_seller(till, seed, said, control)) for till in tills]
        telling = asyncio.create_task(_tell(wire, said, tell))
        selling = asyncio.gather(*(seller.sell_until(enough) for seller in sellers))
        try:
            await _until(selling.done, sellers, wire)
        finally:
            selling.cancel()
            await asyncio.gather(selling, return_exceptions=True)
        wire.spare()
        await _until(lambda: all(seller.is_through for seller in sellers), sellers, wire)
        if control == PUBACK:
            await asyncio.sleep(SETTLE_S)  # what is under way arrives
        telling.cancel()


async def _until(fits: Callable[[], bool], sellers: list[Seller], wire: FaultyWire) -> None:
    """Raises Broken when nothing has moved for long."""
    stood, since = None, time.monotonic()
    while not fits():
        await asyncio.sleep(0.05)
        stands = [seller.link.status.acked for seller in sellers], wire.counts[CUT]
        if stands != stood:
            stood, since = stands, time.monotonic()
        elif time.monotonic() - since > QUIET_S:
            raise Broken(f"nothing has moved for {QUIET_S:.0f} s: {[seller.link.status for seller in sellers]}")


async def _tell(wire: FaultyWire, said: Counter[str], tell: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(10)
        tell(f"{said['journal']} messages, {wire.counts[CUT]} cuts")


def compare_rows(campus: Campus, tills: list[Till], *, whole: bool = True) -> dict[str, int]:
    """Every row of either side is on the other, byte for byte, and there is nothing else. Raises Broken.

    Unless `whole`, a journal may end with rows that say of its program's end, which went nowhere any more.
    """
    rows = 0
    for till in tills:
        here, there = [entry.jws for entry in till.entries()], held(campus, till)
        for seq, (own, known) in enumerate(zip(here, there, strict=False), 1):
            if own != known:
                raise Broken(f"{till.tid}: entry {seq} differs: {own!r} became {known!r}")
        if not len(here) - (0 if whole else ENDING_ROWS) <= len(there) <= len(here):
            raise Broken(f"{till.tid}: {len(here)} entries in its journal, {len(there)} at the server")
        rows += len(there)
    engine = create_engine(campus.database or f"sqlite:///{campus.directory}/server/data/server.db")
    with engine.connect() as connection:
        every = int(connection.scalar(select(func.count()).select_from(tables.entry)) or 0)
        sales = int(connection.scalar(select(func.count()).where(tables.entry.c.kind == "cash_sale")) or 0)
    engine.dispose()
    if every != rows:
        raise Broken(f"{every} rows at the server, {rows} in the journals")
    return {"rows": rows, "sales": sales}
