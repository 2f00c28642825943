"""A whole sale, from the card's arrival to the hand-over, beside the sum of its parts, through a real PC/SC stack.

    sale     Shell --> CardThread, CardPort, purse driver, PcscChannel --> pcscd --> virtual card    read
                   --> JournalStore                                                                  prepared
                   --> CardThread, CardPort, purse driver, PcscChannel --> pcscd --> virtual card    write
                   --> JournalStore                                                                  settled
    parts    the same APDUs with nothing but pyscard, an entry in a journal beside (`bench_entry` holds it to its own
             bar), and both once more; with the bare parts of an entry instead, the figure is printed as well

After each sale card and chance go back to where they were and the recorded APDUs are sent again. The card gives the
same answers, so both sides pay for the same work behind the reader; and the parts come in the same order, so both meet
threads, caches and a disk that have rested as long.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from protocol.instants import Now
from protocol.journal import Sealed
from protocol.purse import Technology
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.ports import Draft
from tests.bench.bench_entry import Parts
from tests.bench.canteen import Canteen, Chance, blank, restore
from tests.bench.figures import Line, ahead_of_others, clocked, count, on_disk, undisturbed
from tests.bench.stacks import Stack, both_stacks
from tests.hardware.card_bench import Kind
from tests.terminal.journals import IDENTITY, begun

SALES: Final = 500
MEASURED: Final = (Kind.CLASSIC, Kind.EV1)
BAR: Final = 1.3
EXCHANGES_BAR: Final = {Technology.CLASSIC: 20, Technology.DESFIRE: 15}


def run(scale: float = 1.0) -> Iterator[Line]:
    """For each technology: a sale beside the sum of its parts, and how many exchanges with the card it takes."""
    with ahead_of_others(), both_stacks() as stacks:
        measured = [asyncio.run(_measure(stacks["pcsc"], kind, max(5, int(SALES * scale)))) for kind in MEASURED]
    yield from chain.from_iterable(measured)


@dataclass(slots=True)
class Spent:
    """Seconds of each sale and of its parts, and the most exchanges with the card."""

    sales: list[float] = field(default_factory=list[float])
    parts: list[float] = field(default_factory=list[float])
    bare_parts: list[float] = field(default_factory=list[float])
    """With the bare parts of the two entries."""
    bare: list[float] = field(default_factory=list[float])
    """Of the parts, the APDUs alone."""
    exchanges: int = 0


@dataclass(frozen=True, slots=True)
class Beside:
    """Where the entries of a sale are made once more: by the shipping journal, and from bare parts."""

    journal: JournalStore
    parts: Parts

    @classmethod
    async def open(cls, directory: Path, stack: AsyncExitStack) -> "Beside":
        """Another journal and a bare database."""
        journal = await begun(JournalSettings(directory / "beside.db"), IDENTITY)
        stack.push_async_callback(journal.close)
        parts = await Parts.open(journal, directory / "bare.db")
        stack.push_async_callback(parts.close)
        return cls(journal, parts)

    async def entry(self, sealed: Sealed) -> tuple[float, float]:
        """Seconds of such an entry, and of its parts."""
        entry = sealed.entry
        now = Now(entry.at, entry.mono, entry.clock)
        draft = Draft(entry.kind, entry.body, now, entry.lists, entry.staff, entry.shift)
        started = time.perf_counter()
        await self.journal.append(draft)
        return time.perf_counter() - started, await self.parts.spend(sealed.jws)


async def _measure(stack: Stack, kind: Kind, sales: int) -> list[Line]:
    spent, chance = Spent(), Chance()
    with on_disk() as directory:
        async with AsyncExitStack() as exits:
            canteen = await Canteen.open(stack, Path(directory), blank(kind, chance), exits)
            beside = await Beside.open(Path(directory), exits)
            await canteen.sell()  # the load record is verified once for all
            for seed in range(sales):
                await _sell(canteen, beside, (canteen.chance, chance), seed, spent)
    name = f"sale_{kind.technology}"
    return [
        clocked(name, spent.sales, spent.parts, BAR, apdus_us=round(undisturbed(spent.bare))),
        clocked(f"{name}_to_bare_parts", spent.sales, spent.bare_parts),
        count(f"{name}_exchanges", spent.exchanges, "exchanges", EXCHANGES_BAR[kind.technology]),
    ]


async def _sell(canteen: Canteen, beside: Beside, chances: tuple[Chance, Chance], seed: int, spent: Spent) -> None:
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
    prepared, prepared_bare = await beside.entry(sale.entries[0])
    write = canteen.send_bare(sale.write)
    settled, settled_bare = await beside.entry(sale.entries[1])
    spent.bare.append(read + write)
    spent.parts.append(read + prepared + write + settled)
    spent.bare_parts.append(read + prepared_bare + write + settled_bare)


def _put_on(canteen: Canteen, chances: tuple[Chance, Chance], seed: int) -> None:
    canteen.card.put_back()
    for chance in chances:
        chance.rewind(seed)
