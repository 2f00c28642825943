"""Fuzz every decoder that reads foreign bytes: `python -m tests.fuzz --runs N [--target NAME ...] --seed S`.

The runs are shared out among the targets by their weight. Each target begins with what it takes and keeps every input
that reaches a line of its decoder that none had reached, or is refused in words that are new. Whatever comes out that
the decoder does not declare, whatever it takes and would spell otherwise, whatever takes too long or too much memory
is shrunk and told, with the command that shows it again:

    python -m tests.fuzz --target NAME --replay HEX

The last line is JSON. A failure is a non-zero exit.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from tests.fuzz.fuzzer import Tally
from tests.fuzz.pieces import fuzz, limit_memory, shared
from tests.fuzz.targets import all_targets


def main() -> int:
    """Share out, run, tell."""
    names = list(all_targets())
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--runs", type=int, default=200_000, help="of all targets together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--target", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--replay", metavar="HEX", help='one input of one target; "-" is the empty one')
    asked = options.parse_args()
    if asked.replay is not None:
        return replay(asked.target[0], bytes.fromhex(asked.replay.strip("-")))
    began, told = time.monotonic(), dict[str, dict[str, Any]]()
    done = failures = 0
    with ProcessPoolExecutor(asked.jobs, get_context("spawn"), limit_memory) as pool:
        pieces = [pool.submit(fuzz, piece) for piece in shared(asked.target, asked.runs, asked.seed)]
        for piece in as_completed(pieces):
            tally = piece.result()
            done += tally.runs
            failures += len(tally.failures)
            _add(told.setdefault(tally.target, {}), tally)
            _tell(tally, done)
    seconds = time.monotonic() - began
    line = {"seed": asked.seed, "runs": done, "runs_per_s": round(done / seconds), "failures": failures}
    print(json.dumps({**line, "targets": {name: told[name] for name in asked.target if name in told}}))
    return 1 if failures else 0


def replay(name: str, raw: bytes) -> int:
    """One input once more, with all that comes out of it."""
    limit_memory()
    print(json.dumps({"target": name, "told": all_targets()[name].check(raw)}))
    return 0


def _add(told: dict[str, Any], tally: Tally) -> None:
    told["runs"] = told.get("runs", 0) + tally.runs
    told["taken"] = told.get("taken", 0) + tally.taken
    told["lines"] = max(told.get("lines", 0), tally.lines)
    told["corpus"] = max(told.get("corpus", 0), tally.corpus)
    told["seconds"] = round(told.get("seconds", 0) + tally.seconds, 1)


def _tell(tally: Tally, done: int) -> None:
    rate = round(tally.runs / tally.seconds) if tally.seconds else 0
    print(
        f"{done:>10} runs; {tally.target}: {tally.runs} at {rate}/s, {tally.lines} lines, {tally.corpus} inputs kept",
        flush=True,
    )
    for failure in tally.failures:
        print(f"{tally.target}: {failure.key}\n{failure.text}\n  input: {failure.raw.hex()}\n  {failure.command}")


if __name__ == "__main__":
    sys.exit(main())
