"""What judging a batch looks at of a chain's entries: their hashes, without copying them."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from protocol.ids import Seq, Tno


class _Kept(Protocol):
    """A row of an entry."""

    @property
    def hash(self) -> bytes: ...


class ChainHashes(Mapping[tuple[int, Seq], bytes]):
    """The entries of one chain seen as hashes only; of a booked hole the hash that the entry after it demands."""

    def __init__(self, entries: Mapping[tuple[Tno, int, int], _Kept], tno: Tno, demanded: dict[int, bytes]) -> None:
        self._entries, self._tno, self._demanded = entries, tno, demanded

    def __getitem__(self, key: tuple[int, Seq]) -> bytes:
        row = self._entries.get((self._tno, *key))
        if row is not None:
            return row.hash
        if key[0] != 0:
            raise KeyError(key)
        return self._demanded[key[1]]

    def __iter__(self) -> Iterator[tuple[int, Seq]]:
        yield from ((branch, Seq(seq)) for tno, branch, seq in self._entries if tno == self._tno)
        yield from ((0, Seq(seq)) for seq in self._demanded if (self._tno, 0, seq) not in self._entries)

    def __len__(self) -> int:
        return sum(1 for _ in self)
