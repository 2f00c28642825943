"""Sentences that services wrote in English, such as an alarm's or a case's, in the language of whoever looks.

They are kept with what they are about, from years ago too, so they are known by their words: each stands under `said.`
in `server/web/texts/`, with names in braces for what differs. A test holds those texts against the sources that write
them.
"""

import re
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

from protocol.instants import DAY_MS, SECOND_MS
from protocol.money import format_cents
from server.web.language import SENTENCES, Language, say, sentence

_SAID: Final = "said."
_KEPT_MAX = 4096
_ABOUT: Final = "|".join(key.rpartition(".")[2] for key in SENTENCES if key.startswith("terminal_says."))
_OF_A_TERMINAL: Final = re.compile(rf"(?:^|; )({_ABOUT}): ")
_SHAPES: Final = {
    "said": ".+?",
    "detail": ".+?",
    "document": ".+?",
    "path": ".+?",
    "who": ".+?",
    "account": "[a-z_]+",
    "reason": "[a-z_]{1,40}",
    "resolution": "[a-z_]+",
    "proven": "[a-z_]+",
    "day": "[0-9]{1,6}",
    "fen": "[0-9]+",
    "first": "[0-9]+",
    "last": "[0-9]+",
    "seq": "[0-9]+",
}
"""What can stand for a name; for any other what ends before the next part."""


def said(language: Language, text: str) -> Markup:
    """What a service or a terminal said; as it was said, and marked as English, where nobody has put it into others."""
    if language is Language.EN or not text:
        return escape(text)
    found = translated(language, text)
    return found if found is not None else Markup('<span lang="en">{}</span>').format(text)


@lru_cache(_KEPT_MAX)
def translated(language: Language, text: str) -> Markup | None:
    """The same in another language; None where it is not known."""
    whole = _whole(language, text)
    return whole if whole is not None else _of_a_terminal(language, text) or _in_parts(language, text)


def _whole(language: Language, text: str) -> Markup | None:
    if text in _AS_THEY_ARE:
        return escape(say(language, _AS_THEY_ARE[text]))
    for key, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = {name: _value(language, name, value) for name, value in found.groupdict().items()}
        if all(value is not None for value in values.values()):
            return Markup(sentence(language, key)).format(**values)  # noqa: S704  a sentence of ours
    return None


def _in_parts(language: Language, text: str) -> Markup | None:
    """What was said after what, as `corrected` is after a finding."""
    for cut in re.finditer("; ", text):
        before = _whole(language, text[: cut.start()])
        if before is not None and (after := translated(language, text[cut.end() :])) is not None:
            return before + "；" + after
    return None


def _of_a_terminal(language: Language, text: str) -> Markup | None:
    _, *pieces = _OF_A_TERMINAL.split(text)
    told: list[Markup] = []
    for about, rest in zip(pieces[::2], pieces[1::2], strict=True):
        code, _, detail = rest.partition(": ")
        key = f"terminal_code.{code}"
        if key not in SENTENCES:
            return None
        what = say(language, f"terminal_says.{about}"), say(language, key)
        is_more = bool(detail) and code != "other_history"  # whose sentence says it all
        more = Markup('（<span lang="en">{}</span>）').format(detail) if is_more else ""
        told.append(Markup("{}：{}{}").format(*what, more))
    return Markup("；").join(told) if told else None


def _value(language: Language, name: str, value: str) -> str | None:
    """What stands for a name; None: it cannot be that."""
    known = _OF_CODES.get(name)
    if known is not None:
        key = f"{known}.{value}"
        return say(language, key) if key in SENTENCES else None
    match name:
        case "said":
            return said(language, value)
        case "day":
            return datetime.fromtimestamp(int(value) * DAY_MS // SECOND_MS, UTC).strftime("%Y-%m-%d")
        case "fen":
            return format_cents(int(value))
        case _:
            return value


_OF_CODES: Final = {"account": "account", "reason": "refusal", "resolution": "verdict", "proven": "verdict"}


def _pattern(text: str) -> re.Pattern[str]:
    """A sentence as a pattern: a name that stands in it twice means the same twice."""
    parts: list[str] = []
    seen: set[str] = set()
    for literal, name, _, _ in string.Formatter().parse(text):
        parts.append(re.escape(literal))
        if name in seen:
            parts.append(f"(?P={name})")
        elif name:
            parts.append(f"(?P<{name}>{_SHAPES.get(name, '[^;]+?')})")
            seen.add(name)
    return re.compile("".join(parts), re.DOTALL)


def _english() -> Mapping[str, str]:
    return {key: words[0] for key, words in SENTENCES.items() if key.startswith(_SAID)}


_AS_THEY_ARE: Final = {text: key for key, text in _english().items() if "{" not in text}
_PATTERNS: Final = tuple((key, _pattern(text)) for key, text in _english().items() if "{" in text)
