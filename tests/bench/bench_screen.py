"""The till's screen: what a change costs to draw, how long a cashier waits for an answer.

screen_redraw    the parts of a picture that differ from the one before       the whole picture
screen_pause     keys --> Screen --> Till, journal, card --> the next frame    keys --> a loop that only listens
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from hardware.simulated.indicator import SimulatedIndicator
from hardware.simulated.reader import VirtualCard
from protocol.ids import MerchantId, TerminalId, Tno
from protocol.instants import CampusTime, UtcMs
from protocol.purse import Technology
from terminal.clerk import Rights
from terminal.face import Faces
from terminal.floor import Floor, Gate
from terminal.glance import Glance
from terminal.journal_space import JournalSettings
from terminal.languages import LANGUAGES, Spoken
from terminal.post import Post
from terminal.sdl import prepare_sdl
from terminal.theme import SCREENS, ScreenSettings, Theme
from terminal.training import Practice, begin_practice
from tests.bench.figures import Line, cost, on_disk, processor_time
from tests.hardware.card_bench import SERVER, TILL, issued
from tests.terminal.counter import CounterBench
from tests.terminal.journals import IDENTITY, begun

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
prepare_sdl()

REDRAWS: Final = 300
REDRAW_BAR: Final = 0.25
CHANGES: Final = (("pad_digit", "pad_typed"), ("rung", "rung_more"), ("tap", "paid"))
"""A digit is typed; a dish is rung; a card has paid, where nearly everything changes."""
CUSTOMERS: Final = 200
AMOUNT: Final = "0.1\n"
CUSTOMER_MS: Final = 3_000
"""Twenty sales a minute. The quiet time between two customers is skipped: nothing happens in it but ticks."""
LOOK_S: Final = 0.001


def run(scale: float = 1.0) -> Iterator[Line]:
    """Redraw, pause."""
    yield from _redraw(max(3, int(REDRAWS * scale)))
    yield asyncio.run(_pause(max(3, int(CUSTOMERS * scale))))


# Redraw ----------------------------------------------------------------------------------------------------------


def _redraw(rounds: int) -> Iterator[Line]:
    """There and back, on the usual panel: the parts that differ, and everything."""
    import pygame

    from terminal.painter import Painter
    from tests.terminal.screen.moments import scenes

    painter, drawn = Painter("en"), scenes(LANGUAGES["en"], SCREENS[800, 480])
    surface = pygame.Surface((800, 480), depth=24)
    for before, after in CHANGES:
        one, other = drawn[before], drawn[after]
        painter.paint(surface, one, None, Theme.LIGHT)

        def parts(one: object = one, other: object = other) -> None:
            painter.paint(surface, other, one, Theme.LIGHT)  # type: ignore[arg-type]
            painter.paint(surface, one, other, Theme.LIGHT)  # type: ignore[arg-type]

        def whole(one: object = one, other: object = other) -> None:
            painter.paint(surface, other, None, Theme.LIGHT)  # type: ignore[arg-type]
            painter.paint(surface, one, None, Theme.LIGHT)  # type: ignore[arg-type]

        spent = processor_time({"parts": parts, "whole": whole}, rounds)
        bar = None if after == "paid" else REDRAW_BAR
        yield cost(f"screen_redraw_{after}", spent["parts"], spent["whole"], "us", bar)


# Pause -----------------------------------------------------------------------------------------------------------


async def _until(fits: Callable[[], bool]) -> None:
    while not fits():  # noqa: ASYNC110  it only looks
        await asyncio.sleep(LOOK_S)


class _Cashier:
    """Types, and sees how long it takes until something comes of it."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    async def types(self, signs: str, count: Callable[[], int]) -> None:
        """One key after the other; `count` grows when there was a reaction."""
        import pygame

        for one in signs:
            before, key = count(), pygame.K_RETURN if one == "\n" else 0
            began_s = time.perf_counter()
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=one))
            await _until(lambda before=before: count() != before)  # type: ignore[misc]
            self.waited_s.append(time.perf_counter() - began_s)

    def pauses_ms(self) -> tuple[float, float]:
        """The longest pause and the median, but for the first customers', when caches are cold."""
        warm = self.waited_s[len(self.waited_s) // 20 :]
        return max(warm) * 1_000, statistics.median(warm) * 1_000


async def _pause(customers: int) -> Line:
    bare = await _bare_pause(customers)
    with on_disk() as directory:
        journal = await begun(JournalSettings(Path(directory) / "journal.db"), IDENTITY)
        try:
            found = await _till_pause(CounterBench(journal, TILL, rights=Rights()), customers)
        finally:
            await journal.close()
    (longest, median), (bare_longest, bare_median) = found, bare
    told = {"median_ratio": float(f"{median / bare_median:.4g}"), "median": float(f"{median:.4g}")}
    return cost("screen_pause", longest, bare_longest, "ms", customers=customers, **told)


async def _bare_pause(customers: int) -> tuple[float, float]:
    """The same keys at a loop that looks as often and does nothing else."""
    import pygame

    from terminal import screen

    pygame.display.init()
    pygame.display.set_mode((800, 480))
    cashier, heard = _Cashier(), 0

    async def listen() -> None:
        nonlocal heard
        while True:
            heard += sum(event.type == pygame.KEYDOWN for event in pygame.event.get())
            await asyncio.sleep(screen.LOOK_S)

    listening = asyncio.create_task(listen())
    for _ in range(customers):
        await cashier.types(AMOUNT, lambda: heard)
    listening.cancel()
    return cashier.pauses_ms()


async def _till_pause(bench: CounterBench, customers: int) -> tuple[float, float]:
    from terminal.screen import Screen

    spoken, cashier = Spoken("en"), _Cashier()
    screen = Screen(ScreenSettings(), spoken, CampusTime(), language="en")
    faces = Faces(bench.face, screen)
    bench.till.face = gate = Gate(faces)
    post = Post(Tno(2), MerchantId("m1"), CampusTime(), SERVER.public, UtcMs(0), tid=TerminalId("till-07"))
    begin = partial(
        begin_practice,
        post,
        bench.shell.lists,
        bench.till.clerk,
        bench.gauges,
        faces,
        SimulatedIndicator(),
        CampusTime(),
    )

    async def practise() -> Practice:
        return await begin()

    async def speak(language: str) -> None:
        screen.speak(language)

    async def paint(_: Theme) -> None:
        """Nobody chooses other colours in a lunch hour."""

    glance = Glance(bench.shell, Rights(), CampusTime(), bench.now)
    floor = Floor(bench.till, glance, gate, faces, spoken, practise, speak, paint)
    await bench.shell.start()
    await bench.till.tick()
    running = asyncio.create_task(screen.run(floor))
    card = issued(Technology.DESFIRE).card
    try:
        await _until(lambda: screen.frames > 0)
        for _ in range(customers):
            await _serve(bench, cashier, card, lambda: screen.frames)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    return cashier.pauses_ms()


async def _serve(bench: CounterBench, cashier: _Cashier, card: VirtualCard, frames: Callable[[], int]) -> None:
    """An amount is typed, the card pays, the next customer comes three seconds later."""
    await cashier.types(AMOUNT, frames)
    await _until(lambda: bench.face.views[-1].phase == "awaiting_card")
    before, began_s = frames(), time.perf_counter()
    paid = await bench.taps(card)
    assert paid.title == "Paid", paid
    await _until(lambda: frames() != before)
    cashier.waited_s.append(time.perf_counter() - began_s)
    await bench.takes_off()
    bench.at_ms += CUSTOMER_MS * 20  # the same card is taken for another one: nobody is asked whether it pays again
    await bench.till.tick()
    await asyncio.sleep(LOOK_S)
