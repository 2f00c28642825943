"""One campus of real programs for the tests of a module; what the programs said is shown when one of them fails."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.campus import Campus, Till


@pytest.fixture(scope="module")
def campus(request: pytest.FixtureRequest) -> Iterator[Campus]:
    """Broker, server, two readers; or as many as the module says with `READERS`."""
    readers = int(getattr(request.module, "READERS", 2))
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory, Campus(Path(directory) / "c", readers) as campus:
        try:
            yield campus
        finally:
            for program in (campus.server, *(till.program for till in campus.tills.values())):
                print(f"--- {program.log}\n{program.said()}")


@pytest.fixture(scope="module")
def office(campus: Campus) -> Till:
    """The card office, on the first reader."""
    return campus.add_till("office-1", 0, may=("refund", "load", "topup", "office"))
