"""What terminals and server say to each other besides entries: grants, acks, tips, batches, the list manifest.

Signed messages are compact JWS like entries; the member `type`, always first, keeps one from passing for another.
An unsigned message (hello, a question) can at worst make the other side repeat itself, or hold back money for a while.
"""

from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
import zstandard
from msgspec import Meta

from protocol.authorise import Listed, Refusal
from protocol.canonical import NotCanonical, encode, read
from protocol.entries import ENTRY_BYTES_MAX, HashField
from protocol.ids import U16, U32, U53, EarlierSeqField, EpochField, Seq, SeqField, SiteField, TerminalField, TnoField
from protocol.instants import UtcField, UtcMs
from protocol.journal import Tip
from protocol.money import Amount, AnyCents, Cents, PurseCents
from protocol.proofs import Proof
from protocol.purse import CardId
from protocol.signing import Signer, Verifier, VerifyKey, from_base64url, sha256_of, to_base64url

BATCH_ENTRIES_MAX = 256
BATCH_BYTES_MAX = 256 * 1_024
BATCHES_IN_FLIGHT_MAX = 4
PART_BYTES_MAX = 256 * 1_024
MESSAGE_BYTES_MAX = 64 * 1_024
QUESTION_BYTES_MAX = 1_024
Purpose = Literal["grant", "ack", "list", "load"]
PURPOSES: tuple[Purpose, ...] = ("grant", "ack", "list", "load")
"""What the server signs, each with a key of its own."""
KEYS_MAX = 64
assert ENTRY_BYTES_MAX < BATCH_BYTES_MAX, "the largest entry always fits a batch"


class NotAMessage(ValueError):
    """These bytes are not a message of ours, or not signed by whom they claim; the text says why."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """Strict both ways, like an entry."""

    kid: ClassVar[str]
    """The server's key that signs it, by its one purpose."""


class Grant(Message, frozen=True, tag="grant"):
    """The server gives a terminal an epoch; its hash is `prev` of entry 1. A first epoch continues nothing."""

    kid: ClassVar[str] = "grant"
    site: SiteField
    tid: TerminalField
    epoch: EpochField
    tno: TnoField
    key: HashField
    """The journal's public key, base64url (32 bytes are as long as a hash)."""
    at: UtcField
    prev_epoch: U32 = 0
    prev_seq: EarlierSeqField = Seq(0)
    prev_hash: HashField | Literal[""] = ""

    def __post_init__(self) -> None:
        _ = self.verify_key

    def start(self, jws: bytes) -> Tip:
        """Where the chain of this epoch begins, given the grant's own bytes."""
        return Tip(Seq(0), sha256_of(jws))

    @property
    def verify_key(self) -> VerifyKey:
        """The key that signs the entries of this epoch; a grant with a key that is none cannot be made or read."""
        return VerifyKey(from_base64url(self.key))


class Ack(Message, frozen=True, tag="ack"):
    """Everything up to `seq` is committed at the server. It counts only if `hash` is the terminal's own."""

    kid: ClassVar[str] = "ack"
    server_epoch: U32
    tid: TerminalField
    epoch: EpochField
    seq: EarlierSeqField
    hash: HashField
    at: UtcField


class TipAnswer(Message, frozen=True, tag="tip"):
    """What the server holds of a chain; the terminal sends from there, or has another history and stops."""

    kid: ClassVar[str] = "ack"
    server_epoch: U32
    tid: TerminalField
    epoch: EpochField
    seq: EarlierSeqField
    hash: HashField
    at: UtcField


class Want(Message, frozen=True, tag="want"):
    """The server misses entries: send again from `seq`."""

    kid: ClassVar[str] = "ack"
    tid: TerminalField
    epoch: EpochField
    seq: EarlierSeqField
    at: UtcField


class ServerState(Message, frozen=True, tag="server"):
    """Retained: a new instance id makes every terminal say hello again."""

    kid: ClassVar[str] = "ack"
    instance: HashField
    server_epoch: U32
    at: UtcField


class ServerTime(Message, frozen=True, tag="time"):
    """The time, for a terminal whose clock makes certificates look out of date; its nonce shows that it is fresh."""

    kid: ClassVar[str] = "ack"
    nonce: HashField
    at: UtcField


class ServerKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A public key of the server: which of its purpose it is, and from when until when it signs."""

    purpose: Purpose
    number: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    key: HashField
    """32 bytes, which are as long as a hash."""
    since: UtcField
    until: UtcField = UtcMs(0)
    """0: it signs now."""

    @property
    def verify_key(self) -> VerifyKey:
        """The key itself. Raises ValueError where it is none."""
        return VerifyKey(from_base64url(self.key))


class Keys(Message, frozen=True, tag="keys"):
    """What to believe of the server, by the root that never lies on it. A key that is not named is not believed."""

    kid: ClassVar[str] = "root"
    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    at: UtcField
    keys: Annotated[tuple[ServerKey, ...], Meta(max_length=KEYS_MAX)]

    def __post_init__(self) -> None:
        places = [(PURPOSES.index(known.purpose), known.number) for known in self.keys]
        if places != sorted(set(places)):
            raise ValueError("keys stand by purpose and number, each once")
        for purpose in PURPOSES:
            mine = [known for known in self.keys if known.purpose == purpose]
            if [known.until > 0 for known in mine] != [True] * (len(mine) - 1) + [False]:
                raise ValueError(f"of the {purpose} keys exactly the last one signs now")
        for known in self.keys:
            _ = known.verify_key


class TreeHead(Message, frozen=True, tag="tree_head"):
    """A night's root over all rows that the server has sealed (SPEC, "Sealed rows"); each names the last one."""

    kid: ClassVar[str] = "ack"
    server_epoch: U32
    number: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    day: U16
    """The newest business day that was over."""
    size: U53
    root: HashField
    at: UtcField
    prev: HashField | Literal[""] = ""
    """The hash of the head before; none: this is the first."""


class ListFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One list as the manifest names it: version, SHA-256 of the whole (hex), size, SHA-256 of each part (hex)."""

    version: U53
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: U53
    parts: tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")], ...]


class Manifest(Message, frozen=True, tag="manifest"):
    """Which lists a site's terminals shall have in force."""

    kid: ClassVar[str] = "list"
    site: SiteField
    version: U53
    expires: UtcField
    server_time: UtcField
    files: dict[Annotated[str, Meta(pattern=r"^[a-z]{1,16}\Z")], ListFile]


class Known(Message, frozen=True, tag="known"):
    """Whose token a UID is; its nonce shows that it is the answer to this very question. No card: nobody's."""

    kid: ClassVar[str] = "ack"
    server_epoch: U32
    tid: TerminalField
    nonce: HashField
    at: UtcField
    card: CardId | None = None
    listed: Listed = Listed.GOOD


class Answer(Message, frozen=True, tag="answer"):
    """Whether a token may pay what one prepared entry says; if so, what its purses held and hold then."""

    kid: ClassVar[str] = "ack"
    server_epoch: U32
    tid: TerminalField
    epoch: EpochField
    seq: SeqField
    hash: HashField
    at: UtcField
    card: CardId
    amount: Amount
    refused: Refusal | None = None
    figure: AnyCents = Cents(0)
    """What a person needs to understand the refusal, as in `Refused`."""
    main: PurseCents = Cents(0)
    main_after: PurseCents = Cents(0)
    subsidy: PurseCents = Cents(0)
    subsidy_after: PurseCents = Cents(0)


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """What a terminal asks at once. Not signed: the broker vouches for the terminal, and an answer moves no money."""


class Who(_Question, frozen=True, tag="who"):
    """Whose token has this UID (lower-case hexadecimal)?"""

    nonce: HashField
    uid: Annotated[str, Meta(pattern=r"^[0-9a-f]{8,20}\Z")]


class Ask(_Question, frozen=True, tag="ask"):
    """May this token pay what the prepared entry with this place and hash says? `proof`: that entry's."""

    epoch: EpochField
    tno: TnoField
    seq: SeqField
    hash: HashField
    card: CardId
    amount: Amount
    proof: Proof | None = None


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A terminal's tip and its newest signed ack, at every connect. Not signed."""

    epoch: EpochField
    tno: TnoField
    seq: EarlierSeqField
    hash: HashField
    ack: Annotated[str, Meta(max_length=2_000)] = ""


Signed = Grant | Ack | TipAnswer | Want | ServerState | ServerTime | Keys | TreeHead | Manifest | Known | Answer
_Message_T = TypeVar("_Message_T", bound=Message)
Question = Who | Ask

_signed: msgspec.json.Decoder[Signed] = msgspec.json.Decoder(Signed)
_hello = msgspec.json.Decoder(Hello)
_question: msgspec.json.Decoder[Question] = msgspec.json.Decoder(Question)
_Unsigned = TypeVar("_Unsigned")


def version_of(server_epoch: int, number: int) -> int:
    """One ordered integer for (server_epoch, n): a restored server's lists are newer than all it forgot."""
    assert 0 <= server_epoch < 2**21 and 0 <= number < 2**32
    return (server_epoch << 32) | number


