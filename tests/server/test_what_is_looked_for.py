"""What somebody types to find a card, and never meant."""

from server.finding.rules import wanted


def test_a_nul_is_looked_for_nowhere() -> None:
    found = wanted("li\0n")
    assert (found.number, found.uid, found.person, found.begins) == (None, "", "", "")
    assert found.name and "\0" not in found.name, "PostgreSQL takes it in no text, and an empty name is everybody's"
