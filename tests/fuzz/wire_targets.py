"""What travels between terminals and the server: entries, messages, batches, lists, codes, and what the server kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from protocol.canonical import encode
from protocol.card_status import CardBase, NotCardStatus, decode_delta, encode_base, encode_delta
from protocol.entries import ENTRY_BYTES_MAX
from protocol.instants import SECOND_MS, UtcMs
from protocol.journal import (
    NotAnEntry,
    Sealed,
    Unread,
    decode_payload,
    encode_entry,
    header_of,
    read_entry,
    read_loosely,
)
from protocol.limits import LimitRules
from protocol.load_record import decode_load, encode_load
from protocol.messages import (
    BATCH_BYTES_MAX,
    BATCH_ENTRIES_MAX,
    Hello,
    Message,
    NotAMessage,
    decode_batch,
    encode_batch,
    encode_hello,
    encode_question,
    read_hello,
    read_question,
    read_signed,
    sign,
)
from protocol.pay_codes import PayCode, make_pay_code, read_pay_code
from protocol.policy import CardBook, CardsFile, LoadsFile, NotAList, encode_file, loads_by_card, read_file
from protocol.price_list import NotAPriceList, decode_prices, encode_prices
from protocol.sealed_rows import NotARow, read_row, row_text
from protocol.signing import VerifyKey, from_base64url, to_base64url
from protocol.site_files import ConfigFile, PromotionsFile, StaffFile, TextsFile
from protocol.state import NotAState, encode_state, read_state
from protocol.topics import parse_up, up
from protocol.trust import Trust, encode_trust, read_trust
from tests.fuzz.target import Broken, Target, of_text
from tests.protocol import samples
from tests.protocol.samples import EPOCH, KEY, SERVER_KEY, TID

_LISTS: Final[dict[str, str]] = json.loads((Path(__file__).parents[1] / "golden" / "lists.json").read_text())
_STORIES: Final = (samples.STORY, samples.OFFICE_STORY, samples.TOKEN_STORY)
_CHAINS: Final = [sealed for story in _STORIES for sealed in samples.chain_of(story)]
_SIGNATURE: Final = b"A" * 86
_KIDS: Final = {
    str(kind.__struct_config__.tag): to_base64url(f'{{"alg":"Ed25519","kid":"{kind.kid}"}}'.encode()).encode()
    for kind in Message.__subclasses__()
}
_JSON: Final = ("protocol.canonical",)
_ENTRY: Final = (*_JSON, "protocol.journal", "protocol.entries", "protocol.signing", "protocol.proofs")
_MESSAGE: Final = (*_JSON, "protocol.messages", "protocol.signing", "protocol.proofs")


def _lines_of(sealed: Sealed) -> bytes:
    """A whole line, from what was read of it."""
    signature = from_base64url(sealed.jws.rpartition(b".")[2])
    entry = sealed.entry
    payload = to_base64url(encode_entry(entry)).encode()
    return b".".join((header_of(entry.tid, entry.epoch), payload, to_base64url(signature).encode()))


def _as_entry(payload: bytes) -> bytes:
    """Signed by nobody, which is looked at later."""
    return b".".join((header_of(TID, EPOCH), to_base64url(payload).encode(), _SIGNATURE))


def _as_message(payload: bytes) -> bytes:
    kid = next((header for tag, header in _KIDS.items() if f'"type":"{tag}"'.encode() in payload), b"")
    return b".".join((kid, to_base64url(payload).encode(), _SIGNATURE))


def _signed_text(found: Message) -> bytes:
    return _as_message(encode(found))


def _loosely_holds(raw: bytes, found: Sealed | Unread) -> None:
    if found.jws != raw or not found.seq or len(raw) > ENTRY_BYTES_MAX:
        raise Broken("an entry without its place or its bytes")


def _batch_holds(raw: bytes, lines: list[bytes]) -> None:
    if not 0 < len(lines) <= BATCH_ENTRIES_MAX or sum(map(len, lines)) > BATCH_BYTES_MAX or not all(lines):
        raise Broken("a batch of more than a batch holds")
    if decode_batch(encode_batch(lines)) != lines:
        raise Broken("other lines after packing them again")


def _cards(raw: bytes) -> CardsFile:
    file = read_file(raw, CardsFile)
    CardBook(file)
    return file


def _loads(raw: bytes) -> LoadsFile:
    file = read_file(raw, LoadsFile)
    loads_by_card(file)
    return file


def _base_holds(raw: bytes, base: CardBase) -> None:
    listed = dict(base.items())
    again = CardBase(encode_base(listed))
    if dict(again.items()) != listed or any(base.listed(card) is not now for card, now in listed.items()):
        raise Broken("a base that says of a card what it does not list")


class _Signed:
    """Signs with what a code carried."""

    public: VerifyKey = KEY.public

    def __init__(self, signature: str) -> None:
        self._signature = from_base64url(signature)

    def sign(self, message: bytes) -> bytes:
        return self._signature


def _pay_code(code: PayCode) -> bytes:
    at = UtcMs(code.proof.counter * SECOND_MS)
    return make_pay_code(code.card, at, _Signed(code.proof.signature)).encode()


def _row_holds(raw: bytes, row: Any) -> None:
    if row_text(row).encode() != raw:
        raise Broken("a row that is hashed otherwise")


def _entries() -> Iterator[Target]:
    whole = [sealed.jws for sealed in _CHAINS]
    payloads = [encode_entry(sealed.entry) for sealed in _CHAINS]
    yield Target("entry", whole, read_entry, _ENTRY, (NotAnEntry,), _lines_of)
    yield Target("entry-payload", payloads, decode_payload, _ENTRY, (NotAnEntry,), encode_entry, weight=60)
    later = [b'{"v":2,"seq":7,"prev":"' + b"A" * 43 + b'","more":[{"a":null},1.5]}']
    yield Target(
        "entry-of-any-version",
        [*payloads[:8], *later],
        lambda raw: read_loosely(raw, TID, EPOCH),
        _ENTRY,
        (NotAnEntry,),
        wrap=_as_entry,
        holds=_loosely_holds,
    )
    unpacked = [b"\n".join(whole[at : at + 5]) for at in (0, 5, 10)]
    packed = [encode_batch(lines.split(b"\n")) for lines in unpacked]
    yield Target("batch", packed, decode_batch, ("protocol.messages",), (NotAMessage,), holds=_batch_holds)
    yield Target(
        "batch-lines",
        unpacked,
        decode_batch,
        ("protocol.messages",),
        (NotAMessage,),
        wrap=zstandard.ZstdCompressor(level=1).compress,
        holds=_batch_holds,
        weight=5,
    )


def _messages() -> Iterator[Target]:
    signed = [message for message, _ in samples.MESSAGES.values()]
    whole = [sign(message, SERVER_KEY) for message in signed]
    payloads = [encode(message) for message in signed]
    yield Target("message", payloads, read_signed, _MESSAGE, (NotAMessage,), _signed_text, wrap=_as_message, weight=40)
    yield Target("message-jws", whole, read_signed, _MESSAGE, (NotAMessage,))
    for kind in ("grant", "ack", "manifest", "keys"):
        mine = [raw for raw in payloads if f'"type":"{kind}"'.encode() in raw]
        yield Target(kind, mine, read_signed, _MESSAGE, (NotAMessage,), _signed_text, wrap=_as_message, weight=10)
    hello = Hello(samples.EPOCH, samples.TNO, _CHAINS[3].seq, to_base64url(_CHAINS[3].hash), whole[2].decode())
    yield Target("hello", [encode_hello(hello)], read_hello, _MESSAGE, (NotAMessage,), encode_hello)
    questions = [encode_question(question) for question in samples.QUESTIONS.values()]
    yield Target("question", questions, read_question, _MESSAGE, (NotAMessage,), encode_question)
    states = [encode_state(samples.STATE)]
    yield Target("state", states, read_state, (*_JSON, "protocol.state"), (NotAState,), encode_state)
    topics = [up(TID, what).encode() for what in ("journal", "hello", "ask", "state")]
    yield Target(
        "topic",
        topics,
        of_text(parse_up),
        ("protocol.topics",),
        (),
        lambda found: up(*found).encode(),
        weight=2,
    )


def _list(name: str, kind: type[msgspec.Struct], module: str) -> Target:
    mine = [text.encode() for known, text in _LISTS.items() if known.split("_")[0] == name]
    modules = (*_JSON, "protocol.policy", module)
    return Target(f"list-{name}", mine, lambda raw: read_file(raw, kind), modules, (NotAList,), encode_file)


def _list_files() -> Iterator[Target]:
    cards, loads, prices = (
        [text.encode() for known, text in _LISTS.items() if known.split("_")[0] == name]
        for name in ("cards", "loads", "prices")
    )
    policy = (*_JSON, "protocol.policy", "protocol.card_status", "protocol.load_record", "protocol.signing")
    yield Target("list-cards", cards, _cards, policy, (NotAList,), encode_file)
    yield Target("list-loads", loads, _loads, policy, (NotAList,), encode_file)
    yield Target("list-prices", prices, decode_prices, (*_JSON, "protocol.price_list"), (NotAPriceList,), encode_prices)
    yield _list("limits", LimitRules, "protocol.limits")
    for name, kind in (
        ("promotions", PromotionsFile),
        ("staff", StaffFile),
        ("texts", TextsFile),
        ("config", ConfigFile),
    ):
        yield _list(name, kind, "protocol.site_files")
    yield from _card_status()


def _card_status() -> Iterator[Target]:
    modules = ("protocol.card_status",)
    golden = json.loads((Path(__file__).parents[1] / "golden" / "card_status.json").read_text())
    base = bytes.fromhex(golden["base"])
    body = zstandard.ZstdDecompressor().decompress(base)
    packed = zstandard.ZstdCompressor(level=1).compress
    yield Target("card-base", [body], CardBase, modules, (NotCardStatus,), holds=_base_holds, wrap=packed, weight=5)
    yield Target("card-base-frame", [base], CardBase, modules, (NotCardStatus,), holds=_base_holds, weight=5)
    delta = bytes.fromhex(golden["delta"])
    yield Target("card-delta", [delta], decode_delta, modules, (NotCardStatus,), encode_delta)


def _others() -> Iterator[Target]:
    load = encode_load(samples.SIGNED_LOAD)
    yield Target("load-record", [load], decode_load, ("protocol.load_record",), (), encode_load)
    codes = [samples.PAY_CODE.encode()]
    yield Target(
        "pay-code",
        codes,
        of_text(read_pay_code),
        ("protocol.pay_codes", "protocol.proofs"),
        (),
        _pay_code,
    )
    rows = [row_text(row).encode() for row in samples.SEALED_ROWS.values()]
    modules = (*_JSON, "protocol.sealed_rows")
    yield Target("sealed-row", rows, of_text(read_row), modules, (NotARow,), holds=_row_holds, weight=10)
    trust = Trust(SERVER_KEY.public, sign(samples.KEYS, SERVER_KEY))
    yield Target(
        "trust", [encode_trust(trust)], read_trust, ("protocol.trust", "protocol.messages"), (ValueError,), weight=10
    )


def targets() -> Iterator[Target]:
    """All of them."""
    for group in (_entries, _messages, _list_files, _others):
        yield from group()
