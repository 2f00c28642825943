"""Blank tags become tokens: whatever exchange was torn the same tag is finished, and nobody else's is written.

The settings that are sent are held against NXP's published ones; how they and the keys travel is held in
`test_desfire_vectors.py` (AN12196 tables 14 to 26), an Ultralight's authentication in `test_ultralight_aes.py`.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.cards.blank import is_blank
from hardware.cards.crypto import AesKey
from hardware.cards.desfire_messaging import CommMode
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.issue import personalise
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.cards.ntag424 import SELECT_APPLICATION, ndef_settings
from hardware.cards.sun import SunFile
from hardware.cards.tokens import read_token
from hardware.cards.ultralight_aes import authenticates, through, write_page
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, CardReader, CardRefused
from hardware.readers.pcsc import PcscReader
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.desfire_state import StoredKey
from hardware.simulated.ntag424 import VirtualNtag424, blank_ntag424
from hardware.simulated.ntag424_settings import NdefSettings
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from hardware.simulated.ultralight_aes import KEY_LOCKS, LOCKS, VirtualUltralightAes, blank_ultralight
from hardware.simulated.vpcd import VirtualSlot
from protocol.ids import CardNo, Generation
from protocol.purse import Identity, Technology
from tests.hardware.card_bench import KEYS, NEXT_KEYS, OFFICE, TECHNOLOGIES, TILL, UID, WHO, blank, issued
from tests.hardware.tag_bench import new_token, tag, ultralight

Tag = VirtualNtag424 | VirtualUltralightAes
PLAIN_WHO = replace(WHO, pin_verifier=b"")
AGAIN = replace(PLAIN_WHO, generation=Generation(2))
ZERO = AesKey(bytes(16))


def blank_tag(kind: str) -> Tag:
    """As the factory sends it."""
    return VirtualNtag424(blank_ntag424(UID)) if kind == "ntag424" else VirtualUltralightAes(blank_ultralight(UID))


both = pytest.mark.parametrize("kind", ["ntag424", "ultralight"])


class Bench:
    """A tag in the field of a reader, which may have a whole stack before it; of two each has every other tap."""

    def __init__(self, *readers: tuple[SimulatedReader | VirtualSlot | FakePn532, CardReader]) -> None:
        self._readers, self._last = itertools.cycle(readers), readers[-1][0]
        self.stride = 1 if isinstance(self._last, SimulatedReader) else 4
        """Of the exchanges that are torn only so many are skipped where putting a tag on the reader takes its time."""

    def channel(self, card: Tag) -> CardChannel:
        """The tag put on the reader anew."""
        last, (slot, reader) = self._last, next(self._readers)
        self._last = slot
        if isinstance(slot, SimulatedReader):
            slot.place(card)
        else:
            if not isinstance(last, SimulatedReader):
                last.remove()
            assert reader.wait_until_absent(5)
            card.put_back()
            slot.insert(card)
        channel = reader.wait_for_card(5)
        assert channel is not None
        return channel

    def make(self, card: Tag, who: Identity = PLAIN_WHO, keys: CardKeys = OFFICE, key_set: int = 1) -> None:
        """What the card office does: look, write, read back."""
        is_blank(channel := self.channel(card), keys)
        read = personalise(channel, keys, new_token(who, key_set))
        assert (read.technology, read.identity, read.key_set, read.genuine) == (Technology.TOKEN, who, key_set, True)


class SimulatedBench(Bench):
    """A reader in the same process."""

    def __init__(self) -> None:
        reader = SimulatedReader()
        super().__init__((reader, reader))


@pytest.fixture(params=["simulated", pytest.param("pcsc", marks=pytest.mark.integration), "pn532"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A reader in the same process, or either stack."""
    match request.param:
        case "simulated":
            yield SimulatedBench()
        case "pn532":
            with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as pn532:
                yield Bench((fake, pn532))
        case _:
            pcscd: PrivatePcscd = request.getfixturevalue("pcscd")
            with (
                VirtualSlot(pcscd.ports[0]) as slot,
                VirtualSlot(pcscd.ports[1]) as other_slot,
                PcscReader(pcscd.reader_names[0]) as pcsc,
                PcscReader(pcscd.reader_names[1]) as other,
            ):
                yield Bench((slot, pcsc), (other_slot, other))


