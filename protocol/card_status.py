"""The status of very many cards in few bytes: a base that seldom changes, and what has changed since (SPEC, "Lists").

    base    one zstd frame of: 1, then segments of two bits a card        a million listed cards: some 200 to 800 kB
    delta   for each generation the cards in order, by their distances    a thousand changed cards: some 2 kB

Issue numbers are dense, so a card's place says its number. A base in memory is as large as its segments: a look-up
finds the segment and reads two bits.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import zstandard

from protocol.authorise import Listed
from protocol.ids import U16_MAX, U32_MAX, CardKey, CardNo, Generation

UNPACKED_BYTES_MAX = 16 * 1_024 * 1_024
"""64 million numbers; what claims to be more is refused before it is unpacked."""
APART = 4_096
"""A new segment begins behind so many good cards in a row: a stray number must not make a base of the room between."""
_VERSION, _PER_BYTE, _LEVEL = 1, 4, 19
_CODES = (Listed.GOOD, Listed.BLOCKED, Listed.CLOSED, Listed.EXCHANGE)
_CODE_OF = {listed: code for code, listed in enumerate(_CODES)}
_SEGMENT, _SECTION = struct.Struct(">HII"), struct.Struct(">HI")


class NotCardStatus(ValueError):
    """These bytes are no base or no delta of ours; the text says why."""


class CardBase:
    """A base as it is looked up: nothing is unpacked into objects."""

    def __init__(self, raw: bytes) -> None:
        """Read a base strictly. Raises NotCardStatus."""
        body = _unpacked(raw)
        self._places: list[tuple[int, int]] = []
        """Generation and first number of each segment."""
        self._segments: list[memoryview] = []
        self._counts: list[int] = []
        at, end = 1, (0, 0)
        while at < len(body):
            if len(body) - at < _SEGMENT.size:
                raise NotCardStatus("a segment is cut off")
            generation, first, count = _SEGMENT.unpack_from(body, at)
            at += _SEGMENT.size
            symbols = memoryview(body)[at : at + -(-count // _PER_BYTE)]
            at += -(-count // _PER_BYTE)
            self._check(generation, first, count, symbols, end)
            end = (generation, first + count + APART - 1)
            self._places.append((generation, first))
            self._segments.append(symbols)
            self._counts.append(count)

    def __len__(self) -> int:
        """How many cards are listed."""
        return sum(1 for _ in self.items())

    def listed(self, card: CardKey) -> Listed:
        """What the base says of a card; one that it does not name is good."""
        no, generation = card
        at = bisect_right(self._places, (generation, no)) - 1
        if at < 0 or self._places[at][0] != generation:
            return Listed.GOOD
        place = no - self._places[at][1]
        return _CODES[_symbol(self._segments[at], place)] if place < self._counts[at] else Listed.GOOD

    def items(self) -> Iterator[tuple[CardKey, Listed]]:
        """Every card that is listed."""
        for (generation, first), symbols, count in zip(self._places, self._segments, self._counts, strict=True):
            for place in range(count):
                code = _symbol(symbols, place)
                if code:
                    yield (CardNo(first + place), Generation(generation)), _CODES[code]

    def _check(self, generation: int, first: int, count: int, symbols: memoryview, end: tuple[int, int]) -> None:
        if not (generation and first and count) or (generation, first) <= end or first + count - 1 > U32_MAX:
            raise NotCardStatus("segments are not in order")
        if len(symbols) != -(-count // _PER_BYTE):
            raise NotCardStatus("a segment is cut off")
        if not _symbol(symbols, 0) or not _symbol(symbols, count - 1):
            raise NotCardStatus("a segment begins or ends with a card that is good")
        if count % _PER_BYTE and symbols[-1] >> 2 * (count % _PER_BYTE):
            raise NotCardStatus("bits behind the last card")


def encode_base(listed: Mapping[CardKey, Listed]) -> bytes:
    """A base of these cards."""
    parts, run = [bytes([_VERSION])], list[tuple[int, int]]()
    of, last = 0, 0
    for no, generation in sorted(listed, key=lambda card: (card[1], card[0])):
        code = _CODE_OF[listed[CardNo(no), Generation(generation)]]
        if not code:
            continue
        if run and (generation != of or no - last > APART):
            parts.append(_segment(of, run))
            run = []
        run.append((no, code))
        of, last = generation, no
    if run:
        parts.append(_segment(of, run))
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))


def changes_since(base: CardBase, listed: Mapping[CardKey, Listed]) -> dict[CardKey, Listed]:
    """What to say beside a base so that exactly these cards are listed: cards that are good again, too."""
    before = dict(base.items())
    changed = {card: now for card, now in listed.items() if before.get(card, Listed.GOOD) is not now}
    return changed | {card: Listed.GOOD for card in before if card not in listed}


def encode_delta(changes: Mapping[CardKey, Listed]) -> bytes:
    """Changes as a list carries them."""
    out = bytearray()
    for generation in sorted({generation for _, generation in changes}):
        numbers = sorted(no for no, of in changes if of == generation)
        out += _SECTION.pack(generation, len(numbers))
        last = 0
        for no in numbers:
            _put(out, (no - last - 1) << 2 | _CODE_OF[changes[no, generation]])
            last = no
    return bytes(out)


def decode_delta(raw: bytes) -> dict[CardKey, Listed]:
    """Read changes strictly. Raises NotCardStatus."""
    found: dict[CardKey, Listed] = {}
    at = before = 0
    while at < len(raw):
        if len(raw) - at < _SECTION.size:
            raise NotCardStatus("a delta is cut off")
        generation, count = _SECTION.unpack_from(raw, at)
        at += _SECTION.size
        if not (count and before < generation <= U16_MAX):
            raise NotCardStatus("generations of a delta are not in order")
        before, no = generation, 0
        for _ in range(count):
            value, at = _take(raw, at)
            no += (value >> 2) + 1
            if no > U32_MAX:
                raise NotCardStatus("a delta names a card that cannot be")
            found[CardNo(no), Generation(generation)] = _CODES[value & 3]
    return found


def _symbol(symbols: memoryview, place: int) -> int:
    return symbols[place >> 2] >> 2 * (place & 3) & 3


def _segment(generation: int, run: list[tuple[int, int]]) -> bytes:
    first, count = run[0][0], run[-1][0] - run[0][0] + 1
    symbols = bytearray(-(-count // _PER_BYTE))
    for no, code in run:
        symbols[no - first >> 2] |= code << 2 * (no - first & 3)
    return _SEGMENT.pack(generation, first, count) + symbols


def _unpacked(raw: bytes) -> bytes:
    try:
        if zstandard.frame_content_size(raw) > UNPACKED_BYTES_MAX:
            raise NotCardStatus(f"a base has at most {UNPACKED_BYTES_MAX} bytes unpacked")
        body = zstandard.ZstdDecompressor().decompress(raw, max_output_size=UNPACKED_BYTES_MAX, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise NotCardStatus(f"base: {error}") from error
    if body[:1] != bytes([_VERSION]):
        raise NotCardStatus("a base of another version")
    return body


def _put(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _take(raw: bytes, at: int) -> tuple[int, int]:
    """An LEB128 number, shortest form, at most five bytes; and the place behind it."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(raw):
            break
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 and shift:
                break
            return value, at
    raise NotCardStatus("a number of a delta is cut off, too long or not in its shortest form")
