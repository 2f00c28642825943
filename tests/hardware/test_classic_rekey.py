"""A MIFARE Classic card from one key set to the next: its content stays, and the next run finishes a cut."""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

import pytest

from hardware.cards.classic_sectors import KEY_B, PUBLIC_KEY_A, ClassicSectors
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.cards.pin import PinNeeded, pin_is_right, pin_verifier
from hardware.cards.rekey import change_key_set
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, PurseUnreadable
from hardware.simulated.classic_card import BLOCKS_4K, ClassicState, VirtualClassic, blank_classic
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import CardRead, Purse, Technology
from protocol.purse_classic import SLOT_BLOCKS, decode_slot
from tests.hardware.card_bench import (
    KEYS,
    NEXT_KEYS,
    OFFICE,
    STATION,
    TILL,
    UID,
    WHO,
    Bench,
    Garbled,
    Kind,
    blank,
    load,
    sale,
)

SETS = (NEXT_KEYS, KEYS)
BOTH_SETS, NEW_OFFICE = CardKeys(SETS), CardKeys([NEXT_KEYS])
TILLS = CardKeys([keys.for_a_till() for keys in SETS])
STATIONS = CardKeys([keys.for_a_station() for keys in SETS])
NEW_TILL = CardKeys([NEXT_KEYS.for_a_till()])
PIN = "4711"


def used(pin: str = "", sales: int = 1, uid: bytes = UID, blocks: int = 64) -> Bench:
    """A card that was issued, loaded and charged under the first set."""
    source = count()
    card = VirtualClassic(blank_classic(uid, blocks=blocks), lambda: next(source) * 0x5B)
    bench = Bench(card, SimulatedReader())
    bench.reader.place(card)
    verifier = pin_verifier(OFFICE, uid, 1, pin) if pin else b""
    who = replace(WHO, pin_verifier=verifier)
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(5000), Cents(100))))
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 300))
    for seq in range(2, 2 + sales):
        till = bench.tap()
        till.write(sale(till.read(), seq))
    return bench


def change(bench: Bench, keys: CardKeys = BOTH_SETS, pin: str = "") -> CardRead:
    bench.reader.place(bench.card)
    return change_key_set(bench.channel(), keys, 2, pin)


def patiently(bench: Bench, pin: str) -> CardRead:
    """A slot with weak bits may read differently each time: put the card back until it does not."""
    for _ in range(20):
        with suppress(CardLeftField):
            return change(bench, pin=pin)
    return change(bench, pin=pin)


def state_of(bench: Bench) -> ClassicState:
    assert isinstance(bench.card, VirtualClassic)
    return bench.card.snapshot()


def restore(bench: Bench, state: ClassicState) -> None:
    assert isinstance(bench.card, VirtualClassic)
    bench.card.restore(state)


def same(one: CardRead, other: CardRead) -> bool:
    """All that a card says, but for its keys, and for which slot says it."""
    as_one = sorted(one.last, key=lambda step: step.counter), one.purse, one.identity, one.loaded
    as_other = sorted(other.last, key=lambda step: step.counter), other.purse, other.identity, other.loaded
    return as_one == as_other


