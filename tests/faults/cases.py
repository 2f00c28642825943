"""One fault after the other: a process for each, forked from one that has imported everything and done nothing else.

A story is played once without a fault, which tells its calls. Then it is played again for every call, with the errors
that this call knows: once, or from this call on.
"""

import ctypes
import errno
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from tests.crash.story import DISK, Broken, Event

SOURCE: Final = Path(__file__).with_name("fault.c")
_FLAGS: Final = ("-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")
HANGS_S: Final = 20
"""So long nothing takes that does not hang: then it is killed. Looked at second by second, for all may be stopped."""
WENT_ON, ENDED, FOUND, UNCLEAR = 0, 10, 11, 1
SAID, TRACE = "said.jsonl", "trace.txt"
BEFORE, TOLD, JUDGED = "before.txt", "errors.txt", "judged.txt"
TOLD_CHARS: Final = 1_500
CHANGE, READ = 0, 1


class How(IntEnum):
    """The same numbers as in `fault.c`."""

    NONE = 0
    FAIL = 1
    SHORT = 2
    LOST = 3
    LIE = 4


ERRORS: Final[dict[str, tuple[str, ...]]] = {
    "read": ("EIO",),
    "write": ("EIO", "ENOSPC", "EROFS", "SHORT"),
    "sync": ("EIO", "ENOSPC", "LOST"),
    **dict.fromkeys(("open", "rename", "unlink", "mkdir", "truncate", "allocate"), ("EIO", "ENOSPC", "EROFS")),
}
"""LOST: EIO, and with the next power cut everything is gone that was not written again and synced."""


