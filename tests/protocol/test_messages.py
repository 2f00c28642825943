"""Messages besides entries: their bytes, their signatures, and batches that cannot be bombs."""

import dataclasses
import json
import random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import Seq
from protocol.messages import (
    BATCH_BYTES_MAX,
    BATCH_ENTRIES_MAX,
    MESSAGE_BYTES_MAX,
    QUESTION_BYTES_MAX,
    Ack,
    Grant,
    Hello,
    NotAMessage,
    Signed,
    batch_of,
    decode_batch,
    encode_batch,
    encode_hello,
    encode_question,
    read_hello,
    read_question,
    read_signed,
    sign,
    verified,
    version_of,
)
from protocol.signing import from_base64url, sha256_of, to_base64url
from protocol.tokens import uid_text
from tests.protocol.deep import DEEP
from tests.protocol.golden import golden, signed_messages
from tests.protocol.mutations import FOREIGN
from tests.protocol.samples import EPOCH, GRANT, GRANT_JWS, KEY, MESSAGES, QUESTIONS, SERVER_KEY, TNO, chain_of

LINES = [sealed.jws for sealed in chain_of()]


def test_the_bytes_of_every_message_never_change() -> None:
    """Terminals keep acks and grants for years, and check them again."""
    assert signed_messages() == golden("messages")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_back_by_its_own_type_and_key(name: str) -> None:
    message, kid = MESSAGES[name]
    kind: Any = type(message)
    jws = sign(message, SERVER_KEY)
    assert from_base64url(jws.partition(b".")[0]) == f'{{"alg":"Ed25519","kid":"{kid}"}}'.encode()
    assert read_signed(jws) == message
    assert verified(jws, kind, SERVER_KEY.public) == message
    with pytest.raises(NotAMessage, match="signature"):
        verified(jws, kind, FOREIGN.public)
    other: Any = Grant if not isinstance(message, Grant) else Ack
    with pytest.raises(NotAMessage, match=f"expected {other.__name__}"):
        verified(jws, other, SERVER_KEY.public)


def test_a_grant_is_where_a_chain_begins() -> None:
    assert GRANT.start(GRANT_JWS).hash == sha256_of(GRANT_JWS)
    assert GRANT.verify_key == KEY.public


def resigned(payload: str, header: str = '{"alg":"Ed25519","kid":"ack"}') -> bytes:
    signed = f"{to_base64url(header.encode())}.{to_base64url(payload.encode())}".encode()
    return signed + b"." + to_base64url(SERVER_KEY.sign(signed)).encode()


ACK = from_base64url(golden("messages")["signed"]["ack"].split(".")[1]).decode()


@pytest.mark.parametrize(
    "payload",
    [
        ACK.replace('"seq":35', '"seq": 35'),
        ACK.replace('"seq":35', '"seq":35.0'),
        ACK.replace('"seq":35', '"seq":35,"seq":35'),
        ACK.replace('"seq":35', '"seq":35,"more":1'),
        ACK.replace('"type":"ack",', "")[:-1] + ',"type":"ack"}',
        ACK.replace('"type":"ack"', '"type":"nack"'),
        ACK.replace('"type":"ack",', ""),
        ACK.replace("till-07", "till-07\\n"),
        ACK.replace("{", '{"x":' + DEEP[1] + ",", 1),
        '{"x":' + DEEP[1] + ',"type":"ack"}',
        "[]",
        "",
    ],
)
def test_another_spelling_of_a_message_is_refused(payload: str) -> None:
    with pytest.raises(NotAMessage):
        read_signed(resigned(payload))


GRANTED = from_base64url(golden("messages")["signed"]["grant_of_a_second_epoch"].split(".")[1]).decode()
_LAST = json.loads(GRANTED)["prev_hash"][-1]


