"""Rows of a table `(INTEGER PRIMARY KEY, BLOB)` found page by page, where the tree that leads to them is broken.

Only leaves are looked at, so that no damaged page hides another (sqlite.org/fileformat2.html, sections 1.6 and 2.1).
A row is whatever looks like one: the caller knows by its content whether it is.
"""

from collections.abc import Iterator, Mapping

_TABLE_LEAF = 0x0D


def rows_in(pages: Mapping[int, bytes]) -> Iterator[tuple[int, bytes]]:
    """Every row of two columns, the second of them a blob, that still hangs together."""
    for number, page in pages.items():
        start = 100 if number == 1 else 0
        if len(page) < start + 8 or page[start] != _TABLE_LEAF:
            continue
        count = int.from_bytes(page[start + 3 : start + 5])
        for place in range(start + 8, min(start + 8 + 2 * count, len(page) - 1), 2):
            try:
                row = _row(pages, page, int.from_bytes(page[place : place + 2]))
            except (IndexError, KeyError, OverflowError):
                continue
            if row is not None:
                yield row


def _row(pages: Mapping[int, bytes], page: bytes, at: int) -> tuple[int, bytes] | None:
    """Raises IndexError, KeyError where a cell leads to what is not there."""
    size, at = _varint(page, at)
    rowid, at = _varint(page, at)
    if not 2 < size <= len(pages) * len(page):
        return None
    record = _payload(pages, page, at, size)
    header_bytes, here = _varint(record, 0)
    first, here = _varint(record, here)
    second, here = _varint(record, here)
    if first != 0 or second < 12 or second % 2 or here != header_bytes or here + (second - 12) // 2 != size:
        return None
    return rowid, record[here:]


def _payload(pages: Mapping[int, bytes], page: bytes, at: int, size: int) -> bytes:
    """What a cell holds, and what of it goes on in pages of its own."""
    usable = len(page)
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if size <= most:
        return _cut(page, at, size)
    here = least + (size - least) % (usable - 4)
    here = here if here <= most else least
    parts = [_cut(page, at, here)]
    left, number = size - here, int.from_bytes(_cut(page, at + here, 4))
    while left > 0:
        more = pages[number]
        parts.append(_cut(more, 4, min(left, usable - 4)))
        left, number = left - len(parts[-1]), int.from_bytes(more[:4])
    return b"".join(parts)


def _cut(page: bytes, at: int, size: int) -> bytes:
    if at + size > len(page):
        raise IndexError("it goes beyond its page")
    return page[at : at + size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for index in range(at, at + 8):
        value = value << 7 | data[index] & 0x7F
        if data[index] < 0x80:
            return value, index + 1
    return value << 8 | data[at + 8], at + 9
