"""What the tills of the lunch hour wrote and what that comes to, known without any database: images are held to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from protocol.signing import sha256_of, to_base64url
from server.ingest.rules import take_batch
from tests.crash.server_child import clock_at
from tests.crash.story import Broken, Event, Fault
from tests.server.desk import postings_of
from tests.server.world import Delivery, Lunch

Place = tuple[int, int, int]
"""Terminal number, branch, seq of an entry."""


class Fork(NamedTuple):
    """Where a branch leaves another one: up to entry `after` its history is that of `parent`."""

    parent: int
    after: int


class Sent:
    """A lunch hour as its tills have it, those put back from an image included."""

    def __init__(self, lunch: Lunch, deliveries: Sequence[Delivery]) -> None:
        self._lunch, self._deliveries = lunch, deliveries
        self.lines = {sha256_of(line): line for sent in deliveries for line in sent.lines}
        self._histories: dict[tuple[int, str], Sequence[str]] = {}
        """By terminal and the hash of an entry: the hashes of its chain up to that one."""
        for till in (*lunch.tills, *lunch.images):
            hashes = [to_base64url(sealed.hash) for sealed in till.chain]
            self._histories |= {(till.tno, digest): hashes[:seq] for seq, digest in enumerate(hashes, 1)}

    def look_for(self, acks: Iterable[Event], held: Mapping[Place, str], forks: Mapping[tuple[int, int], Fork]) -> int:
        """How many entries the acks speak for: each one up to theirs, which must be in the branch or above its fork.

        `held` are the hashes of the lines in the database, `forks` its branches. Raises Broken.
        """
        branches = {(tno, seq, digest): number for (tno, number, seq), digest in held.items()}
        looked_for: set[Place] = set()
        for tno, acked, digest in {(ack["tno"], ack["seq"], ack["hash"]) for ack in acks}:
            history = self._histories.get((tno, digest), ())
            if len(history) != acked:
                raise Broken(Fault.CORRUPT, f"entry {acked} of {tno} was acknowledged, and nobody wrote it")
            branch = branches.get((tno, acked, digest))
            if branch is None:
                raise Broken(Fault.LOST, f"entry {acked} of {tno} was acknowledged")
            for seq in range(acked, 0, -1):
                while branch and seq <= forks[tno, branch].after:
                    branch = forks[tno, branch].parent
                if held.get((tno, branch, seq)) != history[seq - 1]:
                    raise Broken(Fault.LOST, f"entry {seq} of {tno} was acknowledged with entry {acked}")
                looked_for.add((tno, branch, seq))
        return len(looked_for)

    @cached_property
    def books(self) -> list[tuple[Any, ...]]:
        """What all deliveries come to by the rules alone: the sum of each account, the entries of each branch."""
        book = self._lunch.book()
        for index, sent in enumerate(self._deliveries):
            take_batch(book, sent.tno, sent.lines, clock_at(index)())
        sums, counts = Counter[tuple[str, str]](), Counter[tuple[int, int]]()
        for _, _, kind, owner, cents in postings_of(book):
            sums[kind, owner] += cents
        for tno, branch, _ in book.entries:
            counts[tno, branch] += 1
        return in_order(((*account, cents) for account, cents in sums.items()), ((*of, n) for of, n in counts.items()))


def in_order(sums: Iterable[tuple[Any, ...]], counts: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Books as they are compared."""
    return [*sorted(sums), *sorted(counts)]
