"""Sealing, strict reading, and walking a chain."""

import json
import re
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.entries import (
    ENTRY_BYTES_MAX,
    LINES_MAX,
    EpochEnded,
    Fault,
    Kind,
    Line,
    ListVersions,
    RefundStep,
    SaleStep,
)
from protocol.ids import CardNo, Counter, Epoch, Generation, MerchantId, ProductId, Seq, TerminalId
from protocol.journal import (
    Break,
    NotAnEntry,
    Sealed,
    Tip,
    Unread,
    decode_payload,
    encode_entry,
    header_of,
    read_entry,
    read_loosely,
    seal,
    signature_holds,
    verify_chain,
)
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.purse import CardId, SeenStep, Technology
from protocol.signing import from_base64url, sha256_of, to_base64url
from tests.protocol.deep import DEEP
from tests.protocol.golden import golden
from tests.protocol.mutations import FOREIGN, other_chain
from tests.protocol.samples import EPOCH, KEY, START, STORY, TID, chain_of, entry_after, refund, sale

CHAIN = chain_of()
LINES = [sealed.jws for sealed in CHAIN]
PAYLOADS = [encode_entry(sealed.entry) for sealed in CHAIN]
SALE = PAYLOADS[3].decode()


def resigned(payload: bytes, header: bytes | None = None) -> bytes:
    """A payload of our own making under the right key: only strictness can refuse it."""
    signed = (header_of(TID, EPOCH) if header is None else header) + b"." + to_base64url(payload).encode()
    return signed + b"." + to_base64url(KEY.sign(signed)).encode()


def test_the_bytes_of_a_whole_chain_never_change() -> None:
    """Terminals in the field have signed these bytes. Changing them breaks every chain."""
    stored = golden("entries")
    assert [row["jws"] for row in stored["entries"]] == [line.decode() for line in LINES]
    hashes = [to_base64url(sha256_of(row["jws"].encode())) for row in stored["entries"]]
    assert hashes == [row["hash"] for row in stored["entries"]]
    assert [json.loads(row["payload"])["prev"] for row in stored["entries"]] == [
        to_base64url(sha256_of(stored["grant"].encode())),
        *hashes[:-1],
    ]


def test_an_entry_names_its_key_in_the_header() -> None:
    header = json.loads(from_base64url(LINES[0].split(b".")[0]))
    assert header == {"alg": "Ed25519", "kid": "till-07/1"}


def test_every_entry_reads_back() -> None:
    for sealed in CHAIN:
        again = read_entry(sealed.jws)
        assert again == sealed and again.hash == sha256_of(sealed.jws)
        assert signature_holds(again, KEY.public)
        assert not signature_holds(again, FOREIGN.public)


@settings(max_examples=300)
@given(st.sampled_from(LINES), st.data())
def test_any_changed_byte_is_refused(line: bytes, data: st.DataObject) -> None:
    """Unreadable, or read and not signed: never an entry that holds."""
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    changed = line[:place] + bytes((byte,)) + line[place + 1 :]
    try:
        sealed = read_entry(changed)
    except NotAnEntry:
        return
    assert not signature_holds(sealed, KEY.public)


@given(st.one_of(st.binary(max_size=200), st.sampled_from(PAYLOADS).flatmap(lambda raw: st.just(raw[:-1]))))
def test_bytes_that_are_no_payload_raise_only_not_an_entry(raw: bytes) -> None:
    with pytest.raises(NotAnEntry):
        decode_payload(raw)


@given(st.one_of(st.binary(max_size=200), st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(b".".join)))
def test_bytes_that_are_no_jws_raise_only_not_an_entry(raw: bytes) -> None:
    with pytest.raises(NotAnEntry):
        read_entry(raw)
    with pytest.raises(NotAnEntry):
        read_loosely(raw, TID, EPOCH)