def _header_of(message: Message) -> str:
    return to_base64url(f'{{"alg":"Ed25519","kid":"{message.kid}"}}'.encode())


def sign(message: Message, key: Signer) -> bytes:
    """A message as compact JWS; its header names the key by its purpose."""
    signed = f"{_header_of(message)}.{to_base64url(encode(message))}".encode()
    return signed + b"." + to_base64url(key.sign(signed)).encode()


def verified(jws: bytes, expected: type[_Message_T], key: Verifier) -> _Message_T:
    """Read a signed message of the expected type. Raises NotAMessage."""
    message = read_signed(jws)
    if not isinstance(message, expected):
        raise NotAMessage(f"expected {expected.__name__}, got {type(message).__name__}")
    _require_signature(jws, key)
    return message


def verified_as(jws: bytes, decoder: msgspec.json.Decoder[_Message_T], key: Verifier) -> _Message_T:
    """The same for a message that no topic carries. Raises NotAMessage."""
    message = _read_signed(jws, decoder)
    _require_signature(jws, key)
    return message


def read_signed(jws: bytes) -> Signed:
    """Read a message without checking its signature: to learn whose key to check with. Raises NotAMessage."""
    return _read_signed(jws, _signed)


def _require_signature(jws: bytes, key: Verifier) -> None:
    signed, _, signature = jws.rpartition(b".")
    if not key.verifies(from_base64url(signature), signed):
        raise NotAMessage("signature does not hold")


def _read_signed(jws: bytes, decoder: msgspec.json.Decoder[_Message_T]) -> _Message_T:
    if len(jws) > MESSAGE_BYTES_MAX:
        raise NotAMessage(f"a message has at most {MESSAGE_BYTES_MAX} bytes, this one has {len(jws)}")
    header, *rest = jws.split(b".")
    if len(rest) != 2:
        raise NotAMessage("a signed message is a compact JWS: three parts with a dot between them")
    try:
        payload, _ = map(from_base64url, rest)
        message = read(payload, decoder)
    except ValueError as error:
        raise NotAMessage(str(error)) from error
    if header != _header_of(message).encode():
        raise NotAMessage(f'header is not exactly {{"alg":"Ed25519","kid":"{message.kid}"}}')
    return message


def encode_hello(hello: Hello) -> bytes:
    """A hello as it travels."""
    return encode(hello)


def read_hello(raw: bytes) -> Hello:
    """Read a hello. Raises NotAMessage."""
    return _read_unsigned(raw, _hello, MESSAGE_BYTES_MAX)


def encode_question(question: Question) -> bytes:
    """A question as it travels."""
    return encode(question)


def read_question(raw: bytes) -> Question:
    """Read a question. Raises NotAMessage."""
    return _read_unsigned(raw, _question, QUESTION_BYTES_MAX)


def _read_unsigned(raw: bytes, decoder: msgspec.json.Decoder[_Unsigned], bytes_max: int) -> _Unsigned:
    if len(raw) > bytes_max:
        raise NotAMessage(f"such a message has at most {bytes_max} bytes, this one has {len(raw)}")
    try:
        return read(raw, decoder)
    except NotCanonical as error:
        raise NotAMessage(str(error)) from error


def encode_batch(entries: list[bytes]) -> bytes:
    """Some entries in a row, zstd-compressed, one JWS a line."""
    assert 0 < len(entries) <= BATCH_ENTRIES_MAX
    return zstandard.ZstdCompressor(level=3).compress(b"\n".join(entries))


def decode_batch(raw: bytes) -> list[bytes]:
    """The lines of a batch. Raises NotAMessage; never unpacks more than a batch may hold, nor half a batch."""
    try:
        if zstandard.frame_content_size(raw) > BATCH_BYTES_MAX:
            raise NotAMessage(f"batch: more than {BATCH_BYTES_MAX} bytes")
        unpacked = zstandard.ZstdDecompressor().decompress(raw, max_output_size=BATCH_BYTES_MAX, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise NotAMessage(f"batch: {error}") from error
    lines = unpacked.split(b"\n")
    if len(lines) > BATCH_ENTRIES_MAX or not all(lines):
        raise NotAMessage(f"batch: 1 to {BATCH_ENTRIES_MAX} entries, one a line, no empty line")
    return lines


def batch_of(entries: list[bytes]) -> int:
    """How many of these entries, from the first, fit one batch."""
    total = 0
    for count, entry in enumerate(entries[:BATCH_ENTRIES_MAX]):
        total += len(entry) + 1
        if total > BATCH_BYTES_MAX:
            return count
    return min(len(entries), BATCH_ENTRIES_MAX)