@pytest.fixture
def here() -> Bench:
    """A reader in the same process."""
    return SimulatedBench()


# As published


def test_the_settings_of_the_file_are_the_published_ones() -> None:
    """AN12196 table 18: UID and counter at 20h, under key 2; the MAC at 43h, over nothing, under key 1."""
    published = bytes.fromhex("4000E0C1F121200000430000430000")
    assert ndef_settings(SunFile(b"", 0x20, 0x43, 0x43)) == published
    told = NdefSettings.from_wire(published)
    assert told.head + told.tail == published


def test_keys_lie_in_an_ultralight_the_last_byte_first(here: Bench) -> None:
    """MF0AES(H)20, section 8.6: pages 30h to 33h hold DataProtKey from its last byte on."""
    card = blank_tag("ultralight")
    channel = here.channel(card)
    for place, page in enumerate(range(0x30, 0x34)):
        write_page(channel, page, bytes(range(15 - 4 * place, 11 - 4 * place, -1)))
    assert authenticates(channel, AesKey(bytes(range(16))), bytes)


# Made


@both
def test_a_blank_becomes_a_token_that_a_till_believes(bench: Bench, kind: str) -> None:
    card = blank_tag(kind)
    assert is_blank(bench.channel(card), OFFICE)
    bench.make(card)
    assert not is_blank(bench.channel(card), OFFICE)
    shown = read_token(bench.channel(card), TILL)
    assert shown is not None and shown.genuine and shown.identity == PLAIN_WHO


@both
def test_whatever_exchange_was_torn_the_same_tag_is_finished(bench: Bench, kind: str) -> None:
    """Torn before and after every exchange of the making, the read behind it among them."""
    for exchange in itertools.count(1, bench.stride):
        torn = 0
        for moment in (Moment.BEFORE, Moment.AFTER):
            card = blank_tag(kind)
            channel = bench.channel(card)
            card.arm(Tear(exchange, moment))
            with suppress(CardError):  # an answer that InCommunicateThru misses may as well be a refusal
                personalise(channel, OFFICE, new_token(PLAIN_WHO))
            torn += not card.field.present
            card.arm(None)
            bench.make(card)
            shown = read_token(SimulatedBench().channel(card), TILL)
            assert shown is not None and shown.genuine, (exchange, moment)
        assert torn in (0, 2)
        if not torn:
            assert exchange > 25
            return


def test_a_tag_is_made_again_under_the_next_keys_and_may_be_torn_in_between(here: Bench) -> None:
    both_sets = CardKeys([NEXT_KEYS, KEYS])
    card = tag()
    for exchange, moment in itertools.product(range(1, 40), (Moment.BEFORE, Moment.AFTER)):
        card = tag()
        channel = here.channel(card)
        card.arm(Tear(exchange, moment))
        try:
            personalise(channel, both_sets, new_token(AGAIN, 2))
        except CardLeftField:
            assert exchange < 38
        card.arm(None)
        here.make(card, AGAIN, both_sets, 2)
        shown = read_token(here.channel(card), CardKeys([NEXT_KEYS.for_a_till()]))
        assert shown is not None and shown.genuine and shown.identity == AGAIN
    state = card.snapshot()
    assert {key.version for key in state.keys} == {2} and len({key.raw for key in state.keys}) == 5


# Who may what afterwards


