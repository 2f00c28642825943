"""The DESFire purse: its files, and the one transaction that changes them."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import Counter, Generation, LoadSeq, Seq, Tno
from protocol.load_record import sign_load
from protocol.money import Cents
from protocol.purse import NO_MARK, Identity, LoadRecord, Mark, Purse, PurseChange, Right, SeenStep
from protocol.purse_desfire import (
    FILE_LIMITS,
    FILE_LOAD,
    FILE_MAIN,
    FILE_SUBSIDY,
    Commit,
    DataWrite,
    DesfireImage,
    LogWrite,
    ValueChange,
    decode_identity,
    decode_load_file,
    encode_identity,
    encode_limits,
    encode_load_file,
    encode_log,
    read_card,
    step_plan,
)
from tests.protocol.cards import identities, purses
from tests.protocol.golden import cards, golden
from tests.protocol.samples import DESFIRE_UID, IDENTITY, LOAD_KEY, PURSE, RECORD

OURS = Mark(Tno(41), Seq(9))
ON_CARD = dataclasses.replace(RECORD, spent_known_cents=Cents(0))


def image_of(purse: Purse, identity: Identity = IDENTITY, record: LoadRecord = ON_CARD) -> DesfireImage:
    own = dataclasses.replace(record, card=identity.card, generation=identity.generation, load_seq=purse.load_seq)
    log = () if purse.mark == NO_MARK else (encode_log(purse.mark, -100, purse.counter),)
    return DesfireImage(
        DESFIRE_UID,
        3,
        encode_identity(identity),
        purse.main_cents,
        purse.subsidy_cents,
        encode_limits(purse),
        encode_load_file(own),
        log,
    )


def test_the_bytes_of_a_desfire_purse_never_change() -> None:
    """Cards in students' pockets carry these bytes."""
    stored = golden("cards")["desfire"]
    assert cards()["desfire"] == stored
    assert stored["identity"] == "01010001000003e9a0a1a2a3a4a5a6a70000000000000000"
    assert stored["limits"] == "010201010000000b512c00051402aa00b22006" + "00" * 13
    assert stored["load"] == "01060001000003e90002000000004e2000000bb800000000"
    assert stored["log"] == "0000002800000007fffffaec0000000b"


@given(purses, identities)
def test_a_purse_survives_its_files(purse: Purse, identity: Identity) -> None:
    purse = dataclasses.replace(purse, load_copy=0)
    read = read_card(image_of(purse, identity))
    assert read is not None
    assert (read.purse, read.identity, read.uid, read.key_set) == (purse, identity, DESFIRE_UID, 3)


@given(st.binary(max_size=40), st.sampled_from(["identity", "limits", "load", "log"]))
def test_other_bytes_are_refused_and_never_raise(raw: bytes, file: str) -> None:
    whole = image_of(PURSE)
    change: dict[str, Any] = {file: (raw,) if file == "log" else raw}
    image = dataclasses.replace(whole, **change)
    read = read_card(image)
    if file == "identity":
        assert read is None or encode_identity(read.identity) == raw
    else:
        assert read is not None
        assert read.purse is None or len(raw) in (16, 24, 32)


@pytest.mark.parametrize(
    ("file", "place"),
    [("identity", 0), ("identity", 1), ("identity", 20), ("limits", 0), ("limits", 19), ("limits", 31)]
    + [("load", place) for place in (0, 2, 7, 10, 11, 20, 23)],
)
def test_version_owner_and_unused_bytes_are_fixed(file: str, place: int) -> None:
    image = image_of(PURSE)
    raw = bytearray(getattr(image, file))
    raw[place] ^= 0x40
    change: dict[str, Any] = {file: bytes(raw)}
    read = read_card(dataclasses.replace(image, **change))
    assert read is None if file == "identity" else read is not None and read.purse is None


