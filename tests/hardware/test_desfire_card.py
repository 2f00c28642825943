"""The virtual DESFire: sessions as published, keys, applications, refusals."""

import pytest

from hardware.cards.desfire import DesfirePurse
from hardware.cards.desfire_session import DesfireSession
from hardware.ports import CardError, CardNotOurs
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_session import CardSession
from hardware.simulated.desfire_state import CommMode, StoredKey, blank_desfire
from tests.hardware.card_bench import TILL
from tests.hardware.desfire_bench import (
    AID,
    CREDIT,
    DEBIT,
    MASTER,
    UID,
    ZERO,
    aes_blank,
    card_with_files,
    connect,
    opened,
    refusal,
    u24,
)

_unhex = bytes.fromhex


@pytest.fixture
def card() -> VirtualDesfire:
    """A card with one application, its three keys and its files."""
    return card_with_files()


# Transcripts: "DESFire EV1 Communication Examples" (Elmü), public.


def test_an_authentication_is_the_published_one() -> None:
    """Authenticate(KeyNo=0, zero key, AES): every byte both ways."""
    card = VirtualDesfire(aes_blank(), lambda _: _unhex("C05DDD714FD788A6B7B754F3C4D066E8"))
    assert card.process(_unhex("90AA0000010000")) == _unhex("B969FDFE56FD91FC9DE6F6F213B8FD1E91AF")
    proof = _unhex("36AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E4774")
    assert card.process(b"\x90\xaf\x00\x00\x20" + proof + b"\x00") == _unhex("800DB680BC146BD121D6578F2D2E20599100")


def session_of(quarters: str) -> CardSession:
    """A session whose key is the published one, whatever its randoms were."""
    raw = _unhex(quarters)
    return CardSession(0, raw[:4] + bytes(8) + raw[8:12], raw[4:8] + bytes(8) + raw[12:])


def test_changing_the_own_key_is_the_published_cryptogram() -> None:
    """ChangeKey(KeyNo=0): session key F44B..66E8, new key 0010..9080, version 0x10."""
    session = session_of("F44B26F5C05DDD7110772281C4D066E8")
    data = _unhex("00E9F85E219496C2B58C1090DC3935FAE9E840CF61B383D9531946256B1F110C10")
    assert session.new_key(0, data, StoredKey()) == StoredKey(_unhex("00102030405060708090A0B0B0A09080"), 0x10)


def test_changing_another_key_is_the_published_cryptogram() -> None:
    """ChangeKey(KeyNo=1) with session key C2A1..B17C: the cryptogram, and the MAC of the card's answer."""
    session = session_of("C2A1E47BD8100044FE6D00A74D7AB17C")
    data = _unhex("01E7ECCB6BD1CA64BC161A12B1C024F71430337408C8A87EACAB7A1FF18951FCA3")
    assert session.new_key(1, data, StoredKey()) == StoredKey(_unhex("00102030405060708090A0B0B0A09080"), 0x10)
    assert session.sealed(b"", CommMode.MACED) == _unhex("2128D3CD9C9ACFFF")


def test_a_key_version_is_answered_with_the_published_mac() -> None:
    """GetKeyVersion() with session key 90F7..9931."""
    session = session_of("90F7A20191036845EC63DECD544B9931")
    assert session.opened(0x64, b"\x00", CommMode.MACED) == b"\x00"
    assert session.sealed(b"\x10", CommMode.MACED) == _unhex("108A8FA36F55CD210D")


# The card and its applications


def test_the_uid_is_the_readers_answer_and_costs_no_exchange() -> None:
    new = VirtualDesfire(blank_desfire(UID))
    assert new.process(_unhex("ffca000000")) == UID + b"\x90\x00"
    assert new.field.exchange_count == 0


def test_the_version_comes_in_three_frames(card: VirtualDesfire) -> None:
    assert connect(card).command(0x60)[14:21] == UID
    assert opened(card, 1).command(0x60)[14:21] == UID, "with a MAC over all three frames"


