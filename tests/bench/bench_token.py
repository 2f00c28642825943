"""A token that proves who it is, through both reader stacks: how many exchanges, and what our code adds to each.

As `bench_tap`: processor time of the thread that speaks to the tag, beside the same commands sent by the library alone.
A token has no purse, so that all of a tap is before the decision.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from hardware.ports import CardChannel
from hardware.simulated.ntag424 import VirtualNtag424
from hardware.simulated.ultralight_aes import VirtualUltralightAes
from terminal.card_port import CardPort
from tests.bench.bench_tap import beside_bare
from tests.bench.canteen import Chance
from tests.bench.figures import Line
from tests.bench.stacks import Stack, both_stacks
from tests.hardware.card_bench import TILL
from tests.hardware.tag_bench import tag, ultralight

TAPS: Final = 200
T = TypeVar("T")
Tag = VirtualNtag424 | VirtualUltralightAes
TAGS: Final[dict[str, Callable[[Chance], Tag]]] = {
    "ntag424": lambda chance: VirtualNtag424(tag().snapshot(), chance),
    "ultralight_aes": lambda chance: VirtualUltralightAes(ultralight().snapshot(), chance),
}


def run(scale: float = 1.0) -> Iterator[Line]:
    """For each kind of tag and each stack: processor time of an exchange, and how many exchanges a tap has."""
    with both_stacks() as stacks:
        for stack_name, stack in stacks.items():
            for kind, make in TAGS.items():
                yield from _taps(stack, make, f"{kind}_{stack_name}", max(5, int(TAPS * scale)))


def _taps(stack: Stack, make: Callable[[Chance], Tag], name: str, taps: int) -> Iterator[Line]:
    chance = Chance()
    card = make(chance)
    stack.put_on(card)
    channel = stack.reader.wait_for_card(5)
    assert channel is not None
    before = card.snapshot()

    def again(seed: int) -> None:
        card.restore(before)  # type: ignore[arg-type]
        card.put_back()
        chance.rewind(seed)

    yield beside_bare(name, stack, channel, card.field, taps, again, lambda on: _read(on, chance))
    stack.take_away()


async def _here(work: Callable[[], T], /) -> T:
    return work()


def _read(channel: CardChannel, chance: Chance) -> None:
    """As the till does: it may be a purse, so that is asked first."""
    read = CardPort(TILL, _here, chance)._read(channel, lambda _: None)
    assert read is not None and read.genuine
