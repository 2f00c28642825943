"""The tree of sealed rows grown anew: each leaf from its row, each kept subtree, each signed root; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.instants import BusinessDay, UtcMs
from protocol.merkle import EMPTY_ROOT, Frontier, Subtree
from protocol.messages import NotAMessage, TreeHead, verified
from protocol.sealed_rows import leaf_of, row_text
from protocol.signing import Verifier, sha256_of, to_base64url
from server.auditor.report import Root
from server.auditor.rules import NONSENSE, Difference, Row
from server.tree.rules import Head, Name, Source, sealed_row


@dataclass(frozen=True, slots=True)
class Sealed:
    """A leaf beside its row as it is now; None: there is no such row any more."""

    position: int
    name: Name
    hash: bytes
    row: Row | None


def wrong_leaves(leaves: Sequence[Sealed]) -> list[Difference]:
    """The rows that are not what was sealed."""
    return [Difference("sealed", str(leaf.name), "", 0, text) for leaf in leaves if (text := _fault_of(leaf))]


def _fault_of(leaf: Sealed) -> str:
    if leaf.row is None:
        return "was sealed, and is not there any more"
    try:
        now = leaf_of(row_text(sealed_row(leaf.name.source, leaf.row)))
    except NONSENSE as error:
        return f"is not what was sealed: {error}"
    return "" if now == leaf.hash else "is not what was sealed"


class Growing:
    """Grows the tree leaf by leaf and holds kept subtrees and heads against it."""

    def __init__(self, ack: Verifier, heads: Sequence[Head], sent: Sequence[TreeHead]) -> None:
        """`sent`: heads that somebody kept elsewhere."""
        self._ack, self._heads, self._sent = ack, list(heads), list(sent)
        self._number, self._prev = 0, ""
        self._frontier, self._made = Frontier(), list[tuple[Subtree, bytes]]()
        self.roots: list[Root] = []

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._frontier.size

    def grow(self, leaves: Sequence[Sealed | int]) -> Iterator[Difference]:
        """Add the next leaves, and look at every head on the way; a number stands for a leaf that is gone."""
        for leaf in leaves:
            if isinstance(leaf, int):
                yield Difference("sealed", f"leaf/{leaf}", "", 0, "is gone, or is of no table that is sealed")
            self._made += self._frontier.push(EMPTY_ROOT if isinstance(leaf, int) else leaf.hash)
            if self._heads and self._heads[0].size <= self.size:
                yield from self.heads_here()

    def taken_subtrees(self, levels: Sequence[int]) -> dict[Subtree, bytes]:
        """The subtrees of these levels that have become complete since the last time."""
        made, self._made = self._made, []
        return {of: hashed for of, hashed in made if of[0] in levels}

    def heads_here(self) -> Iterator[Difference]:
        """What is wrong with the heads of a tree of this size, or a smaller one."""
        while self._heads and self._heads[0].size <= self.size:
            head = self._heads.pop(0)
            faults = list(self._faults(head))
            self.roots.append(Root(head.number, head.day, head.size, to_base64url(head.root), not faults))
            yield from (Difference("root", f"head/{head.number}", "", 0, text) for text in faults)

    def rest(self) -> Iterator[Difference]:
        """Heads of more rows than there are, and heads that somebody has and the database has not."""
        for head in self._heads:
            yield Difference("root", f"head/{head.number}", "", 0, f"seals {head.size} rows, and there are {self.size}")
        for sent in self._sent:
            yield Difference("root", f"head/{sent.number}", "", 0, "was sent out, and is not among the heads")

    def _faults(self, head: Head) -> Iterator[str]:
        number, prev = self._number + 1, self._prev
        self._number, self._prev = head.number, to_base64url(sha256_of(head.jws))
        root = self._frontier.root()
        if (head.size, head.root) != (self.size, root):
            yield f"its root is {to_base64url(head.root)} over {head.size} rows; the rows have {to_base64url(root)}"
        expected = TreeHead(
            head.server_epoch, number, BusinessDay(head.day), head.size, to_base64url(head.root), UtcMs(head.at), prev
        )
        try:
            said = verified(head.jws, TreeHead, self._ack)
        except NotAMessage as error:
            yield f"its signature proves nothing: {error}"
            return
        if said != expected:
            yield "its columns, its number or the head before it are not what was signed"
        sent = [one for one in self._sent if (one.server_epoch, one.number) == (said.server_epoch, said.number)]
        self._sent = [one for one in self._sent if one not in sent]
        if any(one != said for one in sent):
            yield "is another one than the head that was sent out under this number"


def name_of_leaf(row: Row) -> Name | None:
    """Which row a leaf is of; None: of a table that is not sealed."""
    try:
        return Name(Source(row["source"]), (row["first"], row["second"], row["third"]))
    except ValueError:
        return None
