"""A campus in a box: `make demo`, or `python -m tests.demo`. Ends with one line of JSON and leaves nothing behind.

DEMO_SECONDS bounds the time in which the tills sell (default 45); given, the program ends by itself. DEMO_SEED chooses
the crowd.
"""

import json
import math
import os
import random
import signal
import sys
import tempfile
import traceback
from contextlib import ExitStack
from pathlib import Path

from tests.demo.commentary import Commentary
from tests.demo.story import Demo
from tests.integration.campus import Campus
from tests.integration.programs import ProgramFailed

SELLING_S = 45.0
SELLING_S_MAX = 86_400.0


def main() -> int:
    """Run the story. Returns 0 if nothing was lost, doubled or unexplained and every planted difference was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
    try:
        given, selling_s, seed = os.environ.get("DEMO_SECONDS", ""), _selling_s(), _seed()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-")))
        demo = Demo(directory / "campus", selling_s, Commentary(), seed)
        demo.say.line(f"seed {seed} (DEMO_SEED={seed} makes the same crowd)")
        try:
            summary = demo.run(stack)
        except KeyboardInterrupt:
            print("\nstopped; every program of the demo is ended", file=sys.stderr)
            return 130
        except (ProgramFailed, AssertionError, OSError):
            traceback.print_exc()
            for program in demo.programs:
                print(f"--- {program.log.parent.name}\n{program.said()}", file=sys.stderr)
            for log in directory.glob("campus/*/*.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2_000:]}", file=sys.stderr)
            return 1
        if not given and sys.stdin.isatty():
            print(_how_to_look(demo.campus), flush=True)
            sys.stdin.readline()
    print(json.dumps(summary))
    good = not (summary["lost"] or summary["doubled"] or summary["unexplained_cents"])
    return 0 if good and summary["planted"] == summary["found"] else 1


def _how_to_look(campus: Campus) -> str:
    """What to do with a server that stays up. The token itself is shown to nobody."""
    url = f"{campus.server.url}/api/1"
    return (
        f"\nThe server stays up: {campus.server.url} ({campus.server.url}/openapi.json names all it can do).\n"
        f"The administrator's token is in {campus.token_file}; for example:\n"
        f'  curl -H "Authorization: Bearer $(cat {campus.token_file})" {url}/ledger/trial-balance\n'
        "Press Enter to end it all."
    )


def _selling_s() -> float:
    given = os.environ.get("DEMO_SECONDS", "") or str(SELLING_S)
    try:
        selling_s = float(given)
    except ValueError:
        selling_s = math.nan
    if not 0 < selling_s <= SELLING_S_MAX:
        raise ValueError(f"DEMO_SECONDS is a number of seconds above 0 and up to {SELLING_S_MAX:.0f}, not {given!r}")
    return selling_s


def _seed() -> int:
    given = os.environ.get("DEMO_SEED", "") or str(random.SystemRandom().randrange(10**6))
    if not (given.isascii() and given.isdigit()):
        raise ValueError(f"DEMO_SEED is a whole number, not {given!r}")
    return int(given)


if __name__ == "__main__":
    sys.exit(main())