def purses(bench: Bench) -> set[Purse]:
    """Every genuine purse that lies on the card, under either set, in a sector that can still be opened."""
    found = set()
    for slot, blocks in enumerate(SLOT_BLOCKS):
        for of_set in (BOTH_SETS.require(UID, 1), BOTH_SETS.require(UID, 2)):
            bench.reader.place(bench.card)
            sectors = ClassicSectors(bench.channel())
            with suppress(CardError):
                sectors.open(blocks[0] // 4, of_set.classic(Role.CLASSIC_TILL))
                raw = b"".join(sectors.read(block) for block in blocks)
                for keys in (BOTH_SETS.require(UID, 1), BOTH_SETS.require(UID, 2)):
                    purse = decode_slot(raw, UID, slot, keys.mac8(Role.CLASSIC_MAC))
                    found |= {purse} if purse else set()
    return found


@dataclass
class Watched:
    """A channel that notes which exchanges were writes, and of trailers."""

    channel: CardChannel
    card: VirtualClassic

    def __post_init__(self) -> None:
        self.uid, self.technology = self.channel.uid, self.channel.technology
        self.writes: list[tuple[int, int]] = []
        self._before = self.card.field.exchange_count

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[:2] == b"\xff\xd6":
            self.writes.append((self.card.field.exchange_count - self._before + 1, apdu[3]))
        return self.channel.transmit(apdu)


@pytest.mark.parametrize("sales", [1, 2], ids=["from slot 0", "from slot 1"])
@pytest.mark.parametrize(("uid", "blocks"), [(UID, 64), (UID[:4], BLOCKS_4K)])
def test_every_key_is_another_and_the_content_the_same(uid: bytes, blocks: int, sales: int) -> None:
    bench = used(sales=sales, uid=uid, blocks=blocks)
    before = bench.tap().read()
    after = change(bench)
    assert (before.key_set, after.key_set) == (1, 2)
    assert same(before, after)
    assert bench.tap(TILLS).read() == after
    with pytest.raises(CardNotOurs, match="key set 2"):
        bench.tap(TILL).read()
    till = bench.tap(TILLS)
    till.write(sale(till.read(), 8))
    station = bench.tap(STATIONS)
    assert station.write(load(station.read(), 9, 2, 300)) == bench.tap(TILLS).read()


def test_the_old_set_opens_nothing_but_the_load_sectors() -> None:
    bench = used()
    change(bench)
    for sector in range(8):
        for key_set in (1, 2):
            keys = BOTH_SETS.require(UID, key_set)
            role = Role.CLASSIC_LOAD if sector >= 4 else Role.CLASSIC_OFFICE
            bench.reader.place(bench.card)
            sectors = ClassicSectors(bench.channel())
            try:
                sectors.open(sector, keys.classic(role), KEY_B)
            except CardError:
                opened = False
            else:
                opened = True
            assert opened is ((sector >= 4) == (key_set == 1)), (sector, key_set)
    bench.reader.place(bench.card)
    sectors = ClassicSectors(bench.channel())
    sectors.open(0, PUBLIC_KEY_A)
    assert sectors.read(1) == bytes((2, 1)).ljust(16, b"\0")


@pytest.mark.parametrize("pin", ["", PIN])
@pytest.mark.parametrize("sales", [1, 2])
def test_a_change_may_be_cut_at_every_exchange_and_is_finished_by_the_next(pin: str, sales: int) -> None:
    """In between a till with both sets sells as ever or refuses the card, and writes nothing to one that it refuses."""
    bench = used(pin, sales)
    start, before = state_of(bench), bench.tap().read()
    needed = bench.exchanges(lambda: change(bench, pin=pin))
    sold_under = set()
    for tear in (Tear(at, moment) for at in range(1, needed + 1) for moment in (Moment.BEFORE, Moment.AFTER)):
        restore(bench, start)
        bench.reader.place(bench.card)
        bench.card.arm(tear)
        with pytest.raises(CardLeftField):
            change_key_set(bench.channel(), BOTH_SETS, 2, pin)
        assert before.purse in purses(bench), tear
        cut = state_of(bench)
        with suppress(CardError):
            till = bench.tap(TILLS)
            read = till.read()
            if read.purse is not None:
                assert read.purse == before.purse, tear
                sold_under.add(read.key_set)
                assert till.write(sale(read, 8)) == bench.tap(TILLS).read()
                restore(bench, cut)
        assert state_of(bench) == cut
        after = change(bench, pin=pin)
        assert (after.key_set, after.purse, after.identity.key) == (2, before.purse, before.identity.key), tear
        assert not pin or pin_is_right(NEW_TILL, UID, 2, after.identity.pin_verifier, pin)
        till = bench.tap(TILLS)
        assert till.write(sale(till.read(), 9)) == bench.tap(TILLS).read()
    assert sold_under == {1, 2}


@pytest.mark.parametrize("pin", ["", PIN])
def test_a_write_torn_in_its_middle_is_finished_too_unless_it_was_a_trailer_or_the_identity(pin: str) -> None:
    """The bound: a torn trailer may cost its sector, a torn identity the card; the purse is whole in a slot."""
    bench = used(pin)
    assert isinstance(bench.card, VirtualClassic)
    start, before = state_of(bench), bench.tap().read()
    bench.reader.place(bench.card)
    watched = Watched(bench.channel(), bench.card)
    change_key_set(watched, BOTH_SETS, 2, pin)
    spoiled = set()
    for at, block in watched.writes:
        for tear in (Tear(at, Moment.DURING, cut, 0x81, rest) for cut in (0, 7, 13) for rest in Rest):
            restore(bench, start)
            bench.reader.place(bench.card)
            bench.card.arm(tear)
            with pytest.raises(CardLeftField):
                change_key_set(bench.channel(), BOTH_SETS, 2, pin)
            assert before.purse in purses(bench), (block, tear)
            try:
                after = patiently(bench, pin)
            except CardError:  # its bits are weak: another try may open it, and may not
                spoiled.add(block)
            else:
                assert (after.purse, after.identity.key) == (before.purse, before.identity.key)
    trailers, identity = {3, 7, 11, 15}, {4, 5}
    assert trailers <= spoiled <= trailers | identity


@pytest.mark.parametrize("sales", [1, 2])
def test_one_garbled_answer_costs_no_step(sales: int) -> None:
    """Whichever it is: a slot that is misread must not pass for one that does not count."""
    bench = used(sales=sales)
    start, before = state_of(bench), bench.tap().read()
    at, garbled = 0, True
    while garbled:
        at += 1
        restore(bench, start)
        bench.reader.place(bench.card)
        channel = Garbled(bench.channel(), at)
        with suppress(CardError):
            change_key_set(channel, BOTH_SETS, 2)
        garbled = channel.done
        assert change(bench).purse == before.purse, at
    assert at > 100


def test_a_change_that_was_cut_is_finished_to_a_set_that_came_later() -> None:
    """The office was given the third set meanwhile; sectors of two older ones are on the card."""
    third = replace(NEXT_KEYS, key_set=3, office=bytes(16), debit=bytes(15) + b"\x01")
    bench = used()
    start, before = state_of(bench), bench.tap().read()
    needed = bench.exchanges(lambda: change(bench))
    for at in range(20, needed, 7):
        restore(bench, start)
        bench.reader.place(bench.card)
        bench.card.arm(Tear(at, Moment.AFTER))
        with pytest.raises(CardLeftField):
            change_key_set(bench.channel(), BOTH_SETS, 2)
        bench.reader.place(bench.card)
        after = change_key_set(bench.channel(), CardKeys([third, NEXT_KEYS, KEYS]), 3)
        assert (after.key_set, after.purse) == (3, before.purse)


def test_who_lacks_a_key_changes_nothing() -> None:
    bench = used()
    before = bench.card.snapshot()
    stations = CardKeys([KEYS, NEXT_KEYS.for_a_station()])
    for keys, error in ((NEW_OFFICE, CardNotOurs), (OFFICE, CardNotOurs), (stations, KeyNotHeld)):
        with pytest.raises(error):
            change(bench, keys)
        assert bench.card.snapshot() == before


def test_the_pin_is_asked_for_before_anything_is_changed() -> None:
    bench = used(PIN)
    before = bench.card.snapshot()
    for wrong in ("", "0000", "no digits"):
        with pytest.raises(PinNeeded):
            change(bench, pin=wrong)
        assert bench.card.snapshot() == before
    after = change(bench, pin=PIN)
    assert pin_is_right(NEW_TILL, UID, 2, after.identity.pin_verifier, PIN)


def test_a_card_that_has_the_set_already_is_left_as_it_is() -> None:
    bench = used(PIN)
    change(bench, pin=PIN)
    before = bench.card.snapshot()
    bench.reader.place(bench.card)
    assert isinstance(bench.card, VirtualClassic)
    watched = Watched(bench.channel(), bench.card)
    change_key_set(watched, BOTH_SETS, 2)
    assert [block for _, block in watched.writes] == [1], "the key set byte alone is made firm"
    assert bench.card.snapshot() == before


def test_a_blank_card_and_one_without_a_purse_are_not_changed() -> None:
    bench = Bench(blank(Kind.CLASSIC), SimulatedReader())
    with pytest.raises(CardNotOurs, match="sector 0 opens under no key"):
        change(bench)
    bench = used()
    state = state_of(bench)
    for block in (10, 14):
        state.blocks[block] = bytes(16)
    restore(bench, state)
    with pytest.raises(PurseUnreadable, match="neither slot"):
        change(bench)
    assert state_of(bench) == state


def test_a_rekeyed_card_is_issued_again() -> None:
    """Its load sectors keep the first set, whatever the others went through."""
    bench = used()
    change(bench)
    bench.reader.place(bench.card)
    read = personalise(bench.channel(), BOTH_SETS, NewCard(2, WHO, Purse(Counter(0), Cents(100))))
    assert (read.technology, read.key_set, read.purse) == (Technology.CLASSIC, 2, Purse(Counter(0), Cents(100)))
    station = bench.tap(STATIONS)
    assert station.write(load(station.read(), 1, 1, 300)) == bench.tap(TILLS).read()
