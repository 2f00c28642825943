"""Check the models, and that each rule in them is needed: `python -m tests.models [--story]`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.models.checker import MODELS, Search, rules_of, search


def main() -> int:
    """One line for each model, whole and without each of its rules; 1 where a search ended otherwise than it must."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--story", action="store_true", help="print the way to each broken sentence")
    asked = options.parse_args()
    wrong = 0
    for model, without, found in _searches():
        wrong += bool(found.broken) != bool(without)
        print(f"{model.stem} {'without ' + without if without else 'whole'}: {_outcome(found)}", flush=True)
        if asked.story and found.broken:
            print(found.story)
    return 1 if wrong else 0


def _searches() -> Iterator[tuple[Path, str | None, Search]]:
    for model in MODELS:
        for without in (None, *rules_of(model)):
            with TemporaryDirectory(prefix="fanka-model-") as directory:
                yield model, without, search(model, Path(directory), without)


def _outcome(found: Search) -> str:
    return (
        f"broken after {found.states} states: {found.broken}" if found.broken else f"holds in all {found.states} states"
    )


if __name__ == "__main__":
    sys.exit(main())
