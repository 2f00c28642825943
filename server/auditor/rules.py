"""Whether a run of stored lines is the chain that its terminal signed; pure.

A run is a stretch of one branch: its lines in their order, and what must be known of everything before it.

    line -> read strictly -> hash, place, owner, link to the line before, signature -> faults, and the entry for others
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from protocol.entries import Entry
from protocol.ids import Epoch, TerminalId
from protocol.journal import NotAnEntry, Sealed, Unread, line_is_signed, read_loosely
from protocol.signing import VerifyKey, sha256_of, to_base64url

Row = Mapping[Any, Any]
"""A row of the database by its columns' names."""
NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, msgspec.MsgspecError)
"""What the rules raise where somebody has put something into a row that they would never have written."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: what was checked, of which terminal's entry, and what was found."""

    check: str
    row: str
    """As people write it: `entry/41/0/7`, `posting/12`, `card/7/1`, `head/3`."""
    terminal: str
    seq: int
    found: str


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as its row has it."""

    seq: int
    hash: bytes
    jws: bytes
    kind: str
    day: int
    at: int
    parked: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes a chain, as its grant says."""

    tid: str
    site: str
    epoch: int
    tno: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before a run: place and hash that its first line must follow, and the day it may inherit."""

    seq: int
    hash: bytes
    kept_hash: bytes
    day: int | None = None
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """Entries that two people booked as missing; `hash` is that of the last one."""

    first: int
    last: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of one branch, the next ones behind `before`."""

    writer: Writer
    branch: int
    before: Before
    lines: tuple[Line, ...]
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A line that was read; `entry` is None where its content is of no version known here."""

    line: Line
    before: Before
    entry: Entry | None
    faults: tuple[Difference, ...] = field(default=())


def row_of(tno: int, branch: int, seq: int) -> str:
    """An entry's row as people write it."""
    return f"entry/{tno}/{branch}/{seq}"


def after(line: Line) -> Before:
    """What the next line of the same branch must follow."""
    return Before(line.seq, sha256_of(line.jws), line.hash, line.day, line.received_at)


def read_run(run: Run) -> Iterator[Read]:
    """Every line of a run with what is wrong with it. One changed byte is told once, where it stands."""
    key, before = VerifyKey(run.writer.key), run.before
    for line in run.lines:
        yield _read(run, line, before, key)
        before = after(line)


def _read(run: Run, line: Line, before: Before, key: VerifyKey) -> Read:
    faults: list[tuple[str, str]] = []
    entry: Entry | None = None
    if sha256_of(line.jws) != line.hash:
        faults.append(("hash", "the kept hash is not that of the kept line"))
    try:
        link = read_loosely(line.jws, TerminalId(run.writer.tid), Epoch(run.writer.epoch))
    except NotAnEntry as error:
        faults.append(("line", f"is no entry of this chain: {error}"))
    else:
        faults += _misplaced(run, line, before, link)
        if isinstance(link, Sealed):
            entry = link.entry
            faults += _of_another(run.writer, entry)
    if not line_is_signed(line.jws, key):
        faults.append(("signature", "is not signed by the journal key of its epoch"))
    row, writer = row_of(run.writer.tno, run.branch, line.seq), run.writer
    told = tuple(Difference(check, row, writer.tid, line.seq, found) for check, found in faults)
    return Read(line, before, entry, told)


def _misplaced(run: Run, line: Line, before: Before, link: Sealed | Unread) -> list[tuple[str, str]]:
    if link.seq != line.seq:
        return [("place", f"says that it is entry {link.seq}, and is kept as entry {line.seq}")]
    hole = next((hole for hole in run.holes if hole.first == before.seq + 1 and hole.last == line.seq - 1), None)
    if hole is not None:
        is_next = link.prev == to_base64url(hole.hash)
        return [] if is_next else [("chain", f"does not follow the hole of entries {hole.first} to {hole.last}")]
    if line.seq != before.seq + 1:
        return [("missing", f"entries {before.seq + 1} to {line.seq - 1} are missing before it, and no hole is booked")]
    if link.prev not in (to_base64url(before.hash), to_base64url(before.kept_hash)):
        return [("chain", f"does not follow entry {before.seq}: it names another line before it")]
    return []


def _of_another(writer: Writer, entry: Entry) -> list[tuple[str, str]]:
    told = (entry.site, entry.tid, entry.epoch, entry.tno)
    expected = (writer.site, writer.tid, writer.epoch, writer.tno)
    return [] if told == expected else [("owner", f"says it is {told}, its chain is {expected}")]
