"""Text that somebody else wrote: however deep, double or crooked it is, the answer is NotCanonical."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import DEPTH_MAX, NotCanonical, encode, read, read_part, refuse_deep
from tests.protocol.deep import DEEP


class Thing(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Strict."""

    a: int
    b: str = ""
    free: dict[str, int] = {}


class Part(msgspec.Struct):
    """What is known of something newer."""

    a: int


THING, PART, ANY = msgspec.json.Decoder(Thing), msgspec.json.Decoder(Part), msgspec.json.Decoder(Any)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("deep", DEEP, ids=len)
def test_what_nests_without_end_is_refused_and_nothing_else_happens(deep: str) -> None:
    for text in (f'{{"x":{deep},"a":1}}', f'{{"a":1,"x":{deep}}}', f'{{"a":{deep}}}', deep, deep[: len(deep) // 2]):
        for read_it in (lambda raw: read(raw, THING), lambda raw: read_part(raw, PART)):
            with pytest.raises(NotCanonical):
                read_it(text.encode())


def test_the_bound_is_exact_whatever_the_caller_s_own_depth() -> None:
    assert read(nested(DEPTH_MAX), ANY) is not None
    refuse_deep(b"[" + b",".join([nested(DEPTH_MAX - 1)] * 50) + b"]")
    for deep in (nested(DEPTH_MAX + 1), b"[" + b",".join([b"{}", nested(DEPTH_MAX)] * 20) + b"]"):
        with pytest.raises(NotCanonical, match="deeper than 32"):
            refuse_deep(deep)


@given(st.lists(st.sampled_from(['"', "\\", "[", "]", "{", "}", "a", ","]), max_size=60).map("".join))
def test_brackets_in_a_string_do_not_count(text: str) -> None:
    refuse_deep(json.dumps([text * 20, "]" * 50, {text: 1}]).encode())


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def test_depth_is_counted_as_a_parser_does() -> None:
    dice = random.Random(7)

    def grown(left: int) -> object:
        if left == 0:
            return dice.choice([1, "[", '"{', "\\"])
        inner = [grown(left - 1), *(grown(dice.randrange(min(left, 3))) for _ in range(dice.randrange(3)))]
        return inner if dice.random() < 0.5 else {f"{number}]\\": value for number, value in enumerate(inner)}

    for depth in range(DEPTH_MAX - 3, DEPTH_MAX + 4):
        for _ in range(20):
            value = [grown(depth - 1), [[]] * DEPTH_MAX]
            assert depth_of(value) == depth
            raw = json.dumps(value).encode()
            try:
                refuse_deep(raw)
            except NotCanonical:
                assert depth > DEPTH_MAX
            else:
                assert depth <= DEPTH_MAX


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"a":1,"b":""}', "canonical"),
        (b'{"a": 1}', "canonical"),
        (b'{"a":1,"a":1}', "canonical"),
        (b'{"a":1,"free":{"y":1,"x":2}}', "canonical"),
        (b'{"a":1,"b":"e\xcc\x81"}', "normal form C"),
        (b'{"a":1,"c":1}', "unknown field"),
        (b"\xff", "malformed"),
        (b"", "truncated"),
    ],
)
def test_one_form_only(raw: bytes, says: str) -> None:
    with pytest.raises(NotCanonical, match=says):
        read(raw, THING)


def test_what_is_canonical_is_read() -> None:
    thing = Thing(1, "饭", {"y": 1, "x": 2})
    assert encode(thing) == '{"a":1,"b":"饭","free":{"x":2,"y":1}}'.encode()
    assert read(encode(thing), THING) == thing


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":1,"x":{"y":1,"y":1}}', b'{"a":1,"x":[{"":1,"":1}]}',
        b'{"a":1,"x":NaN}', b'{"a":1,"x":"\xff"}', b'\xef\xbb\xbf{"a":1}', b'{"a":1,"x":"\n"}',
    ],
)  # fmt: skip
def test_of_something_newer_no_member_stands_twice_and_it_is_json(raw: bytes) -> None:
    with pytest.raises(NotCanonical):
        read_part(raw, PART)


def test_of_something_newer_the_known_part_is_read() -> None:
    huge = b"9" * 5_000
    assert read_part(b'{"x":[1.5,' + huge + b',null,{"y":{"a":2}}], "a":1}', PART) == Part(1)


def test_what_it_says_of_foreign_bytes_can_be_shown_anywhere() -> None:
    """A member name may hold what clears a screen, and a message must not carry it there."""
    name = "\\u001b[2J\\u009b饭\\u202e\\n" + "x" * 500
    with pytest.raises(NotCanonical) as refused:
        read(f'{{"{name}":1,"a":1}}'.encode(), THING)
    said = str(refused.value)
    assert said.isascii() and said.isprintable() and len(said) <= 200 and "x1b[2J" in said
