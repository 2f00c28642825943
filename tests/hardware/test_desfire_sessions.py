"""Sessions of both generations with the virtual card: modes of communication, replays, and what ends a session."""

from collections.abc import Callable

import pytest

from hardware.cards.crypto import AesKey, DesKey
from hardware.cards.desfire_ev2 import Ev2Messaging
from hardware.cards.desfire_frames import refusal as refusal_of
from hardware.cards.desfire_issue import BLANK_DES
from hardware.cards.desfire_messaging import CommMode
from hardware.cards.desfire_session import DesfireSession
from hardware.ports import CardError, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, blank_desfire
from hardware.simulated.tearing import Moment, Tear
from tests.hardware.desfire_bench import (
    AID,
    CREDIT,
    DEBIT,
    MASTER,
    UID,
    ZERO,
    card_with_files,
    commit,
    connect,
    debit,
    i32,
    opened,
    read,
    refusal,
    u24,
    value,
    write,
)

_unhex = bytes.fromhex
each_chip = pytest.mark.parametrize("chip", [Chip.EV1, Chip.EV2, Chip.EV3])
both_messagings = pytest.mark.parametrize("chip", [Chip.EV1, Chip.EV2])


# What the card is


@each_chip
def test_the_card_says_which_generation_it_is(chip: Chip) -> None:
    session = DesfireSession(Passing(VirtualDesfire(blank_desfire(UID, chip))))
    session.find_out_generation()
    assert session.speaks_ev2 is (chip is not Chip.EV1)
    assert opened(card_with_files(chip), 1).command(0x60)[14:21] == UID, "and in a session of its own kind too"


def test_an_old_card_does_not_know_ev2() -> None:
    for code in ("90710000020100", "90770000010100"):
        assert card_with_files().process(_unhex(code) + b"\x00" * (code[2:4] == "71")) == _unhex("911c")
    session = connect(card_with_files())
    session.speaks_ev2 = True
    session.select(AID)
    with pytest.raises(CardRefused, match="AuthenticateEV2First was answered with 911C: the card does not know"):
        session.authenticate(1, DEBIT)


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("9071000001 01 00", "917e"),
        ("9071000002 01 01 00", "919e"),
        ("9071000002 09 00 00", "9140"),
        ("9077000001 01 00", "919d"),
        ("901a000001 01 00", "91ae"),
    ],
)
def test_malformed_authentications_are_refused(apdu: str, answer: str) -> None:
    card = card_with_files(Chip.EV2)
    card.process(_unhex("905a000003f0fa4b00"))
    assert card.process(_unhex(apdu)) == _unhex(answer)


@both_messagings
def test_a_wrong_key_is_told_by_the_card(chip: Chip) -> None:
    session = opened(card_with_files(chip), 1)
    with pytest.raises(CardNotOurs, match="does not have this key"):
        session.authenticate(2, DEBIT)
    card = card_with_files(chip)
    card.process(_unhex("905a000003f0fa4b00"))
    card.process(_unhex("90aa0000010100" if chip is Chip.EV1 else "9071000002010000"))
    assert card.process(b"\x90\xaf\x00\x00\x08" + bytes(8) + b"\x00") == _unhex("917e")


def test_a_second_authentication_goes_on_with_the_transaction() -> None:
    """NonFirst: new keys under the same identifier, and the counter is not set back."""
    session = opened(card_with_files(Chip.EV2), 1)
    assert value(session) == 500
    first = session._messaging
    session.authenticate(2, CREDIT)
    second = session._messaging
    assert isinstance(first, Ev2Messaging) and isinstance(second, Ev2Messaging)
    assert (second.ti, second.commands) == (first.ti, 1)
    assert second._mac.raw != first._mac.raw
    session.command(0x0C, b"\x01", i32(5))
    commit(session)
    assert value(session) == 505
    session.select(AID)
    session.authenticate(1, DEBIT)
    third = session._messaging
    assert isinstance(third, Ev2Messaging)
    assert (third.ti != first.ti, third.commands) == (True, 0), "a selection begins a new one"


# Modes of communication


@both_messagings
@pytest.mark.parametrize("mode", list(CommMode))
def test_content_travels_as_the_file_says(chip: Chip, mode: CommMode) -> None:
    card = card_with_files(chip)
    session = opened(card, 0)
    for number, code, rest in (
        (10, 0xCD, u24(200)),
        (11, 0xCC, i32(0) + i32(1000) + i32(500) + b"\x01"),
        (12, 0xC0, u24(20) + u24(4)),
    ):
        session.command(code, bytes((number, mode)) + b"\x00\x00" + rest)
    for length in (1, 15, 16, 17, 100, 200):
        content = bytes(range(1, length)) + b"\x80"
        write(session, 10, content, mode=mode)
        assert read(session, 10, 0, length, mode) == content
    write(session, 10, bytes(200), mode=mode)
    assert read(session, 10, mode=mode) == bytes(200), "zeros at the end are content"
    for code, amount, left in ((0xDC, 20, 480), (0x1C, 5, 485), (0x0C, 100, 585)):
        session.command(code, b"\x0b", i32(amount), mode)
        commit(session)
        assert value(session, 11, mode) == left
    for record in (b"a" * 20, b"b" * 20):
        session.command(0x3B, b"\x0c" + u24(0) + u24(20), record, mode)
        commit(session)
    assert session.command(0xBB, b"\x0c" + u24(0) + u24(0), mode=mode) == b"a" * 20 + b"b" * 20


