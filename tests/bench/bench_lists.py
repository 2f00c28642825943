"""A million listed cards: bytes of the base against what they cannot be told in less than, memory and look-up against a
plain set, and the bytes of a delta."""

import math
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import TypeVar

from protocol.authorise import Listed
from protocol.card_status import CardBase, changes_since, encode_base, encode_delta
from protocol.ids import CardKey, CardNo, Generation
from tests.bench.figures import Line, cost, count, processor_time

CARDS, LOOKED_UP, ROUNDS = 1_000_000, 1_000, 40
BASE_BAR, DELTA_BYTES_BAR = 1.1, 3_000
ISSUED = {"half_of_all": 2.0, "a_tenth_of_all": 10.0}
"""How many cards were ever issued, for one that is listed."""
SHARES = {Listed.CLOSED: 0.70, Listed.BLOCKED: 0.25, Listed.EXCHANGE: 0.05}


_Made = TypeVar("_Made")


def run(scale: float = 1.0) -> Iterator[Line]:
    """Cards spread by chance: real ones lie closer together and take fewer bytes."""
    for name, issued in ISSUED.items():
        dice = random.Random(1)
        listed = spread(dice, int(CARDS * scale), int(CARDS * scale * issued))
        raw = encode_base(listed)
        bound = _bound_bytes(listed, int(CARDS * scale * issued))
        yield cost(f"cards_base_{name}", len(raw), bound, "bytes", BASE_BAR, cards=len(listed))
        base = CardBase(raw)
        changed = dict(listed)
        for no in dice.sample(range(1, int(CARDS * scale * issued)), min(1_000, len(listed))):
            card = (CardNo(no), Generation(1))
            if changed.pop(card, None) is None:
                changed[card] = Listed.BLOCKED
        delta = encode_delta(changes_since(base, changed))
        yield count(f"cards_delta_{name}", len(delta), "bytes", DELTA_BYTES_BAR)
        yield from _looked_up(name, raw, listed, int(CARDS * scale * issued))


def _looked_up(name: str, raw: bytes, listed: dict[CardKey, Listed], issued: int) -> Iterator[Line]:
    dice = random.Random(2)
    asked = [(CardNo(dice.randrange(1, issued)), Generation(1)) for _ in range(LOOKED_UP)]
    plain_bytes, plain = _measured(lambda: {(int(no), int(generation)) for no, generation in listed})
    base_bytes, base = _measured(lambda: CardBase(raw))
    yield cost(f"cards_memory_{name}", base_bytes, plain_bytes, "bytes", 1.0)
    works: dict[str, Callable[[], object]] = {
        "base": lambda: [base.listed(card) for card in asked],
        "set": lambda: [card in plain for card in asked],
    }
    spent = processor_time(works, ROUNDS)
    yield cost(f"cards_look_up_{name}", spent["base"] / LOOKED_UP, spent["set"] / LOOKED_UP, "us")


def spread(dice: random.Random, cards: int, issued: int) -> dict[CardKey, Listed]:
    """So many listed cards among all that were issued, by chance."""
    kinds = dice.choices(list(SHARES), list(SHARES.values()), k=cards)
    numbers = dice.sample(range(1, issued + 1), cards)
    return {(CardNo(no), Generation(1)): kind for no, kind in zip(numbers, kinds, strict=True)}


def _bound_bytes(listed: dict[CardKey, Listed], issued: int) -> float:
    """Shannon's bound for symbols of these frequencies in any order."""
    counts = [issued - len(listed), *(sum(kind is one for one in listed.values()) for kind in SHARES)]
    return -sum(many * math.log2(many / issued) for many in counts if many) / 8


def _measured(make: Callable[[], _Made]) -> tuple[int, _Made]:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = make()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used, made
