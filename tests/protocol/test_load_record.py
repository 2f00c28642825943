"""The signed load record: 32 bytes that only the server can make."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import CardNo, Generation, LoadSeq
from protocol.load_record import (
    LOAD_CONTEXT,
    RECORD_BYTES,
    SIGNED_LOAD_BYTES,
    decode_load,
    decode_record,
    encode_load,
    encode_record,
    load_is_genuine,
    sign_load,
)
from protocol.money import Cents
from protocol.purse import LoadRecord, SignedLoad
from tests.protocol.golden import cards, golden
from tests.protocol.mutations import FOREIGN
from tests.protocol.samples import LOAD_KEY, RECORD, SIGNED_LOAD

u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
records = st.builds(
    LoadRecord,
    u32.map(CardNo),
    u16.map(Generation),
    u16.map(LoadSeq),
    u32.map(Cents),
    u32.map(Cents),
    st.integers(0, 255),
    u32.map(Cents),
)


def test_the_bytes_of_a_load_record_never_change() -> None:
    """The server has signed these bytes, and cards carry them."""
    assert cards()["load"] == golden("cards")["load"]
    assert golden("cards")["load"]["record"] == ("01060001000003e90002000000004e200000119400000bb80000000000000000")


def test_a_record_is_genuine_only_as_the_server_signed_it() -> None:
    assert load_is_genuine(SIGNED_LOAD, LOAD_KEY.public)
    assert not load_is_genuine(SIGNED_LOAD, FOREIGN.public)
    for field in dataclasses.fields(LoadRecord):
        other = dataclasses.replace(RECORD, **{field.name: getattr(RECORD, field.name) + 1})
        assert not load_is_genuine(SignedLoad(other, SIGNED_LOAD.signature), LOAD_KEY.public), field.name


def test_a_signature_for_another_purpose_does_not_pass() -> None:
    assert LOAD_KEY.sign(LOAD_CONTEXT + encode_record(RECORD)) == SIGNED_LOAD.signature
    bare = LOAD_KEY.sign(encode_record(RECORD))
    assert not load_is_genuine(SignedLoad(RECORD, bare), LOAD_KEY.public)


@given(records)
def test_a_record_survives_its_bytes(record: LoadRecord) -> None:
    raw = encode_record(record)
    assert len(raw) == RECORD_BYTES and decode_record(raw) == record
    signed = sign_load(record, LOAD_KEY)
    assert len(encode_load(signed)) == SIGNED_LOAD_BYTES and decode_load(encode_load(signed)) == signed


@given(st.binary(max_size=120))
def test_any_bytes_are_a_record_or_nothing(raw: bytes) -> None:
    for found in (decode_record(raw[:RECORD_BYTES]), decode_load(raw)):
        if isinstance(found, LoadRecord):
            assert encode_record(found) == raw[:RECORD_BYTES]
        elif found is not None:
            assert encode_load(found) == raw


@pytest.mark.parametrize("place", [0, 10, 11, *range(24, 32)])
def test_version_and_unused_bytes_are_fixed(place: int) -> None:
    raw = bytearray(encode_record(RECORD))
    raw[place] ^= 1
    assert decode_record(bytes(raw)) is None
