"""What people and devices say can always be written down."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import Fault, Kind
from protocol.journal import read_entry, seal
from protocol.texts import text_of
from tests.protocol.samples import KEY, START, entry_after


@given(st.text(max_size=300))
def test_whatever_a_device_says_can_be_written_down(said: str) -> None:
    """A driver's error text is not ours: control characters, lone surrogates, any length, any composition."""
    entry = entry_after(START, Kind.FAULT, Fault("reader", text_of(said)))
    assert read_entry(seal(entry, KEY).jws).entry == entry


def test_an_ordinary_sentence_is_written_down_as_it_is() -> None:
    assert text_of("纸尽 – paper out, é") == "纸尽 – paper out, é"
    assert text_of("e\u0301\nx\ud800") == "\u00e9 x?"
    assert text_of("x" * 201) == "x" * 199 + "…"