def test_an_abandoned_answer_is_not_continued(card: VirtualDesfire) -> None:
    assert card.process(_unhex("9060000000"))[-2:] == _unhex("91AF")
    assert card.process(_unhex("905a000003f0fa4b00")) == _unhex("9100")
    assert card.process(_unhex("90af000000")) == _unhex("911C")


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("00a4040000", "6e00"),
        ("9060", "6700"),
        ("9060010000", "6700"),
        ("905a000004f0fa4b00", "6700"),
        ("9099000000", "911c"),
        ("90af000000", "911c"),
        ("905a000002f0fa00", "917e"),
        ("905a00000311223300", "91a0"),
        ("90aa0000010300", "9140"),
        ("9064000001ff00", "9140"),
        ("903d000038" + "00" * 56 + "00", "917e"),
    ],
)
def test_malformed_and_unknown_commands_are_refused(card: VirtualDesfire, apdu: str, answer: str) -> None:
    card.process(_unhex("905a000003f0fa4b00"))
    assert card.process(_unhex(apdu)) == _unhex(answer)


def test_a_wrong_key_is_told_by_both_sides(card: VirtualDesfire) -> None:
    session = connect(card)
    session.select(AID)
    with pytest.raises(CardNotOurs, match="does not have this key"):
        session.authenticate(1, CREDIT)
    card.process(_unhex("90aa0000010100"))
    assert card.process(b"\x90\xaf\x00\x00\x08" + bytes(8) + b"\x00") == _unhex("917e")


def test_a_card_that_does_not_know_the_key_is_found_out() -> None:
    class Parrot:
        uid, technology = UID, None

        def transmit(self, apdu: bytes) -> bytes:
            return bytes(16) + (b"\x91\xaf" if apdu[1] == 0xAA else b"\x91\x00")

    with pytest.raises(CardNotOurs, match="did not prove"):
        DesfireSession(Parrot()).authenticate(1, DEBIT)


def test_a_short_challenge_is_not_answered() -> None:
    class Short:
        uid, technology = UID, None

        def transmit(self, apdu: bytes) -> bytes:
            return bytes(8) + b"\x91\xaf"

    with pytest.raises(CardNotOurs, match="wrong length"):
        DesfireSession(Short()).authenticate(1, DEBIT)


def test_applications_are_listed_created_and_deleted() -> None:
    new = VirtualDesfire(aes_blank())
    session = connect(new)
    assert session.command(0x6A) == b""
    session.command(0xCA, AID + b"\x0f\x81")
    assert session.command(0x6A) == AID
    for code, data, status in (
        (0xCA, AID + b"\x0f\x81", 0x91DE),
        (0xCA, b"\x01\x02\x03\x0f\x01", 0x919E),  # DES keys are not played
        (0xCA, b"\x01\x02\x03\x0f\x80", 0x919E),
        (0xDA, AID, 0x91AE),
    ):
        session.select(bytes(3))
        assert refusal(lambda: session.command(code, data)) == status  # noqa: B023
    session.authenticate(0, ZERO)
    assert refusal(lambda: session.command(0xDA, b"\x01\x02\x03")) == 0x91A0
    session.authenticate(0, ZERO)
    session.command(0xDA, AID)
    assert session.command(0x6A) == b""
    for number in range(28):
        session.command(0xCA, bytes((number + 1, 0, 0)) + b"\x0f\x81")
    assert refusal(lambda: session.command(0xCA, AID + b"\x0f\x81")) == 0x91CE


def test_a_long_list_comes_in_frames() -> None:
    session = connect(VirtualDesfire(aes_blank()))
    session.authenticate(0, ZERO)
    for number in range(28):
        session.command(0xCA, bytes((number + 1, 0, 0)) + b"\x0f\x81")
    assert len(session.command(0x6A)) == 28 * 3


def test_card_level_commands_are_refused_inside_an_application(card: VirtualDesfire) -> None:
    session = opened(card, 0)
    assert refusal(lambda: session.command(0x6A)) == 0x919D
    assert refusal(lambda: connect(card).command(0xCD, b"\x01\x00\xee\xee" + u24(1))) == 0x919D