@both_messagings
def test_full_content_is_not_readable_on_the_way(chip: Chip) -> None:
    card = card_with_files(chip)
    opened(card, 0).command(0xCD, b"\x0a\x03\x00\x00" + u24(32))
    listening, session = overheard(card, chip, 0, MASTER)
    write(session, 10, b"nobody may read this on its way!", mode=CommMode.FULL)
    assert read(session, 10, mode=CommMode.FULL) == b"nobody may read this on its way!"
    assert not any(b"nobody" in frame for frame in listening.heard)


@both_messagings
@pytest.mark.parametrize("spoken", [CommMode.PLAIN, CommMode.FULL])
def test_another_mode_than_the_file_s_is_refused(chip: Chip, spoken: CommMode) -> None:
    session = opened(card_with_files(chip), 1)
    with pytest.raises(CardRefused):
        write(session, 3, b"limits", mode=spoken)


@both_messagings
def test_a_forged_full_answer_is_noticed(chip: Chip) -> None:
    card = card_with_files(chip)
    opened(card, 0).command(0xCD, b"\x0a\x03\x00\x00" + u24(32))
    for bent in (lambda body: bytes((body[0] ^ 1,)) + body[1:], lambda body: body[:-1], lambda _: b""):
        channel, session = overheard(card, chip, 0, MASTER)
        channel.bend = bent
        with pytest.raises(PurseUnreadable, match="ReadData"):
            read(session, 10, mode=CommMode.FULL)


# Replays


@both_messagings
def test_a_frame_is_good_once_and_in_its_own_session_only(chip: Chip) -> None:
    card = card_with_files(chip)
    channel, session = overheard(card, chip, 1, DEBIT)
    debit(session, 20)
    frame = channel.sent[-1]
    assert card.process(frame) == _unhex("911e"), "the same frame again"
    opened(card, 1)
    assert card.process(frame) == _unhex("911e"), "the same frame in the next session"
    assert value(opened(card, 1)) == 500


# What ends a session


def _left(session: DesfireSession, card: VirtualDesfire) -> None:
    card.arm(Tear(1, Moment.AFTER))
    with pytest.raises(CardLeftField):
        debit(session, 1)
    card.put_back()
    assert card.process(_unhex("905a000003f0fa4b00")) == _unhex("9100")


def _refused(act: Callable[[DesfireSession], object]) -> Callable[[DesfireSession, VirtualDesfire], None]:
    def end(session: DesfireSession, _: VirtualDesfire) -> None:
        with pytest.raises(CardRefused):
            act(session)

    return end


def _wrong_key(session: DesfireSession, _: VirtualDesfire) -> None:
    with pytest.raises(CardNotOurs):
        session.authenticate(1, CREDIT)


ENDINGS: dict[str, Callable[[DesfireSession, VirtualDesfire], None]] = {
    "no such file": _refused(lambda session: read(session, 9)),
    "not allowed": _refused(lambda session: write(session, 4, b"load")),
    "beyond the end": _refused(lambda session: read(session, 3, 32, 1)),
    "too much taken": _refused(lambda session: debit(session, 501)),
    "wrong kind of file": _refused(lambda session: read(session, 1)),
    "wrong length": _refused(lambda session: session.command(0x6C, b"\x01\x01")),
    "nothing to commit": _refused(commit),
    "unknown command": _refused(lambda session: session.command(0x99)),
    "no such key": _refused(lambda session: session.key_version(9)),
    "not the master": _refused(lambda session: session.change_key(1, ZERO, 1)),
    "damaged": _refused(lambda session: session.command(0x3D, b"\x03" + u24(0) + u24(4), b"data", CommMode.FULL)),
    "left the field": _left,
    "wrong key": _wrong_key,
}


@both_messagings
@pytest.mark.parametrize("ending", list(ENDINGS))
def test_after_any_error_the_session_is_over_on_both_sides(chip: Chip, ending: str) -> None:
    card = card_with_files(chip)
    session = opened(card, 1)
    messaging = session._messaging
    assert messaging is not None
    ENDINGS[ending](session, card)
    before = card.field.exchange_count
    assert session.key_no is None
    for act in (value, commit, lambda session: debit(session, 1), lambda session: session.key_version(1)):
        assert refusal(lambda: act(session)) == 0x91AE  # noqa: B023
    assert card.field.exchange_count == before, "nothing was sent"
    next_command = messaging.command(0x6C, b"\x01", b"", CommMode.MACED)
    assert card.process(b"\x90\x6c\x00\x00" + bytes((len(next_command),)) + next_command + b"\x00") == _unhex("91ae")
    assert value(opened(card, 1)) == 500


