"""Files of the virtual DESFire: rights, transactions, limited credit, the log, tampering, tears, clones."""

import msgspec
import pytest

from hardware.cards.crypto import desfire_crc32
from hardware.cards.desfire_messaging import CommMode, Ev1Messaging
from hardware.cards.desfire_session import DesfireSession
from hardware.ports import CardLeftField, PurseUnreadable
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, DesfireState, blank_desfire
from hardware.simulated.tearing import CardTorn, Moment, Tear
from tests.hardware.desfire_bench import (
    AID,
    DEBIT,
    UID,
    append,
    card_with_files,
    commit,
    connect,
    debit,
    i32,
    opened,
    read,
    records,
    refusal,
    u24,
    value,
    write,
)

_unhex = bytes.fromhex


@pytest.fixture(params=[Chip.EV1, Chip.EV2])
def card(request: pytest.FixtureRequest) -> VirtualDesfire:
    """A card with one application, its three keys and its files, spoken to as EV1 and as EV2."""
    return card_with_files(request.param)


# Files and transactions


def test_file_settings_are_told(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert session.command(0xF5, b"\x01") == _unhex("02012011") + i32(0) + i32(1000) + i32(0) + b"\x01"
    assert session.command(0xF5, b"\x03") == _unhex("01012011") + u24(32)
    assert session.command(0xF5, b"\x05") == _unhex("04012011") + u24(4) + u24(4) + u24(0)
    assert session.command(0xF5, b"\x06") == _unhex("00010010") + u24(100)
    assert refusal(lambda: session.command(0xF5, b"\x09")) == 0x91F0


@pytest.mark.parametrize(
    ("code", "data", "status"),
    [
        (0xCD, b"\x06\x00\xee\xee" + u24(1), 0x91DE),
        (0xCD, b"\x20\x00\xee\xee" + u24(1), 0x919E),
        (0xCD, b"", 0x919E),
        (0xCD, b"\x09\x04\xee\xee" + u24(1), 0x919E),
        (0xCD, b"\x09\x00\xee\xee", 0x917E),
        (0xCC, b"\x09\x00\xee\xee" + i32(5) + i32(9) + i32(1) + b"\x00", 0x919E),
        (0xC0, b"\x09\x00\xee\xee" + u24(0) + u24(4), 0x919E),
        (0xC0, b"\x09\x00\xee\xee" + u24(4) + u24(1), 0x919E),
    ],
)
def test_files_that_cannot_be_are_not_created(card: VirtualDesfire, code: int, data: bytes, status: int) -> None:
    session = opened(card, 0)
    assert refusal(lambda: session.command(code, data)) == status


def test_only_the_master_key_creates_files(card: VirtualDesfire) -> None:
    session = opened(card, 2)
    assert refusal(lambda: session.command(0xCD, b"\x09\x00\xee\xee" + u24(1))) == 0x91AE


def test_nothing_is_true_before_the_commit(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    debit(session, 20)
    debit(session, 3)
    write(session, 3, b"limits")
    append(session, b"one!")
    assert (value(session), read(session, 3, 0, 6)) == (500, bytes(6))
    commit(session)
    assert (value(session), read(session, 3, 0, 6), records(session)) == (477, b"limits", b"one!")


@pytest.mark.parametrize("ending", ["abort", "error", "select", "reset", "authenticate", "tear"])
def test_uncommitted_changes_are_lost(card: VirtualDesfire, ending: str) -> None:
    session = opened(card, 1)
    debit(session, 20)
    match ending:
        case "abort":
            session.command(0xA7)
            assert refusal(lambda: commit(session)) == 0x910C
        case "error":
            assert refusal(lambda: debit(session, 481)) == 0x91BE
        case "select":
            session.select(AID)
        case "reset":
            card.reset()
        case "authenticate":
            session.authenticate(1, DEBIT)
        case _:
            card.arm(Tear(1, Moment.BEFORE))
            with pytest.raises(CardLeftField):
                commit(session)
    assert value(opened(card, 1)) == 500


def test_an_error_ends_the_session(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: read(session, 9)) == 0x91F0
    assert session.key_no is None
    assert card.process(_unhex("90bd0000070300000000000000")) == _unhex("91ae")


def test_there_must_be_something_to_commit_or_abort(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: session.command(0xA7)) == 0x910C
    session = opened(card, 1)
    assert refusal(lambda: commit(session)) == 0x910C


def test_a_value_stays_within_its_limits(card: VirtualDesfire) -> None:
    session = opened(card, 2)
    session.command(0x0C, b"", b"\x01" + i32(500))
    commit(session)
    assert value(session) == 1000
    assert refusal(lambda: session.command(0x0C, b"", b"\x01" + i32(1))) == 0x91BE
    session = opened(card, 1)
    assert refusal(lambda: debit(session, 1001)) == 0x91BE
    session = opened(card, 1)
    assert refusal(lambda: debit(session, -1)) == 0x919E


def test_a_limited_credit_gives_back_the_last_debits_once(card: VirtualDesfire) -> None:
    def give_back(amount: int) -> None:
        session = opened(card, 1)
        session.command(0x1C, b"", b"\x01" + i32(amount))
        commit(session)

    assert refusal(lambda: give_back(1)) == 0x91BE, "nothing was debited yet"
    session = opened(card, 1)
    debit(session, 20)
    debit(session, 10)
    commit(session)
    write(session, 3, b"no debit here")
    commit(session)
    assert refusal(lambda: give_back(31)) == 0x91BE
    give_back(12)
    assert value(opened(card, 1)) == 482
    assert refusal(lambda: give_back(1)) == 0x91BE, "only once, whatever it gave back"
    session = opened(card, 1)
    debit(session, 5)
    commit(session)
    session = opened(card, 1)
    session.command(0x1C, b"", b"\x01" + i32(5))
    assert refusal(lambda: session.command(0x1C, b"", b"\x01" + i32(1))) == 0x91BE
    give_back(5)
    assert value(opened(card, 1)) == 482, "an aborted limited credit may be tried again"


def test_limited_credit_must_be_enabled(card: VirtualDesfire) -> None:
    session = connect(card)
    session.select(AID)
    assert refusal(lambda: session.command(0x1C, b"\x07" + i32(0))) == 0x919D


def test_free_access_is_plain(card: VirtualDesfire) -> None:
    session = connect(card)
    session.select(AID)
    session.command(0xDC, b"\x07" + i32(2))
    commit(session)
    assert value(session, 7) == 3
    session = opened(card, 1)
    session.command(0x0C, b"\x07", i32(1), CommMode.PLAIN)
    commit(session)
    assert value(session, 7, CommMode.PLAIN) == 4


def test_a_till_can_neither_credit_nor_write_loads(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: session.command(0x0C, b"", b"\x01" + i32(1))) == 0x91AE
    session = opened(card, 1)
    assert refusal(lambda: write(session, 4, b"load")) == 0x91AE
    session = opened(card, 1)
    assert refusal(lambda: write(session, 6, b"identity")) == 0x91AE
    session = opened(card, 2)
    session.command(0x0C, b"", b"\x01" + i32(1))
    write(session, 4, b"load")
    commit(session)
    assert read(opened(card, 1), 4, 0, 4) == b"load", "but it may read them"


def test_nobody_may_use_a_closed_file(card: VirtualDesfire) -> None:
    session = opened(card, 0)
    assert refusal(lambda: read(session, 8)) == 0x919D


def test_the_log_keeps_the_newest_records_in_the_order_of_time(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: records(session)) == 0x91BE, "an empty log cannot be read"
    session = opened(card, 1)
    for number in range(5):
        append(session, b"rec%d" % number)
        commit(session)
    assert records(session) == b"rec2rec3rec4", "one place of four is the spare"
    assert records(session, 0, 1) == b"rec4"
    assert records(session, 1, 2) == b"rec2rec3"
    append(session, b"ab")
    append(session, b"cd", 2)
    commit(session)
    assert records(session, 0, 1) == b"abcd", "one transaction makes one record"
    assert refusal(lambda: records(session, 0, 4)) == 0x91BE
    session = opened(card, 1)
    assert refusal(lambda: append(session, b"xyz", 2)) == 0x91BE


def test_data_stays_within_its_file(card: VirtualDesfire) -> None:
    for act in (lambda s: read(s, 3, 30, 3), lambda s: read(s, 3, 32, 0), lambda s: write(s, 3, b"abc", 30)):
        session = opened(card, 1)
        assert refusal(lambda: act(session)) == 0x91BE  # noqa: B023


def test_commands_are_for_their_kind_of_file(card: VirtualDesfire) -> None:
    for act in (
        lambda s: read(s, 1),
        lambda s: s.command(0x6C, b"\x03"),
        lambda s: s.command(0xBB, b"\x03" + u24(0) + u24(0)),
        lambda s: write(s, 1, b"abcd"),
        lambda s: write(s, 5, b"abcd"),
        lambda s: s.command(0x3B, b"", b"\x03" + u24(0) + u24(1) + b"a"),
        lambda s: debit(s, 1, file=3),
        lambda s: s.command(0x3D, b"", b"\x03" + u24(0) + u24(0)),
    ):
        session = opened(card, 1)
        assert refusal(lambda: act(session)) == 0x919E  # noqa: B023


def test_a_long_standard_file_is_written_and_read_in_frames(card: VirtualDesfire) -> None:
    """A command longer than a frame goes on in additional frames, and so does a long answer; the MAC is over all."""
    content = bytes(range(100))
    session = opened(card, 0)
    before = card.field.exchange_count
    write(session, 6, content)
    assert card.field.exchange_count - before == 3
    reader = opened(card, 1)
    before = card.field.exchange_count
    assert read(reader, 6) == content, "a standard file needs no commit"
    assert card.field.exchange_count - before == 2


def test_too_much_content_is_refused(card: VirtualDesfire) -> None:
    session = opened(card, 1)
    assert refusal(lambda: session.command(0x3D, b"", b"\x03" + u24(0) + u24(1) + b"ab")) == 0x917E
    session = opened(card, 1)
    assert refusal(lambda: session.command(0x3D, b"\x03", mode=CommMode.PLAIN)) == 0x917E


class Between:
    """Somebody sits between reader and card and changes one bit of one command, or of its answer."""

    uid, technology = UID, None

    def __init__(self, card: VirtualDesfire, code: int, *, command: bool) -> None:
        self._card, self._code, self._command = card, code, command

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on, or not quite."""
        if apdu[1] != self._code:
            return self._card.process(apdu)
        if self._command:
            return self._card.process(apdu[:6] + bytes((apdu[6] ^ 1,)) + apdu[7:])
        answer = self._card.process(apdu)
        return bytes((answer[0] ^ 1,)) + answer[1:]

    def session(self) -> DesfireSession:
        """A session through this channel."""
        session = DesfireSession(self)
        session.select(AID)
        session.speaks_ev2 = self._card.snapshot().chip is not Chip.EV1
        session.authenticate(1, DEBIT)
        return session


def test_a_tampered_command_is_refused(card: VirtualDesfire) -> None:
    session = Between(card, 0xDC, command=True).session()
    assert refusal(lambda: debit(session, 1)) == 0x911E


def test_a_tampered_answer_is_noticed(card: VirtualDesfire) -> None:
    session = Between(card, 0x6C, command=False).session()
    with pytest.raises(PurseUnreadable, match="GetValue"):
        value(session)


@pytest.mark.parametrize(("moment", "left"), [(Moment.BEFORE, 500), (Moment.AFTER, 480)])
def test_a_commit_is_torn_before_or_after_but_never_during(card: VirtualDesfire, moment: Moment, left: int) -> None:
    session = opened(card, 1)
    debit(session, 20)
    card.arm(Tear(1, moment))
    with pytest.raises(CardLeftField):
        commit(session)
    with pytest.raises(CardTorn):
        card.process(_unhex("9060000000"))
    card.put_back()
    assert value(opened(card, 1)) == left
    with pytest.raises(ValueError, match="never during"):
        card.arm(Tear(1, Moment.DURING))


def test_a_snapshot_clones_persists_and_rolls_back(card: VirtualDesfire) -> None:
    before = card.snapshot()
    session = opened(card, 1)
    debit(session, 20)
    append(session, b"note")
    commit(session)
    stored = msgspec.json.encode(card.snapshot())
    clone = VirtualDesfire(msgspec.json.decode(stored, type=DesfireState))
    assert value(opened(clone, 1)) == 480
    assert clone.snapshot() == card.snapshot()
    card.restore(before)
    assert value(opened(card, 1)) == 500
    assert value(opened(clone, 1)) == 480


def test_a_uid_has_seven_bytes() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        blank_desfire(bytes(4))


def test_a_change_of_key_with_wrong_padding_is_refused() -> None:
    session = opened(card_with_files(), 0)
    assert isinstance(session._messaging, Ev1Messaging)
    plain = bytes(16) + b"\x01"
    plain += desfire_crc32(b"\xc4\x00" + plain)
    ciphertext = session._messaging._key.cbc_encrypt(plain + b"\x01" * 11)
    assert refusal(lambda: session.command(0xC4, b"\x00" + ciphertext)) == 0x911E