@pytest.mark.parametrize(
    "payload",
    [
        GRANTED.replace(json.loads(GRANTED)["prev_hash"], "anything"),
        GRANTED.replace(f'{_LAST}"}}', f'{chr(ord(_LAST) + 1)}"}}'),
        GRANTED.replace(json.loads(GRANTED)["key"], json.loads(GRANTED)["key"][:-1] + "h"),
        GRANTED.replace(json.loads(GRANTED)["key"], "A" * 43),
        GRANTED.replace(json.loads(GRANTED)["key"], to_base64url(b"\xff" * 32)),
    ],
)
def test_a_grant_names_a_key_and_a_hash_or_nothing(payload: str) -> None:
    header = '{"alg":"Ed25519","kid":"grant"}'
    assert payload != GRANTED
    assert isinstance(read_signed(resigned(GRANTED, header)), Grant)
    with pytest.raises(NotAMessage):
        read_signed(resigned(payload, header))


@pytest.mark.parametrize("name", ["ack", "tip", "server"])
def test_a_hash_with_unused_bits_is_refused(name: str) -> None:
    payload = from_base64url(golden("messages")["signed"][name].split(".")[1]).decode()
    assert payload.count("Hh8") == 1
    assert read_signed(resigned(payload)) == MESSAGES[name][0]
    with pytest.raises(NotAMessage, match="regex"):
        read_signed(resigned(payload.replace("Hh8", "Hh9")))


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"Ed25519","kid":"grant"}',
        '{"alg":"Ed25519","kid":"whatever"}',
        '{"alg":"Ed25519","kid":"till-07/1"}',
        '{"alg":"EdDSA","kid":"ack"}',
        '{"kid":"ack","alg":"Ed25519"}',
        '{"alg":"Ed25519","kid":"ack","typ":"x"}',
        "{}",
    ],
)
def test_a_message_is_signed_for_its_one_purpose(header: str) -> None:
    with pytest.raises(NotAMessage, match='"kid":"ack"'):
        verified(resigned(ACK, header), Ack, SERVER_KEY.public)


@given(st.one_of(st.binary(max_size=200), st.lists(st.binary(max_size=50), min_size=3, max_size=3).map(b".".join)))
def test_bytes_that_are_no_message_raise_only_not_a_message(raw: bytes) -> None:
    with pytest.raises(NotAMessage):
        read_signed(raw)


def test_a_message_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(NotAMessage, match="at most"):
        read_signed(b"x" * (MESSAGE_BYTES_MAX + 1))


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_any_changed_byte_of_a_message_is_refused(name: str, data: st.DataObject) -> None:
    message, _ = MESSAGES[name]
    kind: Any = type(message)
    jws = sign(message, SERVER_KEY)
    place = data.draw(st.integers(0, len(jws) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != jws[place]))
    with pytest.raises(NotAMessage):
        verified(jws[:place] + bytes((byte,)) + jws[place + 1 :], kind, SERVER_KEY.public)


def test_a_hello_says_what_the_terminal_has() -> None:
    hello = Hello(EPOCH, TNO, Seq(35), to_base64url(bytes(32)))
    assert read_hello(encode_hello(hello)) == hello
    assert json.loads(encode_hello(hello)) == {"epoch": 1, "tno": 41, "seq": 35, "hash": to_base64url(bytes(32))}
    spelled = [
        encode_hello(hello) + b" " * MESSAGE_BYTES_MAX,
        encode_hello(hello) + b" ",
        encode_hello(hello).replace(b'"seq":35', b'"seq":35,"seq":35'),
        b'{"x":' + DEEP[1].encode() + b"}",
    ]
    for raw in (b"", b"{}", encode_hello(hello)[:-1], encode_hello(hello).replace(b"35", b"-1"), b"\xff", *spelled):
        with pytest.raises(NotAMessage):
            read_hello(raw)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_one_spelling(name: str) -> None:
    question, raw = QUESTIONS[name], encode_question(QUESTIONS[name])
    assert read_question(raw) == question and len(raw) <= QUESTION_BYTES_MAX
    spelled = [
        raw + b" ",
        raw.replace(b'"type"', b'"x":1,"type"'),
        raw.replace(f'"{name.split("_")[0]}"'.encode(), b'"hello"'),
        raw.replace(b"Hh8", b"Hh9"),
        raw.replace(b"04a1b2c3", b"04A1B2C3").replace(b'"seq":36', b'"seq":0'),
        raw.replace(b"{", b'{"x":' + DEEP[1].encode() + b",", 1),
        b"x" * (QUESTION_BYTES_MAX + 1),
        b"",
    ]
    for other in spelled:
        with pytest.raises(NotAMessage):
            read_question(other)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_question_raise_only_not_a_message(raw: bytes) -> None:
    with pytest.raises(NotAMessage):
        read_question(raw)


