"""Every file call fails once, and for good: `python -m tests.faults [--target terminal|server] [--all] [--controls]`.

The shipping programs play short stories while the nth of their file calls fails: EIO, ENOSPC, EROFS, a short write, a
sync that loses what it should have kept. Each time the program goes on or ends with a clear error; then it is started
on what is left, where everything that it said and did must be, and goes on. Without `--all` each call fails in one way.

    python -m tests.faults --target terminal --case morning:sync:40:LOST:once --keep FOLDER

plays one fault alone, and leaves what it left. The last line is JSON. Anything broken, or a control that is not caught,
is a non-zero exit.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.crash.images import workshop
from tests.faults.cases import CHANGE, READ, Bench, Case, Tally, Target, cases, compiled
from tests.faults.house import HouseStories
from tests.faults.planted import CONTROLS
from tests.faults.till import TillStories

TARGETS: Final[tuple[Target, ...]] = (TillStories(), HouseStories())
PRELOADED: Final = "FANKA_FAULTS"


def main() -> int:
    """Compile and preload, then play."""
    options = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--target", choices=[target.name for target in TARGETS], help="only this one")
    options.add_argument("--all", action="store_true", help="every call with every error, once and for good")
    options.add_argument("--controls", action="store_true", help="plant what must be caught as well")
    options.add_argument("--case", type=Case.read, help="one fault alone, as a failure names it; needs --target")
    options.add_argument("--control", default="", help="with this planted, for --case")
    options.add_argument("--keep", type=Path, help="leave the folder of --case here")
    asked = options.parse_args()
    if asked.case is not None and asked.target is None:
        options.error("--case needs --target")
    with workshop() as place:
        if PRELOADED not in os.environ:
            preloaded = {"LD_PRELOAD": str(compiled(Path(place))), PRELOADED: "1"}
            command = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
            return subprocess.run(command, env={**os.environ, **preloaded}).returncode
        gc.freeze()
        line: dict[str, Any] = {}
        bad = False
        for target in (target for target in TARGETS if asked.target in (None, target.name)):
            bench = Bench(target, Path(place))
            planned = [asked.case] if asked.case is not None else _planned(bench, target, everything=asked.all)
            line[target.name], broken = _figures(_checked(bench, target, planned, asked.control))
            bad |= broken
            for control in CONTROLS[target.name] if asked.controls else ():
                caught = _checked(bench, target, planned, control, until_caught=True)
                line[target.name].setdefault("controls", {})[control] = {
                    "cases": caught.cases,
                    "caught": bool(caught.broken),
                }
                bad |= not caught.broken
            if asked.keep is not None:
                shutil.copytree(bench.folder, asked.keep)
    print(json.dumps(line))
    return 1 if bad else 0


def _planned(bench: Bench, target: Target, *, everything: bool) -> list[Case]:
    return [
        case
        for story in target.stories
        if everything or story not in target.long_stories
        for family in (CHANGE, READ)
        for case in cases(story, bench.calls(story, family), everything=everything)
    ]


def _checked(
    bench: Bench, target: Target, planned: Iterable[Case], control: str, *, until_caught: bool = False
) -> Tally:
    """All cases, with or without something planted; `until_caught`: only up to the first that shows it."""
    tally, bench.control = Tally(), control
    for index, case in enumerate(planned, 1):
        if sys.stderr.isatty():
            print(f"\r{target.name} {control}: {index} faults", end="", file=sys.stderr, flush=True)
        bench.check(case, tally)
        if until_caught and tally.broken:
            return tally
    return tally


def _figures(tally: Tally) -> tuple[dict[str, Any], bool]:
    figures = {
        "cases": tally.cases,
        "promises": tally.promises,
        "by_call": dict(tally.by_call),
        "by_error": dict(tally.by_error),
        "unreached": tally.unreached,
        "went_on": tally.went_on,
        "ended_cleanly": tally.ended_cleanly,
        "broken": len(tally.broken),
    }
    return figures, bool(tally.broken)


if __name__ == "__main__":
    sys.exit(main())
