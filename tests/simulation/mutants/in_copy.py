"""Play seeds in a copy of the sources, up to the first that fails; prints that one, or null, as a line of JSON.

`python -m tests.simulation.mutants.in_copy FIRST END`, started in the copy's directory.
"""

import json
import sys
from pathlib import Path

import protocol
from tests.simulation.run import Played, play


def main() -> None:
    """Play the seeds FIRST to END - 1."""
    first, end = map(int, sys.argv[1:])
    assert Path(*protocol.__path__).parent == Path.cwd(), "these are not the sources of the copy"
    failed = next((played for played in map(play, range(first, end)) if played.failure), None)
    print(json.dumps(told(failed) if failed else None))


def told(played: Played) -> dict[str, object]:
    """What the runner wants to know of a seed that failed; the place is relative to the copy where it lies in it."""
    place = Path(played.raised_in).resolve()
    inside = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    return {"seed": played.seed, "failure": played.failure, "raised_in": str(inside)}


if __name__ == "__main__":
    main()