@pytest.mark.parametrize(("place", "zero"), [(slice(2, 4), 2), (slice(4, 8), 4)])
def test_an_identity_without_a_number_is_refused(place: slice, zero: int) -> None:
    raw = bytearray(encode_identity(IDENTITY))
    raw[place] = bytes(zero)
    assert decode_identity(bytes(raw)) is None


def test_a_load_file_of_another_card_spoils_the_purse() -> None:
    other = dataclasses.replace(IDENTITY, generation=Generation(2))
    read = read_card(dataclasses.replace(image_of(PURSE), identity=encode_identity(other)))
    assert read is not None and read.purse is None


def test_a_card_that_was_never_loaded_says_so() -> None:
    read = read_card(image_of(dataclasses.replace(PURSE, load_seq=LoadSeq(0), mark=NO_MARK)))
    assert read is not None and read.purse is not None
    assert (read.loaded, read.load, read.last, read.purse.mark) == (None, None, (), NO_MARK)


def test_the_log_tells_of_steps_newest_first() -> None:
    log = (encode_log(OURS, -1_200, Counter(11)), encode_log(Mark(Tno(40), Seq(7)), 500, Counter(10)))
    read = read_card(dataclasses.replace(image_of(PURSE), log=log))
    assert read is not None and read.purse is not None
    assert read.purse.mark == OURS
    assert read.last == (
        SeenStep(1, 41, 9, Counter(11), amount=Cents(-1_200)),
        SeenStep(1, 40, 7, Counter(10), amount=Cents(500)),
    )


def test_a_debit_of_both_purses_is_one_transaction() -> None:
    read = read_card(image_of(PURSE))
    assert read is not None
    after = PURSE.stepped(OURS, main_cents=-900, subsidy_cents=-300)
    after = dataclasses.replace(after, load_copy=0)
    assert step_plan(PurseChange(read, after)) == (
        ValueChange(FILE_MAIN, Cents(-900), Right.DEBIT),
        ValueChange(FILE_SUBSIDY, Cents(-300), Right.DEBIT),
        DataWrite(FILE_LIMITS, encode_limits(after)),
        LogWrite(encode_log(OURS, -1_200, Counter(12))),
        Commit(),
    )


def test_a_counted_pin_try_moves_no_money() -> None:
    read = read_card(image_of(PURSE))
    assert read is not None and read.purse is not None
    after = dataclasses.replace(read.purse.stepped(OURS), pin_tries=2)
    assert step_plan(PurseChange(read, after)) == (
        DataWrite(FILE_LIMITS, encode_limits(after)),
        LogWrite(encode_log(OURS, 0, Counter(12))),
        Commit(),
    )


def test_a_load_commits_its_record_with_the_balance() -> None:
    read = read_card(image_of(PURSE))
    assert read is not None and read.purse is not None
    record = dataclasses.replace(RECORD, load_seq=LoadSeq(3), loaded_total_cents=Cents(25_000))
    after = dataclasses.replace(read.purse.stepped(OURS, main_cents=5_000), load_seq=LoadSeq(3))
    steps = step_plan(PurseChange(read, after, Right.CREDIT, sign_load(record, LOAD_KEY)))
    assert steps[0] == ValueChange(FILE_MAIN, Cents(5_000), Right.CREDIT)
    assert steps[2] == DataWrite(FILE_LOAD, encode_load_file(record))
    assert isinstance(steps[-1], Commit)
    data = next(step.data for step in steps if isinstance(step, DataWrite) and step.file == FILE_LOAD)
    assert decode_load_file(data) == dataclasses.replace(record, spent_known_cents=Cents(0))


def test_figures_that_no_entry_can_tell_make_no_purse() -> None:
    whole = image_of(PURSE)
    for image in (
        dataclasses.replace(whole, main_cents=-(2**31)),
        dataclasses.replace(whole, subsidy_cents=-(2**31)),
        dataclasses.replace(whole, log=(encode_log(OURS, -(2**31), PURSE.counter),)),
    ):
        read = read_card(image)
        assert read is not None and read.purse is None and all(seen.amount > -(2**31) for seen in read.last)
