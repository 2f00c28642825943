"""The runs of all targets, cut into pieces that processes of their own do."""

import resource
from collections.abc import Iterator, Sequence
from typing import Final

from tests.fuzz.fuzzer import Fuzzer, Tally
from tests.fuzz.targets import all_targets

MEMORY_BYTES_MAX: Final = 2 * 1_024**3
"""Of a whole process; an input of 1 MiB that wants more than is left of it ends in a failure."""
CHUNK_RUNS: Final = 500_000
"""A target's runs are done in pieces, each with a corpus and a chance of its own."""

Piece = tuple[str, int, int]
"""Target, seed, runs."""


def shared(names: Sequence[str], runs: int, seed: int) -> Iterator[Piece]:
    """Each target's part of the runs by its weight, in pieces; the slowest first."""
    targets = [all_targets()[name] for name in names]
    whole = sum(target.weight for target in targets)
    for target in sorted(targets, key=lambda target: target.weight):
        left, number = max(1, runs * target.weight // whole), 0
        while left > 0:
            yield target.name, seed + number, min(left, CHUNK_RUNS)
            left, number = left - CHUNK_RUNS, number + 1_000_003


def limit_memory() -> None:
    """For this process, from now on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


def fuzz(piece: Piece) -> Tally:
    """One piece, in a process of its own."""
    name, seed, runs = piece
    return Fuzzer(all_targets()[name], seed).run(runs)
