"""NTAG 424 DNA: NXP's published bytes, what the driver believes, and what the virtual tag shows a reader."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hardware.cards.crypto import AesKey
from hardware.cards.keys import CardKeys
from hardware.cards.ntag424 import READ_NDEF, SELECT_APPLICATION, SELECT_NDEF_FILE
from hardware.cards.open_card import open_card
from hardware.cards.sun import NDEF_BYTES_MAX, mac_of, ndef_file, picc_data, read_message
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardNotOurs
from hardware.simulated.ntag424 import VirtualNtag424
from hardware.simulated.plain_card import VirtualPlain
from hardware.simulated.reader import SimulatedReader, VirtualCard
from protocol.ids import CardNo, Counter
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardRead, Technology
from tests.hardware.card_bench import NEXT_KEYS, TECHNOLOGIES, TILL, UID, WHO, issued
from tests.hardware.tag_bench import LINK, tag, with_mac_key

ZERO = AesKey(bytes(16))
PLAIN_WHO = replace(WHO, pin_verifier=b"")


def channel_to(card: VirtualCard) -> CardChannel:
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return channel


def read(card: VirtualCard, keys: CardKeys = TILL) -> CardRead | None:
    return read_token(channel_to(card), keys)


# NXP AN12196, revision 2.0, tables 1, 2, 4 and 5


@pytest.mark.parametrize(
    ("enciphered", "plain", "uid", "counter"),
    [
        ("ef963ff7828658a599f3041510671e88", "c704de5f1eacc0403d0000da5cf60941", "04de5f1eacc040", 61),
        ("fd91ec264309878be6345cbe53badf40", "c704958caa5c5e80080000a243c86dfc", "04958caa5c5e80", 8),
    ],
)
def test_who_a_tag_is_opens_as_published(enciphered: str, plain: str, uid: str, counter: int) -> None:
    opened = ZERO.cbc_decrypt(bytes.fromhex(enciphered))
    assert opened.hex() == plain
    assert opened == picc_data(bytes.fromhex(uid), counter, opened[-5:])


@pytest.mark.parametrize(
    ("uid", "counter", "maced", "mac"),
    [
        ("04de5f1eacc040", "3d0000", b"", "94eed9ee65337086"),
        ("04958caa5c5e80", "080000", b"CEE9A53E3E463EF1F459635736738962&cmac=", "ecc1e7f6c6c73bf6"),
    ],
)
def test_a_tag_s_mac_is_as_published(uid: str, counter: str, maced: bytes, mac: str) -> None:
    assert mac_of(ZERO, bytes.fromhex(uid), bytes.fromhex(counter), maced).hex() == mac


def test_the_key_of_a_count_is_as_published() -> None:
    """Under a key that is not zero: the published session key gives the same MAC as the key it comes from."""
    key, session = (
        AesKey(bytes.fromhex(text)) for text in ("5ace7e50ab65d5d51fd5bf5a16b8205b", "3a3e8110e05311f7a3fcf0d969bf2b48")
    )
    assert mac_of(key, bytes.fromhex("04c767f2066180"), bytes.fromhex("010000"), b"text") == session.cmac(b"text")[1::2]


# The driver


def test_a_tag_proves_who_it_is_with_a_higher_count_at_every_tap() -> None:
    card = tag()
    first, second = read(card), read(card)
    assert first is not None and second is not None
    assert (first.technology, first.identity, first.uid) == (Technology.TOKEN, PLAIN_WHO, UID)
    assert first.genuine and second.genuine
    assert (first.proof, second.proof) == (Proof(ProofKind.SUN, Counter(1)), Proof(ProofKind.SUN, Counter(2)))


def test_a_purse_driver_says_that_a_tag_is_none_of_its() -> None:
    with pytest.raises(CardNotOurs):
        open_card(channel_to(tag()), TILL).read()


@pytest.mark.parametrize(
    "forged",
    [
        lambda: tag(mac_keys=NEXT_KEYS),
        lambda: tag(keys=replace(NEXT_KEYS, key_set=1)),
        lambda: VirtualNtag424(replace(tag().snapshot(), uid=UID[:-1] + b"\xf7")),
        lambda: VirtualNtag424(with_mac_key(tag(replace(WHO, card=CardNo(8))).snapshot(), ZERO)),
    ],
    ids=["a MAC of other keys", "all of other keys", "another tag's keys", "another person's number"],
)
def test_what_a_tag_cannot_prove_is_not_genuine(forged: Callable[[], VirtualNtag424]) -> None:
    shown = read(forged())
    assert shown is not None and not shown.genuine and shown.proof is None


def test_a_message_that_another_card_plays_back_is_not_genuine() -> None:
    """The reader knows the UID of what lies there, and the message has that of the tag that said it."""
    card = tag()
    played = replace(card.snapshot(), random_uid=b"\x04" * 7)
    shown = read(VirtualNtag424(played))
    assert shown is not None and not shown.genuine


def test_a_tag_may_hide_its_uid() -> None:
    shown = read(tag(random_uid=bytes.fromhex("08a1b2c3")))
    assert shown is not None and shown.genuine and shown.uid == bytes.fromhex("08a1b2c3")


def test_other_things_say_nothing_of_ours() -> None:
    assert read(VirtualPlain(UID)) is None
    assert read(tag(), CardKeys([NEXT_KEYS])) is None, "of a key set that is not held here"
    for technology in TECHNOLOGIES:
        assert read(issued(technology).card) is None


def test_only_a_whole_message_is_read() -> None:
    whole = ndef_file(LINK, 1, WHO).content
    assert read_message(whole) is not None and read_message(whole + bytes(60)) is not None
    for cut in range(len(whole)):
        assert read_message(whole[:cut]) is None
    for at in (2, 3, 5, len(whole) - 16, len(whole) - 19, len(whole) - 37, len(whole) - 22):
        other = whole[:at] + b"~" + whole[at + 1 :]
        assert read_message(other) is None, at
    with pytest.raises(ValueError, match="at most"):
        ndef_file("x" * NDEF_BYTES_MAX, 1, WHO)


# The virtual tag


def test_the_count_rises_before_the_first_read_after_another_command_and_outlives_the_field() -> None:
    card = tag()
    channel = channel_to(card)
    for command in (SELECT_APPLICATION, SELECT_NDEF_FILE):
        assert channel.transmit(command) == b"\x90\x00"
    assert channel.transmit(READ_NDEF)[:-2] != channel.transmit(READ_NDEF[:-1] + b"\x00")[:NDEF_BYTES_MAX]
    assert card.snapshot().counter == 1, "the filling is new, the count is not"
    channel.transmit(SELECT_NDEF_FILE)
    channel.transmit(READ_NDEF)
    card.put_back()
    assert card.snapshot().counter == 2


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00b0000010", "6a82"),
        ("00a4000c02e104", "6a82"),
        ("00a4040007d276000085010200", "6a82"),
        ("00a4000c05e104", "6700"),
        ("905a000003f0fa4b00", "911c"),
        ("00d6000001ff", "6d00"),
    ],
)
def test_it_refuses_as_the_data_sheet_says(command: str, status: str) -> None:
    assert channel_to(tag()).transmit(bytes.fromhex(command)).hex() == status
