"""A terminal's disk after power cuts: the shipping program sold, the shipping start opens what is left.

enrolled, sales for cards and cash, killed; started on what lay there, ended in order; started, killed again
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from hardware.simulated.reader import SimulatedReader
from protocol.ids import Seq
from protocol.instants import CampusTime
from protocol.journal import Break, Sealed, verify_chain
from terminal.app import run
from terminal.config import read_config
from terminal.console import Console
from terminal.derived import Derived, from_snapshot, snapshot_of
from terminal.enrol import new_key
from terminal.identity import (
    GRANT_FILE,
    IN_A_FILE,
    JOURNAL_FILE,
    Identity,
    IdentityError,
    load_identity,
    save_grant,
)
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.languages import Spoken
from terminal.ports import JournalError
from tests.crash.promises import ENTRY, deed_of, deeds_after
from tests.crash.recording import Recorder
from tests.crash.story import DISK, Asked, Broken, Event, Fault, Story, expect
from tests.crash.terminal_child import grant_for, settings_file
from tests.terminal.journals import FAULT, TRUST

ENTRIES_MAX: Final = 100_000
CAMPUS: Final = CampusTime()
PROGRAM_S: Final = 60.0


class TerminalImages:
    """The target `terminal`."""

    name = "terminal"

    def record(self, recorder: Recorder, folder: Path, control: str) -> None:
        """Enrol, sell, die; without a control also start, sell and end, start and die. Raises RecordingFailed."""
        (folder / DISK).mkdir()
        settings_file(folder)
        child = [sys.executable, "-m", "tests.crash.terminal_child", str(folder)]
        parts = [("kill", 30, -signal.SIGKILL), ("quit", 8, 0), ("kill", 8, -signal.SIGKILL)]
        if control:
            parts = [("kill", 15, -signal.SIGKILL)]
        for number, (end, sales, status) in enumerate(parts, 1):
            expect(recorder, folder, [*child, end, str(number), str(sales), control], status)

    def opener(self, story: Story, folder: Path) -> "TerminalOpener":
        """Knows every entry that was ever written."""
        return TerminalOpener(story, folder)


class TerminalOpener:
    """Opens images as `python -m terminal` does."""

    def __init__(self, story: Story, folder: Path) -> None:
        data = folder / "end" / "data"
        data.parent.mkdir()
        story.end.write(data.parent)
        self._identity = load_identity(data)
        self._lines = lines_of(data, self._identity)
        self._states = _states(self._lines)
        self._waited_for = {deed_of(event): sealed.seq for sealed in self._lines for event in deeds_after(sealed.entry)}
        """By what the terminal may tell or do: the entry that must be durable before."""
        told = {deed_of(event) for _, event in story.said}
        if quiet := [deed for deed in self._waited_for if deed and deed[0] != ENTRY and deed not in told]:
            raise Broken(Fault.CORRUPT, f"without any power cut: nobody told of {quiet}")
        self._settings = settings_file(folder)

    async def check(self, folder: Path, said: Sequence[Event], asked: Asked) -> int:
        """How many acknowledged entries were looked for. Raises Broken."""
        data = folder / DISK / "data"
        promised, why = self._promised(said)
        try:
            identity = load_identity(data)
        except IdentityError as error:
            if any(event["event"] == "enrolled" for event in said):
                raise Broken(Fault.LOST, str(error)) from error
            identity = enrol_on(data, error)
        else:
            if identity.grant_jws != self._identity.grant_jws:
                raise Broken(Fault.CORRUPT, "the grant is another one")
        try:
            await self._open(JournalSettings(data / JOURNAL_FILE), identity, promised, why, asked)
            if asked.program:
                await self._start()
        except JournalError as error:
            raise Broken(Fault.CORRUPT, f"{type(error).__name__}: {error}") from error
        return promised

    async def close(self) -> None:
        """Nothing stays open between two images."""

    def _promised(self, said: Sequence[Event]) -> tuple[int, str]:
        """Up to which entry the journal must hold all, and what was told or done that this waits for."""
        deeds = ((deed_of(event), event) for event in said)
        due = [(self._waited_for.get(deed, ENTRIES_MAX), str(event)) for deed, event in deeds if deed is not None]
        return max(due, default=(0, ""))

    async def _open(self, settings: JournalSettings, identity: Identity, promised: int, why: str, asked: Asked) -> None:
        store = await JournalStore.open(settings, identity)
        try:
            tip = store.tip.seq
            if tip < promised:
                raise Broken(Fault.LOST, f"the journal ends with entry {tip}, and this came after {promised}: {why}")
            if await store.rows(Seq(1), ENTRIES_MAX) != [sealed.jws for sealed in self._lines[:tip]]:
                raise Broken(Fault.CORRUPT, "an entry is not the one that was written")
            if (found := await store._run(lambda: _integrity(store))) != "ok":
                raise Broken(Fault.CORRUPT, f"integrity_check: {found}")
            if await _derived(store) != self._states[tip]:
                raise Broken(Fault.CORRUPT, "what is derived at the start is not what the entries say")
            if asked.to_the_end:
                await _verify_all(store)
            if store.low or (await store.append(FAULT)).seq != tip + 1:
                raise Broken(Fault.CORRUPT, "it does not go on")
        finally:
            await store.close()
        if asked.to_the_end:
            again = await JournalStore.open(settings, identity)
            after = again.tip.seq
            await again.close()
            if after != tip + 1:
                raise Broken(Fault.CORRUPT, f"after another start the journal ends with {after}, not {tip + 1}")

    async def _start(self) -> None:
        """The whole program, which is told to end at once."""
        reading, writing = os.pipe()
        try:
            os.write(writing, b"quit\n")
            console = Console(Spoken("en"), BytesIO(), as_json=True)
            program = run(read_config(self._settings), Spoken("en"), console, reading, SimulatedReader())
            await asyncio.wait_for(program, PROGRAM_S)
        finally:
            os.close(writing)
            os.close(reading)


def enrol_on(data: Path, why: IdentityError) -> Identity:
    """Go on with an enrolment that was cut off, as somebody does who enrols once more. Raises Broken."""
    if (data / GRANT_FILE).exists():
        raise Broken(Fault.CORRUPT, f"enrolment has ended, and is not whole: {why}")
    try:
        if not IN_A_FILE.has_key(data):
            new_key(data)
        return save_grant(data, grant_for(IN_A_FILE.open(data).public), TRUST)
    except IdentityError as error:
        raise Broken(Fault.CORRUPT, f"enrolment does not go on: {error}") from error


def lines_of(data: Path, identity: Identity) -> list[Sealed]:
    """Every entry of the story, each signature checked: what an image holds is compared with these bytes."""

    async def read() -> list[bytes]:
        store = await JournalStore.open(JournalSettings(data / JOURNAL_FILE), identity)
        try:
            return await store.rows(Seq(1), ENTRIES_MAX)
        finally:
            await store.close()

    sealed: list[Sealed] = []
    for item in verify_chain(asyncio.run(read()), identity.start, identity.grant.verify_key):
        if isinstance(item, Break):
            raise Broken(Fault.CORRUPT, f"without any power cut: entry {item.seq}: {item.what}")
        sealed.append(item)
    return sealed


def _states(lines: Sequence[Sealed]) -> list[bytes]:
    """What is derived after each entry, folded from the first one on."""
    derived = Derived()
    states = [snapshot_of(derived)]
    for sealed in lines:
        derived.apply(sealed, CAMPUS)
        states.append(snapshot_of(derived))
    return states


async def _derived(store: JournalStore) -> bytes:
    derived = from_snapshot(store.snapshot.state) if store.snapshot else Derived()
    assert derived is not None, "a snapshot of this program"
    async for sealed in store.entries_after(derived.seq):
        derived.apply(sealed, CAMPUS)
    return snapshot_of(derived)


async def _verify_all(store: JournalStore) -> None:
    async for checked in store.verify_all(pause_s=0):
        if checked.found is not None:
            raise Broken(Fault.CORRUPT, f"entry {checked.found.seq}: {checked.found.what}")


def _integrity(store: JournalStore) -> Any:
    assert store._thread is not None
    with closing(store._thread.raw.execute("PRAGMA integrity_check")) as cursor:
        return cursor.fetchone()[0]