json_values = st.recursive(
    st.one_of(st.integers(), st.text(max_size=5), st.none(), st.booleans(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@given(st.sampled_from(PAYLOADS), json_values, st.data())
def test_a_member_of_another_type_is_refused_or_is_the_same_entry(
    payload: bytes, value: Any, data: st.DataObject
) -> None:
    document = json.loads(payload)
    inside = data.draw(st.sampled_from([document, document["body"], document["lists"]]))
    if not inside:
        return
    inside[data.draw(st.sampled_from(sorted(inside)))] = value
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    try:
        entry = decode_payload(raw)
    except NotAnEntry:
        return
    assert encode_entry(entry) == raw


def _respelled() -> dict[str, str]:
    """The same sale, or nearly, in every spelling that another JSON writer might choose."""
    said = PAYLOADS[31].decode()
    assert "\\u001f" in said and "\u007f" in said and "\u2028" in said and '\\"' in said
    return {
        "a space after a colon": SALE.replace('"v":1', '"v": 1'),
        "a space after a comma": SALE.replace(',"seq"', ', "seq"'),
        "a line end": SALE + "\n",
        "a byte order mark": "\ufeff" + SALE,
        "white space inside the body": SALE.replace('"amount":1200', '"amount":1200 '),
        "another order in the head": SALE.replace('"epoch":1,"tno":41', '"tno":41,"epoch":1'),
        "another order in the body": SALE.replace('"counter":11,"counter_after":12', '"counter_after":12,"counter":11'),
        "the body before the head": '{"body":'
        + SALE.partition('"body":')[2][:-1]
        + ","
        + SALE[1:].partition(',"body"')[0]
        + "}",
        "an escaped letter": SALE.replace("canteen", "\\u0063anteen"),
        "an escaped solidus": said.replace("printer.0", "printer\\/0"),
        "an upper-case escape": said.replace("\\u001f", "\\u001F"),
        "an escaped delete": said.replace("\u007f", "\\u007f"),
        "an escaped line separator": said.replace("\u2028", "\\u2028"),
        "a long escape of a quotation mark": said.replace('\\"', "\\u0022"),
        "an unescaped control character": said.replace("\\u001f", "\u001f"),
        "a lone surrogate": said.replace("\\u001f", "\\ud800"),
        "a reversed surrogate pair": said.replace("\\u001f", "\\udc00\\ud800"),
        "an escaped pair": said.replace("\\u001f", "\\ud83d\\ude00"),
        "an integer with a fraction": SALE.replace('"amount":1200', '"amount":1200.0'),
        "an integer with an exponent": SALE.replace('"amount":1200', '"amount":12e2'),
        "a negative zero": SALE.replace('"amount":1200', '"amount":-0'),
        "a leading zero": SALE.replace('"amount":1200', '"amount":01200'),
        "a plus sign": SALE.replace('"amount":1200', '"amount":+1200'),
        "an integer as text": SALE.replace('"amount":1200', '"amount":"1200"'),
        "a truth value": SALE.replace('"v":1', '"v":true'),
        "a fraction": SALE.replace('"amount":1200', '"amount":1200.5'),
        "an integer beyond 2^53": SALE.replace('"mono":68000', '"mono":9007199254740992'),
        "a huge integer": SALE.replace('"mono":68000', '"mono":' + "9" * 400),
        "an amount no sale may have": SALE.replace('"amount":1200', '"amount":100000000'),
        "a negative amount": SALE.replace('"amount":1200', '"amount":-1'),
        "an unknown member in the head": SALE.replace('"v":1', '"v":1,"w":2'),
        "an unknown member in the body": SALE.replace('"amount":1200', '"amount":1200,"amounts":1'),
        "an unknown member in a line": SALE.replace('"qty":2', '"qty":2,"note":""'),
        "a member twice": SALE.replace('"amount":1200', '"amount":1200,"amount":1200'),
        "a head member twice": SALE.replace('"v":1', '"v":1,"v":1'),
        "a body twice": SALE[:-1] + ',"body":' + SALE.partition('"body":')[2],
        "an explicit default of zero": SALE.replace('"subsidy":300', '"subsidy":300,"subsidy_after":0'),
        "an explicit default of nothing": said.replace('"shift":3', '"shift":3,"turnover":0').replace(
            ',"turnover":1200', ""
        ),
        "an explicit empty text": PAYLOADS[8].decode().replace('"prepared":3', '"prepared":3,"reason":""'),
        "an explicit empty list": SALE.replace('"unit":20', '"unit":20,"discounts":[]'),
        "a null for a default": SALE.replace('"subsidy":300', '"subsidy":300,"subsidy_after":null'),
        "a null card": PAYLOADS[24]
        .decode()
        .replace('"card":{"no":1001,"generation":1,"technology":"classic","card_class":1}', '"card":null'),
        "a missing member": SALE.replace('"tno":41,', ""),
        "a missing body member": SALE.replace('"merchant":"canteen-1",', ""),
        "text not in NFC": said.replace("no paper", "cafe\u0301"),
        "a character that NFC replaces": said.replace("no paper", "\u212b"),
        "another version": SALE.replace('"v":1', '"v":2'),
        "an unknown kind": SALE.replace("sale_settled", "sale_doubled"),
        "the body of another kind": SALE.replace("sale_settled", "shift_opened"),
        "an upper-case kind": SALE.replace("sale_settled", "Sale_settled"),
        "a terminal name with capitals": SALE.replace("till-07", "Till-07"),
        "a hash of another length": SALE.replace('"prev":"', '"prev":"A'),
        "a terminal name with a line end": SALE.replace("till-07", "till-07\\n"),
        "a hash with a line end": SALE.replace('","kind"', '\\n","kind"'),
        "a hash with unused bits": re.sub(r'("prev":"[^"]{42})([^"])', lambda m: m[1] + chr(ord(m[2]) + 1), SALE),
        "seq zero": SALE.replace('"seq":4', '"seq":0'),
        "an array": "[" + SALE + "]",
        "nothing": "",
        "two documents": SALE + SALE,
        "an unknown member that nests without end": SALE.replace('"v":1', '"v":1,"w":' + DEEP[1]),
        "a body that nests without end": SALE.partition('"body":')[0] + '"body":' + DEEP[0] + "}",
    }


@pytest.mark.parametrize("name", _respelled())
def test_any_other_spelling_is_refused(name: str) -> None:
    """There is one way to write an entry: else two programs would disagree about what was signed."""
    text = _respelled()[name]
    assert text.encode() not in PAYLOADS, "the sample no longer has what is respelled here"
    with pytest.raises(NotAnEntry):
        decode_payload(text.encode())
    with pytest.raises(NotAnEntry):
        read_entry(resigned(text.encode()))


def test_bytes_that_are_not_utf8_are_refused() -> None:
    for wrong in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"):
        with pytest.raises(NotAnEntry):
            decode_payload(PAYLOADS[31].replace(b"no paper", wrong))


def test_escapes_are_those_of_rfc_8785() -> None:
    """Section 3.2.2.2: the short escapes, \\u00xx in lower case for the other controls, everything else as it is."""
    fault = Fault("x", '\b\t\n\f\r"\\/\x00\x1f\x7f\u0080\u2028\u2029é饭😀')
    payload = encode_entry(entry_after(START, Kind.FAULT, fault))
    assert b'"text":"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f' + "\u0080\u2028\u2029é饭😀".encode() + b'"' in payload
    assert json.loads(payload)["body"]["text"] == fault.text


def test_the_payload_as_a_whole_is_in_nfc() -> None:
    """A combining mark after a line end follows the n of its escape: normalising a file must change nothing."""
    for text in ("e\u0301", "\n\u0303"):
        with pytest.raises(NotAnEntry, match="normal form"):
            seal(entry_after(START, Kind.FAULT, Fault("x", text)), KEY)
    assert unicodedata.is_normalized("NFC", "\n\u0303"), "the text alone would pass"


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "till-07/1", "alg": "Ed25519"},
        {"alg": "EdDSA", "kid": "till-07/1"},
        {"alg": "none", "kid": "till-07/1"},
        {"alg": "Ed25519", "kid": "till-07/2"},
        {"alg": "Ed25519", "kid": "till-08/1"},
        {"alg": "Ed25519", "kid": "till-07/01"},
        {"alg": "Ed25519", "kid": "till-07/1", "typ": "JWT"},
        {"alg": "Ed25519"},
    ],
)
def test_another_header_is_refused(header: dict[str, str]) -> None:
    spelled = to_base64url(json.dumps(header, separators=(",", ":")).encode()).encode()
    with pytest.raises(NotAnEntry, match="header"):
        read_entry(resigned(PAYLOADS[3], spelled))


