"""The signed load record: how the server puts value onto a card without ever being collected twice.

Layout (big endian, 32 bytes, then the 64-byte Ed25519 signature over `LOAD_CONTEXT` and these 32 bytes):

    0 version=1 | 1 period | 2..3 generation | 4..7 card | 8..9 load_seq | 10..11 zero
    12..15 loaded_total | 16..19 spent_known | 20..23 subsidy_total | 24..31 zero
"""

import struct

from protocol.ids import CardNo, Generation, LoadSeq
from protocol.money import Cents
from protocol.purse import LoadRecord, SignedLoad
from protocol.signing import SIGNATURE_BYTES, SigningKey, Verifier

LOAD_CONTEXT = b"fanka load 1\x00"
"""Signed in front of the record, so that no other signature of the server can pass for one."""
RECORD_BYTES = 32
SIGNED_LOAD_BYTES = RECORD_BYTES + SIGNATURE_BYTES
_LAYOUT = struct.Struct(">BBHIHxxIII8x")
assert _LAYOUT.size == RECORD_BYTES


def encode_record(record: LoadRecord) -> bytes:
    """The 32 bytes that are signed."""
    return _LAYOUT.pack(
        1,
        record.period,
        record.generation,
        record.card,
        record.load_seq,
        record.loaded_total_cents,
        record.spent_known_cents,
        record.subsidy_total_cents,
    )


def decode_record(raw: bytes) -> LoadRecord | None:
    """Read 32 bytes; None unless they are exactly what `encode_record` writes."""
    if len(raw) != RECORD_BYTES:
        return None
    version, period, generation, card, load_seq, total, spent, subsidy = _LAYOUT.unpack(raw)
    record = LoadRecord(
        CardNo(card), Generation(generation), LoadSeq(load_seq), Cents(total), Cents(spent), period, Cents(subsidy)
    )
    return record if version == 1 and encode_record(record) == raw else None


def sign_load(record: LoadRecord, key: SigningKey) -> SignedLoad:
    """Sign a record as the server does."""
    return SignedLoad(record, key.sign(LOAD_CONTEXT + encode_record(record)))


def load_is_genuine(load: SignedLoad, key: Verifier) -> bool:
    """Whether the server's load key signed this record."""
    return key.verifies(load.signature, LOAD_CONTEXT + encode_record(load.record))


def encode_load(load: SignedLoad) -> bytes:
    """Record and signature as a Classic card and a `loads` list carry them: 96 bytes."""
    return encode_record(load.record) + load.signature


def decode_load(raw: bytes) -> SignedLoad | None:
    """Read 96 bytes; None where the record is malformed. The signature is not checked here."""
    record = decode_record(raw[:RECORD_BYTES])
    if record is None or len(raw) != SIGNED_LOAD_BYTES:
        return None
    return SignedLoad(record, raw[RECORD_BYTES:])
