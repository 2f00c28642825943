"""A whole sale, from the card's arrival to the hand-over, beside the sum of its parts, through a real PC/SC stack.

    sale     Shell --> CardThread, CardPort, purse driver, PcscChannel --> pcscd --> virtual card    read
                   --> JournalStore                                                                  prepared
                   --> CardThread, CardPort, purse driver, PcscChannel --> pcscd --> virtual card    write
                   --> JournalStore                                                                  settled
    parts    the same APDUs with nothing but pyscard, the parts of an entry (`bench_entry`), and both once more

After each sale card and chance go back to where they were and the recorded APDUs are sent again. The card gives the
same answers, so both sides pay for the same work behind the reader; and the parts come in the same order, so both meet
threads, caches and a disk that have rested as long.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hardware.simulated.pcscd import PrivatePcscd
from protocol.purse import Technology
from tests.bench.bench_entry import Parts
from tests.bench.canteen import Canteen, Chance, blank, restore
from tests.bench.figures import Line, cost, count, median, on_disk

SALES: Final = 500
BAR: Final = 1.3
EXCHANGES_BAR: Final = {Technology.CLASSIC: 20, Technology.DESFIRE: 15}


def run(scale: float = 1.0) -> Iterator[Line]:
    """For each technology: a sale beside the sum of its parts, and how many exchanges with the card it takes."""
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory, PrivatePcscd(Path(directory)) as daemon:
        os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket_path)  # read once, by the first call of this process
        for technology in Technology:
            yield from asyncio.run(_measure(daemon, technology, max(5, int(SALES * scale))))


@dataclass(slots=True)
class Spent:
    """Seconds of each sale and of its parts, and the most exchanges with the card."""

    sales: list[float] = field(default_factory=list[float])
    parts: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])
    """Of the parts, the APDUs alone."""
    exchanges: int = 0


async def _measure(daemon: PrivatePcscd, technology: Technology, sales: int) -> list[Line]:
    spent, chance = Spent(), Chance()
    with on_disk() as directory:
        async with AsyncExitStack() as stack:
            canteen = await Canteen.open(daemon, Path(directory), blank(technology, chance), stack)
            parts = await Parts.open(canteen.journal, Path(directory) / "bare.db")
            stack.push_async_callback(parts.close)
            await canteen.sell()  # the load record is verified once for all
            for seed in range(sales):
                await _sell(canteen, parts, (canteen.chance, chance), seed, spent)
    whole, sum_of_parts, bare = median(spent.sales), median(spent.parts), median(spent.bare)
    return [
        cost(f"sale_{technology}", whole, sum_of_parts, "us", BAR, apdus_us=round(bare)),
        count(f"sale_{technology}_exchanges", spent.exchanges, "exchanges", EXCHANGES_BAR[technology]),
    ]


async def _sell(canteen: Canteen, parts: Parts, chances: tuple[Chance, Chance], seed: int, spent: Spent) -> None:
    """One sale, then its parts. What is drawn by chance, by the terminal and by the card, depends on the seed alone."""
    card = canteen.card
    before, exchanges = card.snapshot(), card.field.exchange_count
    _put_on(canteen, chances, seed)
    sale = await canteen.sell()
    spent.sales.append(sale.seconds)
    spent.exchanges = max(spent.exchanges, card.field.exchange_count - exchanges)
    restore(card, before)
    _put_on(canteen, chances, seed)
    read = canteen.send_bare(sale.read)
    prepared = await parts.spend(sale.entries[0].jws)
    write = canteen.send_bare(sale.write)
    settled = await parts.spend(sale.entries[1].jws)
    spent.bare.append(read + write)
    spent.parts.append(read + prepared + write + settled)


def _put_on(canteen: Canteen, chances: tuple[Chance, Chance], seed: int) -> None:
    canteen.card.put_back()
    for chance in chances:
        chance.rewind(seed)
