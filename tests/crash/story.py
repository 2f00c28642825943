"""What a recorded program did and said, and what each image of its disk is asked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from tests.crash.disk import Disk, Image
from tests.crash.recording import Change, Recorder, RecordingFailed, What, read_log

LOG, SAID, DISK = "changes.log", "said.jsonl", "disk"

Event = dict[str, Any]


class Fault(StrEnum):
    """What can be wrong with an image."""

    LOST = "lost"
    """Something that was acknowledged is not there."""
    CORRUPT = "corrupt"
    """What is there does not fit together, or the program does not start on it."""


class Broken(Exception):
    """An image breaks a promise."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(f"{fault}: {text}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is asked of an image: `program` the whole start, `to_the_end` everything that comes after it."""

    program: bool = False
    to_the_end: bool = False


class Opener(Protocol):
    """Opens one image after the other with the shipping code, in one process and event loop."""

    async def check(self, folder: Path, said: Sequence[Event], asked: Asked) -> int:
        """How many entries were looked for that the program had promised to hold. Raises Broken."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class Target(Protocol):
    """A program whose disk is cut off its power."""

    name: str

    def record(self, recorder: Recorder, folder: Path, control: str) -> None:
        """Let the program work in `folder`. Raises RecordingFailed."""
        ...

    def opener(self, story: "Story", folder: Path) -> Opener:
        """What opens this story's images, one after the other in `folder`."""
        ...


@dataclass(frozen=True)
class Story:
    """Everything that happened, in order."""

    changes: Sequence[Change]

    @classmethod
    def read(cls, folder: Path) -> "Story":
        """A recording. Raises RecordingFailed."""
        return cls(read_log(folder / LOG))

    @property
    def end(self) -> Image:
        """The files as the program left them, without any power cut."""
        disk = Disk()
        disk.take(self.changes)
        return disk.whole()

    @cached_property
    def said(self) -> list[tuple[int, Event]]:
        """What the program told the world, and how many changes had happened when it had."""
        events: list[tuple[int, Event]] = []
        rest = b""
        for index, change in enumerate(self.changes, 1):
            if change.what is What.MARK:
                *lines, rest = (rest + change.data).split(b"\n")
                events += [(index, json.loads(line)) for line in lines]
        return events

    def said_by(self, point: int) -> list[Event]:
        """What it had told after so many changes."""
        return [event for index, event in self.said if index <= point]


TOLD_S: Final = 4_000


def expect(recorder: Recorder, folder: Path, command: Sequence[str], status: int) -> None:
    """Record a program that has to end like this. Raises RecordingFailed with what it said last."""
    ended = recorder.run(command, folder / DISK, folder / LOG, folder / SAID)
    if ended != status:
        told = (folder / SAID).with_suffix(".errors").read_text(errors="replace")[-TOLD_S:]
        raise RecordingFailed(f"{' '.join(command)} ended with {ended}, not {status}:\n{told}")
