"""Claim codes as people type them, and four words that any change to what was said changes."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.enrolment import (
    CODE_ALPHABET,
    CODE_LENGTH,
    KeyTier,
    NotACode,
    claim_code,
    code_digest,
    four_words,
    proof_text,
    read_code,
    renewal_text,
    shown_code,
    trust_digest,
)

NONCE, KEY, REQUEST = bytes(range(32)), bytes(32), b"request"
ROOT, KEYS, AUTHORITY = b"r" * 32, b"a document with keys, signed by the root", b"certificate"
TRUST = trust_digest(ROOT, KEYS, AUTHORITY)
FILE = KeyTier.FILE
PROVEN = proof_text(NONCE, KEY, FILE, REQUEST, TRUST)


@given(st.integers(0, 2**50 - 1))
def test_a_code_is_read_however_it_is_typed(chance: int) -> None:
    code = claim_code(chance)
    assert len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET)
    typed = shown_code(code).lower().replace("0", "o").replace("1", "l")
    assert read_code(f" {typed} ") == code == read_code(typed.replace("-", " "))


def test_every_chance_has_a_code_of_its_own() -> None:
    assert claim_code(0) == "0000000000" and claim_code(2**50 - 1) == "ZZZZZZZZZZ"
    assert claim_code(0b00001_00010 << 40) == "1200000000"


@pytest.mark.parametrize("typed", ["", "123456789", "12345678901", "1234567U89", "12345_6789", "一二三四五六七八九十"])
def test_what_is_no_code_is_said(typed: str) -> None:
    with pytest.raises(NotACode, match="4T7QX-W2M9K"):
        read_code(typed)


def test_the_words_are_proquints_of_the_hash() -> None:
    """The paper's own examples fix the letters: 127.0.0.1 is lusab-babad, 63.84.220.193 is gutih-tugad."""
    from protocol.enrolment import _word  # pyright: ignore[reportPrivateUsage]

    assert [_word(bits) for bits in (0x7F00, 0x0001, 0x3F54, 0xDCC1)] == ["lusab", "babad", "gutih", "tugad"]
    assert four_words(PROVEN).split()[0] == _word(
        int.from_bytes(sha256(b"fanka words 1\n" + PROVEN).digest()[:2], "big")
    )


@given(st.integers(0, 31), st.integers(1, 255))
def test_whoever_changes_anything_changes_the_words(place: int, mask: int) -> None:
    def bent(text: bytes) -> bytes:
        return text[:place] + bytes([text[place] ^ mask]) + text[place + 1 :]

    texts = {proof_text(bent(NONCE), KEY, FILE, REQUEST, TRUST), proof_text(NONCE, bent(KEY), FILE, REQUEST, TRUST)}
    texts |= {proof_text(NONCE, KEY, FILE, REQUEST + bytes([mask]), TRUST), PROVEN}
    others = (bent(ROOT), KEYS, AUTHORITY), (ROOT, bent(KEYS), AUTHORITY), (ROOT, KEYS, AUTHORITY + bytes([mask]))
    texts |= {proof_text(NONCE, KEY, FILE, REQUEST, trust_digest(*other)) for other in others}
    texts |= {proof_text(NONCE, KEY, tier, REQUEST, TRUST) for tier in KeyTier}
    assert len({four_words(text) for text in texts}) == 9


def test_what_is_believed_has_one_order() -> None:
    assert sha256(ROOT + sha256(KEYS).digest() + AUTHORITY).digest() == TRUST


def test_the_specification_s_words_are_these() -> None:
    spec = (Path(__file__).parents[2] / "protocol" / "SPEC.md").read_text("utf-8")
    words = four_words(proof_text(bytes(32), bytes(32), FILE, b"x", trust_digest(bytes(32), b"", b"")))
    assert f"the request `x` give `{words}`" in " ".join(spec.split())


def test_what_is_signed_says_what_it_is_for() -> None:
    assert b"fanka enrol 2\n" + NONCE + KEY + b"\0" + sha256(REQUEST).digest() + TRUST == PROVEN
    signed = b"fanka renew 2\ntill-1\n2\n3\n1\n" + sha256(REQUEST).digest()
    assert renewal_text("till-1", 2, 3, KeyTier.SEALED, REQUEST) == signed
    assert code_digest("4T7QXW2M9K") == sha256(b"fanka claim 1\n4T7QXW2M9K").hexdigest()
