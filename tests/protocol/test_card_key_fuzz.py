"""Whatever lies on a stick or was typed off paper is a part, a request, a delivery or tables of keys, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import encode
from protocol.card_key_delivery import Holder, NotDelivered, open_delivery, read_delivery, read_request
from protocol.card_keys import NotKeys, read_part, read_tables, split, write_part, write_tables
from protocol.messages import NotAMessage
from tests.protocol.samples import CARD_KEY_SECRET as SECRET
from tests.protocol.samples import GRANT, KEY_SETS
from tests.protocol.test_card_key_delivery import FILE, ROOT, delivered

PART = write_part(split(KEY_SETS[0], 2, bytes(range(48)))[0])
TABLES = write_tables([(keys.number, keys.masters) for keys in KEY_SETS])
CUTS = st.tuples(st.integers(0, 3_000), st.integers(0, 12), st.binary(max_size=12) | st.text(max_size=8))


def spoiled(good: bytes, cuts: list[tuple[int, int, bytes | str]]) -> bytes:
    """A file with some pieces taken out and others put in."""
    for at, length, instead in cuts:
        at %= len(good) + 1
        good = good[:at] + (instead if isinstance(instead, bytes) else instead.encode()) + good[at + length :]
    return good


@given(st.text() | st.builds(lambda cuts: spoiled(PART.encode(), cuts).decode("utf-8", "replace"), st.lists(CUTS)))
def test_a_part(text: str) -> None:
    try:
        part = read_part(text)
    except NotKeys:
        return
    assert read_part(write_part(part)) == part


@given(st.binary() | st.builds(spoiled, st.just(TABLES), st.lists(CUTS)))
def test_tables(raw: bytes) -> None:
    try:
        sets = read_tables(raw)
    except NotKeys:
        return
    assert read_tables(write_tables([(keys.number, keys.masters) for keys in sets])) == sets


@given(st.binary() | st.builds(spoiled, st.just(encode(FILE)), st.lists(CUTS, min_size=1)))
def test_a_request(raw: bytes) -> None:
    try:
        asked = read_request(raw, ROOT)
    except NotAMessage:
        return
    assert asked == read_request(encode(FILE), ROOT), "whatever else is believed was signed"


@given(st.binary() | st.builds(spoiled, st.just(delivered()), st.lists(CUTS, min_size=1)))
def test_a_delivery(jws: bytes) -> None:
    try:
        told = read_delivery(jws, ROOT)
    except NotDelivered:
        return
    assert told == read_delivery(delivered(), ROOT), "nobody else has signed"


@given(
    st.text(max_size=400) | st.builds(lambda cuts: spoiled(b"A" * 200, cuts).decode("utf-8", "replace"), st.lists(CUTS))
)
def test_what_was_sealed(sealed: str) -> None:
    told = read_delivery(delivered(), ROOT)
    other = type(told)(told.tid, told.epoch, told.number, told.holder, sealed)
    with pytest.raises(NotDelivered):
        open_delivery(other, GRANT, Holder.TILL, 0, SECRET)
