"""Is a run of entries a chain, and did its terminal sign it? What the answer costs by the chain and by signatures.

    chain    the walk over lines as they lie on disk (`verify_chain`): strict reading, hash, place, last signature
    batch    what the server does with a batch once it is read (`_in_a_row`): who, place, `prev`, last signature
    each     the same with every signature, as it does after a hole was booked

Hashes are made while reading, and are needed either way: the server knows a row by its hash however the signature was
checked. `hashed_batch` counts them on both sides nevertheless; `most` is then what could be gained at most, with bare
hashes and one bare signature.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from protocol.journal import Sealed, read_entry, signature_holds, verify_chain
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.signing import sha256_of
from server.ingest.book import ChainRow
from server.ingest.rules import Run, _in_a_row
from tests.bench.figures import Line, cost, gain, processor_time
from tests.bench.lunch import Lunch

ROUNDS: Final = 150
BAR: Final = 80.0


def run(scale: float = 1.0) -> Iterator[Line]:
    """Microseconds for an entry: the chain beside bare hashes and beside signatures, a batch beside each signature."""
    lunch, rounds = Lunch(), max(3, int(ROUNDS * scale))
    entries = lunch.sell(BATCH_ENTRIES_MAX // 2)
    lines, till, chain = [sealed.jws for sealed in entries], lunch.till, lunch.book().chains[lunch.till.tno]
    key, each, read = till.key.public, replace(chain, each_signature=True), Run(entries)
    took = processor_time(
        {
            "hash": lambda: [sha256_of(line) for line in lines],
            "chain": lambda: _walk(verify_chain(lines, till.start, key, signatures=False)),
            "batch": lambda: _accept(read, chain),
            "reading": lambda: [read_entry(line) for line in lines],
            "signature": lambda: all(signature_holds(sealed, key) for sealed in entries),
            "each": lambda: _accept(read, each),
            "chain_and_signatures": lambda: _walk(verify_chain(lines, till.start, key)),
        },
        rounds,
    )
    us = {name: spent / len(lines) for name, spent in took.items()}
    told = {f"{name}_us": round(us[name], 3) for name in ("hash", "reading", "signature")}
    most = (us["hash"] + us["signature"]) / (us["hash"] + us["signature"] / len(lines))
    yield cost("chain_to_bare_hash", us["chain"], us["hash"], "us")
    yield gain("chain_to_chain_and_signatures", us["chain"], us["chain_and_signatures"], "us")
    yield gain("batch_to_each_signature", us["batch"], us["each"], "us", BAR, **told)
    yield gain("hashed_batch_to_each_signature", us["batch"] + us["hash"], us["each"] + us["hash"], "us", most=most)


def _walk(chain: Iterator[object]) -> None:
    assert all(isinstance(item, Sealed) for item in chain)


def _accept(read: Run, chain: ChainRow) -> None:
    assert _in_a_row(read, chain) is read.links