def test_another_spelling_of_the_base64_is_refused() -> None:
    """base64 lets the last character carry unused bits, and decoders skip what they do not know."""
    header, body, signature = LINES[3].split(b".")
    for wrong in (
        b".".join((header, body + b"=", signature)),
        b".".join((header, body, signature + b"==")),
        b".".join((header, body, signature[:-1] + (b"B" if signature[-1:] != b"B" else b"C"))),
        b".".join((header, body, b"+" + signature[1:])),
        b".".join((header, body, signature[:40] + b"\n" + signature[40:])),
        b".".join((header, body, signature[:-2])),
        b".".join((header, body, b"")),
        b".".join((header, body)),
        LINES[3] + b".",
        LINES[3] + b"\n",
    ):
        with pytest.raises(NotAnEntry):
            read_entry(wrong)


def test_an_entry_too_large_is_neither_written_nor_read() -> None:
    body = msgspec.structs.replace(sale(3), lines=sale(3).lines[1:2] * 99)
    long = tuple(msgspec.structs.replace(line, discounts=line.discounts * 3) for line in body.lines)
    with pytest.raises(NotAnEntry, match="16384 bytes"):
        seal(entry_after(START, Kind.SALE_SETTLED, msgspec.structs.replace(body, lines=long)), KEY)
    for read in (read_entry, lambda raw: read_loosely(raw, TID, EPOCH)):
        with pytest.raises(NotAnEntry):
            read(resigned(PAYLOADS[3].replace(b"canteen-1", b"x" * ENTRY_BYTES_MAX)))


