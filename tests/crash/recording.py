"""What a program did to its files, in order: made by `recorder.c`, preloaded into the real program.

recorder = Recorder(folder)                                 # compiles the recorder
recorder.run([sys.executable, "-m", ...], root, log, said)  # log and said grow from run to run
changes = read_log(log)
"""

import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = Path(__file__).with_name("recorder.c")
_HEAD: Final = struct.Struct("=IIIIQQQ")
_FLAGS: Final = ("-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")
RUN_S_MAX: Final = 240.0


class What(IntEnum):
    """The kinds of change; the same numbers as in `recorder.c`."""

    WRITE = 1
    SYNC = 2
    RESIZE = 3
    CREATE = 4
    RENAME = 5
    UNLINK = 6
    MKDIR = 7
    RMDIR = 8
    MARK = 9
    """Not a change of a file: what the program said to the world meanwhile."""
    UNKNOWN = 10


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `offset` is the new size of a resized file; names are relative to the folder.

    An inode is that of the file that has it then: another one may have it later.
    """

    what: What
    inode: int
    offset: int
    mode: int
    name: str
    other: str
    data: bytes


class RecordingFailed(Exception):
    """A program could not be recorded, or did something to its files that nobody modelled; the text says what."""


class Recorder:
    """The compiled recorder, in a folder of the caller's."""

    def __init__(self, folder: Path) -> None:
        """Compile it. Raises RecordingFailed where there is no gcc or the source does not compile."""
        self._library = folder / "recorder.so"
        command = ["gcc", *_FLAGS, "-o", str(self._library), str(SOURCE), "-ldl"]
        try:
            made = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise RecordingFailed("gcc is not installed; scripts/setup brings it") from error
        if made.returncode:
            raise RecordingFailed(made.stderr)

    def run(
        self, command: Sequence[str], root: Path, log: Path, said: Path, environment: Mapping[str, str] | None = None
    ) -> int:
        """Run a program to its end; its exit status, negative for the signal that ended it.

        What it writes to standard output is recorded as said. Raises RecordingFailed where it takes too long.
        """
        recorded = {
            "LD_PRELOAD": str(self._library),
            "CRASH_ROOT": str(root.resolve()),
            "CRASH_LOG": str(log.resolve()),
            "CRASH_MARK": str(said.resolve()),
        }
        with said.open("ab") as out, said.with_suffix(".errors").open("ab") as errors:
            try:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env={**os.environ, **(environment or {}), **recorded},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    timeout=RUN_S_MAX,
                )
            except subprocess.TimeoutExpired as error:
                raise RecordingFailed(f"{' '.join(command)} takes longer than {RUN_S_MAX:.0f} s") from error
        return done.returncode


def read_log(path: Path) -> list[Change]:
    """All changes, in order. Raises RecordingFailed where one of them is not modelled."""
    raw, at = path.read_bytes(), 0
    changes: list[Change] = []
    while at < len(raw):
        kind, name_bytes, other_bytes, mode, inode, offset, data_bytes = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        end = at + name_bytes + other_bytes + data_bytes
        if end > len(raw):
            raise RecordingFailed(f"{path} ends in the middle of a record")
        name, other = raw[at : at + name_bytes].decode(), raw[at + name_bytes : end - data_bytes].decode()
        what = What(kind)
        if what is What.UNKNOWN:
            raise RecordingFailed(f"nobody modelled what was done to {other}: {name}")
        changes.append(Change(what, inode, offset, mode, name, other, raw[end - data_bytes : end]))
        at = end
    return changes
