"""One campus of real programs for the tests of a module; what the programs said is shown when one of them fails."""

from collections.abc import Iterator

import pytest

from tests.integration.campus import Campus, Till
from tests.integration.engines import SQLITE, open_campus


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that names its `DATABASES` runs once on each."""
    databases = getattr(metafunc.module, "DATABASES", ())
    if databases and "campus" in metafunc.fixturenames:
        metafunc.parametrize("campus", databases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def campus(request: pytest.FixtureRequest) -> Iterator[Campus]:
    """Broker, server, two readers; or as many as the module says with `READERS`."""
    with open_campus(getattr(request, "param", SQLITE), int(getattr(request.module, "READERS", 2))) as campus:
        yield campus


@pytest.fixture(scope="module")
def office(campus: Campus) -> Till:
    """The card office, on the first reader."""
    return campus.add_till("office-1", 0, may=("refund", "load", "topup", "office"))
