"""Which rows become leaves, and whether leaves, rows and heads still agree; pure."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from protocol.instants import BusinessDay, UtcMs
from protocol.merkle import EMPTY_ROOT, Frontier
from protocol.messages import NotAMessage, TreeHead, read_signed
from protocol.sealed_rows import EntryRow, PostingRow, SealedRow, TrailRow, leaf_of
from protocol.signing import sha256_of, to_base64url

WRONG_NAMED_MAX = 8

Key = tuple[int, int, int]
BEFORE_ALL: Key = (-1, -1, -1)


class Source(enum.StrEnum):
    """The tables whose rows are sealed, in the order in which a night takes them."""

    ENTRY = "entry"
    POSTING = "posting"
    TRAIL = "trail"


@dataclass(frozen=True, slots=True)
class Name:
    """A row by its table and key."""

    source: Source
    key: Key

    def __str__(self) -> str:
        """As people write it: `entry/41/0/7`, `posting/12`, `trail/3`."""
        numbers = self.key if self.source is Source.ENTRY else self.key[:1]
        return "/".join((self.source, *map(str, numbers)))


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head as it is kept."""

    number: int
    server_epoch: int
    day: int
    size: int
    root: bytes
    at: int
    jws: bytes


def sealed_row(source: Source, row: Mapping[Any, Any]) -> SealedRow:
    """What a leaf holds of a row."""
    match source:
        case Source.ENTRY:
            jws = bytes(row["jws"]).decode("ascii", "backslashreplace")
            return EntryRow(row["tno"], row["branch"], row["seq"], row["received_at"], jws)
        case Source.POSTING:
            return PostingRow(*(row[name] for name in PostingRow.__struct_fields__))
        case Source.TRAIL:
            return TrailRow(*(row[name] for name in TrailRow.__struct_fields__))


def key_in(source: Source, row: Mapping[Any, Any]) -> Key:
    """The key of a row, with zeros behind a shorter one."""
    match source:
        case Source.ENTRY:
            return (row["tno"], row["branch"], row["seq"])
        case Source.POSTING:
            return (row["id"], 0, 0)
        case Source.TRAIL:
            return (row["number"], 0, 0)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf, and its row as it is now; None: the row is gone."""

    name: Name
    hash: bytes
    row: str | None


class Check(msgspec.Struct, frozen=True):
    """How far a check has come: its place is kept, so that a killed one goes on. `prev`: the last head's hash."""

    size: int = 0
    frontier: tuple[bytes, ...] = ()
    heads: int = 0
    prev: str = ""
    wrong: tuple[str, ...] = ()
    count: int = 0


def checked(check: Check, heads: Sequence[Head], leaves: Sequence[Leaf | None]) -> Check:
    """Go on with the next leaves (None: it is gone), and the next heads, none of them larger than these reach."""
    frontier, waiting, wrong = Frontier(check.size, check.frontier), list(heads), list[str]()
    number, prev = check.heads, check.prev
    for leaf in (*leaves, None):
        while waiting and waiting[0].size <= frontier.size:
            head = waiting.pop(0)
            if fault := _fault_of(head, number + 1, prev):
                wrong.append(fault)
            if (head.size, head.root) != (frontier.size, frontier.root()):
                wrong.append(f"the root of head {head.number}")
            number, prev = head.number, to_base64url(sha256_of(head.jws))
        if frontier.size == check.size + len(leaves):
            break
        if leaf is None:
            wrong.append(f"leaf {frontier.size}")
        elif leaf.row is None or leaf_of(leaf.row) != leaf.hash:
            wrong.append(str(leaf.name))
        frontier.push(leaf.hash if leaf is not None else EMPTY_ROOT)
    named = (*check.wrong, *wrong)[:WRONG_NAMED_MAX]
    return Check(frontier.size, frontier.hashes, number, prev, named, check.count + len(wrong))


def _fault_of(head: Head, number: int, prev: str) -> str:
    """What is wrong with a head, which should be this one and name that one before it; empty: nothing."""
    try:
        said = read_signed(head.jws)
    except NotAMessage as error:
        return f"head {head.number} ({error})"
    root, day = to_base64url(head.root), BusinessDay(head.day)
    if said != TreeHead(head.server_epoch, number, day, head.size, root, UtcMs(head.at), prev):
        return f"head {head.number}"
    return ""


def told(check: Check) -> str:
    """What an alarm says of it."""
    more = f", and {check.count - len(check.wrong)} more" if check.count > len(check.wrong) else ""
    return f"not as it was sealed: {', '.join(check.wrong)}{more}"


def name_in(text: str) -> Name:
    """Read what people call a row. Raises ValueError."""
    source, *numbers = text.split("/")
    first, second, third = (*map(int, numbers), *(0,) * (3 - len(numbers)))
    return Name(Source(source), (first, second, third))
