"""A campus in a box: `make demo`, or `python -m tests.demo`. Ends with one line of JSON.

DEMO_SECONDS bounds the time in which the tills sell (default 60); given, the program ends by itself. DEMO_SEED chooses
the crowd, DEMO_STUDENTS how large it is (default 200). What remains, a list of all charges and pictures of the tills,
is written into `demo-data`, or where DEMO_DIRECTORY says.
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

import httpx

from tests.demo.commentary import Commentary
from tests.demo.story import Demo
from tests.integration.programs import ProgramFailed

SELLING_S = 60.0
SELLING_S_MAX = 86_400.0
STUDENTS, STUDENTS_MIN, STUDENTS_MAX = 200, 40, 400
OUTPUT = "demo-data"


def main() -> int:
    """Run the story. Returns 0 if nothing was lost, doubled or unexplained and every planted difference was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
    try:
        given, selling_s, seed, students = os.environ.get("DEMO_SECONDS", ""), _selling_s(), _seed(), _students()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-")))
        output = Path(os.environ.get("DEMO_DIRECTORY") or OUTPUT).absolute()
        demo = Demo(directory / "campus", output, selling_s, Commentary(), seed, students)
        _introduce(demo)
        try:
            summary = demo.run(stack)
            if not given and sys.stdin.isatty():
                demo.stay()
        except KeyboardInterrupt:
            print("\nstopped; every program of the demo is ended", file=sys.stderr)
            return 130
        except (ProgramFailed, AssertionError, OSError, httpx.HTTPError):
            traceback.print_exc()
            for program in demo.programs:
                print(f"--- {program.log.parent.name}\n{program.said()}", file=sys.stderr)
            for log in directory.glob("campus/*/*.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2_000:]}", file=sys.stderr)
            return 1
    print(json.dumps(summary))
    good = not (summary["lost"] or summary["doubled"] or summary["unexplained_cents"])
    return 0 if good and summary["planted"] == summary["found"] else 1


def _introduce(demo: Demo) -> None:
    demo.say.plain(
        "A campus in a box: two canteen tills, a shop, a vending machine and a card office.",
        "Mosquitto, server, PC/SC daemon and terminals are the real programs; cards, readers and people are not.",
        f"{demo.student_count} students, seed {demo.seed} (DEMO_SEED={demo.seed} makes the same crowd).",
        "At the left: seconds since the start when a thing was over. Entries are named by terminal number and place.",
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


def _students() -> int:
    given = os.environ.get("DEMO_STUDENTS", "") or str(STUDENTS)
    if not (given.isascii() and given.isdigit() and STUDENTS_MIN <= int(given) <= STUDENTS_MAX):
        raise ValueError(f"DEMO_STUDENTS is a whole number from {STUDENTS_MIN} to {STUDENTS_MAX}, not {given!r}")
    return int(given)


if __name__ == "__main__":
    sys.exit(main())
