"""Seal entries onto a terminal's chain, read them strictly, verify a chain and say where it breaks.

An entry on disk and on the wire is one compact JWS (RFC 7515 section 3.1, algorithm `Ed25519` of RFC 9864):

    base64url({"alg":"Ed25519","kid":"<tid>/<epoch>"}) . base64url(payload) . base64url(signature)

`prev` in each payload is the SHA-256 of the whole compact JWS before it; in the first, of the epoch grant.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from msgspec.structs import astuple

from protocol.canonical import NotCanonical, encode, read_part, refuse_deep, refuse_respelled, typed
from protocol.entries import BODIES, ENTRY_BYTES_MAX, Body, Entry, HashField, Head, Kind
from protocol.ids import Epoch, Seq, SeqField, TerminalId
from protocol.signing import SIGNATURE_BYTES, Signer, VerifyKey, from_base64url, sha256_of, to_base64url


class NotAnEntry(ValueError):
    """These bytes are not an entry of ours; the text says why and what was expected."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry together with the bytes that were signed and their hash (32 bytes)."""

    entry: Entry
    jws: bytes
    hash: bytes

    @property
    def seq(self) -> Seq:
        """Its place in the chain."""
        return self.entry.seq

    @property
    def prev(self) -> str:
        """The hash of the entry before it, as it names it."""
        return self.entry.prev


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that is chained and signed, but not understood: of a newer version, or damaged before signing.

    A receiver keeps it and goes on; its meaning is posted later by a program that can read it.
    """

    seq: Seq
    prev: str
    jws: bytes
    hash: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Tip:
    """The last entry of a chain: the next one has seq + 1 and `prev` = hash. Seq 0: the grant itself."""

    seq: Seq
    hash: bytes

    @property
    def prev(self) -> str:
        """The hash as the next entry carries it."""
        return to_base64url(self.hash)


class _Envelope(Head, frozen=True, kw_only=True):
    """The head with the body still as bytes: it is decoded by the type that `kind` names."""

    body: msgspec.Raw


class _Place(msgspec.Struct, frozen=True):
    """The least that must be readable of any entry of any version."""

    seq: SeqField
    prev: HashField


_places = msgspec.json.Decoder(_Place)
_envelopes = msgspec.json.Decoder(_Envelope)
_bodies: dict[Kind, msgspec.json.Decoder[Body]] = {kind: msgspec.json.Decoder(body) for kind, body in BODIES.items()}


@lru_cache(maxsize=1_024)
def header_of(tid: TerminalId, epoch: Epoch) -> bytes:
    """The protected header, base64url, of every entry of one epoch."""
    return to_base64url(f'{{"alg":"Ed25519","kid":"{tid}/{epoch}"}}'.encode()).encode()


def encode_entry(entry: Entry) -> bytes:
    """The canonical payload."""
    return encode(entry)


def seal(entry: Entry, key: Signer) -> Sealed:
    """Sign an entry. Raises NotAnEntry where its own reader would refuse it: nothing unreadable is ever signed."""
    try:
        payload = encode_entry(entry)
    except UnicodeEncodeError as error:
        raise NotAnEntry(f"payload: {error}") from error
    signed = header_of(entry.tid, entry.epoch) + b"." + to_base64url(payload).encode()
    jws = signed + b"." + to_base64url(key.sign(signed)).encode()
    if len(jws) > ENTRY_BYTES_MAX:
        raise NotAnEntry(f"an entry has at most {ENTRY_BYTES_MAX} bytes, this one would have {len(jws)}")
    decode_payload(payload)
    return Sealed(entry, jws, sha256_of(jws))


def decode_payload(payload: bytes) -> Entry:
    """Read a payload strictly: typed, unknown members forbidden, and encoding it again gives the same bytes.

    Raises NotAnEntry.
    """
    try:
        refuse_deep(payload)
        envelope = typed(payload, _envelopes)
        body = typed(envelope.body, _bodies[envelope.kind])
        *head, _ = astuple(envelope)
        entry = Entry(*head, body=body)
        refuse_respelled(payload, entry)
    except NotCanonical as error:
        raise NotAnEntry(f"payload: {error}") from error
    return entry


def read_entry(jws: bytes) -> Sealed:
    """Read a compact JWS without checking its signature. Raises NotAnEntry."""
    if len(jws) > ENTRY_BYTES_MAX:
        raise NotAnEntry(f"an entry has at most {ENTRY_BYTES_MAX} bytes, this one has {len(jws)}")
    parts = jws.split(b".")
    if len(parts) != 3:
        raise NotAnEntry("an entry is a compact JWS: three parts with a dot between them")
    header, body, signature = parts
    try:
        entry = decode_payload(from_base64url(body))
        signature_bytes = from_base64url(signature)
    except NotAnEntry:
        raise
    except ValueError as error:
        raise NotAnEntry(str(error)) from error
    if header != header_of(entry.tid, entry.epoch):
        raise NotAnEntry('header is not exactly {"alg":"Ed25519","kid":"<tid>/<epoch>"}')
    if len(signature_bytes) != SIGNATURE_BYTES:
        raise NotAnEntry(f"signature does not have {SIGNATURE_BYTES} bytes")
    return Sealed(entry, jws, sha256_of(jws))


def read_loosely(jws: bytes, tid: TerminalId, epoch: Epoch) -> Sealed | Unread:
    """Read an entry, or at least its place in the chain. Raises NotAnEntry where not even that can be read.

    An `Unread` proves nothing by itself: the caller checks its signature.
    """
    try:
        return read_entry(jws)
    except NotAnEntry as error:
        why = str(error)
    try:
        header, body, signature = jws.split(b".")
        place = read_part(from_base64url(body), _places)
        signature_bytes = from_base64url(signature)
    except ValueError as error:
        raise NotAnEntry(why) from error
    if header != header_of(tid, epoch) or len(signature_bytes) != SIGNATURE_BYTES or len(jws) > ENTRY_BYTES_MAX:
        raise NotAnEntry(why)
    return Unread(place.seq, place.prev, jws, sha256_of(jws), why)


def signature_holds(sealed: Sealed | Unread, key: VerifyKey) -> bool:
    """Whether the journal key of its epoch signed this entry."""
    return line_is_signed(sealed.jws, key)


def line_is_signed(jws: bytes, key: VerifyKey) -> bool:
    """The same of a line that nobody has read."""
    signed, _, signature = jws.rpartition(b".")
    try:
        return key.verifies(from_base64url(signature), signed)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain stops being one, and how."""

    seq: int
    what: str
    detail: str


