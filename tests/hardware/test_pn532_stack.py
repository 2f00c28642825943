"""nfcpy's real PN532 driver on a pseudo-terminal; only the chip and the card are ours."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.cards.open_card import open_card
from hardware.cards.tokens import read_token
from hardware.ports import GET_UID, CardLeftField, CardNotOurs, CardReader, ReaderUnplugged, SeveralCards
from hardware.readers.introductions import Air, Found, found_in, historical_bytes
from hardware.readers.pn532 import Pn532Channel, Pn532Reader
from hardware.simulated.classic_card import VirtualClassic, blank_classic
from hardware.simulated.plain_card import VirtualFelica, VirtualPlain, VirtualTypeB
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import CardInField
from hardware.simulated.tearing import CardTorn, Field, Moment, Tear
from protocol.purse import Technology
from tests.hardware.card_bench import KINDS, TILL, UID, Kind, blank, issued, sale

DESFIRE_ATS, PLAIN_ATS = bytes.fromhex("7577810280"), bytes.fromhex("78807002")
LOAD_TRANSPORT_KEY = b"\xff\x82\x00\x00\x06" + b"\xff" * 6
OK = b"\x90\x00"


class EchoCard:
    """A card with ISO-DEP that answers with what it was told, twice."""

    atr = bytes.fromhex("3B8180018080")

    def __init__(self, uid: bytes = bytes(range(7))) -> None:
        self.uid, self.field = uid, Field()

    def reset(self) -> None:
        pass

    def process(self, apdu: bytes) -> bytes:
        if not self.field.present:
            raise CardTorn
        return 2 * apdu


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePn532]:
    with FakePn532(tmp_path / "pn532") as fake:
        yield fake


@pytest.fixture
def reader(fake: FakePn532) -> Iterator[Pn532Reader]:
    with Pn532Reader(str(fake.path)) as reader:
        yield reader


def seen(reader: Pn532Reader) -> Pn532Channel:
    """The card that lies there."""
    channel = reader.wait_for_card(5)
    assert channel is not None
    return channel


def authenticate(block: int) -> bytes:
    return bytes((0xFF, 0x86, 0, 0, 5, 1, 0, block, 0x60, 0))


def test_it_is_a_card_reader_as_the_port_has_it(reader: Pn532Reader) -> None:
    port: CardReader = reader
    assert port.wait_for_card(0) is None
    assert port.wait_until_absent(0)


@pytest.mark.parametrize(
    ("sak", "ats", "technology"),
    [
        (0x08, b"", Technology.CLASSIC),
        (0x18, b"", Technology.CLASSIC),
        (0x88, b"", Technology.CLASSIC),
        (0x20, DESFIRE_ATS, Technology.DESFIRE),
        (0x20, PLAIN_ATS, None),
        (0x20, b"", None),
        (0x28, DESFIRE_ATS, None),
        (0x09, b"", None),
        (0x00, b"", None),
    ],
)
def test_sak_and_ats_name_the_technology(sak: int, ats: bytes, technology: Technology | None) -> None:
    """A Mini (09) is too small for a purse, and a Classic within a processor card (28) speaks ISO-DEP first."""
    assert Found(b"\x00\x44", sak, UID, ats).technology is technology


def test_historical_bytes_follow_the_interface_bytes() -> None:
    assert historical_bytes(DESFIRE_ATS) == b"\x80"
    assert historical_bytes(b"\x00abc") == b"abc"
    assert historical_bytes(PLAIN_ATS) == historical_bytes(b"") == b""


def test_cards_in_an_answer_are_taken_apart() -> None:
    classic, desfire = b"\x01\x00\x04\x08\x041234", b"\x02\x03\x44\x20\x07" + UID + b"\x06" + DESFIRE_ATS
    both = [Found(b"\x00\x04", 0x08, b"1234", b""), Found(b"\x03\x44", 0x20, UID, DESFIRE_ATS)]
    assert found_in(b"\x02" + classic + desfire) == both
    assert found_in(b"\x02" + desfire + classic) == both[::-1]
    assert found_in(b"\x00") == []
    with pytest.raises(IndexError):
        found_in(b"\x02" + classic + b"\x02\x00")


@pytest.mark.parametrize("uid", [b"123", bytes(20), bytes(40)])
def test_what_no_card_has_for_a_uid_is_no_card(uid: bytes) -> None:
    """Half an answer, or a chip that is broken: keys made of that are another card's, or none."""
    with pytest.raises(IndexError, match="UID"):
        found_in(b"\x01\x01\x00\x04\x08" + bytes((len(uid),)) + uid)
    with pytest.raises(IndexError, match="UID"):
        found_in(b"\x01\x01\x00\x04\x08\x07" + UID[:5])


