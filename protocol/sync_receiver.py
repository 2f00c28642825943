"""Which entries of a batch are new, known already, ahead of a gap, or another history of the same chain.

A chain has branches: branch 0 is the history seen first, every other one forked off at some entry. A batch is a run
of entries in a row; it either continues a branch, repeats it, forks off it, or hangs in the air.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from protocol.ids import Seq
from protocol.journal import Sealed, Tip, Unread
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.signing import to_base64url

BranchNo = int
Link = Sealed | Unread


@dataclass(frozen=True, slots=True)
class Branch:
    """One history: what it forked off, and its newest entry."""

    number: BranchNo
    tip: Tip
    parent: BranchNo = 0
    forked_after: Seq = Seq(0)


@dataclass(frozen=True, slots=True)
class Held:
    """What the server holds of one chain, as far as a batch needs it: all branches, and hashes by (branch, seq)."""

    start: Tip
    branches: tuple[Branch, ...]
    hashes: Mapping[tuple[BranchNo, Seq], bytes]

    def hash_at(self, branch: Branch, seq: Seq) -> bytes | None:
        """The hash of the row with this seq in a branch's own history, following it into its parents."""
        by_number = {known.number: known for known in self.branches}
        while branch.number and seq <= branch.forked_after:
            branch = by_number[branch.parent]
        if seq == self.start.seq:
            return self.start.hash
        return self.hashes.get((branch.number, seq)) if seq <= branch.tip.seq else None


@dataclass(frozen=True, slots=True)
class Known:
    """Nothing new: every entry is held already."""

    branch: Branch


@dataclass(frozen=True, slots=True)
class Continues:
    """New entries at the end of a branch; `skipped` of the batch were known."""

    branch: Branch
    new: Sequence[Link]
    skipped: int


@dataclass(frozen=True, slots=True)
class Forks:
    """Another history: after `after` in `parent` it goes on differently than what is held."""

    parent: Branch
    after: Seq
    new: Sequence[Link]


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries are missing before this batch: ask for them from `want` on."""

    want: Seq


Verdict = Known | Continues | Forks | Gap


def misplaced(batch: Sequence[Link]) -> Link | None:
    """The first entry of a batch that does not continue the one before it; None where the batch is one run."""
    for before, link in pairwise(batch):
        if link.seq != before.seq + 1 or link.prev != to_base64url(before.hash):
            return link
    return None


def judge(batch: Sequence[Link], held: Held) -> Verdict:
    """Where a batch belongs. The entries are in a row and chained to one another (checked by the caller)."""
    assert batch and held.branches
    prev = batch[0].prev
    joined = [branch for branch in held.branches if _joins(held, branch, batch[0].seq, prev)]
    if not joined:
        return Gap(_where_to_ask(batch[0].seq, held))
    branch = max(joined, key=lambda known: _fit(batch, held, known))
    overlap, ends_here = _fit(batch, held, branch)
    if overlap == len(batch):
        return Known(branch)
    after, new = Seq(batch[0].seq + overlap - 1), batch[overlap:]
    return Continues(branch, new, overlap) if ends_here else Forks(branch, after, new)


def _joins(held: Held, branch: Branch, first: Seq, prev: str) -> bool:
    before = held.hash_at(branch, Seq(first - 1))
    return before is not None and to_base64url(before) == prev


def _fit(batch: Sequence[Link], held: Held, branch: Branch) -> tuple[int, bool]:
    """How many entries of the batch a branch has already, and whether it ends just there."""
    known = next(
        (index for index, sealed in enumerate(batch) if held.hash_at(branch, sealed.seq) != sealed.hash), len(batch)
    )
    return known, branch.tip.seq == batch[0].seq + known - 1


def _where_to_ask(first: Seq, held: Held) -> Seq:
    tip = held.branches[0].tip.seq
    return Seq(tip + 1) if first > tip + 1 else Seq(max(1, first - BATCH_ENTRIES_MAX))