def test_card_settings_can_close_the_card_to_strangers() -> None:
    session = connect(VirtualDesfire(aes_blank()))
    assert refusal(lambda: session.command(0x54)) == 0x91AE
    session.authenticate(0, ZERO)
    session.change_settings(0x08)
    assert session.command(0x45) == b"\x08\x81"
    for code, data in ((0x6A, b""), (0x45, b""), (0xCA, AID + b"\x0f\x81")):
        session.select(bytes(3))
        assert refusal(lambda: session.command(code, data)) == 0x91AE  # noqa: B023
    session.authenticate(0, ZERO)
    assert refusal(lambda: session.change_key(0, MASTER, 1, current=ZERO, card_level=True)) == 0x919D, "frozen key"
    session.authenticate(0, ZERO)
    session.change_settings(0x00)
    assert refusal(lambda: session.change_settings(0x0F)) == 0x919D, "frozen settings"


def test_the_card_master_key_is_changed() -> None:
    new = VirtualDesfire(aes_blank())
    session = connect(new)
    session.authenticate(0, ZERO)
    session.change_key(0, MASTER, 3, current=ZERO, card_level=True)
    assert session.key_no is None
    assert session.command(0x64, b"\x00") == b"\x03"
    session.authenticate(0, MASTER)
    with pytest.raises(CardNotOurs):
        session.authenticate(0, ZERO)


def test_only_the_master_key_changes_keys(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: session.change_key(1, ZERO, 0, current=DEBIT)) == 0x91AE
    session = opened(card, 0)
    session.change_key(1, CREDIT, 9, current=DEBIT)
    assert session.command(0x64, b"\x01") == b"\x09"
    assert refusal(lambda: session.change_key(2, DEBIT, 9, current=DEBIT)) == 0x911E, "not the current key"


def test_a_damaged_change_of_key_changes_nothing(card: VirtualDesfire) -> None:
    session = opened(card, 0)
    assert refusal(lambda: session.command(0xC4, b"\x01" + bytes(32))) == 0x911E
    assert refusal(lambda: connect(card).command(0xC4, b"\x01" + bytes(32))) == 0x91AE
    for wrong in (b"", b"\x01" + bytes(16)):
        session = opened(card, 0)
        assert refusal(lambda: session.command(0xC4, wrong)) == 0x917E  # noqa: B023
    session = opened(card, 0)
    assert refusal(lambda: session.command(0x54, b"")) == 0x917E
    session = opened(card, 0)
    assert refusal(lambda: session.command(0x54, bytes(16))) == 0x911E
    assert opened(card, 1).key_no == 1


def test_keys_may_be_changed_by_themselves_or_not_at_all() -> None:
    for settings, allowed in ((0xEB, True), (0xFB, False), (0x1B, True)):
        session = connect(VirtualDesfire(blank_desfire(UID)))
        session.command(0xCA, AID + bytes((settings, 0x82)))
        session.select(AID)
        session.authenticate(1, ZERO)
        if allowed:
            session.change_key(1, DEBIT, 1, current=ZERO)
            session.authenticate(1, DEBIT)
        else:
            assert refusal(lambda: session.change_key(1, DEBIT, 1, current=ZERO)) == 0x919D  # noqa: B023


class _Chatterbox:
    """A card of somebody's own making: it answers every command with these frames, again and again."""

    uid = UID
    technology = None

    def __init__(self, *frames: bytes) -> None:
        self._frames, self.asked = frames, 0

    def transmit(self, apdu: bytes) -> bytes:
        self.asked += 1
        assert self.asked < 1_000, f"still talking after {apdu.hex()}"
        return self._frames[min(self.asked, len(self._frames)) - 1]


@pytest.mark.parametrize("frames", [(b"\x91\x00", b"\x91\x00"), (b"\x91\x00", b"x" * 59 + b"\x91\xaf"), (b"",)])
def test_a_card_that_talks_nonsense_or_without_end_is_an_error_of_the_card(frames: tuple[bytes, ...]) -> None:
    with pytest.raises(CardError):
        DesfirePurse(_Chatterbox(*frames), TILL).read()
