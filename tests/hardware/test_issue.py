"""Personalising a card: from blank, again, after a cut, and what the result allows to whom."""

from dataclasses import replace

import pytest

from hardware.cards.classic_sectors import KEY_A, KEY_B, PUBLIC_KEY_A, TRANSPORT_KEY, ClassicSectors
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.ports import CardLeftField, CardNotOurs, CardRefused
from hardware.simulated.classic_card import BLOCKS_4K, VirtualClassic, blank_classic
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.ids import Counter, Generation
from protocol.money import Cents
from protocol.purse import Purse, Technology
from tests.hardware.card_bench import (
    KEYS,
    KINDS,
    NEXT_KEYS,
    OFFICE,
    STATION,
    TILL,
    UID,
    WHO,
    Bench,
    Kind,
    blank,
    issued,
    load,
    sale,
)

both = pytest.mark.parametrize("kind", KINDS)
BOTH_SETS = CardKeys([NEXT_KEYS, KEYS])
FIRST = NewCard(1, WHO, Purse(Counter(0), Cents(5000), Cents(100)))
SECOND = NewCard(2, replace(WHO, generation=Generation(2)), Purse(Counter(0), Cents(4200)))


@both
def test_a_card_is_issued_again_under_another_key_set(kind: Kind) -> None:
    bench = issued(kind)
    driver = bench.tap(STATION)
    driver.write(load(driver.read(), 1, 1, 300))
    bench.reader.place(bench.card)
    read = personalise(bench.channel(), BOTH_SETS, SECOND)
    assert (read.key_set, read.identity, read.purse, read.loaded) == (2, SECOND.identity, SECOND.purse, None)
    with pytest.raises(CardNotOurs):
        bench.tap(TILL).read()
    till = CardKeys([NEXT_KEYS.for_a_till(), KEYS.for_a_till()])
    driver = bench.tap(till)
    assert driver.write(sale(driver.read(), 1)) == bench.tap(till).read()
    station = CardKeys([NEXT_KEYS.for_a_station(), KEYS.for_a_station()])
    driver = bench.tap(station)
    assert driver.write(load(driver.read(), 2, 1, 300)) == bench.tap(till).read()


@both
def test_personalising_may_be_cut_anywhere_and_begun_again(kind: Kind) -> None:
    """Every boundary; a torn trailer alone spoils a Classic card, and a write torn in the middle is not played here."""
    bench = Bench(blank(kind), SimulatedReader())
    bench.reader.place(bench.card)
    needed = bench.exchanges(lambda: personalise(bench.channel(), OFFICE, FIRST))
    for at in range(1, needed + 1):
        for moment in (Moment.BEFORE, Moment.AFTER):
            bench = Bench(blank(kind), SimulatedReader())
            bench.reader.place(bench.card)
            bench.card.arm(Tear(at, moment))
            with pytest.raises(CardLeftField):
                personalise(bench.channel(), OFFICE, FIRST)
            bench.reader.place(bench.card)
            read = personalise(bench.channel(), OFFICE, FIRST)
            assert (read.identity, read.purse) == (WHO, FIRST.purse)
            assert bench.tap().read() == read


@both
def test_only_the_card_office_can_issue(kind: Kind) -> None:
    bench = Bench(blank(kind), SimulatedReader())
    for keys in (TILL, STATION):
        bench.reader.place(bench.card)
        with pytest.raises(KeyNotHeld):
            personalise(bench.channel(), keys, FIRST)
    bench.reader.place(bench.card)
    with pytest.raises(CardNotOurs, match="not held"):
        personalise(bench.channel(), CardKeys([NEXT_KEYS]), FIRST)


@both
def test_a_card_of_another_installation_is_left_alone(kind: Kind) -> None:
    bench = issued(kind)
    before = bench.card.snapshot()
    bench.reader.place(bench.card)
    with pytest.raises(CardNotOurs):
        personalise(bench.channel(), CardKeys([NEXT_KEYS]), SECOND)
    assert bench.card.snapshot() == before


