"""SQLite's write-ahead log, read frame by frame, so that damage in its middle hides nothing that lies behind it.

SQLite ends at the first frame whose checksum does not hold, without a word. Each frame's checksum goes on from the one
that stands in the frame before, so every frame is judged by itself here (sqlite.org/fileformat2.html, section 4).
"""

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC = 0x377F0682
_U32 = 0xFFFFFFFF
_PAGE_BYTES = frozenset(2**power for power in range(9, 17))
"""All that a page can have; another number is damage, whatever the sum says."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One page as a transaction left it."""

    page: int
    content: bytes
    commits: bool
    """Its transaction ends here."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds."""

    page_bytes: int
    finished: Sequence[Frame]
    """The intact frames of transactions that were certainly finished, in the order they were written."""
    unreadable: int = 0
    """So many of its frames are damaged or torn, or cannot be told from such."""
    unread: int = 0
    """So many intact frames stand behind the first of these: SQLite reads none of them."""
    unfinished: int = 0
    """So many intact frames at its end belong to a transaction that nothing ends."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing in the log itself says that there was more."""
        return not self.unreadable and not self.unfinished


def read_log(raw: bytes, page_bytes: int) -> Log:
    """Read a log; `page_bytes` is what a page has where its own header does not tell."""
    if not any(raw):
        return Log(page_bytes, [])
    header = _HEADER.unpack(raw[:32].ljust(32, b"\0"))
    big = header[0] == _MAGIC | 1
    has_header = (
        len(raw) >= 32
        and header[0] & ~1 == _MAGIC
        and header[2] in _PAGE_BYTES
        and _sum(raw[:24], (0, 0), big=big) == header[6:8]
    )
    size = 24 + (header[2] if has_header else page_bytes)
    pieces = [raw[at : at + size] for at in range(32, len(raw), size)]
    heads = [_FRAME.unpack(piece[:24].ljust(24, b"\0")) for piece in pieces]
    before = [header[6:8], *(head[4:6] for head in heads)]
    holds = [
        len(piece) == size and head[0] > 0 and _sum(piece[24:], _sum(piece[:8], sums, big=big), big=big) == head[4:6]
        for piece, head, sums in zip(pieces, heads, before, strict=False)
    ]
    salts = (
        header[4:6] if has_header else next((head[2:4] for head, ok in zip(heads, holds, strict=True) if ok), (0, 0))
    )
    ours = [head[2:4] == salts for head in heads]
    rounds = header[3] if has_header else _U32
    of_it = [
        mine or (any(piece) and not (1 <= (salts[0] - head[2]) & _U32 <= rounds))
        for piece, head, mine in zip(pieces, heads, ours, strict=True)
    ]
    length = max((index + 1 for index, mine in enumerate(of_it) if mine), default=0)
    intact = [
        Frame(head[0], piece[24:], head[1] > 0) if ok and mine else None
        for piece, head, ok, mine in zip(pieces[:length], heads, holds, ours, strict=False)
    ]
    return _judged(size - 24, intact, 0 if has_header else 1)


def _judged(page_bytes: int, intact: Sequence[Frame | None], lost_headers: int) -> Log:
    """A transaction is begun only when the one before it is on the disk, so only the last can be unfinished."""
    bad = [index for index, frame in enumerate(intact) if frame is None]
    first_bad = 0 if lost_headers else bad[0] if bad else len(intact)
    ends = [0, *(index + 1 for index, frame in enumerate(intact) if frame is not None and frame.commits)]
    last = ends[-1]
    if len(ends) > 1 and None in intact[ends[-2] : last]:
        last = ends[-2]
    return Log(
        page_bytes,
        [frame for frame in intact[:last] if frame is not None],
        len(bad) + lost_headers,
        sum(frame is not None for frame in intact[first_bad:]),
        sum(frame is not None for frame in intact[ends[-1] :]),
    )


def _sum(data: bytes, start: tuple[int, ...], *, big: bool) -> tuple[int, ...]:
    """Two sums over pairs of 32-bit words."""
    one, other = start
    for left, right in _pairs(data, big=big):
        one = (one + left + other) & _U32
        other = (other + right + one) & _U32
    return one, other


def _pairs(data: bytes, *, big: bool) -> Iterator[tuple[int, int]]:
    words = array("I", data)
    if big != (struct.pack("=H", 1) == b"\0\1"):
        words.byteswap()
    steps = iter(words)
    return zip(steps, steps, strict=True)
