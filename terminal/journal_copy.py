"""The second medium: every entry once more, as a line, on a stick that may be pulled at any moment (SPEC, "Storage").

Nothing waits for it and no failure of it stops anything. It looks itself where the file ends, so a stick that comes
back, or comes new, gets everything it misses.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from protocol.ids import Seq
from protocol.journal import NotAnEntry, read_entry
from protocol.messages import BATCH_ENTRIES_MAX
from terminal.ports import Journal, JournalError

_log = logging.getLogger(__name__)

RETRY_S = 30.0
_TAIL_BYTES = 64 * 1_024


class JournalCopy:
    """Follows a journal with a file of lines."""

    def __init__(self, journal: Journal, path: Path, retry_s: float = RETRY_S) -> None:
        self._journal, self._path, self._retry_s = journal, path, retry_s
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
                self.copied = await asyncio.to_thread(_last_seq, self._path)
                await self._follow()
            except (OSError, JournalError) as error:
                if not self.fault:
                    _log.warning("second medium: %s", error)
                self.fault = str(error)
                await asyncio.sleep(self._retry_s)

    async def _follow(self) -> None:
        while True:
            self._grown.clear()
            while lines := await self._journal.rows(Seq(self.copied + 1), BATCH_ENTRIES_MAX):
                await asyncio.to_thread(append_lines, self._path, lines)
                self.copied = Seq(self.copied + len(lines))
            self.fault = ""
            await self._grown.wait()


def append_lines(path: Path, lines: list[bytes]) -> None:
    """Add lines to a file, durably. Raises OSError."""
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_seq(path: Path) -> Seq:
    """The last whole entry in the file; half a line after it is cut off. Raises OSError."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not there")
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        file.seek(start)
        whole = file.read().rpartition(b"\n")[0]
        if not whole:
            file.truncate(0)
            return Seq(0)
        file.truncate(start + len(whole) + 1)
        try:
            return read_entry(whole.rpartition(b"\n")[2]).seq
        except NotAnEntry as error:
            raise OSError(f"{path} does not end with an entry: {error}") from error
    return Seq(0)
