"""From one key set to the next at the card office: everything changes but the content, and a cut anywhere is mended."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace as replace_struct

from hardware.cards.desfire_rekey import change_key_set
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.cards.pin import PinNeeded, pin_is_right, pin_verifier
from hardware.ports import CardLeftField, CardNotOurs
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.ids import CardNo, Counter, Generation
from protocol.money import Cents
from protocol.purse import CardClass, Identity, Purse, Technology
from protocol.purse_desfire import APPLICATION_ID, KEY_DEBIT, key_version
from tests.hardware.card_bench import (
    KEYS,
    NEXT_KEYS,
    OFFICE,
    STATION,
    TILL,
    UID,
    Bench,
    Kind,
    blank,
    issued,
    load,
    sale,
)

both = pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])
BOTH_SETS = CardKeys([NEXT_KEYS, KEYS])
NEW_OFFICE = CardKeys([NEXT_KEYS])
BOTH_TILLS = CardKeys([NEXT_KEYS.for_a_till(), KEYS.for_a_till()])
NEW_TILL, NEW_STATION = CardKeys([NEXT_KEYS.for_a_till()]), CardKeys([NEXT_KEYS.for_a_station()])
PIN = "4711"
KEYS_OF_CARD = (
    (bytes(3), 0, Role.DESFIRE_CARD),
    (APPLICATION_ID, 0, Role.DESFIRE_MASTER),
    (APPLICATION_ID, 1, Role.DESFIRE_DEBIT),
    (APPLICATION_ID, 2, Role.DESFIRE_CREDIT),
)


def used(kind: Kind, pin: str = "") -> Bench:
    """A card that was issued, loaded and charged under the first set."""
    bench = Bench(blank(kind), SimulatedReader())
    bench.reader.place(bench.card)
    verifier = pin_verifier(OFFICE, UID, 1, pin) if pin else b""
    who = Identity(CardNo(7), Generation(1), CardClass.STUDENT, verifier)
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(5000), Cents(100))))
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 300))
    till = bench.tap()
    till.write(sale(till.read(), 2))
    return bench


def change(bench: Bench, keys: CardKeys = BOTH_SETS, pin: str = "") -> None:
    bench.reader.place(bench.card)
    change_key_set(bench.channel(), keys, 2, pin)


def session(bench: Bench, aid: bytes) -> DesfireSession:
    bench.reader.place(bench.card)
    card = DesfireSession(bench.channel())
    card.select(aid)
    return card


def versions(bench: Bench) -> dict[tuple[bytes, int], int]:
    return {(aid, number): session(bench, aid).key_version(number) for aid, number, _ in KEYS_OF_CARD}


def opens(bench: Bench, keys: CardKeys, key_set: int) -> Iterator[bool]:
    """Which keys of the card are those of this set."""
    of_card = keys.of_card(UID, key_set)
    assert of_card is not None
    for aid, number, role in KEYS_OF_CARD:
        try:
            session(bench, aid).authenticate(number, of_card.aes(role))
        except CardNotOurs:
            yield False
        else:
            yield True


@both
def test_every_key_is_another_and_the_content_the_same(kind: Kind) -> None:
    bench = used(kind)
    before = bench.tap().read()
    change(bench)
    after = bench.tap(NEW_TILL).read()
    assert (after.key_set, after.purse, after.identity, after.last, after.loaded) == (
        2,
        before.purse,
        before.identity,
        before.last,
        before.loaded,
    )
    assert list(opens(bench, OFFICE, 1)) == [False] * 4
    assert list(opens(bench, NEW_OFFICE, 2)) == [True] * 4
    with pytest.raises(CardNotOurs, match="key set 2"):
        bench.tap(TILL).read()
    till = bench.tap(NEW_TILL)
    till.write(sale(till.read(), 3))
    station = bench.tap(NEW_STATION)
    assert station.write(load(station.read(), 4, 2, 300)) == bench.tap(NEW_TILL).read()


@both
@pytest.mark.parametrize("pin", ["", PIN])
def test_a_change_may_be_cut_at_every_exchange_and_is_finished_by_the_next(kind: Kind, pin: str) -> None:
    """In between a till with both sets sells, and no card says the new set before it has it everywhere."""
    bench = used(kind, pin)
    start, before = bench.card.snapshot(), bench.tap().read()
    needed = bench.exchanges(lambda: change(bench, pin=pin))
    whole, target = bench.card.snapshot(), key_version(2, speaks_ev2=kind is Kind.EV2)
    seen = set()
    for tear in (Tear(at, moment) for at in range(1, needed + 1) for moment in (Moment.BEFORE, Moment.AFTER)):
        bench.card.restore(start)  # type: ignore[arg-type]
        bench.reader.place(bench.card)
        bench.card.arm(tear)
        with pytest.raises(CardLeftField):
            change_key_set(bench.channel(), BOTH_SETS, 2, pin)
        found = versions(bench)
        seen.add(tuple(found.values()))
        if found[APPLICATION_ID, KEY_DEBIT] == target:
            assert set(found.values()) == {target}, tear
        read = bench.tap(BOTH_TILLS).read()
        assert (read.purse, read.last, read.identity.key) == (before.purse, before.last, before.identity.key), tear
        change(bench, pin=pin)
        assert bench.card.snapshot() == whole, tear
        till = bench.tap(BOTH_TILLS)
        sold = till.write(sale(till.read(), 9))
        assert bench.tap(NEW_TILL).read() == sold
        identity = sold.identity
        assert not pin or pin_is_right(NEW_TILL, UID, 2, identity.pin_verifier, pin)
    assert len(seen) == 5, "each of the four changes has been the last one once"


@both
def test_a_card_half_changed_sells_and_waits_with_its_loads(kind: Kind) -> None:
    bench = used(kind)
    needed = bench.exchanges(lambda: change(bench))
    bench = used(kind)
    bench.reader.place(bench.card)
    bench.card.arm(Tear(needed - 11, Moment.AFTER))  # the last change, and the ten exchanges of the read at the end
    with pytest.raises(CardLeftField):
        change_key_set(bench.channel(), BOTH_SETS, 2)
    till = bench.tap(TILL)
    assert till.write(sale(till.read(), 3)) == bench.tap(TILL).read()
    station = bench.tap(CardKeys([KEYS.for_a_station(), NEXT_KEYS.for_a_station()]))
    before = station.read()
    with pytest.raises(CardNotOurs, match="does not have this key"):
        station.write(load(before, 4, 2, 300))
    assert bench.tap(TILL).read() == before


@both
def test_who_lacks_a_key_changes_nothing(kind: Kind) -> None:
    bench = used(kind)
    before = bench.card.snapshot()
    stations = CardKeys([KEYS, NEXT_KEYS.for_a_station()])
    for keys, error in ((NEW_OFFICE, CardNotOurs), (OFFICE, CardNotOurs), (stations, KeyNotHeld)):
        with pytest.raises(error):
            change(bench, keys)
        assert bench.card.snapshot() == before


@both
def test_the_pin_is_asked_for_before_anything_is_changed(kind: Kind) -> None:
    bench = used(kind, PIN)
    before = bench.card.snapshot()
    for wrong in ("", "0000", "no digits"):
        with pytest.raises(PinNeeded):
            change(bench, pin=wrong)
        assert bench.card.snapshot() == before
    change(bench, pin=PIN)
    assert pin_is_right(NEW_TILL, UID, 2, bench.tap(NEW_TILL).read().identity.pin_verifier, PIN)


@both
def test_a_card_that_has_the_set_already_is_left_as_it_is(kind: Kind) -> None:
    bench = used(kind, PIN)
    change(bench, pin=PIN)
    before = bench.card.snapshot()
    change(bench)
    assert bench.card.snapshot() == before


def test_a_blank_card_and_one_half_made_are_not_changed() -> None:
    bench = Bench(blank(Kind.EV1), SimulatedReader())
    with pytest.raises(CardNotOurs, match="no application"):
        change(bench)
    bench.reader.place(bench.card)
    bench.card.arm(Tear(30, Moment.AFTER))
    with pytest.raises(CardLeftField):
        personalise(
            bench.channel(), OFFICE, NewCard(1, used(Kind.EV1).tap().read().identity, Purse(Counter(0), Cents(1)))
        )
    with pytest.raises(CardNotOurs, match="key set 0"):
        change(bench)


def test_an_ev2_card_that_was_issued_as_ev1_is_spoken_to_as_what_it_is_from_then_on() -> None:
    """Cards from before: their key versions say nothing of EV2."""
    bench = issued(Technology.DESFIRE)
    assert isinstance(bench.card, VirtualDesfire)
    bench.card.restore(replace_struct(bench.card.snapshot(), chip=Chip.EV3))
    till = bench.tap()
    before = till.write(sale(till.read(), 1))
    bench.reader.place(bench.card)
    assert change_key_set(bench.channel(), OFFICE, 1) == before
    assert set(versions(bench).values()) == {key_version(1, speaks_ev2=True)}
    till = bench.tap()
    assert till.write(sale(till.read(), 2)) == bench.tap().read()
