"""Hypothesis values for any wire type, read off its own bounds: what the types allow is what the tests try."""

import itertools
import unicodedata
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from protocol.ids import U32_MAX, Counter
from protocol.proofs import Proof, ProofKind
from protocol.signing import to_base64url

_INTEGER_MAX = 2**53 - 1


def values_of(wire_type: Any) -> st.SearchStrategy[Any]:
    """Every value that a msgspec type admits, texts in NFC."""
    return _values(inspect.type_info(wire_type))


def texts(length_max: int = 200) -> st.SearchStrategy[str]:
    """Texts in NFC without lone surrogates and without control characters before a combining mark."""
    raw = st.text(st.characters(codec="utf-8"), max_size=min(length_max, 40))
    return raw.map(lambda text: unicodedata.normalize("NFC", text)).filter(
        lambda text: len(text) <= length_max and _stays_nfc_in_json(text)
    )


def _stays_nfc_in_json(text: str) -> bool:
    return not any(left < " " and unicodedata.combining(right) for left, right in itertools.pairwise(text))


def _sun(counter: int) -> Proof:
    return Proof(ProofKind.SUN, Counter(counter))


def _code(second: int) -> Proof:
    return Proof(ProofKind.CODE, Counter(second), to_base64url(second.to_bytes(64)))


def _values(info: inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case inspect.Metadata():
            return _values(info.type)
        case inspect.IntType():
            low = -_INTEGER_MAX if info.ge is None else info.ge
            return st.integers(low, _INTEGER_MAX if info.le is None else info.le)
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern)
        case inspect.StrType():
            return texts(info.max_length or 200).filter(lambda text: len(text) >= (info.min_length or 0))
        case inspect.LiteralType():
            return st.sampled_from(list(info.values))
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.NoneType():
            return st.none()
        case inspect.UnionType():
            return st.one_of([_values(inner) for inner in info.types])
        case inspect.VarTupleType():
            return st.lists(_values(info.item_type), max_size=min(3, info.max_length or 3)).map(tuple)
        case inspect.StructType(cls=cls) if cls is Proof:
            return (
                st.just(Proof(ProofKind.AES))
                | st.integers(1, (1 << 24) - 1).map(_sun)
                | st.integers(1, U32_MAX).map(_code)
            )
        case inspect.StructType():
            return st.builds(info.cls, **{field.name: _values(field.type) for field in info.fields})
        case _:
            raise AssertionError(f"no values for {info}")
