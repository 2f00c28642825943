"""Reads the journal of a dead terminal from its memory card, for the server to take in like a batch.

The files are copied first and never opened themselves: they are the evidence. Neither key nor grant is needed, for the
server checks every signature. What SQLite can no longer reach is looked for in the pages themselves; what is missing,
or may be, is said, for nothing on a memory card proves that its newest entry is the newest that there was.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from protocol.canonical import NotCanonical, read_part
from protocol.signing import from_base64url, sha256_of, to_base64url
from terminal.identity import JOURNAL_FILE
from terminal.journal_space import PAGE_BYTES
from terminal.leaf_pages import rows_in
from terminal.log_frames import Log, read_log


class NothingToRescue(Exception):
    """There is no journal here; the text says where one was looked for."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """The entries that could be read, in order, and one sentence for each thing that is wrong with the files."""

    lines: list[bytes]
    faults: list[str]
    had_log: bool
    """Whether SQLite's log lay beside the journal; after a power cut the newest entries, or all, are in it alone."""


class _Place(msgspec.Struct, frozen=True):
    seq: int
    prev: str


_places = msgspec.json.Decoder(_Place)


def rescue(directory: Path) -> Rescued:
    """All entries that can still be read. Raises NothingToRescue, OSError."""
    journal = directory / JOURNAL_FILE
    if not journal.exists():
        raise NothingToRescue(
            f"there is no {JOURNAL_FILE} in {directory}; name the data directory of the dead terminal"
        )
    with tempfile.TemporaryDirectory(prefix="fanka-") as name:
        copy = Path(name) / JOURNAL_FILE
        shutil.copyfile(journal, copy)
        beside, log = journal.with_name(f"{JOURNAL_FILE}-wal"), b""
        had_log = beside.exists()
        if had_log:
            log = beside.read_bytes()
            copy.with_name(beside.name).write_bytes(log)
        main = copy.read_bytes()
        found, faults = _read_by_sqlite(copy)
    return _completed(found, faults, main, log, had_log=had_log)


def _completed(found: dict[int, bytes], faults: list[str], main: bytes, log: bytes, *, had_log: bool) -> Rescued:
    frames = read_log(log, _page_bytes(main))
    if faults or not frames.is_whole or sorted(found) != list(range(1, len(found) + 1)):
        for seq, line in rows_in(_pages(main, frames)):
            if seq not in found and _place(line, seq) is not None:
                found[seq] = line
    found = dict(sorted(found.items()))
    faults += [*_of_log(frames, max(found, default=0)), *_missing(found)]
    return Rescued(list(found.values()), faults, had_log)


def _read_by_sqlite(copy: Path) -> tuple[dict[int, bytes], list[str]]:
    """One at a time, so that what comes before a broken page is had."""
    found = dict[int, bytes]()
    faults = list[str]()
    try:
        with closing(sqlite3.connect(copy)) as db:
            for seq, jws in db.execute("SELECT seq, jws FROM entry ORDER BY seq"):
                if isinstance(jws, bytes) and _place(jws, seq) is not None:
                    found[seq] = jws
                else:
                    faults.append(f"entry {seq} is no longer what was written")
    except sqlite3.Error as error:
        faults.append(f"{JOURNAL_FILE} cannot be read through: {error}")
    return found, faults


def _page_bytes(main: bytes) -> int:
    size = int.from_bytes(main[16:18])
    return 65_536 if size == 1 else size if size >= 512 and size & (size - 1) == 0 else PAGE_BYTES


def _pages(main: bytes, log: Log) -> Mapping[int, bytes]:
    """The newest intact image of every page, by its number."""
    size = log.page_bytes
    pages = {at // size + 1: main[at : at + size] for at in range(0, len(main), size)}
    return pages | {frame.page: frame.content for frame in log.finished}


def _place(line: bytes, seq: int) -> _Place | None:
    """Where an entry of any version stands in its chain; None where this is none, or not the one of this number."""
    try:
        _, body, _ = line.split(b".")
        place = read_part(from_base64url(body), _places)
    except (ValueError, NotCanonical):
        return None
    return place if place.seq == seq else None


def _of_log(log: Log, newest: int) -> list[str]:
    faults = list[str]()
    behind = f"entries after {newest} may exist"
    if log.unreadable:
        faults.append(
            f"{JOURNAL_FILE}-wal is damaged: {log.unreadable} of its pieces could not be read, {log.unread} behind the "
            f"first of them could; {behind}"
        )
    elif log.unfinished:
        faults.append(f"{JOURNAL_FILE}-wal ends within a change that was being written; {behind}")
    return faults


def _missing(found: Mapping[int, bytes]) -> list[str]:
    """Holes between the entries, and entries that do not continue the one before them."""
    faults = list[str]()
    for before, seq in pairwise([0, *found]):
        if seq > before + 1:
            faults.append(f"entries {before + 1} to {seq - 1} are missing")
        elif before and _prev(found[seq], seq) != to_base64url(sha256_of(found[before])):
            faults.append(f"entry {seq} does not continue entry {before}: one of them is no longer what was written")
    return faults


def _prev(line: bytes, seq: int) -> str:
    place = _place(line, seq)
    assert place is not None, "no other line is kept"
    return place.prev
