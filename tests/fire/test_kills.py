"""Programs that are killed under load lose nothing that was acknowledged; one that says so too early is found out."""

import pytest

from tests.fire.firing import fire
from tests.fire.planted import EARLY

pytestmark = pytest.mark.integration


def test_programs_that_are_killed_lose_nothing() -> None:
    told = fire("kills", "--kills", "50", "--seed", "1")
    assert (
        told["kills"] >= 50 and told["terminal_killed"] and told["server_killed"] and told["rows"] > told["sales"] > 0
    )


@pytest.mark.slow
@pytest.mark.parametrize("program", EARLY)
def test_a_program_that_acknowledges_before_it_commits_is_caught(program: str) -> None:
    told = fire("kills", "--kills", "200", "--control", program)
    assert told["caught"] and ("said" in told["broken"] or "acknowledged" in told["broken"])


@pytest.mark.slow
@pytest.mark.parametrize("kills", [["1900"], ["100", "--postgres"]], ids=["sqlite", "postgresql"])
def test_a_release_of_kills(kills: list[str]) -> None:
    fire("kills", "--seed", "2", "--kills", *kills)
