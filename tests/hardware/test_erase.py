"""A card of ours becomes a blank, byte for byte as far as that can be, wherever it was cut; never one with money."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from hardware.cards.blank import is_blank
from hardware.cards.crypto import AesKey
from hardware.cards.desfire_issue import BLANK_DES, CARD_LEVEL
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.erase import CarriesOthers, HoldsMoney, erase, read_before_erasing
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.cards.rekey import change_key_set
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, CardRefused
from hardware.simulated.classic_card import BLOCKS_1K, BLOCKS_4K, ClassicState, VirtualClassic, blank_classic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, DesfireState, blank_desfire
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import CardRead, Purse, PurseChange
from protocol.purse_desfire import APPLICATION_ID
from tests.hardware.card_bench import KEYS, NEXT_KEYS, OFFICE, STATION, TILL, UID, WHO, Bench, Card, load, mark, sale

BOTH_SETS = CardKeys([NEXT_KEYS, KEYS])
EMPTY = NewCard(1, replace(WHO, pin_verifier=b""), Purse(Counter(0), Cents(0)))
LOAD_TRAILERS = (19, 23, 27, 31)
Make = Callable[[], Card]


def classic(uid: bytes = UID, blocks: int = BLOCKS_1K) -> Make:
    """A blank of this size."""
    weak = iter(range(10**9))
    return lambda: VirtualClassic(blank_classic(uid, blocks=blocks), lambda: next(weak) * 0x5B)


def desfire(chip: Chip) -> Make:
    """A blank of this generation."""
    return lambda: VirtualDesfire(blank_desfire(UID, chip))


MAKES: dict[str, Make] = {
    "ev1": desfire(Chip.EV1),
    "ev2": desfire(Chip.EV2),
    "ev3": desfire(Chip.EV3),
    "1k, 7": classic(),
    "1k, 4": classic(UID[:4]),
    "4k, 7": classic(UID, BLOCKS_4K),
    "4k, 4": classic(UID[:4], BLOCKS_4K),
}
every = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
each = pytest.mark.parametrize("make", [MAKES["ev1"], MAKES["ev2"], MAKES["1k, 7"]], ids=["ev1", "ev2", "classic"])


def used(make: Make, left: int = 0, who: NewCard = EMPTY, sales: int = 2) -> Bench:
    """A card that was issued, loaded, and charged until this much was left."""
    bench = Bench(make(), SimulatedReader())
    bench.reader.place(bench.card)
    personalise(bench.channel(), OFFICE, who)
    station = bench.tap(STATION)
    read = station.read()
    assert read.purse is not None
    loaded = load(read, 1, 1, 5_300)  # a bench's first load says 50.00 were there before
    station.write(replace(loaded, after=replace(loaded.after, main_cents=Cents(5_300))))
    rest = 5_300 - left - 100 * (sales - 1)
    for seq, cents in enumerate((*[100] * (sales - 1), rest), start=2):
        till = bench.tap()
        till.write(sale(till.read(), seq, main=-cents))
    return bench


def wipe(bench: Bench, keys: CardKeys = OFFICE) -> None:
    bench.reader.place(bench.card)
    erase(bench.channel(), keys, (WHO.card, WHO.generation))


def seen(bench: Bench, keys: CardKeys = OFFICE) -> CardRead | None:
    bench.reader.place(bench.card)
    return read_before_erasing(bench.channel(), keys)


def restore(card: Card, state: ClassicState | DesfireState) -> None:
    """Make it what it was."""
    if isinstance(card, VirtualClassic):
        assert isinstance(state, ClassicState)
        card.restore(state)
    else:
        assert isinstance(state, DesfireState)
        card.restore(state)


def as_of_factory(card: Card) -> ClassicState | DesfireState:
    """The state of a blank; of a Classic one whose load sectors are frozen."""
    if isinstance(card, VirtualDesfire):
        return blank_desfire(card.uid, card.snapshot().chip)
    state = card.snapshot()
    factory = blank_classic(state.uid, blocks=len(state.blocks))
    for block in LOAD_TRAILERS:
        factory.blocks[block] = state.blocks[block]
    return factory


@every
def test_what_is_left_is_a_blank_and_it_becomes_a_card_again(make: Make) -> None:
    """Also under the next set: what a Classic's load sectors keep is found."""
    bench = used(make)
    frozen = bench.card.snapshot()
    wipe(bench)
    assert bench.card.snapshot() == as_of_factory(bench.card)
    if isinstance(frozen, ClassicState):
        state = bench.card.snapshot()
        assert isinstance(state, ClassicState)
        assert [state.blocks[at] for at in LOAD_TRAILERS] == [frozen.blocks[at] for at in LOAD_TRAILERS]
    bench.reader.place(bench.card)
    assert is_blank(bench.channel(), OFFICE)
    with pytest.raises(CardNotOurs):
        bench.tap().read()
    bench.reader.place(bench.card)
    again = personalise(bench.channel(), BOTH_SETS, replace(EMPTY, key_set=2))
    assert (again.key_set, again.purse, again.loaded) == (2, EMPTY.purse, None)
    station = bench.tap(CardKeys([NEXT_KEYS.for_a_station(), KEYS.for_a_station()]))
    read = station.read()
    assert station.write(PurseChange(read, EMPTY.purse.stepped(mark(1)))) == bench.tap(BOTH_SETS).read()


