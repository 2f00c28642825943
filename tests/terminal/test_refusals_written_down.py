"""Every trick with a card is refused with its reason, and the journal says so; nothing is written on the card."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import Kind as Entry
from protocol.entries import SaleRefused
from protocol.ids import CardNo, Counter, LoadSeq
from protocol.load_record import sign_load
from protocol.money import Cents
from protocol.purse import LoadRecord, Purse
from protocol.signing import SigningKey
from tests.hardware.card_bench import (
    KINDS,
    NEXT_KEYS,
    OFFICE,
    STATION,
    TILL,
    UID,
    WHO,
    Bench,
    Card,
    Kind,
    blank,
    load,
    loaded,
)
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

ASKED, MINUTE_MS = 1250, 60_000
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A till that waits for a card."""
    store = await open_store(tmp_path)
    bench = CounterBench(store, TILL)
    await bench.shell.start()
    await bench.types("ring 12.50", "pay")
    yield bench
    await store.close()


def clone(kind: Kind) -> Card:
    """Every byte of a card of ours, on plastic with a UID of its own."""
    card, uid = loaded(kind, 5000).card, bytes.fromhex("04000000000001")
    if isinstance(card, VirtualClassic):
        return VirtualClassic(structs.replace(card.snapshot(), uid=uid))
    return VirtualDesfire(structs.replace(card.snapshot(), uid=uid))


def of_set(keys: CardKeys, key_set: int) -> Callable[[Kind], Card]:
    """A card with our application, and the keys of others."""

    def made(kind: Kind) -> Card:
        bench = Bench(blank(kind, UID), SimulatedReader())
        bench.reader.place(bench.card)
        personalise(bench.channel(), keys, NewCard(key_set, WHO, Purse(Counter(0), Cents(5000))))
        return bench.card

    return made


def forged_load(kind: Kind) -> Card:
    """A station's keys, and a record that the server did not sign."""
    bench = loaded(kind, 1000)
    station = bench.tap(STATION)
    change = load(station.read(), 2, 2, 4000)
    record = LoadRecord(*WHO.key, LoadSeq(2), Cents(5000))
    station.write(replace(change, load=sign_load(record, SigningKey(bytes(31) + b"\x01"))))
    return bench.card


TRICKS: dict[str, tuple[Callable[[Kind], Card], str, list[Kind]]] = {
    "a clone": (clone, "card_not_ours", KINDS),
    "a key set that is not held": (of_set(CardKeys([NEXT_KEYS]), 2), "card_not_ours", KINDS),
    "our application with other keys": (of_set(CardKeys([replace(NEXT_KEYS, key_set=1)]), 1), "card_not_ours", KINDS),
    "a forged load record": (forged_load, "value_not_covered", [Kind.CLASSIC]),
}


async def refusals(counter: CounterBench) -> list[SaleRefused]:
    """What is written down a minute later."""
    counter.at_ms += MINUTE_MS
    await counter.till.tick()
    bodies = [sealed.entry.body for sealed in counter.entries]
    return [body for body in bodies if isinstance(body, SaleRefused)]


@pytest.mark.parametrize(
    ("trick", "kind"),
    [(name, kind) for name, (_, _, kinds) in TRICKS.items() for kind in kinds],
    ids=lambda one: str(getattr(one, "value", one)),
)
async def test_a_card_that_is_not_what_it_seems(counter: CounterBench, trick: str, kind: Kind) -> None:
    make, reason, _ = TRICKS[trick]
    card = make(kind)
    before = card.snapshot()
    assert (await counter.taps(card)).phase == "not_done"
    (body,) = await refusals(counter)
    assert (body.reason, body.amount, body.count) == (reason, ASKED, 1)
    assert card.snapshot() == before and Entry.SALE_PREPARED not in counter.kinds()


@every
async def test_a_card_that_is_put_back_to_what_it_was(counter: CounterBench, kind: Kind) -> None:
    bench = loaded(kind, 5000)
    earlier = bench.card.snapshot()
    assert (await counter.taps(bench.card)).phase == "done"
    await counter.takes_off()
    bench.card.restore(earlier)  # type: ignore[arg-type]
    counter.at_ms += MINUTE_MS
    await counter.types("ring 12.50", "pay")
    assert (await counter.taps(bench.card)).phase == "not_done"
    (body,) = await refusals(counter)
    assert (body.reason, body.counter, body.main) == ("below_floor", 1, 5000)
    assert bench.card.snapshot() == earlier and counter.handed_over == 1


@every
async def test_another_card_where_one_is_to_be_tapped_again(counter: CounterBench, kind: Kind) -> None:
    bench, other = loaded(kind, 5000), of_another(kind)
    reading = bench.exchanges(bench.tap().read)
    bench.card.arm(Tear(reading + 2, Moment.AFTER))
    assert (await counter.taps(bench.card)).phase == "tap_again"
    await counter.takes_off()
    before = other.snapshot()
    for _ in range(2):
        assert (await counter.taps(other)).phase == "tap_again"
        await counter.takes_off()
    (body,) = await refusals(counter)
    assert (body.reason, body.amount, body.count) == ("other_card", ASKED, 2)
    assert body.card is not None and body.card.no == 8 and other.snapshot() == before


def of_another(kind: Kind) -> Card:
    """A card of ours of another number, with money on it."""
    bench = Bench(blank(kind, b"\x04other."), SimulatedReader())
    bench.reader.place(bench.card)
    who = replace(WHO, card=CardNo(8))
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(0))))
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 5000))
    return bench.card


async def test_two_cards_at_once(counter: CounterBench) -> None:
    """However often they move about: one entry a minute, and none while no card is asked for."""
    for _ in range(3):
        await counter.till.several_cards(there=True)
        await counter.till.several_cards(there=False)
    (body,) = await refusals(counter)
    assert (body.reason, body.amount, body.card) == ("several_cards", ASKED, None)
    await counter.types("cancel")
    await counter.till.several_cards(there=True)
    assert len(await refusals(counter)) == 1


@every
async def test_a_program_that_ends_leaves_no_refusal_out(counter: CounterBench, kind: Kind) -> None:
    await counter.taps(clone(kind))
    await counter.till.close()
    assert counter.kinds()[-2:] == [Entry.SALE_REFUSED, Entry.CHECKPOINT]