class Target(Protocol):
    """A program among faults."""

    name: str
    stories: tuple[str, ...]
    long_stories: tuple[str, ...]
    """Those of them that are played only where everything is."""
    clear_ends: tuple[type[Exception], ...]

    def prepare(self, story: str, folder: Path) -> None:
        """Leave in `folder` what the story begins with."""
        ...

    def work(self, story: str, folder: Path, cut: Callable[[], None], control: str) -> None:
        """Play it; `cut` does not return. Raises one of `clear_ends` where the program ends with a clear error."""
        ...

    def judge(self, folder: Path, said: Sequence[Event]) -> int:
        """How many promises were looked for in what is left; then start and go on. Raises Broken."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """One fault in one story."""

    story: str
    call: str
    nth: int
    error: str
    stays: bool

    @classmethod
    def read(cls, text: str) -> "Case":
        """The case that this names. Raises ValueError."""
        story, call, nth, error, stays = text.split(":")
        return cls(story, call, int(nth), error, stays == "stays")

    def __str__(self) -> str:
        return f"{self.story}:{self.call}:{self.nth}:{self.error}:{'stays' if self.stays else 'once'}"


@dataclass
class Tally:
    """What some cases came to."""

    cases: int = 0
    promises: int = 0
    unreached: int = 0
    by_call: Counter[str] = field(default_factory=Counter[str])
    by_error: Counter[str] = field(default_factory=Counter[str])
    went_on: int = 0
    ended_cleanly: int = 0
    broken: list[str] = field(default_factory=list[str])


def cases(story: str, calls: Sequence[tuple[str, str]], *, everything: bool) -> Iterator[Case]:
    """All faults of a story's calls; inside a row of the same calls each has one of them, in turn.

    Not `everything`: each call has one of them, in turn, inside a row none, and of a row of reads the first.
    """
    turns = Counter[str]()
    for nth, (call, name) in enumerate(calls, 1):
        faults = [(error, stays) for error in ERRORS[call] for stays in (False, True)]
        is_inside = nth > 1 and calls[nth - 2 : nth + 1] == [(call, name)] * 3
        follows = nth > 1 and calls[nth - 2] == (call, name)
        if not everything and (is_inside or (follows and call == "read")):
            continue
        if is_inside or not everything:
            faults = [faults[turns[call] % len(faults)]]
            turns[call] += 1
        for error, stays in faults:
            yield Case(story, call, nth, error, stays)


def compiled(folder: Path) -> Path:
    """The library that is preloaded. Raises CalledProcessError where the source does not compile."""
    library = folder / "fault.so"
    subprocess.run(["gcc", *_FLAGS, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Bad(Exception):
    """A process ended as none may, or what it left is not what it must be; the text says what."""


class Bench:
    """Plays a target's stories in one folder. This process has the library preloaded, and one thread."""

    def __init__(self, target: Target, place: Path) -> None:
        self._target, self._place, self.control = target, place, ""
        self._library = ctypes.CDLL(None)
        self.folder = place / "case"
        for story in target.stories:
            self.folder = place / f"before-{story}"
            self.folder.mkdir()
            self._forked(partial(target.prepare, story, self.folder), BEFORE)
            (self.folder / SAID).unlink()
        self.folder = place / "case"

    def calls(self, story: str, family: int) -> list[tuple[str, str]]:
        """Every call of a story without a fault, and the file it is for. Raises Bad."""
        self._play(story, family, 0, How.NONE, 0, stays=False)
        self._judge()
        return [(call, name) for call, _, name in (line.partition(" ") for line in self._trace())]

    def check(self, case: Case, tally: Tally) -> None:
        """Play the story with its fault, then start on what is left."""
        how = How[case.error] if case.error in How.__members__ else How.FAIL
        if self.control and how is How.LOST:
            how = How.LIE
        number = getattr(errno, case.error, errno.EIO)
        tally.cases += 1
        tally.by_call[case.call] += 1
        tally.by_error[case.error] += 1
        try:
            family = READ if case.call == "read" else CHANGE
            status = self._play(case.story, family, case.nth, how, number, stays=case.stays)
            tally.unreached += not any(line.startswith("!") for line in self._trace())
            tally.promises += self._judge()
        except Bad as broken:
            tally.broken.append(f"{case}: {broken}")
            if not self.control:
                print(f"{self._target.name} {tally.broken[-1]}", flush=True)
        else:
            tally.went_on += status == WENT_ON
            tally.ended_cleanly += status == ENDED

    def _play(self, story: str, family: int, nth: int, how: How, number: int, *, stays: bool) -> int:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._place / f"before-{story}", self.folder)
        root = os.fsencode((self.folder / DISK).resolve())

        def work() -> None:
            trace = os.open(self.folder / TRACE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._library.fault_arm(root, trace, family, ctypes.c_long(nth), int(how), number, int(stays))
            try:
                self._target.work(story, self.folder, self._cut, self.control)
            finally:
                self._library.fault_cut()

        status = self._forked(work, TOLD)
        if "Traceback" in (told := (self.folder / TOLD).read_text(errors="replace")):
            raise Bad(f"an exception went astray: {told[-TOLD_CHARS:]}")
        return status

    def _cut(self) -> None:
        self._library.fault_cut()
        os._exit(WENT_ON)

    def _judge(self) -> int:
        said = [json.loads(line) for line in (self.folder / SAID).read_bytes().split(b"\n")[:-1]]
        count = self.folder / "count"

        def judge() -> None:
            count.write_text(str(self._target.judge(self.folder, said)))

        self._forked(judge, JUDGED)
        return int(count.read_text())

    def _trace(self) -> list[str]:
        return (self.folder / TRACE).read_text().splitlines()

    def _forked(self, work: Callable[[], None], told: str) -> int:
        """How a process ended that does this: WENT_ON or ENDED. Raises Bad."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        pid = os.fork()
        if pid == 0:
            self._be(work, told)
        descriptor = os.pidfd_open(pid)
        try:
            if not any(select.select([descriptor], [], [], 1.0)[0] for _ in range(HANGS_S)):
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status not in (WENT_ON, ENDED):
            ended = "it hangs" if status == -signal.SIGKILL else f"it ended with {status}"
            text = (self.folder / told).read_text(errors="replace")[-TOLD_CHARS:].strip()
            raise Bad(text if status == FOUND else f"{ended}: {text}")
        return status

    def _be(self, work: Callable[[], None], told: str) -> None:
        """In the new process. Never returns."""
        status = UNCLEAR
        try:
            for name, descriptor in ((SAID, 1), (told, 2)):
                os.dup2(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
            work()
            status = WENT_ON
        except self._target.clear_ends as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            status = ENDED
        except Broken as broken:
            os.write(2, str(broken).encode())
            status = FOUND
        finally:
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(status)
