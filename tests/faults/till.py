"""The shipping terminal among faults: three short stories at its counter, and what must hold after any of them.

first     it is enrolled, starts on an empty journal, sells for cash, ends in order
morning   it starts on a journal that was closed, sells to two cards and for cash, ends in order
torn      it starts on a journal whose program was killed, sells to a card and for cash, and is killed
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from hardware.ports import CardChannel
from hardware.simulated.reader import SimulatedReader
from protocol.entries import Kind
from protocol.journal import Break, Sealed, verify_chain
from terminal import app
from terminal.config import read_config
from terminal.console import Console
from terminal.identity import JOURNAL_FILE, IdentityError, load_identity
from terminal.languages import Spoken
from terminal.ports import JournalError
from tests.crash.promises import deed_of, deeds_after
from tests.crash.story import DISK, Broken, Event, Fault
from tests.crash.terminal_child import Said, WatchedReader, card_numbered, enrol, say, settings_file
from tests.crash.terminal_images import enrol_on
from tests.faults.planted import plant_in_terminal

CARD, CASH = "card", "cash"
SALES: Final = {"morning": (CARD, CASH, CARD), "torn": (CARD, CASH), "first": (CASH,)}
BEFORE: Final[dict[str, tuple[str, ...]]] = {"morning": ("first",), "torn": ("first", "torn"), "first": ()}
TICK_S: Final = 0.02
"""The counter's clock ticks faster than it does on a desk: at each tick it tries a broken disk again."""
TAKEN_AWAY_S: Final = 0.02
_TRIES: Final = 2
_ALARMING: Final = ("refused", "tap_again")


class TillStories:
    """The target `terminal`."""

    name = "terminal"
    stories = tuple(SALES)
    long_stories: tuple[str, ...] = ()
    clear_ends: tuple[type[Exception], ...] = (IdentityError, JournalError, OSError)
    """What the program's `main` ends with in a sentence."""

    def prepare(self, story: str, folder: Path) -> None:
        """What lies there before the story begins."""
        (folder / DISK).mkdir()
        settings_file(folder)
        for number, earlier in enumerate(BEFORE[story]):
            _play(earlier, folder, number, partial(os._exit, 0))

    def work(self, story: str, folder: Path, cut: Callable[[], None], control: str) -> None:
        """The story; `cut` is the power cut that ends what is not ended in order. Raises what ends the program."""
        plant_in_terminal(control)
        _play(story, folder, len(BEFORE[story]), cut)

    def judge(self, folder: Path, said: Sequence[Event]) -> int:
        """How many things that were told or done were looked for; then it sells again. Raises Broken."""
        data, promised = folder / DISK / "data", [deed for event in said if (deed := deed_of(event)) is not None]
        if silent := [event for event in said if event["event"] == "silent"]:
            raise Broken(Fault.LOST, f"nobody was told that a sale came to nothing: {silent[0]}")
        try:
            load_identity(data)
        except IdentityError as error:
            if any(event["event"] == "enrolled" for event in said):
                raise Broken(Fault.LOST, str(error)) from error
            enrol_on(data, error)
        before = _rows(data)
        kept = {deed_of(event) for sealed in _chain(data, before) for event in deeds_after(sealed.entry)}
        if lost := [deed for deed in promised if deed not in kept]:
            raise Broken(Fault.LOST, f"{lost[0]} was told or done, and the journal ends with entry {len(before)}")
        try:
            goods = asyncio.run(Cashier(folder).sell_once())
        except self.clear_ends as error:
            raise Broken(Fault.CORRUPT, f"it does not start again: {error}") from error
        after = _rows(data)
        if after[: len(before)] != before:
            raise Broken(Fault.CORRUPT, "entries are not what they were before the start")
        kinds = [sealed.entry.kind for sealed in _chain(data, after)]
        if not goods or Kind.CASH_SALE not in kinds[len(before) :] or kinds[-1] != Kind.CHECKPOINT:
            raise Broken(Fault.CORRUPT, f"it does not sell again: {kinds[len(before) :]}")
        return len(promised)


class _QuickReader(WatchedReader):
    """Looks up more often than a reader does: the program waits for that when it ends."""

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:
        """As the reader does."""
        return super().wait_for_card(min(timeout_s, TICK_S))


