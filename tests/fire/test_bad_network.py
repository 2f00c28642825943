"""A bad network loses no row and doubles none; a terminal that believes the broker is found out."""

import pytest

from tests.fire.firing import fire
from tests.fire.sellers import PUBACK

pytestmark = pytest.mark.integration


def test_a_bad_network_loses_nothing() -> None:
    told = fire("proxy", "--messages", "1000", "--cuts", "12", "--seed", "1")
    assert told["messages"] >= 1_000 and told["cuts"] >= 12 and told["cut_in_a_piece"] and told["rows"] > 1_000


def test_a_terminal_that_takes_the_brokers_word_is_caught() -> None:
    told = fire("proxy", "--messages", "60", "--cuts", "6", "--control", PUBACK)
    assert told["caught"] and "in its journal" in told["broken"]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "messages", "cuts"), [("sqlite", 200_000, 2_000), ("postgresql", 20_000, 200)])
def test_a_release_of_messages_through_a_bad_network(engine: str, messages: int, cuts: int) -> None:
    fire("proxy", "--messages", str(messages), "--cuts", str(cuts), "--engine", engine, "--seed", "2")
