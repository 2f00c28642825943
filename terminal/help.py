"""What `help` prints: each command as it is typed, and what it does, in two columns of one language."""

import unicodedata
from collections.abc import Collection, Iterable

from terminal.views import Words

_COLUMN = 30
"""Where the second column starts. A longer usage has a line to itself."""


OFFICE = ("replace", "batch", "close", "rekey", "erase")
"""Commands of a card office."""


def help_text(words: Words, hidden: Collection[str] = ()) -> str:
    """All commands but the hidden ones, in the order of the language file."""
    every = (key.removeprefix("help.") for key in words if key.startswith("help."))
    names = [name for name in every if name not in hidden]
    return "\n".join(_line(words[f"usage.{name}"], words[f"help.{name}"]) for name in names)


def width_of(text: str) -> int:
    """How many columns of a character screen a text takes: ideographs and full-width signs take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def widest_of(texts: Iterable[str]) -> int:
    """The columns of the widest of them, 0 where there is none; quick for very many: most are too short to look at."""
    widest = 0
    for text in texts:
        if 2 * len(text) > widest:
            widest = max(widest, width_of(text))
    return widest


def _line(usage: str, does: str) -> str:
    space = _COLUMN - width_of(usage)
    return f"{usage}{' ' * space}{does}" if space > 1 else f"{usage}\n{' ' * _COLUMN}{does}"
