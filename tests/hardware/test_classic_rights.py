"""What keys of a MIFARE Classic of ours are worth: asked of the card itself, and of the rules a terminal decides by.

A thief writes past all drivers. With a till's keys he makes any slot; with a station's any copy of a load record too.
What he has of it is at most what a genuine record of this very card, not below its floor, covers.
"""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.cards.classic_sectors import KEY_A, KEY_B, PUBLIC_KEY_A, ClassicSectors, sector_of
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.ports import CardError
from hardware.simulated.classic_card import VirtualClassic
from protocol.authorise import Standing, card_refusal
from protocol.ids import CardNo, Counter, LoadSeq
from protocol.load_record import encode_load, load_is_genuine, sign_load
from protocol.money import Cents
from protocol.purse import LoadRecord, Purse, SignedLoad, Technology
from protocol.purse_classic import LOAD_BLOCKS, SLOT_BLOCKS, block_writes, encode_slot
from protocol.signing import SigningKey
from tests.hardware.card_bench import KEYS, SERVER, STATION, TILL, UID, WHO, blank, issued, mark, sale

OLD = LoadRecord(WHO.card, WHO.generation, LoadSeq(1), Cents(9_000))
NEW = LoadRecord(WHO.card, WHO.generation, LoadSeq(2), Cents(10_000), Cents(8_500))
COVERED = {0: 9_000, 1: 9_000, 2: 1_500, 3: 0}
"""By the floor that a terminal knows: the most that a genuine record which is not below it covers."""
BLOCKS_OF_OURS = range(32)
TRAILERS = range(3, 32, 4)


class Thief:
    """Somebody with a reader, a card of ours that was loaded twice, and the keys of a stolen machine."""

    def __init__(self, keys: CardKeys) -> None:
        self.bench, of_card = issued(Technology.CLASSIC), keys.of_card(UID, 1)
        assert of_card is not None
        self.uid, self.of_card, purse = UID, of_card, self.bench.tap().read().purse
        assert purse is not None
        self._purse = replace(purse, subsidy_cents=Cents(0))
        for copy, record in enumerate((OLD, NEW)):
            self.put_record(copy, sign_load(record, SERVER), STATION)

    def put_record(self, copy: int, load: SignedLoad, keys: CardKeys | None = None) -> None:
        """Write a copy of the load record, under a station's key."""
        of_card = self.of_card if keys is None else keys.require(UID, 1)
        for write in block_writes(LOAD_BLOCKS[copy], encode_load(load)):
            self.write(write.block, write.data, of_card.classic(Role.CLASSIC_LOAD), KEY_B)

    def put_slot(self, **fields: object) -> None:
        """Write a slot that is in force, with any content."""
        self._purse = replace(self._purse, mark=mark(9), **fields)  # type: ignore[arg-type]
        raw = encode_slot(self._purse, 1, self.uid, 1, self.of_card.mac8(Role.CLASSIC_MAC))
        for write in block_writes(SLOT_BLOCKS[1], raw):
            self.write(write.block, write.data, self.of_card.classic(Role.CLASSIC_TILL), KEY_A)

    def write(self, block: int, data: bytes, key: bytes, kind: int) -> None:
        """One block past all drivers. Raises CardError where the card refuses."""
        self.bench.reader.place(self.bench.card)
        sectors = ClassicSectors(self.bench.channel())
        sectors.open(sector_of(block), key, kind)
        sectors.write(block, data)

    def worth(self, load_floor: int = 0, counter_floor: int = 0) -> int:
        """What an honest till lets him spend."""
        try:
            read = self.bench.tap(TILL).read()
        except CardError:
            return 0
        if read.load is not None and not load_is_genuine(read.load, SERVER.public):
            read = replace(read, load=None, loaded=None)
        floors = Standing(load_floor=LoadSeq(load_floor), counter_floor=Counter(counter_floor))
        if card_refusal(read, floors) is not None:
            return 0
        assert isinstance(read.purse, Purse)
        return max(0, read.purse.main_cents) + max(0, read.purse.subsidy_cents)


def test_with_a_till_s_keys_the_card_refuses_every_block_but_the_slots() -> None:
    """Identity, key set, load records and every trailer; under the public key too."""
    thief = Thief(TILL)
    assert isinstance(thief.bench.card, VirtualClassic)
    before, slots = thief.bench.card.snapshot(), {block for slot in SLOT_BLOCKS for block in slot}
    for block, key in product(BLOCKS_OF_OURS, (thief.of_card.classic(Role.CLASSIC_TILL), PUBLIC_KEY_A)):
        if block not in slots:
            with pytest.raises(CardError):
                thief.write(block, bytes(16), key, KEY_A)
    assert thief.bench.card.snapshot() == before


def test_with_a_station_s_keys_it_refuses_identity_and_trailers_too() -> None:
    thief = Thief(STATION)
    assert isinstance(thief.bench.card, VirtualClassic)
    before = thief.bench.card.snapshot()
    for block in (0, 1, 2, *range(4, 8), *TRAILERS):
        for role, kind in ((Role.CLASSIC_TILL, KEY_A), (Role.CLASSIC_LOAD, KEY_B)):
            with pytest.raises(CardError):
                thief.write(block, bytes(16), thief.of_card.classic(role), kind)
    assert thief.bench.card.snapshot() == before


