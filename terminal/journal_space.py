"""The disk reserve: room for the outcome of what was begun, whatever else fills the disk (SPEC, "Storage").

The reserve is the write-ahead log itself. It is filled with zeros to its full length before the first sale, and every
commit overwrites blocks that are already its own. A checkpoint empties it again; where the disk is too full for one,
the log goes on into the part that only outcomes may use:

    |<-- everything, wal_bytes - reserve_bytes -->|<-- outcomes only, reserve_bytes -->|

SQLite removes the log when it is closed. So that a start on a full disk has its reserve as well, a spare file of the
same length stands beside it and is given up for the log.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from protocol.entries import ENTRY_BYTES_MAX
from terminal.durable_file import fill_file, free_bytes, sync_directory

PAGE_BYTES = 1_024
_FRAME_BYTES = PAGE_BYTES + 24
_HEADER_BYTES = 32
_ROW_FRAMES_MAX = 10
"""Pages that one row can touch besides its own content: page 1, old and new leaf, interior pages, free list."""
_FREE_BYTES_MIN = 16 * 1_024 * 1_024
_LOOK_EVERY = 16
"""Commits between two looks at the disk: others fill it slowly beside `free_bytes_min`."""
assert _LOOK_EVERY * ENTRY_BYTES_MAX < _FREE_BYTES_MIN


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where the journal is, and how much of the disk it keeps for itself."""

    path: Path
    wal_bytes: int = 2 * 1_024 * 1_024
    reserve_bytes: int = 512 * 1_024
    free_bytes_min: int = _FREE_BYTES_MIN
    """With less than this free on the disk nothing new is begun: the journal must be able to grow."""

    def __post_init__(self) -> None:
        assert 16 * ENTRY_BYTES_MAX <= self.reserve_bytes <= self.wal_bytes // 2, "the reserve holds many outcomes"

    @property
    def wal_path(self) -> Path:
        """The write-ahead log, named by SQLite."""
        return self.path.with_name(f"{self.path.name}-wal")

    @property
    def spare_path(self) -> Path:
        """As much space again for a start on a full disk."""
        return self.path.with_name(f"{self.path.name}-spare")


@dataclass(frozen=True, slots=True)
class Space:
    """What could still be written at the last look: on the disk, in the log's own blocks; `low`: begin nothing new."""

    disk_bytes: int
    wal_bytes: int
    low: bool


class JournalSpace:
    """Keeps account of the log. Used on the connection's thread only."""

    def __init__(self, db: sqlite3.Connection, settings: JournalSettings) -> None:
        self._db, self._settings = db, settings
        self._wal_used = self._wal_size = 0
        self._disk_full = False
        self._unseen = 0
        self.now = Space(0, 0, low=True)

    def take(self) -> None:
        """Fill the log and the spare file, as far as the disk allows. Raises sqlite3.Error, OSError."""
        settings = self._settings
        self.checkpoint()
        if not _filled(settings.wal_path, settings.wal_bytes):
            settings.spare_path.unlink(missing_ok=True)
            _filled(settings.wal_path, settings.wal_bytes)
        else:
            _filled(settings.spare_path, settings.wal_bytes)
        sync_directory(settings.path.parent)
        self._wal_size = settings.wal_path.stat().st_size
        self._measure()

    @property
    def checkpoint_due(self) -> bool:
        """Whether half of what everything may use is used."""
        return self._wal_used > (self._settings.wal_bytes - self._settings.reserve_bytes) // 2 and not self._disk_full

    def checkpoint(self) -> Space:
        """Move the log into the main file, so that it is written from its beginning again.

        A full disk is no error: the log goes on, and `low` says so. Raises sqlite3.Error for everything else.
        """
        try:
            busy, frames, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise
            self._disk_full = True
        else:
            assert busy == 0, "a checkpoint meets no other connection"
            self._wal_used = 0 if frames == moved else frames * _FRAME_BYTES
            self._disk_full = False
        return self._measure()

    def count(self, *contents: bytes) -> None:
        """Take account of one commit: an upper bound, made exact by the next checkpoint."""
        frames = sum(len(content) // (PAGE_BYTES - 4) + _ROW_FRAMES_MAX for content in contents if content)
        self._wal_used += frames * _FRAME_BYTES
        self._unseen += 1
        if self._unseen >= _LOOK_EVERY or self._room < self._settings.reserve_bytes:
            self._measure()

    @property
    def _room(self) -> int:
        return max(0, self._wal_size - _HEADER_BYTES - self._wal_used)

    def _measure(self) -> Space:
        settings, room = self._settings, self._room
        self._unseen = 0
        try:
            free = free_bytes(settings.path.parent)
        except OSError:
            free = 0
        if free >= settings.free_bytes_min:
            self._disk_full = False
        low = self._disk_full or free < settings.free_bytes_min or room < settings.reserve_bytes
        self.now = Space(free, room, low)
        return self.now


def _filled(path: Path, size: int) -> bool:
    try:
        fill_file(path, size)
    except OSError:
        return False
    return True
