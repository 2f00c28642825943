"""The second medium: every entry once more, as a line, on a stick that may be pulled at any moment (SPEC, "Storage").

Nothing waits for it and no failure of it stops anything. Each chain has a file of its own, and it looks itself where
that ends, so a stick that comes back, comes new, or comes from another till gets everything it misses.
"""

import asyncio
import contextlib
import itertools
import logging
import os
from pathlib import Path

from protocol.ids import Seq
from protocol.journal import NotAnEntry, read_entry
from protocol.messages import BATCH_ENTRIES_MAX, Grant
from protocol.signing import sha256_of
from terminal.ports import Journal, JournalError

_log = logging.getLogger(__name__)

RETRY_S = 30.0
_TAIL_BYTES = 64 * 1_024


class JournalCopy:
    """Follows a journal with a file of lines in a directory; `name` is the chain's, from `name_of`."""

    def __init__(self, journal: Journal, directory: Path, name: str, retry_s: float = RETRY_S) -> None:
        self._journal, self._directory, self._name, self._retry_s = journal, directory, name, retry_s
        self._grown = asyncio.Event()
        self.copied: Seq = Seq(0)
        """The newest entry on the second medium, as far as known."""
        self.fault = ""
        """Why it does not follow at the moment; empty while it does."""

    def wake(self) -> None:
        """The journal has grown."""
        self._grown.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                path, self.copied = await self._find_end()
                await self._follow(path)
            except (OSError, JournalError) as error:
                if not self.fault:
                    _log.warning("second medium: %s", error)
                self.fault = str(error)
                await asyncio.sleep(self._retry_s)

    async def _find_end(self) -> tuple[Path, Seq]:
        """The first file that holds a beginning of this very chain (or nothing yet), and its last entry."""
        for number in itertools.count(1):
            path = self._directory / f"{self._name}{'' if number == 1 else f'-{number}'}.jws"
            last = await asyncio.to_thread(_last_line, path)
            if last is None:
                return path, Seq(0)
            with contextlib.suppress(NotAnEntry):
                seq = read_entry(last).seq
                if await self._journal.hash_at(seq) == sha256_of(last):
                    return path, seq
        raise AssertionError("there is always one more number")

    async def _follow(self, path: Path) -> None:
        while True:
            self._grown.clear()
            while lines := await self._journal.rows(Seq(self.copied + 1), BATCH_ENTRIES_MAX):
                await asyncio.to_thread(append_lines, path, lines)
                self.copied = Seq(self.copied + len(lines))
            self.fault = ""
            await self._grown.wait()


def name_of(grant: Grant) -> str:
    """What the files of a chain are called."""
    return f"{grant.tid}-{grant.epoch}"


def append_lines(path: Path, lines: list[bytes]) -> None:
    """Add lines to a file, durably. Raises OSError."""
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_line(path: Path) -> bytes | None:
    """The last whole line of a file, None if there is none; half a line after it is cut off. Raises OSError."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not there")
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        file.seek(start)
        whole = file.read().rpartition(b"\n")[0]
        file.truncate(start + len(whole) + 1 if whole else 0)
        return whole.rpartition(b"\n")[2] if whole else None
    return None