def test_a_till_s_keys_change_nothing_on_a_tag(here: Bench) -> None:
    """Of an NTAG 424 DNA they open the counter; of an Ultralight AES they authenticate, and everything is locked."""
    card = tag()
    keys = TILL.require(UID, 1)
    with pytest.raises(KeyNotHeld):
        keys.aes(Role.SUN_MASTER)
    before = card.snapshot()
    for number, role in ((1, Role.SUN_MAC), (2, Role.SUN_READ)):
        for code, header, data in (
            (0x8D, bytes.fromhex("02000000010000"), b"\x00"),
            (0x5F, b"\x02", bytes.fromhex("00e0ee")),
            (0xC4, bytes((number,)), bytes(17)),
        ):
            channel = here.channel(card)
            assert channel.transmit(SELECT_APPLICATION) == b"\x90\x00"
            session = DesfireSession(channel)
            session.speaks_ev2 = True
            session.authenticate(number, keys.aes(role))
            with pytest.raises(CardRefused):
                session.command(code, header, data, CommMode.PLAIN if code == 0x8D else CommMode.FULL)
    assert card.snapshot() == before
    locked = ultralight()
    memory = locked.snapshot().memory
    for page in (*range(4, 10), 0x29, 0x2A, 0x2D, *range(0x30, 0x38)):
        channel = here.channel(locked)
        assert authenticates(channel, keys.aes(Role.ULTRALIGHT), bytes)
        with pytest.raises(CardRefused):
            write_page(channel, page, bytes(4))
    assert locked.snapshot().memory == memory


def test_without_a_key_nobody_writes(here: Bench) -> None:
    channel = here.channel(tag())
    channel.transmit(SELECT_APPLICATION)
    assert channel.transmit(bytes.fromhex("908d00000802000000010000ff00")) == b"\x91\xae"
    for page in (4, 10, 39, 0x29, 0x30):
        with pytest.raises(CardRefused):
            write_page(here.channel(ultralight()), page, bytes(4))


def test_wrong_keys_shut_an_ultralight_after_so_many_and_a_right_one_forgives(here: Bench) -> None:
    card, key = ultralight(), TILL.require(UID, 1).aes(Role.ULTRALIGHT)

    def tries(key: AesKey) -> bool:
        return authenticates(here.channel(card), key, bytes)

    assert not any(tries(ZERO) for _ in range(255))
    assert tries(key) and not any(tries(ZERO) for _ in range(255)) and tries(key)
    assert not any(tries(ZERO) for _ in range(256)) and not tries(key)


# Not written


def strangers() -> list[Callable[[], Tag]]:
    """Tags that are nobody's of ours, and no blanks."""
    other = ultralight(keys=replace(NEXT_KEYS, key_set=1)).snapshot()
    keyed = replace(blank_ntag424(UID), keys=(StoredKey(bytes(15) + b"\x01"),) * 5)
    closed = replace(blank_ntag424(UID), settings=NdefSettings.from_wire(bytes.fromhex("03ffff")))
    return [
        lambda: tag(keys=replace(NEXT_KEYS, key_set=1)),
        lambda: VirtualNtag424(keyed),
        lambda: VirtualNtag424(closed),
        lambda: VirtualUltralightAes(other),
        lambda: VirtualUltralightAes(blank_ultralight(UID).with_page(0x30, b"\x01\x02\x03\x04")),
    ]


@pytest.mark.parametrize("make", strangers())
def test_a_stranger_s_tag_is_no_blank_and_stays_as_it_is(here: Bench, make: Callable[[], Tag]) -> None:
    card = make()
    memory = replace(card.snapshot(), counter=0) if isinstance(card, VirtualNtag424) else card.snapshot().memory
    with pytest.raises(CardNotOurs):
        is_blank(here.channel(card), OFFICE)
    after = replace(card.snapshot(), counter=0) if isinstance(card, VirtualNtag424) else card.snapshot().memory
    assert after == memory


def test_an_ultralight_is_what_it_is_for_good(here: Bench) -> None:
    card = ultralight()
    with pytest.raises(CardNotOurs, match="for good"):
        personalise(here.channel(card), OFFICE, new_token(AGAIN))
    here.make(card)


