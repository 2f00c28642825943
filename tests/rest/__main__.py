"""Ask the API whatever its document allows, and what it does not: `python -m tests.rest --requests N --seed S`.

Every role asks, a stranger and nobody. A failure is told with its request; the same seed asks the same. The last line
is JSON. An answer that the document does not describe, a 5xx, or a door that opens for the wrong one: a non-zero exit.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rest.asking import Asked, ask
from tests.rest.house import open_furnished

HOUSE_REQUESTS_MAX = 5_000
"""So many are asked of one server; then there is a new one, in which there is nothing yet."""


def main() -> int:
    """Ask and tell."""
    options = argparse.ArgumentParser(prog="python -m tests.rest", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--requests", type=int, default=2_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    began, failures, requests, seed = time.monotonic(), 0, 0, given.seed
    while requests < given.requests:
        asked = asyncio.run(of_a_house(min(HOUSE_REQUESTS_MAX, given.requests - requests), seed))
        requests, failures = requests + asked.requests, failures + len(asked.failures)
        print(f"{requests:>8} requests, seed {seed}: {len(asked.calls)} calls, {dict(sorted(asked.statuses.items()))}")
        for what, text in asked.failures.items():
            print(f"{what}\n  {text}", flush=True)
        seed += 1
    seconds = time.monotonic() - began
    print(json.dumps({"requests": requests, "requests_per_s": round(requests / seconds), "failures": failures}))
    return 1 if failures else 0


async def of_a_house(requests: int, seed: int) -> Asked:
    """Ask a server of its own."""
    with TemporaryDirectory(prefix="fanka-rest-") as name:
        async with open_furnished(Path(name)) as desk:
            return await ask(desk, requests, seed)


if __name__ == "__main__":
    sys.exit(main())
