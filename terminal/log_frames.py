"""Counts the frames of SQLite's write-ahead log: SQLite stops at the first damaged one and calls the rest the end.

    header (32 bytes) | frame (24 bytes + page) | frame | ...        https://sqlite.org/fileformat2.html, section 4

Frames of this log carry its header's salts; what an earlier round left behind carries others. Each checksum goes on
from the one before. A commit is on the disk before the next is begun, so that a crash spoils the last frames alone.
"""

import struct
from dataclasses import dataclass

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""The last bit: whether checksums are taken over big-endian numbers."""
_U32 = 0xFFFF_FFFF
_Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LogFrames:
    """What of a log SQLite can use."""

    used: int = 0
    """Up to the last commit that can be read."""
    lost: int = 0
    """Not to be used though the log went on behind them: what an intact log never shows."""
    torn: int = 0
    """At the very end: begun and not committed, as a power cut leaves it, or a last commit that was damaged."""
    header_broken: bool = False
    """Nothing can be used, and how many frames there were is not known."""


def frames_of(log: bytes) -> LogFrames:
    """Read the log as SQLite does, then look behind the place where that ends."""
    if not log.strip(b"\0"):
        return LogFrames()
    if len(log) < _HEADER.size:
        return LogFrames(header_broken=True)
    magic, _, size, _, *salts, first, second = _HEADER.unpack_from(log)
    order, sums = ">" if magic & 1 else "<", (first, second)
    if magic & ~1 != _MAGIC or size < 512 or _summed(log[:24], order, (0, 0)) != sums:
        return LogFrames(header_broken=True)
    step = _FRAME.size + size
    places = range(_HEADER.size, len(log) - step + 1, step)
    own = [_FRAME.unpack_from(log, at)[2:4] == tuple(salts) for at in places]
    used = broken = 0
    for broken, at in enumerate(places):
        page, commit, _, _, *written = _FRAME.unpack_from(log, at)
        sums = _summed(log[at + _FRAME.size : at + step], order, _summed(log[at : at + 8], order, sums))
        if not own[broken] or not page or sums != tuple(written):
            break
        used = broken + 1 if commit else used
    else:
        broken = len(places)
    if any(own[broken + 1 :]):
        last = len(own) - own[::-1].index(True)
        return LogFrames(used, lost=last - used)
    return LogFrames(used, torn=sum(own[used:]))


def _summed(data: bytes, order: str, sums: _Sums) -> _Sums:
    first, second = sums
    for left, right in struct.iter_unpack(f"{order}2I", data):
        first = (first + left + second) & _U32
        second = (second + right + first) & _U32
    return first, second
