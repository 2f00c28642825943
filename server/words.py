"""Says in words what is wrong with a request. Of what was sent nothing stands in an answer but names of members."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

FAULTS_MAX = 5
_LETTERS = "of A-Z a-z 0-9 . _ -"
PATTERNS = {
    r"^[a-z0-9-]{3,32}$": "3 to 32 of a-z 0-9 -",
    r"^[A-Za-z0-9._-]{1,32}$": f"1 to 32 {_LETTERS}",
    r"^[A-Za-z0-9._-]{0,32}$": f"empty, or up to 32 {_LETTERS}",
    r"^[A-Za-z0-9._-]{8,40}$": f"8 to 40 {_LETTERS}",
    r"^[A-Za-z0-9._ -]{0,64}$": f"up to 64 {_LETTERS} and blanks",
    r"^[A-Za-z0-9._/-]{0,80}$": f"up to 80 {_LETTERS} /",
    r"^[a-z]{1,16}$": "1 to 16 of a-z",
    r"^[0-9a-f]{0,20}$": "up to 20 hexadecimal digits, in small letters",
    r"^([0-9a-f]{8}|[0-9a-f]{14}|[0-9a-f]{16}|[0-9a-f]{20})$": "8, 14, 16 or 20 hexadecimal digits, in small letters",
    r"^([0-9a-f]{64})?$": "empty, or 64 hexadecimal digits in small letters",
    r"^[^\x00-\x1f\x7f]{1,120}$": "text of 1 to 120 characters in one line",
    r"^[^\x00-\x1f\x7f]{0,80}$": "text of up to 80 characters in one line",
    r"^[^\x00-\x1f\x7f]{1,60}$": "text of 1 to 60 characters in one line",
    r"^[0-9]{4,8}$": "4 to 8 digits",
    r"^[a-z:]+:[A-Za-z0-9._/@-]{1,70}$": "a cause as postings name it, such as entry:1.0.3 or desk:receipt-0001",
    r"^[a-z]+:[A-Za-z0-9._/-]{1,60}$": "a cause as an act names it, such as movement:slip-0001",
    r"^[A-Za-z0-9._/:-]{1,160}$": "what a row of the trail is about, such as cards/7",
    r"^[a-z-]{1,40}$": "an action as GET /proposals names it",
    r"^[A-Za-z0-9._/:-]{1,80}$": "a subject as GET /proposals names it",
    r"^(entry/\d{1,10}/\d{1,10}/\d{1,10}|(posting|trail)/\d{1,16})$": "entry/TNO/BRANCH/SEQ, posting/ID, trail/NUMBER",
    r"^[a-z]{5} [a-z]{5} [a-z]{5} [a-z]{5}$": "the four words of the machine's screen, of five letters each",
    r"^[0-9A-Za-z -]{10,16}$": "a claim code, such as 4T7QX-W2M9K",
    r"^[A-Za-z0-9+/=\n -]{64,4000}$": "a certificate request in PEM",
    r"^[A-Za-z0-9_.-]{1,8000}$": "a grant as the server signed it (compact JWS)",
    r"^[A-Za-z0-9_-]{43}$": "32 bytes in base64url: 43 characters",
    r"^[A-Za-z0-9_-]{32}$": "24 bytes in base64url: 32 characters",
    r"^[A-Za-z0-9_-]{80,100}$": "a signature in base64url",
    r"^[A-Za-z0-9_-]{80,110}$": "a signature in base64url",
}
"""What each pattern of the API means."""
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "there is no such member: leave it out, or put its name right",
    "json_invalid": "is no JSON",
    "string_type": "must be text",
    "string_unicode": "must be text in Unicode",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is no number of that size",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object with members",
    "model_type": "must be an object with members",
    "model_attributes_type": "must be an object with members",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
}


_NO_OBJECT = ("model_type", "model_attributes_type", "dict_type", "list_type")


def faults_in_words(faults: Sequence[Mapping[str, Any]], *, is_called_json: bool = True) -> str:
    """The first few of a request's faults, as pydantic found them.

    `is_called_json`: what its Content-Type says of the body; without it a body is not looked into.
    """
    if not is_called_json and any(tuple(fault["loc"]) == ("body",) and fault["type"] in _NO_OBJECT for fault in faults):
        return "the body: send it with the header Content-Type: application/json"
    return "; ".join(_fault(fault) for fault in faults[:FAULTS_MAX])


def _fault(fault: Mapping[str, Any]) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case "string_pattern_mismatch":
            said = f"must be {PATTERNS.get(context['pattern'], 'written differently: /openapi.json says how')}"
        case "value_error":
            said = str(context["error"])
        case kind:
            said = _SENTENCES.get(kind, "is not what is expected here: /openapi.json says what is").format(**context)
    return f"{_place(fault)}: {said}"


def _place(fault: Mapping[str, Any]) -> str:
    """Where it is, without saying that it is in the body; people count from 1."""
    path: Sequence[str | int] = fault["loc"]
    inside = ".".join(str(part) for part in path[1:])
    if not inside or fault["type"] == "json_invalid":
        return "the body"
    return re.sub(r"\.(\d+)(?=\.|$)", lambda index: f" {int(index[1]) + 1}", inside)
