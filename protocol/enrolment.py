"""How a machine becomes a terminal: the claim code, what its two keys prove, and the four words on both screens.

A claim code opens the conversation once. The machine's keys then sign the server's nonce together with each other, so
that nobody enrols a key he has not got. What neither can prove is that nobody sits between them: for that a person
compares four words on the terminal's screen with those at the desk. They stand for what the terminal comes to believe,
too: whoever passes everything on and changes only that changes the words (SPEC, "Enrolment").
"""

import enum
from hashlib import sha256

CODE_LENGTH = 10
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: 50 bits, and no letter that looks like a digit."""
NONCE_BYTES = 32
_READ_AS = str.maketrans("OIL", "011", " -")
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"


class KeyTier(enum.IntEnum):
    """Where a terminal keeps its journal key, as the terminal itself says: see docs/keys.md."""

    FILE = 0
    """In a file of mode 0600: whoever reads the disk has it."""
    SEALED = 1
    """Sealed to this machine's TPM or one-time memory: on another machine the disk is worth nothing."""
    SAM = 2
    """In a chip that signs and never tells it."""


class NotACode(ValueError):
    """This cannot be a claim code; the text says what one looks like."""


def claim_code(chance: int) -> str:
    """A claim code from 50 random bits."""
    assert 0 <= chance < 2**50
    return "".join(CODE_ALPHABET[chance >> 5 * place & 31] for place in reversed(range(CODE_LENGTH)))


def read_code(typed: str) -> str:
    """A claim code as a person types it: any case, with blanks or hyphens, O for 0, I or L for 1. Raises NotACode."""
    code = typed.strip().upper().translate(_READ_AS)
    if len(code) != CODE_LENGTH or any(letter not in CODE_ALPHABET for letter in code):
        raise NotACode(f"a claim code has {CODE_LENGTH} letters and digits, such as 4T7QX-W2M9K")
    return code


def shown_code(code: str) -> str:
    """A claim code in two halves."""
    return f"{code[:5]}-{code[5:]}"


def code_digest(code: str) -> str:
    """What a server keeps of a claim code: SHA-256, hex."""
    return sha256(b"fanka claim 1\n" + code.encode()).hexdigest()


def trust_digest(root: bytes, keys: bytes, authority: bytes) -> bytes:
    """SHA-256 of what a terminal comes to believe: the public root key (32 bytes), the hash of the document with the
    server's keys that the root signed, and the certificate of the site's authority (DER)."""
    assert len(root) == 32
    return sha256(root + sha256(keys).digest() + authority).digest()


def proof_text(nonce: bytes, journal_key: bytes, tier: KeyTier, request: bytes, trust: bytes) -> bytes:
    """What both keys sign: the nonce (32 bytes), the journal's public key (32 bytes), the tier it is kept in (1 byte),
    SHA-256 of the TLS request, and the digest of what the terminal comes to believe (`trust_digest`)."""
    assert len(nonce) == NONCE_BYTES and len(journal_key) == len(trust) == 32
    return b"fanka enrol 2\n" + nonce + journal_key + bytes([tier]) + sha256(request).digest() + trust


def renewal_text(tid: str, epoch: int, at: int, tier: KeyTier, request: bytes) -> bytes:
    """What a terminal's journal key signs to have the certificate of a new TLS key."""
    return f"fanka renew 2\n{tid}\n{epoch}\n{at}\n{tier:d}\n".encode() + sha256(request).digest()


def four_words(proven: bytes) -> str:
    """Four words of five letters that can be spoken: 64 bits of the hash of what both keys sign (`proof_text`).

    Each word is 16 bits, alternately consonant (4 bits) and vowel (2 bits), as in D. S. Wilkerson, "A Proposal for
    Proquints" (2009).
    """
    bits = int.from_bytes(sha256(b"fanka words 1\n" + proven).digest()[:8], "big")
    return " ".join(_word(bits >> shift & 0xFFFF) for shift in (48, 32, 16, 0))


def _word(bits: int) -> str:
    first, second, third = (_CONSONANTS[bits >> shift & 15] for shift in (12, 6, 0))
    return f"{first}{_VOWELS[bits >> 10 & 3]}{second}{_VOWELS[bits >> 4 & 3]}{third}"
