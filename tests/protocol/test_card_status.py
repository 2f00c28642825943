"""A million listed cards in few bytes, looked up where they lie; and nothing that is no base or no delta is taken."""

import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocol.authorise import Listed
from protocol.card_status import (
    APART,
    CardBase,
    NotCardStatus,
    changes_since,
    decode_delta,
    encode_base,
    encode_delta,
)
from protocol.ids import CardKey, CardNo, Generation
from protocol.policy import CHANGES_MAX, ROWS_MAX, CardBook, NotAList, cards_file, encode_file, read_file
from protocol.policy import CardsFile as Cards
from protocol.signing import from_base64url, to_base64url
from tests.protocol.golden import golden

LISTED = st.sampled_from([Listed.BLOCKED, Listed.CLOSED, Listed.EXCHANGE])
NUMBERS = st.integers(1, 60) | st.integers(1, 2**32 - 1) | st.integers(APART, 3 * APART)
KEYS = st.tuples(NUMBERS, st.integers(1, 3) | st.just(2**16 - 1))
SETS = st.dictionaries(KEYS, LISTED, max_size=60)


def cards(found: dict[tuple[int, int], Listed]) -> dict[CardKey, Listed]:
    return {(CardNo(no), Generation(generation)): listed for (no, generation), listed in found.items()}


@given(SETS, SETS)
def test_what_is_listed_is_read_back_by_base_and_delta(first: dict[tuple[int, int], Listed], then: object) -> None:
    before, now = cards(first), cards(then)  # type: ignore[arg-type]
    base = CardBase(encode_base(before))
    assert dict(base.items()) == before and len(base) == len(before)
    delta = encode_delta(changes_since(base, now))
    book = CardBook(Cards(delta=to_base64url(delta)), base)
    for no, generation in {*before, *now}:
        for near in (no - 1, no, no + 1):
            card = (CardNo(near), generation)
            assert base.listed(card) == before.get(card, Listed.GOOD)
            assert book.standing(card).listed == now.get(card, Listed.GOOD)
    assert encode_delta(decode_delta(delta)) == delta


def packed(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


def segment(generation: int, first: int, count: int, symbols: bytes) -> bytes:
    return struct.pack(">HII", generation, first, count) + symbols


GOOD_ONE = segment(1, 5, 1, b"\x01")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x02",
        b"\x01" + GOOD_ONE[:-1],
        b"\x01" + GOOD_ONE[:5],
        b"\x01" + segment(0, 5, 1, b"\x01"),
        b"\x01" + segment(1, 0, 1, b"\x01"),
        b"\x01" + segment(1, 5, 0, b""),
        b"\x01" + segment(1, 2**32 - 1, 2, b"\x05"),
        b"\x01" + segment(1, 5, 1, b"\x05"),
        b"\x01" + segment(1, 5, 2, b"\x01"),
        b"\x01" + segment(1, 5, 2, b"\x04"),
        b"\x01" + GOOD_ONE + GOOD_ONE,
        b"\x01" + GOOD_ONE + segment(1, 5 + APART, 1, b"\x01"),
        b"\x01" + segment(2, 5, 1, b"\x01") + GOOD_ONE,
        b"\x01" + bytes(17 * 1_024 * 1_024),
    ],
)
def test_what_is_no_base_is_refused(body: bytes) -> None:
    with pytest.raises(NotCardStatus):
        CardBase(packed(body))


@pytest.mark.parametrize("raw", [b"", b"garbage", packed(b"\x01") + b"x", packed(b"\x01" + GOOD_ONE)[:-1]])
def test_what_is_no_frame_is_refused(raw: bytes) -> None:
    with pytest.raises(NotCardStatus):
        CardBase(raw)


DELTAS = [
    "000100000001", "00010000000080", "0001000000018000", "000100000000", "00", "00010000000200",
    "000200000001000001000000010000", "000100000001ffffffffff7f", "0001000000018080808040", "000000000001000000",
]  # fmt: skip


@pytest.mark.parametrize("delta", DELTAS)
def test_what_is_no_delta_is_refused(delta: str) -> None:
    raw = bytes.fromhex(delta)
    with pytest.raises(NotCardStatus):
        decode_delta(raw)
    with pytest.raises(NotAList, match="cards"):
        CardBook(Cards(delta=to_base64url(raw)))


@given(st.binary(max_size=60))
def test_no_bytes_end_in_anything_but_a_refusal(raw: bytes) -> None:
    for read in (decode_delta, CardBase, lambda raw: CardBase(packed(b"\x01" + raw))):
        try:
            read(raw)
        except NotCardStatus:
            continue


def test_few_changes_stand_in_rows_many_in_a_delta_and_too_many_need_a_base() -> None:
    def some(count: int) -> dict[CardKey, Listed]:
        return {(CardNo(no), Generation(1)): Listed.BLOCKED for no in range(1, 2 * count, 2)}

    few, many, most = (cards_file(some(count), None, "", (), ()) for count in (ROWS_MAX, ROWS_MAX + 1, CHANGES_MAX + 1))
    assert few is not None and len(few.rows) == ROWS_MAX and not few.delta
    assert many is not None and not many.rows and len(decode_delta(from_base64url(many.delta))) == ROWS_MAX + 1
    assert most is None
    base, name = CardBase(encode_base(some(CHANGES_MAX + 1))), "ab" * 32
    same = cards_file(some(CHANGES_MAX + 1), base, name, (), ())
    assert same == Cards(base=name)
    for file in (few, many, Cards(base=name)):
        assert read_file(encode_file(file), Cards) == file


def test_the_vectors_are_what_the_code_says() -> None:
    told = golden("card_status")
    listed = {(CardNo(no), Generation(generation)): Listed(name) for no, generation, name in told["rows"]}
    assert dict(CardBase(bytes.fromhex(told["base"])).items()) == listed, "whoever compressed it"
    assert zstandard.ZstdDecompressor().decompress(encode_base(listed)).hex() == told["unpacked"]
    assert encode_delta(listed).hex() == told["delta"]
