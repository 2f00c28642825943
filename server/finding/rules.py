"""What a person at a desk may have typed: a number, an id, a part of a name, the UID of a plastic; pure."""

import re
from dataclasses import dataclass
from typing import Final

from protocol.ids import U32_MAX

TEXT_MAX: Final = 120
_BEGINS_MIN: Final = 4
_BETWEEN_BYTES: Final = re.compile(r"[\s:-]")
_UID: Final = re.compile(r"([0-9a-f]{8}|[0-9a-f]{14}|[0-9a-f]{16}|[0-9a-f]{20})")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One text as everything that it can mean."""

    number: int | None
    """An issue number, 1 to 2**32 - 1."""
    uid: str
    """4, 7, 8 or 10 bytes in hexadecimal, as entries have it; empty for none."""
    person: str
    """A person's id; empty for none."""
    begins: str
    """The beginning of one; empty where it is so short that it would find half the campus."""
    name: str
    """A part of a name, in lower case; empty for none: digits name a card or an id, not visitor 12.

    NUL, which PostgreSQL takes in no text, is in no name anyway.
    """

    @property
    def is_anything(self) -> bool:
        """Whether it means something at all."""
        return bool(self.number or self.uid or self.person or self.name)


def wanted(text: str) -> Wanted:
    """What a text can mean. Digits may be all of it at once."""
    text = text.strip()[:TEXT_MAX]
    number = int(text) if text.isascii() and _NUMBER.fullmatch(text) else 0
    uid = uid_typed(text)
    return Wanted(
        number=number if 1 <= number <= U32_MAX else None,
        uid=uid if _UID.fullmatch(uid) else "",
        person=text if _ID.fullmatch(text) else "",
        begins=text if _ID.fullmatch(text) and len(text) >= _BEGINS_MIN else "",
        name="" if text.isdigit() else text.lower().replace("\0", "\ufffd"),
    )


def uid_typed(text: str) -> str:
    """A UID as entries have it, however its bytes were set apart."""
    return _BETWEEN_BYTES.sub("", text).lower()
