"""Inputs made of others: bytes turned, cut, said twice, and members, fields and numbers of one put into another."""

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, Literal

ONCE_IN_LARGE: Final = 500
LARGE_BYTES: Final = 1_024 * 1_024
_GROWTH_BYTES: Final = 4_096
_BYTES: Final = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, 0x20, 0x22, 0x2C, 0x2E, 0x30, 0x5B, 0x5C, 0x7B)
_EDGES: Final = (0, 1, -1, 2, 127, 128, 255, 256, 65_535, 65_536, 99_999_999, 100_000_000, 2**31 - 1, 2**31, -(2**31))
_FAR: Final = (2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**64 - 1, 10**4_000)
_NUMBERS: Final = (*(str(number).encode() for number in (*_EDGES, *_FAR)), b"9" * 5_000)
_VALUES: Final = (
    b"null", b"true", b"{}", b"[]", b'""', b"[[]]", b'[{"a":1}]', b'{"a":[]}', b"1.0", b"1e0", b"-0", b"00", b"1E400",
    b"NaN", b'"\\u0061"', b'"\\ud800"', b'"\\u0000"', "\"e\u0301\"".encode(), '"\u00e9"'.encode(), b'"\xff"',
    b'"a\\/b"', '"\u996d\u5361"'.encode(), b'"' + b"A" * 300 + b'"', b"[" * 40 + b"]" * 40,
    b'{"a":' * 40 + b"1" + b"}" * 40,
)  # fmt: skip
_PIECES: Final = (b"[", b'{"a":', b"\x00", b"\xff", b"9", b"A", b'"', b",", b"\n", b".", b"a.", b"[]")
"""What large inputs are full of."""
_SPACES: Final = (b" ", b"\n", b"\t", b"\r\n", b"\x00", b"\xef\xbb\xbf", "\u3000".encode())
_WORD: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9]+|[A-Za-z0-9_.+/=-]+', re.DOTALL)
_NUMBER: Final = re.compile(rb"[0-9]+")
_MEMBER: Final = re.compile(
    rb'"[^"\\]*":(?:"(?:[^"\\]|\\.)*"|-?[0-9]+|\[[^\[\]]*\]|\{[^{}]*\}),?|\{[^{}]*\},?|\[[^\[\]]*\],?|"[^"\\]*",'
)

Mutation = Callable[[Random, bytes, bytes], bytes]
"""A chance, an input and another one: a new input."""


class Mutator:
    """Makes inputs of one target."""

    def __init__(self, chance: Random, samples: Sequence[bytes], words: Sequence[bytes] = ()) -> None:
        self._chance = chance
        self.bytes_max = max(map(len, samples)) + _GROWTH_BYTES
        """Larger ones are made now and then, and nothing is made of them."""
        self._words = tuple({*words, *(word for sample in samples for word in _WORD.findall(sample)[:200])}) or (b"a",)
        self._words = tuple(sorted(self._words))

    def mutate(self, raw: bytes, other: bytes) -> bytes:
        """An input made of this one, and here and there of the other."""
        chance = self._chance
        if chance.randrange(ONCE_IN_LARGE) == 0:
            return _grown(chance, raw, LARGE_BYTES)
        for _ in range(1 + (chance.random() < 0.5) + (chance.random() < 0.25) * chance.randrange(1, 6)):
            if chance.random() < 0.15:
                raw = _put(chance, raw, chance.choice(self._words))
            else:
                raw = chance.choice(_MUTATIONS)(chance, raw, other)
        return raw[: self.bytes_max]


def _place(chance: Random, raw: bytes) -> int:
    return chance.randrange(len(raw) + 1)


def _span(chance: Random, raw: bytes, most: int = 64) -> tuple[int, int]:
    start = _place(chance, raw)
    return start, min(len(raw), start + chance.randrange(1, most))


def _bit(chance: Random, raw: bytes, other: bytes) -> bytes:
    if not raw:
        return b"\x00"
    at = chance.randrange(len(raw))
    return raw[:at] + bytes((raw[at] ^ 1 << chance.randrange(8),)) + raw[at + 1 :]


def _byte(chance: Random, raw: bytes, other: bytes) -> bytes:
    at = _place(chance, raw)
    value = chance.choice(_BYTES) if chance.random() < 0.5 else chance.randrange(256)
    return raw[:at] + bytes((value,)) + raw[at + (chance.random() < 0.8) :]


def _digit(chance: Random, raw: bytes, other: bytes) -> bytes:
    at = _place(chance, raw)
    return raw[:at] + bytes((chance.choice(b"0123456789ABCDEFabcdef_-"),)) + raw[at + 1 :]


def _cut(chance: Random, raw: bytes, other: bytes) -> bytes:
    start, end = _span(chance, raw)
    return raw[:start] + raw[end:]


def _end(chance: Random, raw: bytes, other: bytes) -> bytes:
    return raw[: _place(chance, raw)] if chance.random() < 0.5 else raw[_place(chance, raw) :]


def _twice(chance: Random, raw: bytes, other: bytes) -> bytes:
    start, end = _span(chance, raw)
    return raw[:end] + raw[start:end] * chance.choice((1, 1, 1, 2, 40)) + raw[end:]


