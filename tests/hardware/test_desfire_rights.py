"""What each key of a DESFire card of ours may do, asked of the card itself: no driver of ours stands in between."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.cards.crypto import AesKey
from hardware.cards.desfire import file_header
from hardware.cards.desfire_issue import BLANK_DES
from hardware.cards.desfire_messaging import CommMode
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.ports import CardNotOurs, CardRefused
from hardware.simulated.reader import SimulatedReader
from protocol.authorise import Standing, card_refusal
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Purse
from protocol.purse_desfire import (
    APPLICATION_ID,
    FILE_IDENTITY,
    FILE_LIMITS,
    FILE_LOAD,
    FILE_LOG,
    FILE_MAIN,
    FILE_SUBSIDY,
    KEY_CREDIT,
    KEY_DEBIT,
    KEY_MASTER,
    LIMITS_BYTES,
    LOAD_BYTES,
    LOG_BYTES,
)
from tests.hardware.card_bench import KEYS, OFFICE, STATION, TILL, UID, WHO, Bench, Kind, blank, issued
from tests.hardware.desfire_bench import i32

both = pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])
ROLES = {KEY_MASTER: Role.DESFIRE_MASTER, KEY_DEBIT: Role.DESFIRE_DEBIT, KEY_CREDIT: Role.DESFIRE_CREDIT}
ONE = i32(1)


def selected(bench: Bench, aid: bytes, *, ev2: bool) -> DesfireSession:
    """The card anew, with an application selected and no key authenticated."""
    bench.reader.place(bench.card)
    session = DesfireSession(bench.channel())
    session.speaks_ev2 = ev2
    session.select(aid)
    return session


def opened(bench: Bench, keys: CardKeys, number: int, kind: Kind) -> DesfireSession:
    """A session under one key of those that this machine holds."""
    session = selected(bench, APPLICATION_ID, ev2=kind is Kind.EV2)
    of_card = keys.of_card(UID, 1)
    assert of_card is not None
    session.authenticate(number, of_card.aes(ROLES[number]))
    return session


def status(session: DesfireSession, code: int, header: bytes, data: bytes, mode: CommMode = CommMode.MACED) -> int:
    """What the card says to a command."""
    try:
        session.command(code, header, data, mode)
    except CardRefused as refused:
        return refused.status_word
    return 0x9100


def is_refused(session: DesfireSession, code: int, header: bytes, data: bytes, mode: CommMode = CommMode.MACED) -> bool:
    """Whether the key does not allow it."""
    answer = status(session, code, header, data, mode)
    assert answer in (0x9100, 0x91AE), hex(answer)
    return answer == 0x91AE


@both
@pytest.mark.parametrize("mode", list(CommMode))
def test_with_a_till_s_keys_the_card_refuses_every_credit(kind: Kind, mode: CommMode) -> None:
    bench = issued(kind)
    before = bench.card.snapshot()
    for file in (FILE_MAIN, FILE_SUBSIDY):
        for amount in (0, 1, 2**31 - 1):
            session = opened(bench, TILL, KEY_DEBIT, kind)
            assert is_refused(session, 0x0C, bytes((file,)), i32(amount), mode)
    assert bench.card.snapshot() == before


@both
def test_with_a_till_s_keys_the_card_refuses_every_write_to_the_load_file(kind: Kind) -> None:
    """At each place, one byte and all the rest, in every mode, alone and behind a debit that was allowed."""
    bench = issued(kind)
    before = bench.card.snapshot()
    for offset in range(LOAD_BYTES):
        for length in {1, LOAD_BYTES - offset}:
            session = opened(bench, TILL, KEY_DEBIT, kind)
            assert is_refused(session, 0x3D, file_header(FILE_LOAD, offset, length), bytes(length))
    for mode in CommMode:
        session = opened(bench, TILL, KEY_DEBIT, kind)
        session.command(0xDC, bytes((FILE_MAIN,)), ONE)
        assert is_refused(session, 0x3D, file_header(FILE_LOAD, 0, LOAD_BYTES), bytes(LOAD_BYTES), mode)
    assert bench.card.snapshot() == before


@both
def test_with_a_till_s_keys_the_card_refuses_what_is_the_card_office_s(kind: Kind) -> None:
    bench = issued(kind)
    before = bench.card.snapshot()
    for code, header, data in (
        (0x3D, file_header(FILE_IDENTITY, 0, 1), b"!"),
        (0xCD, b"\x09\x01\x00\x00\x01\x00\x00", b""),
    ):
        assert is_refused(opened(bench, TILL, KEY_DEBIT, kind), code, header, data)
    for number in (KEY_MASTER, KEY_CREDIT):
        session = opened(bench, TILL, KEY_DEBIT, kind)
        with pytest.raises(CardRefused, match="ChangeKey was answered with 91AE"):
            session.change_key(number, AesKey(bytes(16)), 1, current=AesKey(bytes(16)))
    session = opened(bench, TILL, KEY_DEBIT, kind)
    with pytest.raises(CardRefused, match="ChangeKey was answered with 91AE"):
        session.change_key(KEY_DEBIT, AesKey(bytes(16)), 1)
    session = opened(bench, TILL, KEY_DEBIT, kind)
    with pytest.raises(CardRefused, match="ChangeKeySettings was answered with 91AE"):
        session.change_settings(0x0F)
    session.select(bytes(3))
    with pytest.raises(CardRefused, match="DeleteApplication was answered with 91AE"):
        session.command(0xDA, APPLICATION_ID)
    assert bench.card.snapshot() == before


@both
def test_a_station_credits_and_loads_and_leaves_identities_and_keys_alone(kind: Kind) -> None:
    bench = issued(kind)
    session = opened(bench, STATION, KEY_CREDIT, kind)
    for code, header, data in (
        (0x0C, bytes((FILE_MAIN,)), ONE),
        (0x3D, file_header(FILE_LOAD, 0, LOAD_BYTES), bytes(LOAD_BYTES)),
        (0x3D, file_header(FILE_LIMITS, 0, LIMITS_BYTES), bytes(LIMITS_BYTES)),
        (0x3B, file_header(FILE_LOG, 0, LOG_BYTES), bytes(LOG_BYTES)),
        (0xC7, b"", b""),
    ):
        assert not is_refused(session, code, header, data)
    assert is_refused(session, 0x3D, file_header(FILE_IDENTITY, 0, 1), b"!")
    session = opened(bench, STATION, KEY_CREDIT, kind)
    with pytest.raises(CardRefused, match="ChangeKey was answered with 91AE"):
        session.change_key(KEY_DEBIT, AesKey(bytes(16)), 1, current=AesKey(bytes(16)))


@both
def test_the_card_office_s_master_key_moves_no_money(kind: Kind) -> None:
    bench = issued(kind)
    before = bench.card.snapshot()
    for code in (0xDC, 0x0C, 0x1C):
        assert is_refused(opened(bench, OFFICE, KEY_MASTER, kind), code, bytes((FILE_MAIN,)), ONE)
    for file, length in ((FILE_LIMITS, LIMITS_BYTES), (FILE_LOAD, LOAD_BYTES)):
        session = opened(bench, OFFICE, KEY_MASTER, kind)
        assert is_refused(session, 0x3D, file_header(file, 0, length), bytes(length))
    assert bench.card.snapshot() == before


@given(
    steps=st.lists(st.tuples(st.sampled_from(["debit", "give back"]), st.integers(0, 60), st.booleans()), max_size=12)
)
@settings(max_examples=40, deadline=None)
@both
def test_a_till_gives_back_at_most_its_last_debit_once(kind: Kind, steps: list[tuple[str, int, bool]]) -> None:
    """LimitedCredit with any amounts in any order, committed or not: the card alone keeps the bound."""
    bench, balance, may_give = issued(kind), 5000, 0
    for act, amount, commits in steps:
        session = opened(bench, TILL, KEY_DEBIT, kind)
        code, is_allowed = (0xDC, True) if act == "debit" else (0x1C, amount <= may_give)
        answer = status(session, code, bytes((FILE_MAIN,)), i32(amount))
        assert answer == (0x9100 if is_allowed else 0x91BE)
        if is_allowed and commits:
            assert status(session, 0xC7, b"", b"") == 0x9100
            balance, may_give = (balance - amount, amount) if act == "debit" else (balance + amount, 0)
        found = opened(bench, TILL, KEY_DEBIT, kind).command(0x6C, bytes((FILE_MAIN,)))
        assert int.from_bytes(found, "little", signed=True) == balance <= 5000


@both
def test_no_key_of_ours_keeps_its_blank_value(kind: Kind) -> None:
    bench = issued(kind)
    for aid, keys in ((bytes(3), 1), (APPLICATION_ID, 3)):
        for number in range(keys):
            for ev2 in {False, kind is Kind.EV2}:
                with pytest.raises(CardNotOurs):
                    selected(bench, aid, ev2=ev2).authenticate(number, AesKey(bytes(16)))
            with pytest.raises(CardRefused, match="91AE"):
                selected(bench, aid, ev2=False).authenticate_des(number, BLANK_DES)


@both
def test_a_till_cannot_tell_plastic_that_was_made_with_a_till_s_keys(kind: Kind) -> None:
    """The bound of the debit key is not the card's: whoever has it makes cards of his own, with any balance."""
    bench, most = Bench(blank(kind), SimulatedReader()), Cents(2**31 - 1)
    bench.reader.place(bench.card)
    own = CardKeys([MasterKeys(KEYS.key_set, KEYS.debit, bytes(16), bytes(16))])
    personalise(bench.channel(), own, NewCard(KEYS.key_set, WHO, Purse(Counter(0), most)))
    read = bench.tap(TILL).read()
    assert read.purse is not None and read.purse.main_cents == most
    assert card_refusal(read, Standing()) is None