@pytest.mark.parametrize(("kind", "step"), [(Kind.SALE_TORN, sale(3)), (Kind.REFUND_TORN, refund(3))])
def test_a_full_basket_always_fits_an_entry(kind: Kind, step: SaleStep | RefundStep) -> None:
    """Ninety-nine lines of the longest products and prices, without discounts, on the card with the longest memory."""
    u32, most, purse = 2**32 - 1, 2**53 - 1, Cents(1 - 2**31)
    cents = Cents(SALE_CENTS_MAX)
    body = msgspec.structs.replace(
        step,
        **dict.fromkeys(("main", "main_after", "subsidy", "subsidy_after"), purse),
        **dict.fromkeys(("counter", "counter_after", "prepared"), u32),
        card=CardId(CardNo(u32), Generation(2**16 - 1), Technology.DESFIRE, 255),
        amount=cents,
        card_last=(SeenStep(1, u32, u32, Counter(u32), purse, purse, purse),) * 16,
        merchant=MerchantId("m" * 32),
        lines=(Line(ProductId("p" * 32), 9_999, cents, cents),) * LINES_MAX,
    )
    entry = msgspec.structs.replace(
        entry_after(START, kind, body),
        **dict.fromkeys(("epoch", "tno", "seq", "boot", "shift"), u32),
        site="s" * 32,
        tid="t" * 32,
        staff="w" * 32,
        at=most,
        mono=most,
        turnover=-most,
        lists=ListVersions(*[most] * len(ListVersions.__struct_fields__)),
    )
    assert ENTRY_BYTES_MAX - 500 < len(seal(entry, KEY).jws) <= ENTRY_BYTES_MAX


def test_nothing_unreadable_is_ever_signed() -> None:
    for body in (Fault("Reader", "x"), Fault("x", "y" * 201), EpochEnded("\ud800")):
        with pytest.raises(NotAnEntry):
            seal(entry_after(START, Kind.FAULT if isinstance(body, Fault) else Kind.EPOCH_ENDED, body), KEY)
    with pytest.raises(NotAnEntry):
        seal(entry_after(START, Kind.FAULT, EpochEnded("the body of another kind")), KEY)


def _newer(change: tuple[bytes, bytes], line: int = 3) -> bytes:
    return resigned(PAYLOADS[line].replace(*change))