def test_felica_in_an_answer_is_taken_apart() -> None:
    """The first as ACS prints it (ACR122L, "To initialize a FeliCa Tag"), with its system; the second without one."""
    first = bytes.fromhex("011401010105018604020203004b024f498a8a8008")
    second = bytes.fromhex("021201012e4cd4544d451a100b4b428485d0ff")
    idms = bytes.fromhex("0101050186040202"), bytes.fromhex("012e4cd4544d451a")
    assert found_in(b"\x02" + first + second, Air.F212) == [Found(b"", 0, idm, b"", Air.F212) for idm in idms]
    for short in (b"\x01", b"\x01" + first[:10], b"\x02" + first):
        with pytest.raises(IndexError):
            found_in(short, Air.F212)


def test_type_b_in_an_answer_is_taken_apart() -> None:
    """The first with an answer to ATTRIB, the second, a resident identity card of China, without one."""
    first, second = bytes.fromhex("01501a2b3c4d1c2d9411f771850100"), bytes.fromhex("025000000000d103860c00808000")
    pupis = bytes.fromhex("1a2b3c4d"), bytes(4)
    assert found_in(b"\x02" + first + second, Air.B) == [Found(b"", 0, pupi, b"", Air.B) for pupi in pupis]
    for short in (b"\x01", b"\x01" + first[:13], b"\x02" + first):
        with pytest.raises(IndexError):
            found_in(short, Air.B)


@pytest.mark.parametrize("uid", [b"\x01\x02\x03\x04", UID])
def test_a_classic_is_one_whatever_the_length_of_its_uid(fake: FakePn532, reader: Pn532Reader, uid: bytes) -> None:
    fake.insert(blank(Kind.CLASSIC, uid))
    channel = seen(reader)
    assert (channel.uid, channel.technology) == (uid, Technology.CLASSIC)
    assert channel.transmit(GET_UID) == uid + OK
    assert channel.transmit(LOAD_TRANSPORT_KEY) == channel.transmit(authenticate(4)) == OK
    assert channel.transmit(b"\xff\xb0\x00\x04\x10") == bytes(16) + OK