@every
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
def test_it_may_be_cut_at_every_exchange_and_is_finished_by_the_next(make: Make, moment: Moment) -> None:
    """In between it is the card that it was, or none; and whoever puts it back gets a blank."""
    bench = used(make)
    start, before = bench.card.snapshot(), seen(bench)
    needed = bench.exchanges(lambda: wipe(bench))
    shown = set()
    for at in range(1, needed + 1):
        restore(bench.card, start)
        bench.reader.place(bench.card)
        bench.card.arm(Tear(at, moment))
        with pytest.raises(CardLeftField):
            erase(bench.channel(), OFFICE, (WHO.card, WHO.generation))
        cut = seen(bench)
        assert cut in (before, None), at
        shown.add(cut is None)
        if cut is None:
            with pytest.raises(CardNotOurs):
                bench.tap().read()
        wipe(bench)
        assert bench.card.snapshot() == as_of_factory(bench.card), at
        bench.reader.place(bench.card)
        assert is_blank(bench.channel(), OFFICE)
    assert shown == {True, False}
    wipe(bench)
    assert bench.card.snapshot() == as_of_factory(bench.card), "erasing a blank leaves it one"


@each
def test_a_card_that_was_cut_becomes_a_card_without_being_erased_first(make: Make) -> None:
    bench = used(make)
    start = bench.card.snapshot()
    needed = bench.exchanges(lambda: wipe(bench))
    for at in range(1, needed + 1, 5):
        restore(bench.card, start)
        bench.reader.place(bench.card)
        bench.card.arm(Tear(at, Moment.AFTER))
        with suppress(CardLeftField):
            erase(bench.channel(), OFFICE, (WHO.card, WHO.generation))
        bench.reader.place(bench.card)
        assert personalise(bench.channel(), OFFICE, EMPTY).purse == EMPTY.purse


class Noted:
    """A channel that notes which exchanges, from 1, wrote which block of a Classic card."""

    def __init__(self, channel: CardChannel, card: Card) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._card, self._before = channel, card, card.field.exchange_count
        self.writes: list[tuple[int, int]] = []

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        if apdu[:2] == b"\xff\xd6":
            self.writes.append((self._card.field.exchange_count - self._before + 1, apdu[3]))
        return self._channel.transmit(apdu)


def test_a_write_torn_in_its_middle_costs_at_most_the_sector_of_its_trailer() -> None:
    """The key set block goes first, every trailer behind all content, and sector 0's last of all."""
    bench = used(MAKES["1k, 7"])
    start = bench.card.snapshot()
    bench.reader.place(bench.card)
    noted = Noted(bench.channel(), bench.card)
    erase(noted, OFFICE, (WHO.card, WHO.generation))
    blocks = [block for _, block in noted.writes]
    assert (blocks[0], blocks[-4:], len(blocks)) == (1, [15, 11, 7, 3], 2 + 3 * 7 + 4)
    spoiled = set()
    for at, block in noted.writes:
        for tear in (Tear(at, Moment.DURING, cut, 0x81, rest) for cut in (0, 7, 13) for rest in Rest):
            restore(bench.card, start)
            bench.reader.place(bench.card)
            bench.card.arm(tear)
            with pytest.raises(CardLeftField):
                erase(bench.channel(), OFFICE, (WHO.card, WHO.generation))
            bench.card.arm(None)
            try:
                wipe(bench)
            except CardError:
                spoiled.add(block)
            else:
                assert bench.card.snapshot() == as_of_factory(bench.card)
    assert spoiled <= {3, 7, 11, 15}


@each
def test_a_card_with_money_is_left_as_it_is(make: Make) -> None:
    bench = used(make, left=1)
    subsidy = Bench(make(), SimulatedReader())
    subsidy.reader.place(subsidy.card)
    personalise(subsidy.channel(), OFFICE, replace(EMPTY, purse=Purse(Counter(0), Cents(0), Cents(1))))
    for full in (bench, subsidy):
        before = full.card.snapshot()
        with pytest.raises(HoldsMoney):
            wipe(full)
        assert full.card.snapshot() == before