@given(
    main=st.one_of(st.sampled_from([1_500, 1_501, 9_000, 9_001, 2**31 - 1]), st.integers(0, 2**31 - 1)),
    subsidy=st.integers(0, 2**31 - 1) | st.just(0),
    load_seq=st.integers(0, 4),
    copy=st.integers(0, 1),
    counter=st.integers(1, 2**31),
    period=st.integers(0, 2),
)
@settings(max_examples=120, deadline=None)
def test_no_slot_that_a_till_s_keys_make_is_worth_more_than_a_record_covers(
    main: int, subsidy: int, load_seq: int, copy: int, counter: int, period: int
) -> None:
    thief = Thief(TILL)
    thief.put_slot(
        main_cents=Cents(main),
        subsidy_cents=Cents(subsidy),
        load_seq=LoadSeq(load_seq),
        load_copy=copy,
        counter=Counter(counter),
        period=period,
    )
    for floor, covered in COVERED.items():
        assert thief.worth(floor, counter) <= covered


def test_the_bound_is_reached_again_and_again() -> None:
    """It is a bound of what the card holds, and none of how often: that is found at night, and the card blocked."""
    thief = Thief(TILL)
    for counter in (10, 20, 30):
        thief.put_slot(main_cents=Cents(1_500), load_seq=LoadSeq(2), load_copy=1, counter=Counter(counter))
        assert thief.worth(load_floor=2, counter_floor=counter) == 1_500
        driver = thief.bench.tap()
        driver.write(sale(driver.read(), counter, -1_500))
        assert thief.worth() == 0
    thief.put_slot(main_cents=Cents(9_000), load_seq=LoadSeq(1), load_copy=0, counter=Counter(50))
    assert (thief.worth(load_floor=1), thief.worth(load_floor=2)) == (9_000, 0)


def test_who_only_copies_a_card_back_is_stopped_by_the_counter_s_floor() -> None:
    """Without any key: CRYPTO1 lets the blocks be written, the MAC leaves him what once stood there."""
    thief = Thief(TILL)
    thief.put_slot(main_cents=Cents(1_500), load_seq=LoadSeq(2), load_copy=1, counter=Counter(10))
    assert isinstance(thief.bench.card, VirtualClassic)
    full, driver = thief.bench.card.snapshot(), thief.bench.tap()
    driver.write(sale(driver.read(), 7, -1_500))
    assert thief.worth(load_floor=2, counter_floor=11) == 0
    thief.bench.card.restore(full)
    assert thief.worth(load_floor=2) == 1_500
    assert thief.worth(load_floor=2, counter_floor=11) == 0


@pytest.mark.parametrize(
    "load",
    [
        sign_load(replace(NEW, loaded_total_cents=Cents(50_000)), SigningKey(bytes(range(32)))),
        SignedLoad(replace(NEW, loaded_total_cents=Cents(50_000)), sign_load(NEW, SERVER).signature),
        SignedLoad(replace(NEW, spent_known_cents=Cents(0)), sign_load(NEW, SERVER).signature),
        sign_load(replace(NEW, card=CardNo(WHO.card + 1), loaded_total_cents=Cents(50_000)), SERVER),
    ],
    ids=["by another key", "with a larger total", "with nothing spent", "of another card"],
)
def test_a_load_record_that_a_station_s_keys_make_is_worth_nothing(load: SignedLoad) -> None:
    thief = Thief(STATION)
    for copy in (0, 1):
        thief.put_record(copy, load)
    for main in (1, 1_500, 50_000):
        thief.put_slot(main_cents=Cents(main), load_seq=NEW.load_seq, load_copy=1, counter=Counter(10 + main))
        assert thief.worth() == 0


def test_an_old_record_that_is_put_back_is_below_the_floor() -> None:
    thief = Thief(STATION)
    thief.put_record(1, sign_load(OLD, SERVER))
    thief.put_slot(main_cents=Cents(9_000), load_seq=LoadSeq(1), load_copy=1, counter=Counter(10))
    assert [thief.worth(floor) for floor in COVERED] == [9_000, 9_000, 0, 0]


def test_the_mac_key_is_not_on_the_card() -> None:
    """So whoever has broken the cipher of one card makes no slot of his own, neither there nor on another."""
    state = issued(Technology.CLASSIC).card.snapshot()
    of_card = TILL.require(UID, KEYS.key_set)
    raw = b"".join(state.blocks)  # type: ignore[union-attr]
    assert of_card.aes(Role.CLASSIC_MAC).raw not in raw and of_card.aes(Role.CLASSIC_TILL).raw not in raw
    assert of_card.classic(Role.CLASSIC_TILL) in raw, "this one is"


def test_a_copy_of_a_card_on_other_plastic_is_worth_what_its_record_covers() -> None:
    """A till's keys are enough for it: they are all that another till asks a card for."""
    thief, uid = Thief(TILL), bytes.fromhex("04000000000001")
    own = CardKeys([MasterKeys(KEYS.key_set, KEYS.debit, bytes(16), bytes(16))])
    thief.bench.card = blank(Technology.CLASSIC, uid)
    thief.bench.reader.place(thief.bench.card)
    personalise(thief.bench.channel(), own, NewCard(KEYS.key_set, WHO, Purse(Counter(0), Cents(0))))
    thief.uid, thief.of_card = uid, own.require(uid, KEYS.key_set)
    thief.put_record(1, sign_load(NEW, SERVER))
    for main, worth in ((1_500, 1_500), (1_501, 0)):
        thief.put_slot(main_cents=Cents(main), load_seq=NEW.load_seq, load_copy=1, counter=Counter(main))
        assert thief.worth(load_floor=2) == worth
