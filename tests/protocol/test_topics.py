"""Topic names: what the access list of the broker is written for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import topics
from protocol.ids import SiteId, TerminalId

TID = TerminalId("till-07")


def test_the_names_of_topics_never_change() -> None:
    """Terminals in the field publish here, and the broker's access list names them."""
    assert topics.up(TID, "journal") == "fanka/1/up/till-07/journal"
    assert topics.down(TID, "ack") == "fanka/1/down/till-07/ack"
    assert topics.manifest(SiteId("north")) == "fanka/1/lists/north/manifest"
    assert topics.list_part(SiteId("north"), "ab") == "fanka/1/lists/north/f/ab"
    assert (topics.SERVER, topics.KEYS, topics.UP_ALL) == ("fanka/1/server", "fanka/1/keys", "fanka/1/up/+/+")


@given(st.from_regex(r"[a-z0-9-]{3,32}", fullmatch=True), st.sampled_from(["journal", "state", "hello", "ask"]))
def test_a_terminal_s_topic_says_who_published_what(tid: str, what: str) -> None:
    assert topics.parse_up(topics.up(TerminalId(tid), what)) == (tid, what)


@pytest.mark.parametrize(
    "topic", ["", "fanka/1/up/till-07", "fanka/1/up/till-07/journal/x", "fanka/2/up/a/b", "fanka/1/down/till-07/ack"]
)
def test_other_topics_are_nobody_s(topic: str) -> None:
    assert topics.parse_up(topic) is None