def test_the_largest_classic(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(VirtualClassic(blank_classic(UID, blocks=256)))
    channel = seen(reader)
    assert channel.technology is Technology.CLASSIC
    assert channel.transmit(LOAD_TRANSPORT_KEY) == channel.transmit(authenticate(240)) == OK
    assert channel.transmit(b"\xff\xd6\x00\xf0\x10" + b"sixteen bytes ..") == OK
    assert channel.transmit(b"\xff\xb0\x00\xf0\x10") == b"sixteen bytes .." + OK


def test_a_refusal_ends_a_classic_s_session_and_the_card_is_selected_anew(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(blank(Kind.CLASSIC))
    channel = seen(reader)
    channel.transmit(LOAD_TRANSPORT_KEY)
    assert channel.transmit(b"\xff\xb0\x00\x08\x10") == b"\x69\x82", "nothing is open"
    assert channel.transmit(authenticate(4)) == OK
    assert channel.transmit(b"\xff\x82\x00\x00\x06" + bytes(6)) == OK
    assert channel.transmit(authenticate(8)) == b"\x63\x00"
    assert channel.transmit(b"\xff\xb0\x00\x04\x10") == b"\x69\x82", "the sector before is closed as well"
    assert channel.transmit(GET_UID) == UID + OK
    channel.transmit(LOAD_TRANSPORT_KEY)
    assert channel.transmit(authenticate(4)) == OK


def test_nonsense_is_answered_by_the_reader(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(blank(Kind.CLASSIC))
    channel = seen(reader)
    for apdu, answer in (
        (b"\xff\x82\x00\x00\x05" + bytes(5), "6700"),
        (b"\xff\xd6\x00\x04\x10" + bytes(15), "6700"),
        (b"\xff\x00\x48\x00\x00", "6a81"),
        (b"\x90\x60\x00\x00\x00", "6a81"),
    ):
        assert channel.transmit(apdu).hex() == answer
    fake.insert(EchoCard())
    assert seen(reader).transmit(authenticate(4)).hex() == "6a81"


def test_long_apdus_go_in_pieces(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(EchoCard())
    long_apdu = bytes(range(1, 256)) * 2
    assert seen(reader).transmit(long_apdu) == 2 * long_apdu


def test_a_card_that_comes_later_ends_the_wait(fake: FakePn532, reader: Pn532Reader) -> None:
    assert reader.wait_for_card(0) is None
    timer = threading.Timer(0.1, fake.insert, [EchoCard()])
    timer.start()
    assert reader.wait_for_card(30) is not None
    timer.join()


def test_waiting_is_left_to_the_chip(fake: FakePn532, reader: Pn532Reader) -> None:
    """Few commands, and no processor time here."""
    reader.wait_for_card(0)
    asked, used = len(fake.heard), time.thread_time()
    assert reader.wait_for_card(0.5) is None
    assert fake.heard[asked:].count(0x4A) <= 3 * 4 + 2, (
        "four kinds are looked for before and after each quarter of a second"
    )
    assert time.thread_time() - used < 0.1 * 0.5


def test_a_lingering_card_is_handed_out_again(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(EchoCard())
    first, second = seen(reader), seen(reader)
    assert second.transmit(b"again") == b"againagain"
    with pytest.raises(CardLeftField):
        first.transmit(b"again")


FELICA, OTHER_FELICA, TYPE_B = (
    VirtualFelica(bytes.fromhex("012e4cd4544d451a")),
    VirtualFelica(bytes.fromhex("0101050186040202")),
    VirtualTypeB(bytes.fromhex("1a2b3c4d")),
)


@pytest.mark.parametrize(
    "cards",
    [
        (blank(Kind.CLASSIC), EchoCard()),
        (blank(Kind.EV1), FELICA),
        (FELICA, TYPE_B),
        (TYPE_B, VirtualTypeB(b"1234")),
        (FELICA, OTHER_FELICA),
        (blank(Kind.CLASSIC), TYPE_B),
    ],
    ids=["A and A", "A and F", "F and B", "B and B", "F and F", "A and B"],
)
def test_of_two_cards_at_once_neither_is_handed_out(
    fake: FakePn532, reader: Pn532Reader, cards: tuple[CardInField, ...]
) -> None:
    fake.insert(*cards)
    with pytest.raises(SeveralCards):
        reader.wait_for_card(0)
    assert not reader.wait_until_absent(0)
    fake.insert(cards[0])
    assert seen(reader).uid == cards[0].uid


def test_a_second_card_that_comes_is_seen_only_when_the_first_is_looked_for_anew(
    fake: FakePn532, reader: Pn532Reader
) -> None:
    fake.insert(FELICA)
    channel = seen(reader)
    fake.insert(FELICA, OTHER_FELICA)
    assert not channel.is_there()
    assert reader.wait_until_absent(0)
    with pytest.raises(SeveralCards):
        reader.wait_for_card(0)


@pytest.mark.parametrize("card", [FELICA, TYPE_B], ids=["FeliCa", "type B"])
def test_of_felica_and_type_b_the_uid_is_told_and_nothing_else(
    fake: FakePn532, reader: Pn532Reader, card: VirtualPlain
) -> None:
    """It comes while the chip waits for another kind; it is missed when it is gone."""
    assert reader.wait_for_card(0) is None
    timer = threading.Timer(0.1, fake.insert, [card])
    timer.start()
    channel = seen(reader)
    timer.join()
    assert (channel.uid, channel.technology) == (card.uid, Technology.TOKEN)
    assert channel.transmit(GET_UID) == card.uid + OK
    for apdu in (b"\x90\x60\x00\x00\x00", authenticate(4), b"\xff\x00\x00\x00\x04\xd4\x42\x1a\x00"):
        assert channel.transmit(apdu).hex() == "6a81"
    with pytest.raises(CardNotOurs):
        open_card(channel, TILL)
    assert read_token(channel, TILL) is None
    assert channel.is_there() and not reader.wait_until_absent(0.4)
    fake.remove()
    assert reader.wait_until_absent(5)


def test_a_pupi_that_changes_is_no_uid(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(VirtualTypeB(*(bytes((1, 2, 3, count)) for count in range(200))))
    channel = seen(reader)
    assert (channel.uid, channel.technology) == (b"", Technology.TOKEN)
    assert channel.is_there() and not reader.wait_until_absent(0.4), "the card itself is the same"


def test_a_phone_that_is_felica_and_type_a_at_once_is_one_card(fake: FakePn532, reader: Pn532Reader) -> None:
    """Its other UID is random; so it could not be told from a second phone, which is neither ours nor anybody's."""
    phone = FELICA, VirtualPlain(bytes.fromhex("08a1b2c3"))
    fake.insert(*phone)
    assert seen(reader).uid == FELICA.uid
    fake.insert(*phone, blank(Kind.EV1))
    with pytest.raises(SeveralCards):
        reader.wait_for_card(0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_card_has_in_hand_survives_being_asked_whether_it_is_there(
    fake: FakePn532, reader: Pn532Reader, kind: Kind
) -> None:
    card = issued(kind).card
    fake.insert(card)
    driver = open_card(seen(reader), TILL)
    before = driver.read()
    asked = len(fake.heard)
    assert not reader.wait_until_absent(0.7)
    assert len(fake.heard) > asked
    assert driver.write(sale(before, 1)).purse == sale(before, 1).after


def test_being_there_is_asked_no_more_often_than_needed(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(issued(Kind.EV1).card)
    seen(reader)
    asked = len(fake.heard)
    for _ in range(20):
        assert not reader.wait_until_absent(0.05)
    assert 1 <= fake.heard[asked:].count(0x00) <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_is_taken_away_is_missed(fake: FakePn532, reader: Pn532Reader, kind: Kind) -> None:
    for read in (False, True):
        fake.insert(issued(kind).card)
        channel = seen(reader)
        if read:
            open_card(channel, TILL).read()
        fake.remove()
        assert reader.wait_until_absent(5)
        with pytest.raises(CardLeftField):
            channel.transmit(GET_UID if kind is Kind.CLASSIC else b"\x90\x60\x00\x00\x00")
        assert reader.wait_for_card(0) is None


def test_a_card_that_leaves_in_the_middle_leaves_the_outcome_unknown(fake: FakePn532, reader: Pn532Reader) -> None:
    card = issued(Kind.EV1).card
    fake.insert(card)
    channel = seen(reader)
    card.arm(Tear(1, Moment.AFTER))
    with pytest.raises(CardLeftField):
        channel.transmit(b"\x90\x60\x00\x00\x00")
    with pytest.raises(CardLeftField):
        channel.transmit(GET_UID)
    assert reader.wait_until_absent(5)
    card.put_back()
    fake.insert(card)
    assert seen(reader).uid == UID


def test_a_card_that_is_exchanged_for_another_is_not_taken_for_it(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(blank(Kind.CLASSIC))
    channel = seen(reader)
    assert channel.transmit(b"\xff\xb0\x00\x08\x10") == b"\x69\x82"
    fake.insert(blank(Kind.CLASSIC, b"\x01\x02\x03\x04"))
    with pytest.raises(CardLeftField):
        channel.transmit(GET_UID)


def test_strangers_are_told_from_cards_of_ours(fake: FakePn532, reader: Pn532Reader) -> None:
    for card in (VirtualPlain(b"\x11\x22\x33\x44"), blank(Kind.CLASSIC), blank(Kind.EV1)):
        fake.insert(card)
        with pytest.raises(CardNotOurs):
            open_card(seen(reader), TILL).read()


def test_an_unplugged_reader_is_said_and_comes_back(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(EchoCard())
    channel = seen(reader)
    fake.unplug()
    with pytest.raises(ReaderUnplugged):
        channel.transmit(b"lost")
    for _ in range(2):
        with pytest.raises(ReaderUnplugged):
            reader.wait_for_card(0)
        with pytest.raises(ReaderUnplugged):
            reader.wait_until_absent(0)
    fake.plug_in()
    assert seen(reader).transmit(b"back") == b"backback"


def test_it_is_unplugged_while_it_waits(fake: FakePn532, reader: Pn532Reader) -> None:
    reader.wait_for_card(0)
    timer = threading.Timer(0.1, fake.unplug)
    timer.start()
    with pytest.raises(ReaderUnplugged):
        reader.wait_for_card(30)
    timer.join()


def test_a_chip_that_hangs_is_noticed_and_taken_up_again(fake: FakePn532, reader: Pn532Reader) -> None:
    fake.insert(EchoCard())
    channel = seen(reader)
    fake.hangs = True
    with pytest.raises(ReaderUnplugged):
        channel.transmit(b"hello")
    with pytest.raises(ReaderUnplugged):
        reader.wait_for_card(0)
    fake.hangs = False
    assert seen(reader).transmit(b"back") == b"backback"


def test_a_chip_that_lost_its_power_is_set_up_again(fake: FakePn532, reader: Pn532Reader) -> None:
    reader.wait_for_card(0)
    fake.unplug()
    fake.plug_in()
    fake.insert(EchoCard())
    with pytest.raises(ReaderUnplugged):
        reader.wait_for_card(0)
    assert seen(reader).transmit(b"back") == b"backback"


def test_whoever_was_killed_while_waiting_leaves_a_chip_that_can_be_used(fake: FakePn532) -> None:
    script = "import sys; from hardware.readers.pn532 import Pn532Reader; Pn532Reader(sys.argv[1]).wait_for_card(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(fake.path)]) as waiting:
        while fake.heard.count(0x4A) < 2:
            time.sleep(0.01)
        waiting.kill()
    fake.insert(EchoCard())
    with Pn532Reader(str(fake.path)) as reader:
        assert seen(reader).transmit(b"back") == b"backback"


def test_a_path_where_no_reader_is(tmp_path: Path) -> None:
    with Pn532Reader(str(tmp_path / "nothing")) as reader, pytest.raises(ReaderUnplugged):
        reader.wait_for_card(0)
    with Pn532Reader("usb:999:99") as reader, pytest.raises(ReaderUnplugged):
        reader.wait_for_card(0)


def test_no_key_is_logged(fake: FakePn532, reader: Pn532Reader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    fake.insert(issued(Kind.CLASSIC).card)
    open_card(seen(reader), TILL).read()
    assert "a0a1a2a3a4a5" not in caplog.text and not [r for r in caplog.records if r.name.startswith("nfc")]


def test_a_failure_of_the_card_itself_is_not_swallowed(fake: FakePn532, reader: Pn532Reader) -> None:
    class BrokenCard(EchoCard):
        def process(self, apdu: bytes) -> bytes:
            raise ZeroDivisionError

    fake.insert(BrokenCard())
    channel = seen(reader)
    with pytest.raises(ReaderUnplugged):
        channel.transmit(b"hello")
    with pytest.raises(ZeroDivisionError):
        fake.remove()
