"""A pay code: what a phone shows to a scanner. The server signs it, and it is good for a minute (SPEC, "Pay codes").

    FANKA | base 32 of 0 version=1 | 1 class | 2..3 generation | 4..7 issue number | 8..11 second | 12..75 signature

127 letters and digits: the alphanumeric mode of a QR code holds them in version 6, and a scanner that types like a
keyboard types them alike in every layout. Pure: instants arrive as data.
"""

import struct
from dataclasses import dataclass

from protocol.authorise import Refusal
from protocol.enrolment import CODE_ALPHABET
from protocol.ids import U32_MAX, CardNo, Counter, Generation
from protocol.instants import SECOND_MS, ClockSource, Now, UtcMs
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, Technology
from protocol.signing import SIGNATURE_BYTES, Signer, Verifier, from_base64url, to_base64url

PREFIX = "FANKA"
"""What a scanned line begins with; no command does."""
CODE_CONTEXT = b"fanka code 1\x00"
"""Signed in front of the code, so that no other signature of the server can pass for one."""
VALID_MS = 60 * SECOND_MS
"""So long after its making a code is taken."""
AHEAD_MS = 30 * SECOND_MS
"""Clocks of server and terminal may differ by so much; a code from further ahead shows that ours is wrong."""
_VERSION = 1
_LAYOUT = struct.Struct(">BBHII")
_RAW_BYTES = _LAYOUT.size + SIGNATURE_BYTES
_DIGITS = (8 * _RAW_BYTES + 4) // 5
_FILLING = 5 * _DIGITS - 8 * _RAW_BYTES
"""Bits of the last digit that are zero."""
_VALUES = {digit: value for value, digit in enumerate(CODE_ALPHABET)}


@dataclass(frozen=True, slots=True)
class PayCode:
    """What a code says; whether the server has said it is another question."""

    card: CardId
    proof: Proof


def make_pay_code(card: CardId, at: UtcMs, key: Signer) -> str:
    """The code of a token at an instant. Within a second it is the same one: nothing has to be remembered."""
    said = _said(card, at // SECOND_MS)
    bits = int.from_bytes(said + key.sign(CODE_CONTEXT + said), "big") << _FILLING
    return PREFIX + "".join(CODE_ALPHABET[bits >> 5 * place & 31] for place in reversed(range(_DIGITS)))


def read_pay_code(text: str) -> PayCode | None:
    """What a scanned line says; None unless it is spelled as `make_pay_code` spells it. Nothing is proven yet."""
    digits = text.removeprefix(PREFIX)
    if len(text) != len(PREFIX) + _DIGITS or len(digits) != _DIGITS or not _VALUES.keys() >= set(digits):
        return None
    bits = 0
    for digit in digits:
        bits = bits << 5 | _VALUES[digit]
    if bits & ((1 << _FILLING) - 1):
        return None
    raw = (bits >> _FILLING).to_bytes(_RAW_BYTES, "big")
    version, card_class, generation, no, second = _LAYOUT.unpack(raw[: _LAYOUT.size])
    if version != _VERSION or card_class not in list(CardClass) or not (generation and no and second):
        return None
    card = CardId(CardNo(no), Generation(generation), Technology.TOKEN, CardClass(card_class))
    return PayCode(card, Proof(ProofKind.CODE, Counter(second), to_base64url(raw[_LAYOUT.size :])))


def is_our_code(card: CardId, proof: Proof, key: Verifier) -> bool:
    """Whether the server has signed this code for this token."""
    if not card.is_token or proof.kind is not ProofKind.CODE:
        return False
    return key.verifies(from_base64url(proof.signature), CODE_CONTEXT + _said(card, proof.counter))


def made_at(proof: Proof) -> UtcMs:
    """When a code was made."""
    return UtcMs(proof.counter * SECOND_MS)


def code_refusal(proof: Proof, now: Now, vouched: UtcMs) -> Refusal | None:
    """Why a code is not taken now. `vouched`: how late it is at the very least, by the server's own word.

    Without a clock no age can be told; nor with one that is behind the server's word, of which a code is one.
    """
    if now.clock is ClockSource.NONE or now.utc_ms + AHEAD_MS < max(vouched, made_at(proof)):
        return Refusal.CLOCK_UNSURE
    return Refusal.CODE_EXPIRED if max(now.utc_ms, vouched) - made_at(proof) > VALID_MS else None


def _said(card: CardId, second: int) -> bytes:
    assert card.is_token and 0 < second <= U32_MAX
    return _LAYOUT.pack(_VERSION, card.card_class, card.generation, card.no, second)
