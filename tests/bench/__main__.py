"""Measure: `python -m tests.bench [--only NAME] [--quick]`. One line of JSON for each figure, nothing else.

The exit code is 1 where a figure misses its bar. `--quick` shows only that the programs run: its figures mean nothing.
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

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

Run = Callable[[float], Iterator[dict[str, Any]]]


def main() -> int:
    """Run what was asked for; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; prints JSON lines.")
    parser.add_argument("--only", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny amounts: do the programs run?")
    asked = parser.parse_args()
    scale = QUICK_SCALE if asked.quick else 1.0
    results = [_print(name, scale) for name in NAMES if asked.only in (None, name)]
    return 0 if all(results) else 1


def _print(name: str, scale: float) -> bool:
    """Print the figures of one program; whether all of them keep their bars."""
    run: Run = import_module(f"tests.bench.bench_{name}").run
    kept = True
    for line in run(scale):
        if "ok" not in line:
            line["ok"] = line["ratio"] <= line["bar"]
        kept &= line["ok"]
        print(json.dumps(line), flush=True)
    gc.collect()
    return kept


if __name__ == "__main__":
    sys.exit(main())
