"""Lists of cards as people keep them: CSV out of a spreadsheet, columns and classes of cards in three languages.

What each reader makes of a list, and how it tells of a bad line, is its own.
"""

import csv
import unicodedata
from collections.abc import Iterator

from protocol.purse import CardClass

COLUMNS = {
    "card": ("card", "卡号", "卡號"),
    "person": ("person", "学号", "學號", "工号", "工號"),
    "name": ("name", "姓名"),
    "class": ("class", "类别", "類別"),
}
"""Columns that every list of cards may have, each with its spellings."""
NAME_CHARS_MAX = 120
_CLASSES = {
    CardClass.STUDENT: ("student", "1", "学生", "學生"),
    CardClass.STAFF: ("staff", "2", "教职工", "教職工", "教職員"),
    CardClass.VISITOR: ("visitor", "3", "访客", "訪客"),
}
_CLASS_OF = {spelling: known for known, spellings in _CLASSES.items() for spelling in spellings}


class NoText(ValueError):
    """Neither UTF-8 nor GB18030: UTF-16, or no text at all."""


def decoded(raw: bytes) -> tuple[str, str]:
    """The text, and its encoding. Hardly anything else passes for UTF-8; what does not is GB18030. Raises NoText."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw:
        raise NoText("UTF-16 or no text")
    for encoding in ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.removeprefix("\ufeff"), encoding
    raise NoText("neither UTF-8 nor GB18030")


class NoCsv(ValueError):
    """A record that is none (RFC 4180): the line on which it begins, and what is wrong."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on. Raises NoCsv."""
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").split("\n")]
    reader, begins = csv.reader(lines, strict=True), 1
    try:
        for fields in reader:
            yield begins, fields
            begins = reader.line_num + 1
    except csv.Error as error:
        raise NoCsv(begins, str(error)) from error


def by_spelling(columns: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """The column that each spelling means."""
    return {spelling: column for column, spellings in columns.items() for spelling in spellings}


def class_named(field: str) -> CardClass | None:
    """The class that a field means; None where it is no word for one."""
    return _CLASS_OF.get(plain(field).lower())


def plain(field: str) -> str:
    """Full-width digits and letters as ordinary ones, without spaces around."""
    return unicodedata.normalize("NFKC", field).strip()
