"""Merkle trees over a growing row of leaves, as RFC 9162 section 2.1 defines them (those of RFC 6962); pure.

A leaf is named by its position from 0. A *subtree* (level, place) is complete: it stands over the 2^level leaves from
place x 2^level on. Whoever keeps the hashes of subtrees answers with them; whoever checks needs none.
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from protocol.signing import KEY_BYTES, same_bytes, sha256_of

HASH_BYTES = KEY_BYTES
EMPTY_ROOT = sha256_of(b"")

Subtree = tuple[int, int]
Range = tuple[int, int]
"""Leaves from the first one up to, and without, the second."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256_of(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256_of(b"\x01" + left + right)


def joined(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees that stand side by side, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def covering(of: Range) -> list[Subtree]:
    """The complete subtrees that a range consists of, the largest first; it is one that a path or a tree is made of."""
    start, end = of
    size, found = end - start, list[Subtree]()
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


class Frontier:
    """The complete subtrees of the first n leaves: all that is needed to go on, or to know their root."""

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Begin empty, or where `covering((0, size))` has these hashes. Raises ValueError."""
        self.size, self._hashes = size, list(hashes)
        if size < 0 or len(self._hashes) != size.bit_count() or any(len(each) != HASH_BYTES for each in self._hashes):
            raise ValueError(f"the frontier of {size} leaves has {max(size, 0).bit_count()} hashes of 32 bytes")

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """What to keep, the largest subtree first."""
        return tuple(self._hashes)

    def push(self, leaf: bytes) -> list[tuple[Subtree, bytes]]:
        """Add the hash of the next leaf; the subtrees above it that are complete with it, the smallest first."""
        made: list[tuple[Subtree, bytes]] = []
        while self.size >> len(made) & 1:
            leaf = node_hash(self._hashes.pop(), leaf)
            level = len(made) + 1
            made.append(((level, self.size >> level), leaf))
        self._hashes.append(leaf)
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root of the leaves so far."""
        return joined(self._hashes)


def inclusion_ranges(position: int, size: int) -> list[Range]:
    """Whose hashes prove that a leaf stands where it does among the first `size` (PATH of the RFC)."""
    assert 0 <= position < size
    start, end, found = 0, size, list[Range]()
    while end - start > 1:
        middle = start + _split(end - start)
        if position < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(older: int, size: int) -> list[Range]:
    """Whose hashes prove that the first `older` leaves begin the first `size` ones (PROOF of the RFC)."""
    assert 0 <= older <= size
    if older == 0:
        return []
    start, end, found = 0, size, list[Range]()
    while older != end:
        middle = start + _split(end - start)
        if older <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return ([(start, end)] if start else []) + found[::-1]


def includes(root: bytes, size: int, position: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether a path proves that this leaf stands there under that root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= position < size:
        return False
    place, last, found = position, size - 1, leaf
    for beside in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(beside, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and same_bytes(found, root)


def continues(older_root: bytes, older: int, root: bytes, size: int, path: Sequence[bytes]) -> bool:
    """Whether a path proves that a tree goes on from an older one: nothing in it changed (RFC 9162 section 2.1.4.2)."""
    if not 0 <= older <= size:
        return False
    if older in (0, size):
        return not path and same_bytes(older_root, root if older else EMPTY_ROOT)
    hashes = [older_root, *path] if older.bit_count() == 1 else list(path)
    if not hashes:
        return False
    place, last = older - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(beside, before), node_hash(beside, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and same_bytes(before, older_root) and same_bytes(after, root)


def _split(size: int) -> int:
    """The largest power of two below a size above 1."""
    return 1 << (size - 1).bit_length() - 1
