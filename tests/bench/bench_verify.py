"""Is a run of entries a chain, and did its terminal sign it? What the answer costs by the chain and by signatures.

chain    the walk over lines as they lie on disk (`verify_chain`): strict reading, place, hash, last signature
batch    what ingest does once the lines are read: the chain from entry to entry, and one signature
"""

from collections.abc import Iterator, Sequence
from typing import Final

from protocol.journal import Sealed, read_entry, signature_holds, verify_chain
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.signing import VerifyKey, sha256_of
from protocol.sync_receiver import misplaced
from tests.bench.figures import Line, cost, gain, processor_time
from tests.bench.lunch import Lunch

ROUNDS: Final = 150
BAR: Final = 80.0


def run(scale: float = 1.0) -> Iterator[Line]:
    """Microseconds for an entry: the chain beside bare hashes and beside signatures, the batch beside signatures."""
    lunch, rounds = Lunch(), max(3, int(ROUNDS * scale))
    entries = lunch.sell(BATCH_ENTRIES_MAX // 2)
    lines, start, key = [sealed.jws for sealed in entries], lunch.till.start, lunch.till.key.public
    took = processor_time(
        {
            "hashes": lambda: [sha256_of(line) for line in lines],
            "chain": lambda: _walk(verify_chain(lines, start, key, signatures=False)),
            "batch": lambda: _batch_holds(entries, key),
            "reading": lambda: [read_entry(line) for line in lines],
            "signatures": lambda: all(signature_holds(sealed, key) for sealed in entries),
            "chain_and_signatures": lambda: _walk(verify_chain(lines, start, key)),
        },
        rounds,
    )
    of_one = {name: spent / len(lines) for name, spent in took.items()}
    told = {"reading_us": round(of_one["reading"], 2), "hash_us": round(of_one["hashes"], 2)}
    yield cost("chain_to_bare_hash", of_one["chain"], of_one["hashes"], "us")
    yield gain("chain_to_chain_and_signatures", of_one["chain"], of_one["chain_and_signatures"], "us")
    yield gain("batch_to_signatures", of_one["batch"], of_one["signatures"], "us", BAR, **told)


def _walk(chain: Iterator[object]) -> None:
    assert all(isinstance(item, Sealed) for item in chain)


def _batch_holds(entries: Sequence[Sealed], key: VerifyKey) -> None:
    """Every hash anew, although reading has made it: a chain is made of them."""
    assert [sha256_of(sealed.jws) for sealed in entries][-1] == entries[-1].hash
    assert misplaced(entries) is None
    assert signature_holds(entries[-1], key)