@pytest.mark.parametrize(("uid", "blocks"), [(UID[:4], 64), (UID, BLOCKS_4K), (UID[:4], BLOCKS_4K)])
def test_every_size_of_classic_card_is_served(uid: bytes, blocks: int) -> None:
    bench = Bench(VirtualClassic(blank_classic(uid, blocks=blocks)), SimulatedReader())
    bench.reader.place(bench.card)
    assert personalise(bench.channel(), OFFICE, FIRST).uid == uid
    driver = bench.tap()
    assert driver.write(sale(driver.read(), 1)) == bench.tap().read()


def test_frozen_load_sectors_keep_the_set_they_were_issued_under() -> None:
    bench = issued(Technology.CLASSIC)
    bench.reader.place(bench.card)
    personalise(bench.channel(), BOTH_SETS, SECOND)
    bench.reader.place(bench.card)
    sectors = ClassicSectors(bench.channel())
    sectors.open(0, PUBLIC_KEY_A)
    assert sectors.read(1)[:2] == bytes((2, 1))
    driver = bench.tap(CardKeys([NEXT_KEYS.for_a_station()]))
    change = load(driver.read(), 1, 1, 300)
    with pytest.raises(CardNotOurs, match="load sectors"):
        driver.write(change)


# What each key opens on a Classic card: sector, key, kind, may read, may write its first data block, its trailer.
_OF = OFFICE.of_card(UID, 1)
assert _OF is not None
TILL_KEY, LOAD_KEY, OFFICE_KEY = (
    _OF.classic(role) for role in (Role.CLASSIC_TILL, Role.CLASSIC_LOAD, Role.CLASSIC_OFFICE)
)


@pytest.mark.parametrize(
    ("sector", "key", "kind", "reads", "writes", "locks"),
    [
        (0, PUBLIC_KEY_A, KEY_A, True, False, False),
        (0, OFFICE_KEY, KEY_B, True, True, True),
        (1, TILL_KEY, KEY_A, True, False, False),
        (1, OFFICE_KEY, KEY_B, True, True, True),
        (2, TILL_KEY, KEY_A, True, True, False),
        (3, TILL_KEY, KEY_A, True, True, False),
        (3, OFFICE_KEY, KEY_B, True, True, True),
        (4, TILL_KEY, KEY_A, True, False, False),
        (4, LOAD_KEY, KEY_B, True, True, False),
        (7, TILL_KEY, KEY_A, True, False, False),
        (7, LOAD_KEY, KEY_B, True, True, False),
    ],
)
def test_each_classic_key_opens_what_it_must_and_no_more(
    sector: int, key: bytes, kind: int, reads: bool, writes: bool, locks: bool
) -> None:
    block = 1 if sector == 0 else sector * 4

    def may(act: str) -> bool:
        bench = issued(Technology.CLASSIC)
        bench.reader.place(bench.card)
        sectors = ClassicSectors(bench.channel())
        sectors.open(sector, key, kind)
        try:
            match act:
                case "read":
                    sectors.read(block)
                case "write":
                    sectors.write(block, bytes(16))
                case _:
                    sectors.write(sector * 4 + 3, TRANSPORT_KEY + bytes.fromhex("ff078069") + TRANSPORT_KEY)
        except CardRefused:
            return False
        return True

    assert (may("read"), may("write"), may("lock")) == (reads, writes, locks)


@pytest.mark.parametrize("sector", range(8))
def test_no_sector_of_ours_keeps_its_transport_key(sector: int) -> None:
    bench = issued(Technology.CLASSIC)
    for kind in (KEY_A, KEY_B):
        bench.reader.place(bench.card)
        with pytest.raises(CardRefused):
            ClassicSectors(bench.channel()).open(sector, TRANSPORT_KEY, kind)