def test_an_ultralight_that_another_s_order_has_torn_says_so(here: Bench) -> None:
    """Half made it has our text, and another number may still be written over it while it is open."""
    card = blank_tag("ultralight")
    channel = here.channel(card)
    card.arm(Tear(14, Moment.AFTER))
    with pytest.raises(CardError):
        personalise(channel, OFFICE, new_token(PLAIN_WHO))
    assert not is_blank(here.channel(card), OFFICE)
    here.make(card, replace(PLAIN_WHO, card=CardNo(8)))


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_purses_are_made_and_looked_at_as_before(technology: Technology) -> None:
    assert issued(technology).tap().read().identity == WHO
    assert blank(technology).snapshot() != issued(technology).card.snapshot()


# The virtual tags refuse what the chips refuse


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("90640000010500", "9140"),
        ("90f50000010300", "91f0"),
        ("9071000002050000", "9140"),
        ("90770000010000", "919d"),
        ("905f0000040200e0ee00", "91ae"),
        ("90c40000010000", "91ae"),
        ("908d00000802fe0000030000ff00", "91be"),
        ("908d00000802000000020000ff00", "917e"),
        ("90ad0000070200000001000000", "911c"),
        ("9060000000", "91af"),
    ],
)
def test_a_blank_ntag_answers_as_the_data_sheet_says(here: Bench, command: str, status: str) -> None:
    channel = here.channel(blank_tag("ntag424"))
    channel.transmit(SELECT_APPLICATION)
    assert channel.transmit(bytes.fromhex(command))[-2:].hex() == status


@pytest.mark.parametrize(
    "settings",
    [
        "40e0eec3f121200000430000430000",  # a reserved bit
        "4000e0c1f1f1200000430000430000",  # PICC data in no way that is played
        "4000e0c1f125200000430000430000",  # no such key
        "4000e0c1f121f00000430000430000",  # beyond the file
        "4000e0c1f121200000440000430000",  # the MAC's input behind the MAC
        "4000e0c1f1212000004300003f0000",  # the MAC in the PICC data
        "0050ee",  # no such key
    ],
)
def test_settings_that_the_chip_would_not_take(here: Bench, settings: str) -> None:
    channel = here.channel(blank_tag("ntag424"))
    channel.transmit(SELECT_APPLICATION)
    session = DesfireSession(channel)
    session.speaks_ev2 = True
    session.authenticate(0, ZERO)
    with pytest.raises(CardRefused, match="919E"):
        session.command(0x5F, b"\x02", bytes.fromhex(settings), CommMode.FULL)


def test_key_0_alone_changes_keys(here: Bench) -> None:
    channel = here.channel(blank_tag("ntag424"))
    channel.transmit(SELECT_APPLICATION)
    session = DesfireSession(channel)
    session.speaks_ev2 = True
    session.authenticate(3, ZERO)
    with pytest.raises(CardRefused, match="919D"):
        session.change_key(3, AesKey(b"k" * 16), 1)
    session.authenticate(0, ZERO)
    with pytest.raises(CardRefused, match="911E"):
        session.change_key(3, AesKey(b"k" * 16), 1, current=AesKey(b"w" * 16))


def test_locks_of_an_ultralight_are_only_ever_added_and_other_pages_refuse(here: Bench) -> None:
    card = blank_tag("ultralight")
    channel = here.channel(card)
    write_page(channel, LOCKS, bytes.fromhex("ffff1000"))
    write_page(channel, LOCKS, bytes(4))
    write_page(channel, KEY_LOCKS, bytes.fromhex("e0000000"))
    assert isinstance(card, VirtualUltralightAes)
    assert card.snapshot().page(LOCKS)[2:].hex() == "1000" and card.snapshot().page(LOCKS)[:2] != b"\xff\xff"
    for page in (0, 1, 4, 0x28, 0x2B, KEY_LOCKS, 0x30, 0x37, 0x3B):
        with pytest.raises(CardRefused):
            write_page(here.channel(card), page, bytes(4))
    assert here.channel(card).transmit(through(b"\xa2\x05abcd")).hex() == "d543029000", "the chip reads no four bits"