def _noise(chance: Random, raw: bytes, other: bytes) -> bytes:
    start, end = _span(chance, raw, 16)
    return raw[:start] + chance.randbytes(chance.randrange(1, 16)) + raw[end:]


def _integer(chance: Random, raw: bytes, other: bytes) -> bytes:
    """A number of one, two or four bytes, as formats of bytes have them."""
    width = chance.choice((1, 2, 4))
    order: Literal["big", "little"] = "big" if chance.random() < 0.5 else "little"
    at = _place(chance, raw)
    edge = chance.choice((0, 1, 2, 3, 4, -1, -2, 1 << 8 * width - 1, (1 << 8 * width - 1) - 1))
    if chance.random() < 0.4:
        edge = int.from_bytes(raw[at : at + width], order) + chance.choice((1, -1, 4, -4, 256))
    return raw[:at] + (edge % (1 << 8 * width)).to_bytes(width, order) + raw[at + width :]


def _spliced(chance: Random, raw: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of the other, or a piece of the other."""
    if chance.random() < 0.3:
        return raw[: _place(chance, raw)] + other[_place(chance, other) :]
    start, end = _span(chance, other)
    at, until = _span(chance, raw)
    return raw[:at] + other[start:end] + raw[until if chance.random() < 0.5 else at :]


def _put(chance: Random, raw: bytes, word: bytes) -> bytes:
    """A word in the place of another."""
    found = _WORD.search(raw, _place(chance, raw))
    start, end = found.span() if found else (len(raw), len(raw))
    return raw[:start] + word + raw[end:]


def _value(chance: Random, raw: bytes, other: bytes) -> bytes:
    return _put(chance, raw, chance.choice(_VALUES))


def _number(chance: Random, raw: bytes, other: bytes) -> bytes:
    found = _NUMBER.search(raw, _place(chance, raw))
    if found is None:
        return _byte(chance, raw, other)
    if chance.random() < 0.4 and len(found[0]) < 20:
        number = str(int(found[0]) + chance.choice((1, -1))).encode()
    else:
        number = chance.choice(_NUMBERS)
    return raw[: found.start()] + number + raw[found.end() :]


def _member_of(chance: Random, raw: bytes) -> tuple[int, int] | None:
    found = _MEMBER.search(raw, _place(chance, raw)) or _MEMBER.search(raw)
    return found.span() if found else None


def _member(chance: Random, raw: bytes, other: bytes) -> bytes:
    """A member of an object or an array: gone, twice, moved, or in the place of one there is in another input."""
    here, there = _member_of(chance, raw), _member_of(chance, other)
    if here is None:
        return _spliced(chance, raw, other)
    start, end = here
    match chance.randrange(4):
        case 0:
            return raw[:start] + raw[end:]
        case 1:
            return raw[:end] + raw[start:end] + raw[end:]
        case 2 if there:
            return raw[:start] + other[there[0] : there[1]] + raw[chance.choice((start, end)) :]
        case _:
            rest = raw[:start] + raw[end:]
            to = _member_of(chance, rest)
            at = to[0] if to else _place(chance, rest)
            return rest[:at] + raw[start:end] + rest[at:]


def _space(chance: Random, raw: bytes, other: bytes) -> bytes:
    at = chance.choice((0, len(raw), _place(chance, raw)))
    return raw[:at] + chance.choice(_SPACES) + raw[at:]


def _respelled(chance: Random, raw: bytes, other: bytes) -> bytes:
    """The same character as JSON may spell it otherwise, or in the other case."""
    at = _place(chance, raw)
    char = raw[at : at + 1]
    if char.isalpha() and chance.random() < 0.5:
        return raw[:at] + char.swapcase() + raw[at + 1 :]
    return raw[:at] + b"\\u%04x" % (char[0] if char else 0) + raw[at + 1 :]


def _grown(chance: Random, raw: bytes, size: int) -> bytes:
    """A large input: one piece again and again, or brackets in brackets."""
    start, end = _span(chance, raw)
    if chance.random() < 0.5 and (found := _WORD.search(raw, start)):
        start = end = found.start()
    piece = chance.choice((raw[start:end], *_PIECES) if chance.random() < 0.5 else _PIECES[:2])
    piece = piece or b"\x00"
    times = min(size, chance.choice((2_000, 20_000, size))) // len(piece)
    return raw[:start] + piece * times + raw[end if chance.random() < 0.5 else len(raw) :]


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    _bit, _bit, _byte, _byte, _digit, _cut, _cut, _end, _twice, _noise, _integer, _integer, _spliced, _spliced, _value,
    _number, _number, _member, _member, _member, _space, _respelled,
)  # fmt: skip


def large_ones(raw: bytes, size: int = LARGE_BYTES) -> Iterator[bytes]:
    """Large inputs that begin like this one, or have a large piece in their middle."""
    middle = len(raw) // 2
    for piece in (*_PIECES, raw[:middle], raw):
        if not piece:
            continue
        grown = piece * (size // len(piece))
        yield grown
        yield raw[:middle] + grown + raw[middle:]
