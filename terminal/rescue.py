"""Reads the journal of a dead terminal from its memory card, for the server to take in like a batch.

The files are copied first and never opened themselves: they are the evidence. Neither key nor grant is needed, for the
server checks every signature.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from terminal.identity import JOURNAL_FILE
from terminal.log_frames import LogFrames, frames_of

_LOG_FILE = f"{JOURNAL_FILE}-wal"


class NothingToRescue(Exception):
    """There is no journal here; the text says where one was looked for."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """What could be read: entries in a row from the first, and what ended the reading, where it was not the end."""

    lines: list[bytes]
    broke_off: str
    log: LogFrames | None
    """SQLite's log, where it lay beside the journal; after a power cut the newest entries, or all, are in it alone."""

    @property
    def lacks(self) -> str:
        """What may be missing, where that is known; empty proves nothing of what the files do not show."""
        after = f"entries after {len(self.lines)} may be missing"
        if self.broke_off:
            return f"the rest cannot be read: {self.broke_off}; {after}"
        if self.log and self.log.header_broken:
            return f"the header of {_LOG_FILE} is damaged and nothing in it can be used: {after}"
        if self.log and self.log.lost:
            return f"{self.log.lost} frames of {_LOG_FILE} cannot be used, damage lies before them: {after}"
        return ""


def rescue(directory: Path) -> Rescued:
    """All entries that can still be read. Raises NothingToRescue."""
    journal = directory / JOURNAL_FILE
    if not journal.exists():
        raise NothingToRescue(
            f"there is no {JOURNAL_FILE} in {directory}; name the data directory of the dead terminal"
        )
    with tempfile.TemporaryDirectory(prefix="fanka-") as name:
        copy = Path(name) / JOURNAL_FILE
        shutil.copyfile(journal, copy)
        log, frames = journal.with_name(_LOG_FILE), None
        if log.exists():
            shutil.copyfile(log, copy.with_name(log.name))
            frames = frames_of(copy.with_name(log.name).read_bytes())
        lines = list[bytes]()
        try:
            with closing(sqlite3.connect(copy)) as db:
                lines.extend(_rows(db))
        except sqlite3.Error as error:
            return Rescued(lines, str(error), frames)
        return Rescued(lines, "", frames)


def _rows(db: sqlite3.Connection) -> Iterator[bytes]:
    """One at a time, so that what comes before a broken page is had."""
    for seq, jws in db.execute("SELECT seq, jws FROM entry ORDER BY seq"):
        if not isinstance(jws, bytes):
            raise sqlite3.DatabaseError(f"entry {seq} is no longer what was written")
        yield jws