class Cashier:
    """Types, taps, tries again, and looks at what is shown: goods go out, or somebody is told why not."""

    def __init__(self, folder: Path, sales: Iterable[str] = (), number: int = 0) -> None:
        self._config, self._sales, self._number = read_config(folder / "terminal.toml"), sales, number
        self._reader = SimulatedReader()
        self._keyboard, self._keys = os.pipe()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._phase, self._marks, self._told, self._goods = "", 0, False, False

    async def work(self, cut: Callable[[], None], *, dies: bool) -> None:
        """Start, sell, end. Raises what the program ends with."""
        await self._until_ended(partial(self._sell, cut if dies else _nothing))

    async def sell_once(self) -> bool:
        """Start, sell for cash, end; whether the goods went out."""
        await self._until_ended(partial(self._sale, 0, CASH))
        return self._goods

    def _started(self) -> asyncio.Task[None]:
        app.TICK_S = TICK_S
        console = Console(Spoken("en"), Said(self._events.put_nowait), as_json=True)  # type: ignore[arg-type]
        reader = _QuickReader(self._reader)
        return asyncio.create_task(app.run(self._config, Spoken("en"), console, self._keyboard, reader))

    async def _until_ended(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until the cashier has ended the program, or it has ended by itself."""
        program, cashier = self._started(), asyncio.create_task(self._and_quit(work))
        await asyncio.wait([program, cashier], return_when=asyncio.FIRST_COMPLETED)
        if cashier.done():
            cashier.result()
        cashier.cancel()
        await program

    async def _and_quit(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._until(lambda event: event["event"] == "view")
        await self._typed("shift open Wang 100")
        await work()
        os.write(self._keys, b"quit\n")
        await asyncio.Event().wait()

    async def _sell(self, end: Callable[[], None]) -> None:
        for index, how in enumerate(self._sales):
            await self._sale(index, how)
        end()

    async def _sale(self, index: int, how: str) -> None:
        """One customer: what does not come to anything is tried once more."""
        card = card_numbered(100 * self._number + index) if how == CARD else None
        for _ in range(_TRIES):
            self._told = self._goods = False
            await self._typed(f"ring {1 + index}.00")
            await self._typed("cash" if card is None else "pay")
            if card is not None and self._phase == "awaiting_card":
                self._reader.place(card)
                await self._until(lambda event: event["event"] == "view" and event["phase"] != "awaiting_card")
                await self._typed("")
                if self._phase == "paid_earlier":
                    await self._typed("confirm")
                self._reader.take_away()
                await asyncio.sleep(TAKEN_AWAY_S)
            if self._goods:
                return
            if not self._told and self._phase != "disk":
                say({"event": "silent", "how": how, "phase": self._phase})

    async def _typed(self, line: str) -> None:
        """A line, and what came of it: a word that is no command is answered right after it."""
        self._marks += 1
        mark = f"mark{self._marks}"
        os.write(self._keys, f"{line}\n{mark}\n".encode())
        await self._until(lambda event: event["event"] == "said" and mark in event["text"])

    async def _until(self, is_it: Callable[[Event], bool]) -> None:
        """Everything up to an event. Nobody looks at a clock: what hangs is killed from outside."""
        while True:
            event = await self._events.get()
            if event["event"] == "view":
                self._phase = event["phase"]
                self._told |= event["tone"] in _ALARMING or event["phase"] == "paid_earlier"
            self._goods |= event["event"] == "handed_over"
            self._told |= event["event"] == "said" and "mark" not in event["text"]
            if is_it(event):
                return


def _play(story: str, folder: Path, number: int, cut: Callable[[], None]) -> None:
    if story == "first":
        enrol(folder / DISK / "data")
    asyncio.run(Cashier(folder, SALES[story], number).work(cut, dies=story == "torn"))


def _nothing() -> None:
    """No power cut."""


def _rows(data: Path) -> list[bytes]:
    """The entries in what a program left, read off a copy, so that nothing is mended by that. Raises Broken."""
    with tempfile.TemporaryDirectory(dir=data.parent.parent) as name:
        copy = Path(name) / JOURNAL_FILE
        for suffix in ("", "-wal", "-journal"):
            if (left := data / f"{JOURNAL_FILE}{suffix}").exists():
                shutil.copyfile(left, copy.with_name(left.name))
        try:
            with closing(sqlite3.connect(copy)) as db:
                return [jws for (jws,) in db.execute("SELECT jws FROM entry ORDER BY seq")]
        except sqlite3.Error as error:
            raise Broken(Fault.CORRUPT, f"the journal cannot be read: {error}") from error


def _chain(data: Path, rows: Sequence[bytes]) -> list[Sealed]:
    """The same, each signature checked. Raises Broken."""
    identity, chain = load_identity(data), []
    for found in verify_chain(rows, identity.start, identity.grant.verify_key):
        if isinstance(found, Break):
            raise Broken(Fault.CORRUPT, f"entry {found.seq}: {found.what}")
        chain.append(found)
    return chain