@each
def test_another_card_than_the_one_that_was_meant_is_left_as_it_is(make: Make) -> None:
    bench = used(make)
    before = bench.card.snapshot()
    bench.reader.place(bench.card)
    with pytest.raises(HoldsMoney):
        erase(bench.channel(), OFFICE, (WHO.card, type(WHO.generation)(2)))
    assert bench.card.snapshot() == before


@each
def test_a_stranger_s_card_is_left_as_it_is(make: Make) -> None:
    bench = used(make)
    before = bench.card.snapshot()
    with pytest.raises(CardNotOurs):
        wipe(bench, CardKeys([NEXT_KEYS]))
    assert bench.card.snapshot() == before


@each
@pytest.mark.parametrize("keys", [TILL, STATION])
def test_only_the_card_office_can_erase(make: Make, keys: CardKeys) -> None:
    bench = used(make)
    before = bench.card.snapshot()
    with pytest.raises(KeyNotHeld):
        wipe(bench, keys)
    assert bench.card.snapshot() == before


@each
def test_a_card_of_the_next_set_and_one_cut_on_the_way_to_it_are_erased(make: Make) -> None:
    bench = used(make)
    start = bench.card.snapshot()
    bench.reader.place(bench.card)
    needed = bench.exchanges(lambda: change_key_set(bench.channel(), BOTH_SETS, 2))
    wipe(bench, BOTH_SETS)
    assert bench.card.snapshot() == as_of_factory(bench.card)
    for at in range(needed - 30, needed + 1, 6):
        restore(bench.card, start)
        bench.reader.place(bench.card)
        bench.card.arm(Tear(at, Moment.AFTER))
        with suppress(CardLeftField):
            change_key_set(bench.channel(), BOTH_SETS, 2)
        bench.card.arm(None)
        wipe(bench, BOTH_SETS)
        assert bench.card.snapshot() == as_of_factory(bench.card), at


# The DESFire's own level ------------------------------------------------------------------------------------------


def as_master(bench: Bench) -> DesfireSession:
    """EV1's session under the card's own key."""
    bench.reader.place(bench.card)
    card = DesfireSession(bench.channel())
    card.select(CARD_LEVEL)
    card.authenticate(0, OFFICE.require(bench.card.uid, 1).aes(Role.DESFIRE_CARD))
    return card


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_card_that_others_use_too_is_left_as_it_is(is_cut: bool) -> None:
    """Also where our own application is gone already: without our key theirs would be anybody's."""
    bench = used(MAKES["ev1"])
    card = as_master(bench)
    card.command(0xCA, bytes.fromhex("112233") + b"\x0b\x81")
    if is_cut:
        card.command(0xDA, APPLICATION_ID)
    before = bench.card.snapshot()
    with pytest.raises(CarriesOthers, match="112233"):
        wipe(bench)
    assert bench.card.snapshot() == before


def test_only_the_card_s_master_formats_it_and_gives_it_a_des_key() -> None:
    bench = used(MAKES["ev1"])
    before = bench.card.snapshot()
    bench.reader.place(bench.card)
    card = DesfireSession(bench.channel())
    card.select(CARD_LEVEL)
    with pytest.raises(CardRefused, match="FormatPICC was answered with 91AE"):
        card.command(0xFC)
    assert bench.card.snapshot() == before
    as_master(bench).change_to_des()
    bench.reader.place(bench.card)
    card = DesfireSession(bench.channel())
    card.select(CARD_LEVEL)
    assert card.key_version(0) == 0
    with pytest.raises(CardRefused, match="AuthenticateAES"):
        card.authenticate(0, AesKey(bytes(16)))
    card.select(CARD_LEVEL)
    card.authenticate_des(0, BLANK_DES)


def test_the_cryptogram_of_the_factory_s_key_is_what_libfreefare_sends() -> None:
    """Key number 00, then sixteen zeros and their CRC over command and number, zeros up to whole blocks, enciphered."""
    sent: list[bytes] = []
    bench = used(MAKES["ev1"])
    card = as_master(bench)
    channel = card._channel
    transmit = channel.transmit

    class Tapped:
        uid, technology = channel.uid, channel.technology

        def transmit(self, apdu: bytes) -> bytes:
            sent.append(apdu)
            return transmit(apdu)

    card._channel = Tapped()
    card.change_to_des()
    assert len(sent) == 1 and sent[0][:6] == bytes.fromhex("90c400002100") and len(sent[0]) == 5 + 33 + 1
