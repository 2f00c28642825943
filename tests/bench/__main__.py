"""Measure: `python -m tests.bench [--only NAME] [--quick]`. One line of JSON for each figure, nothing else.

The same figures are left as a table and a picture in `build/bench`. The exit code is 1 where a figure misses its bar.
`--quick` shows only that the programs run: its figures mean nothing.
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.figures import Line
from tests.bench.report import write

NAMES: Final = (
    "entry",
    "sale",
    "tap",
    "screen",
    "start",
    "token",
    "bytes",
    "verify",
    "ingest",
    "postgres",
    "compression",
    "lists",
    "reconcile",
    "fleet",
    "backlog",
    "pages",
)
QUICK_SCALE: Final = 0.01
REPORT: Final = Path("build/bench")

Run = Callable[[float], Iterator[Line]]


def main() -> int:
    """Run what was asked for; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; prints JSON lines.")
    parser.add_argument("--only", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny amounts: do the programs run?")
    asked = parser.parse_args()
    scale = QUICK_SCALE if asked.quick else 1.0
    lines = [line for name in NAMES if asked.only in (None, name) for line in _print(name, scale)]
    print(f"as a table and a picture: {write(lines, REPORT)}", file=sys.stderr)
    return 0 if all(line["ok"] for line in lines) else 1


def _print(name: str, scale: float) -> Iterator[Line]:
    """Print the figures of one program, each as soon as it is there."""
    run: Run = import_module(f"tests.bench.bench_{name}").run
    for line in run(scale):
        print(json.dumps(line), flush=True)
        yield line
    gc.collect()


if __name__ == "__main__":
    sys.exit(main())
