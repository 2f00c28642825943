"""Read JSON that somebody else wrote: shallow, typed, in canonical form and in NFC (SPEC, "Payload").

The one way in for entries, messages and list files: two programs never disagree about what was signed or hashed.
"""

import json
import re
import unicodedata
from typing import Any, NoReturn, TypeVar

import msgspec

from protocol.texts import escaped

DEPTH_MAX = 32
"""How deep arrays and objects may nest. The decoder skips what it does not know by recursion."""

_T = TypeVar("_T")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_encoder = msgspec.json.Encoder(order="deterministic")


class NotCanonical(ValueError):
    """These bytes are not what they should be; the text says why, in ASCII that can be shown anywhere."""


def encode(value: object) -> bytes:
    """The canonical form: members in the order of their struct, those of free objects ascending."""
    return _encoder.encode(value)


def read(raw: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Decode, and require that encoding it again gives the same bytes. Raises NotCanonical."""
    refuse_deep(raw)
    value = typed(raw, decoder)
    refuse_respelled(raw, value)
    return value


def read_part(raw: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Decode the members known here of an object with others that are not. Raises NotCanonical.

    It has no canonical form that we could know. But no member may stand twice: readers would choose differently.
    """
    refuse_deep(raw)
    value = typed(raw, decoder)
    try:
        json.loads(raw.decode(), object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except NotCanonical:
        raise
    except ValueError as error:
        raise NotCanonical(escaped(str(error))) from error
    return value


def typed(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Decode text that `refuse_deep` let pass. Raises NotCanonical."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotCanonical(escaped(str(error))) from error


def refuse_deep(raw: bytes) -> None:
    """Raise NotCanonical for brackets that nest deeper than DEPTH_MAX, or do not match."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX:
        return
    brackets = _STRING.sub(b"", raw).translate(_BRACKETS, _ALL_BUT_BRACKETS)
    for _ in range(DEPTH_MAX):
        # Each pass takes away exactly the innermost level.
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise NotCanonical(f"brackets do not match, or nest deeper than {DEPTH_MAX}")


def refuse_respelled(raw: bytes, value: object) -> None:
    """Raise NotCanonical unless the value's canonical form is these bytes, and they are in NFC."""
    if _encoder.encode(value) != raw:
        raise NotCanonical("not in canonical form (member order, white space, defaults or escapes)")
    if not raw.isascii() and not unicodedata.is_normalized("NFC", raw.decode()):
        raise NotCanonical("text is not in Unicode normal form C")


def _once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise NotCanonical("a member stands twice")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