@pytest.mark.parametrize(
    "change",
    [(b"sale_settled", b"sale_doubled"), (b'"v":1', b'"v":2'), (b'"amount":1200', b'"amount":1200,"tip":5')],
)
def test_a_newer_entry_is_kept_by_its_place(change: tuple[bytes, bytes]) -> None:
    """Terminals may be newer than the server: what is chained and signed is stored and posted later."""
    jws = _newer(change)
    unread = read_loosely(jws, TID, EPOCH)
    assert isinstance(unread, Unread)
    assert (unread.seq, unread.prev, unread.hash) == (4, to_base64url(CHAIN[2].hash), sha256_of(jws))
    assert signature_holds(unread, KEY.public) and unread.why
    assert isinstance(read_loosely(LINES[3], TID, EPOCH), Sealed)


@pytest.mark.parametrize(
    "jws",
    [
        _newer((b'"seq":4', b'"seq":"4"')),
        _newer((b'"prev"', b'"previous"')),
        resigned(b"{}"),
        _newer((b'"v":1', b'"v":9,"seq":3')),
        _newer((b'"v":1', b'"v":9,"w":{"a":1,"a":1}')),
        _newer((b'"v":1', b'"v":9,"w":"\xff"')),
        _newer((b'"v":1', b'"v":9,"w":' + DEEP[1].encode())),
        _newer((b'"v":1', b'"v":9,"w":' + DEEP[0].encode())),
        _newer((b"sale_settled", b"sale_doubled"))[:-1],
        _newer((b"sale_settled", b"sale_doubled")) + b"AA",
        other_chain("till-08", 1, 42)[0].replace(b".", b"A.", 1),
    ],
)
def test_what_has_no_place_or_no_signature_is_not_kept(jws: bytes) -> None:
    with pytest.raises(NotAnEntry):
        read_loosely(jws, TID, EPOCH)


def test_a_newer_entry_of_another_chain_is_not_kept() -> None:
    jws = _newer((b"sale_settled", b"sale_doubled"))
    for tid, epoch in ((TerminalId("till-08"), EPOCH), (TID, Epoch(2))):
        with pytest.raises(NotAnEntry):
            read_loosely(jws, tid, epoch)


def test_a_chain_is_walked_to_its_end() -> None:
    assert list(verify_chain(LINES, START, KEY.public)) == CHAIN
    assert list(verify_chain(LINES[5:], Tip(CHAIN[4].seq, CHAIN[4].hash), KEY.public, signatures=False)) == CHAIN[5:]
    assert list(verify_chain([], START, KEY.public)) == []


def _break_of(lines: list[bytes], *, signatures: bool = True) -> tuple[int, str]:
    last = list(verify_chain(lines, START, KEY.public, signatures=signatures))[-1]
    assert isinstance(last, Break)
    return last.seq, last.what


def test_a_walk_ends_at_the_first_break_and_says_where() -> None:
    assert _break_of([*LINES[:2], b"x", *LINES[3:]]) == (3, "unreadable")
    assert _break_of(LINES[1:]) == (1, "missing")
    assert _break_of([*LINES[:4], *LINES[5:]]) == (5, "missing")
    assert _break_of([*LINES[:4], *LINES[3:]]) == (5, "repeated")
    other = chain_of(STORY, start=Tip(Seq(0), bytes(32)))
    assert _break_of([*LINES[:4], other[4].jws]) == (5, "prev")
    foreign = chain_of(STORY[5:], start=Tip(CHAIN[4].seq, CHAIN[4].hash), key=FOREIGN)
    assert _break_of([*LINES[:5], *(sealed.jws for sealed in foreign)]) == (6, "signature")


def test_the_last_signature_vouches_for_all_before_it() -> None:
    """In a batch only the last signature is checked: every earlier entry is covered by the chain under it."""
    foreign = chain_of(STORY, key=FOREIGN)
    lines = [sealed.jws for sealed in foreign]
    assert _break_of(lines, signatures=False) == (len(STORY), "signature")
    before = Tip(foreign[-2].seq, foreign[-2].hash)
    (ours,) = chain_of(STORY[-1:], start=before)
    assert list(verify_chain([*lines[:-1], ours.jws], START, KEY.public, signatures=False))[-1] == ours
