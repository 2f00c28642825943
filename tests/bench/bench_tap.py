"""A tap through both reader stacks: how many exchanges, what our drivers add to each, and where the time goes.

`exchange_...` is processor time of the thread that speaks to the card: the purse driver on the reader's adapter, beside
the same commands sent with nothing but pyscard, or nothing but nfcpy. The virtual card and the virtual chip work in
other threads. `decision_...` is a tap of the shipping till by the clock, from the reader's word that a card is there
until all is read that the decision needs, beside the whole tap; its parts, and those after it, are drawn by

    python -m tests.bench.bench_tap docs/pictures/tap.svg

How long a real card takes over the air, none of this says: a virtual one costs what it costs here.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hardware.cards.open_card import open_card
from hardware.ports import CardChannel
from hardware.readers.patience import DeviceThread
from hardware.simulated.tearing import Field
from tests.bench.canteen import Canteen, Chance, Sale, State, blank, issue, restore
from tests.bench.figures import Line, ahead_of_others, cost, count, on_disk, undisturbed
from tests.bench.stacks import Exchange, Stack, both_stacks
from tests.bench.tap_picture import Bar, picture
from tests.hardware.card_bench import KINDS, TILL, Card, Kind, sale

TAPS: Final = 200
WHOLE_TAPS: Final = 30
"""Fewer: pcscd looks for a card, and for its absence, every 0.4 s."""
EXCHANGES_BAR: Final = {Kind.CLASSIC: 20, Kind.EV1: 15, Kind.EV2: 15}
PARTS: Final = ("detect", "authenticate", "read", "decide, store", "write", "store")
_AUTHENTICATE: Final = (b"\xff\x82", b"\xff\x86", b"\x90\xaa", b"\x90\x71", b"\x90\x77")
"""Load a key and authenticate a sector; AuthenticateAES, AuthenticateEV2First and NonFirst."""
_SPOKEN: Final = {Kind.CLASSIC: "Classic", Kind.EV1: "DESFire EV1", Kind.EV2: "DESFire EV2"}
_SECOND_HALF: Final = b"\x90\xaf"


def run(scale: float = 1.0) -> Iterator[Line]:
    """For each kind of card and each stack: exchanges, processor time of an exchange, and the time to the decision."""
    taps, wholes = (max(5, int(count * scale)) for count in (TAPS, WHOLE_TAPS))
    with both_stacks() as stacks:
        for stack_name, stack in stacks.items():
            for kind in KINDS:
                yield from _exchanges(stack, kind, f"{kind.value}_{stack_name}", taps)
        with ahead_of_others():
            parts = _parts_of_all(stacks, wholes)
    for (kind, stack_name), spent in parts.items():
        name, whole = f"{kind.value}_{stack_name}", [sum(one[1:]) for one in spent.taps]
        line = cost(f"decision_{name}", undisturbed([sum(one[1:3]) for one in spent.taps]), undisturbed(whole), "us")
        yield line | {part: round(us) for part, us in zip(PARTS, spent.undisturbed(), strict=True)}
        yield count(f"exchanges_{name}", spent.exchanges, "exchanges", EXCHANGES_BAR[kind])


@dataclass(slots=True)
class Spent:
    """Seconds of each part of each tap, in the order of `PARTS`."""

    taps: list[tuple[float, ...]] = field(default_factory=list[tuple[float, ...]])
    exchanges: int = 0
    """With the card, in one tap at most; the first one verifies the load record and is not counted."""

    def undisturbed(self) -> list[float]:
        """Microseconds of each part."""
        return [undisturbed(seconds) for seconds in zip(*self.taps, strict=True)]


def _exchanges(stack: Stack, kind: Kind, name: str, taps: int) -> Iterator[Line]:
    chance = Chance()
    card = blank(kind, chance)
    stack.put_on(card)
    channel = stack.reader.wait_for_card(5)
    assert channel is not None
    issue(channel)
    before = card.snapshot()
    yield beside_bare(
        name, stack, channel, card.field, taps, _again(card, before, chance), lambda on: _sell(on, chance)
    )
    stack.take_away()


def beside_bare(
    name: str,
    stack: Stack,
    channel: CardChannel,
    field: Field,
    taps: int,
    again: Callable[[int], None],
    work: Callable[[CardChannel], None],
) -> Line:
    """Processor time of an exchange of some work with a card, and of the same commands sent by the library alone.

    `again`: put the very same card into the field, and chance on the place of a number.
    """
    driven, bare = list[float](), list[float]()

    def tap(seed: int) -> int:
        recorded, counted = stack.recorded(channel), field.exchange_count
        again(seed)
        started = time.thread_time()
        work(recorded)
        driven.append(time.thread_time() - started)
        exchanges = field.exchange_count - counted
        again(seed)
        started = time.thread_time()
        answers = stack.send_bare(stack.said)
        bare.append(time.thread_time() - started)
        assert answers == [answer for _, answer in stack.said]
        return exchanges

    thread = DeviceThread("cards")  # as the till has one: calls made elsewhere are handed to another thread
    exchanges = thread.do(lambda: [tap(seed) for seed in range(taps)])[-1]
    thread.close()
    per = (undisturbed(driven) / exchanges, undisturbed(bare) / exchanges)
    return cost(f"exchange_{name}", *per, "us", exchanges=exchanges)


def _again(card: Card, state: State, chance: Chance) -> Callable[[int], None]:
    def again(seed: int) -> None:
        restore(card, state)
        card.put_back()
        chance.rewind(seed)

    return again


def _sell(channel: CardChannel, chance: Chance) -> None:
    driver = open_card(channel, TILL, chance)
    driver.write(sale(driver.read(), 2))


def _parts_of_all(stacks: dict[str, Stack], taps: int) -> dict[tuple[Kind, str], Spent]:
    return {(kind, name): asyncio.run(_parts(stack, kind, taps)) for kind in KINDS for name, stack in stacks.items()}


async def _parts(stack: Stack, kind: Kind, taps: int) -> Spent:
    spent = Spent()
    with on_disk() as directory:
        async with AsyncExitStack() as exits:
            canteen = await Canteen.open(stack, Path(directory), blank(kind, Chance()), exits)
            await canteen.sell()
            for _ in range(taps):
                await canteen.take_away()
                detected_s, before = await canteen.detect(), canteen.card.field.exchange_count
                spent.taps.append((detected_s, *_parts_of(await canteen.sell())))
                spent.exchanges = max(spent.exchanges, canteen.card.field.exchange_count - before)
    return spent


def _parts_of(sale: Sale) -> tuple[float, ...]:
    """Seconds of every part but the first."""
    read = [one for one in sale.exchanges if one.answered_s <= sale.prepared_s]
    authenticating = sum(one.answered_s - one.sent_s for one in authentications(read))
    read_s, written_s = read[-1].answered_s, sale.exchanges[-1].answered_s
    return (
        authenticating,
        read_s - sale.began_s - authenticating,
        sale.prepared_s - read_s,
        written_s - sale.prepared_s,
        sale.began_s + sale.seconds - written_s,
    )


def authentications(exchanges: Sequence[Exchange]) -> Iterator[Exchange]:
    """Those that prove who is who, rather than read or write."""
    is_open = False
    for one in exchanges:
        begins = one.apdu[:2] in _AUTHENTICATE
        if begins or (is_open and one.apdu[:2] == _SECOND_HALF):
            yield one
        is_open = begins


def main() -> None:
    """Draw where the time of a tap goes."""
    with both_stacks() as stacks, ahead_of_others():
        parts = _parts_of_all(stacks, WHOLE_TAPS)
    bars = [Bar(f"{_SPOKEN[kind]}, {name}", *_split(spent.undisturbed())) for (kind, name), spent in parts.items()]
    Path(sys.argv[1]).write_text(picture(PARTS[1:], bars), encoding="utf-8")


def _split(parts_us: list[float]) -> tuple[float, list[float]]:
    return parts_us[0], parts_us[1:]


if __name__ == "__main__":
    main()