@both_messagings
def test_the_next_command_would_have_been_answered_without_the_error(chip: Chip) -> None:
    """What the test above relies on."""
    card = card_with_files(chip)
    messaging = opened(card, 1)._messaging
    assert messaging is not None
    sent = messaging.command(0x6C, b"\x01", b"", CommMode.MACED)
    answer = card.process(b"\x90\x6c\x00\x00" + bytes((len(sent),)) + sent + b"\x00")
    assert messaging.answer(answer[:-2], CommMode.MACED) == i32(500)


@both_messagings
def test_after_a_forged_answer_the_reader_says_nothing_more(chip: Chip) -> None:
    """The card cannot know that its answer was bent; its session dies with the next selection."""
    card = card_with_files(chip)
    channel, session = overheard(card, chip, 1, DEBIT)
    channel.bend = lambda body: bytes((body[0] ^ 1,)) + body[1:]
    with pytest.raises(PurseUnreadable, match="GetValue"):
        value(session)
    channel.bend, said = None, len(channel.sent)
    assert refusal(lambda: commit(session)) == 0x91AE
    assert (session.key_no, len(channel.sent)) == (None, said)
    session.select(AID)
    session.authenticate(1, DEBIT)
    assert value(session) == 500


# Statuses


@pytest.mark.parametrize(
    ("status_word", "text"),
    [
        (0x91BE, "Debit was answered with 91BE: beyond the end or a limit of the file"),
        (0x91AE, "Debit was answered with 91AE: the key that is authenticated does not allow it, or none is"),
        (0x911E, "Debit was answered with 911E: a MAC, a CRC or the padding is wrong"),
        (0x91CA, "Debit was answered with 91CA: the command before was not completed"),
        (0x91EE, "Debit was answered with 91EE: the card's memory failed; its own backup undid the change"),
        (0x9177, "Debit was answered with 9177"),
    ],
)
def test_a_refusal_says_what_it_means(status_word: int, text: str) -> None:
    refused = refusal_of(0xDC, status_word)
    assert (str(refused), refused.status_word) == (text, status_word)
    assert isinstance(refused, CardError)


# The factory's DES key


def test_a_blank_card_opens_with_its_des_key_once() -> None:
    card = VirtualDesfire(blank_desfire(UID))
    session = connect(card)
    with pytest.raises(CardRefused, match="91AE"):
        session.authenticate(0, ZERO)
    session.select(bytes(3))
    assert session.command(0x45) == b"\x0f\x01", "one key, DES"
    session.authenticate_des(0, BLANK_DES)
    session.change_key(0, MASTER, 3, card_level=True)
    assert (session.key_no, session.key_version(0)) == (None, 3)
    with pytest.raises(CardRefused, match="AuthenticateISO was answered with 91AE"):
        session.authenticate_des(0, BLANK_DES)
    session.authenticate(0, MASTER)
    assert session.command(0x45) == b"\x0f\x81"


def test_a_des_session_changes_its_key_and_nothing_else() -> None:
    card = VirtualDesfire(blank_desfire(UID))
    for apdu in ("9045000000", "906a000000", "9054000008" + "00" * 9, "90ca0000050102030f8100"):
        connect(card).authenticate_des(0, BLANK_DES)
        assert card.process(_unhex(apdu)) == _unhex("919d")
    for data, answer in (("80" + "00" * 24, "911e"), ("80" + "00" * 16, "917e")):
        connect(card).authenticate_des(0, BLANK_DES)
        apdu = f"90c40000{len(data) // 2:02x}{data}00"
        assert card.process(_unhex(apdu)) == _unhex(answer)
    assert card.snapshot() == blank_desfire(UID)


def test_a_wrong_des_key_is_told_by_both_sides() -> None:
    card = VirtualDesfire(blank_desfire(UID))
    with pytest.raises(CardNotOurs, match="does not have this key"):
        connect(card).authenticate_des(0, DesKey(b"\x10" * 8))
    card.process(_unhex("901a0000010000"))
    assert card.process(b"\x90\xaf\x00\x00\x08" + bytes(8) + b"\x00") == _unhex("917e")


class Passing:
    """A channel that writes down what is said, and may bend what is heard."""

    uid, technology = UID, None

    def __init__(self, card: VirtualDesfire) -> None:
        self._card = card
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []
        self.bend: Callable[[bytes], bytes] | None = None

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        self.sent.append(apdu)
        answer = self._card.process(apdu)
        if self.bend is not None and answer[-2:] == b"\x91\x00":
            answer = self.bend(answer[:-2]) + answer[-2:]
        self.heard.append(answer)
        return answer


def overheard(card: VirtualDesfire, chip: Chip, key_no: int, key: AesKey) -> tuple[Passing, DesfireSession]:
    """A session with the card's application under a key, and the channel that it goes through."""
    channel = Passing(card)
    session = DesfireSession(channel)
    session.speaks_ev2 = chip is not Chip.EV1
    session.select(AID)
    session.authenticate(key_no, key)
    return channel, session
