"""What people and devices say, as an entry can hold it."""

import unicodedata
from typing import Annotated

from msgspec import Meta

TEXT_LENGTH_MAX = 200
Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]


def text_of(said: str) -> str:
    """What a person or a device said, as an entry can hold it: NFC, no control characters, at most 200 characters."""
    readable = "".join(" " if unicodedata.category(char) == "Cc" else char for char in said)
    text = unicodedata.normalize("NFC", readable.encode("utf-8", "replace").decode())
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"


def sentence_of(error: Exception) -> str:
    """What a command says of an error; of one about a file which file and why, without the system's number for it."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def escaped(said: str) -> str:
    """What a decoder said of somebody else's bytes, as a log or a terminal can show it: ASCII, one line, not long."""
    shown = said.encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= TEXT_LENGTH_MAX else shown[: TEXT_LENGTH_MAX - 3] + "..."