def verify_chain(
    lines: Iterable[bytes], start: Tip, key: VerifyKey, *, signatures: bool = True
) -> Iterator[Sealed | Break]:
    """Walk a chain from `start`: yield every good entry, and at the first fault one Break, then end.

    With `signatures=False` only the last entry's signature is checked: every earlier one is covered by the hash
    chain under it (SPEC, "Batches").
    """
    tip, last = start, None
    for line in lines:
        checked = _check_next(line, tip, key if signatures else None)
        if isinstance(checked, Break):
            yield checked
            return
        tip, last = Tip(checked.seq, checked.hash), checked
        yield checked
    if last is not None and not signatures and not signature_holds(last, key):
        yield Break(last.seq, "signature", "the last entry is not signed by this epoch's key")


def _check_next(line: bytes, tip: Tip, key: VerifyKey | None) -> Sealed | Break:
    try:
        sealed = read_entry(line)
    except NotAnEntry as error:
        return Break(tip.seq + 1, "unreadable", str(error))
    entry = sealed.entry
    if entry.seq != tip.seq + 1:
        what = "missing" if entry.seq > tip.seq + 1 else "repeated"
        return Break(tip.seq + 1, what, f"entry {entry.seq} stands where {tip.seq + 1} belongs")
    if entry.prev != tip.prev:
        return Break(entry.seq, "prev", "does not continue the entry before it")
    if key is not None and not signature_holds(sealed, key):
        return Break(entry.seq, "signature", "is not signed by this epoch's key")
    return sealed