def test_a_uid_that_says_nothing_is_nobody_s() -> None:
    """Phones make a new one, which begins with 08, at every tap; a contact card has none."""
    assert uid_text(bytes.fromhex("04A1B2C3")) == "04a1b2c3"
    assert [uid_text(size * b"\x04") is not None for size in range(12)] == [size in (4, 7, 8, 10) for size in range(12)]
    for says_nothing in ("08a1b2c3", "01fe010203040506", "00000000", 16 * "0"):
        assert uid_text(bytes.fromhex(says_nothing)) is None
    for uid in ("08a1b2c3d4e5f6", "08a1b2c3d4e5f6a7", "01fe0102", "012e4cd4544d451a"):
        assert uid_text(bytes.fromhex(uid)) == uid


def test_a_restored_server_s_versions_are_newer_than_all_it_forgot() -> None:
    assert version_of(2, 0) > version_of(1, 2**32 - 1)
    assert version_of(2**21 - 1, 2**32 - 1) == 2**53 - 1
    with pytest.raises(AssertionError):
        version_of(2**21, 0)


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=40))
def test_a_batch_carries_its_entries(lines: list[bytes]) -> None:
    assert decode_batch(encode_batch(lines)) == lines


@given(st.lists(st.integers(1, 16 * 1_024), max_size=300))
def test_a_batch_takes_as_many_entries_as_fit(sizes: list[int]) -> None:
    entries = [b"x" * size for size in sizes]
    count = batch_of(entries)
    assert count <= BATCH_ENTRIES_MAX
    assert len(b"\n".join(entries[:count])) <= BATCH_BYTES_MAX
    assert count > 0 or not entries
    if count:
        assert decode_batch(encode_batch(entries[:count])) == entries[:count]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_batch_raise_only_not_a_message(raw: bytes) -> None:
    try:
        lines = decode_batch(raw)
    except NotAMessage:
        return
    assert all(lines)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"a\n", b"\na", b"a\n\nb", b"\n".join([b"a"] * (BATCH_ENTRIES_MAX + 1)), bytes(BATCH_BYTES_MAX + 1)],
)
def test_a_malformed_batch_is_refused(content: bytes) -> None:
    with pytest.raises(NotAMessage, match="batch"):
        decode_batch(zstandard.compress(content))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zstandard.compress(bytes(200_000_000))
    assert len(bomb) < 20_000
    with pytest.raises(NotAMessage, match="more than"):
        decode_batch(bomb)


def test_a_batch_that_ends_early_is_refused() -> None:
    """Some hundred kilobytes of entries are several blocks of a frame: the first ones alone would unpack."""
    noise = random.Random(1)
    whole = encode_batch([noise.randbytes(1_000).hex().encode() for _ in range(100)])
    for kept in (len(whole) // 2, len(whole) - 1, len(whole) - 20):
        with pytest.raises(NotAMessage, match="batch"):
            decode_batch(whole[:kept])
    with pytest.raises(NotAMessage, match="batch"):
        decode_batch(whole + b"x")


def test_every_signed_message_has_an_example() -> None:
    assert {type(message) for message, _ in MESSAGES.values()} == set(Signed.__args__)
    assert dataclasses.is_dataclass(GRANT.start(GRANT_JWS))
