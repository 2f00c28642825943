"""Reads the list of cards to be made strictly: CSV as `import-cards --numbers` writes it, or a range of numbers.

    card,person,name,class,generation        (or 卡号,学号,姓名,类别,张次; any order; only card and class are needed)
    1001,2023001,张三,student,1

Nothing is guessed: one bad line, and no card is made.
"""

import enum
import unicodedata
from collections.abc import Mapping

from protocol.card_lists import (
    COLUMNS,
    NAME_CHARS_MAX,
    NoCsv,
    NoText,
    by_spelling,
    class_named,
    decoded,
    plain,
    records,
)
from protocol.ids import U16_MAX, U32_MAX, CardNo, Generation
from protocol.purse import CardClass
from terminal.batch import Row
from terminal.replace import IssueOrder

ROWS_MAX = 20_000
_COLUMNS = COLUMNS | {"generation": ("generation", "张次", "張次"), "old": ("old", "旧卡号", "舊卡號")}
_NOT_READ = ("old", "person")
_COLUMN_OF = by_spelling(_COLUMNS)


class ListFault(enum.StrEnum):
    """What is wrong with a list; each has a sentence."""

    TEXT = "text"
    """Neither UTF-8 nor GB18030, or no CSV."""
    COLUMNS = "columns"
    EMPTY = "empty"
    LONG = "long"
    FIELDS = "fields"
    NUMBER = "number"
    CLASS = "class"
    NAME = "name"
    TWICE = "twice"


class ListWrong(Exception):
    """No card is made of this list: what is wrong, and in which line (0: in none)."""

    def __init__(self, fault: ListFault, line: int = 0) -> None:
        super().__init__(f"line {line}: {fault}")
        self.fault, self.line = fault, line


def range_of(first: CardNo, last: CardNo, card_class: CardClass) -> tuple[Row, ...]:
    """The first generation of every number from one to another, both among them. Raises ListWrong."""
    if last < first:
        raise ListWrong(ListFault.EMPTY)
    if last - first >= ROWS_MAX:
        raise ListWrong(ListFault.LONG)
    orders = (IssueOrder(CardNo(number), Generation(1), card_class) for number in range(first, last + 1))
    return tuple(Row(order) for order in orders)


def read_list(raw: bytes) -> tuple[Row, ...]:
    """Every card of a file, in its order. Raises ListWrong."""
    rows: dict[CardNo, Row] = {}
    try:
        lines = records(decoded(raw)[0])
        columns = next((_columns(heading) for _, heading in lines), None) or _columns([])
        for line, fields in lines:
            if any(field.strip() for field in fields):
                row = _row(fields, columns, line)
                if row.order.card in rows:
                    raise ListWrong(ListFault.TWICE, line)
                rows[row.order.card] = row
                if len(rows) > ROWS_MAX:
                    raise ListWrong(ListFault.LONG, line)
    except NoText as error:
        raise ListWrong(ListFault.TEXT) from error
    except NoCsv as error:
        raise ListWrong(ListFault.TEXT, error.line) from error
    if not rows:
        raise ListWrong(ListFault.EMPTY)
    return tuple(rows.values())


def _columns(heading: list[str]) -> list[str]:
    names = [_COLUMN_OF.get(plain(field).lower(), "") for field in heading]
    read = [name for name in names if name not in _NOT_READ]
    if "" in names or len(set(read)) < len(read) or not {"card", "class"} <= set(read):
        raise ListWrong(ListFault.COLUMNS, 1)
    return names


def _row(fields: list[str], columns: list[str], line: int) -> Row:
    if len(fields) != len(columns):
        raise ListWrong(ListFault.FIELDS, line)
    of: Mapping[str, str] = dict(zip(columns, fields, strict=True))
    number, generation = _number(of["card"], U32_MAX, line), _number(of.get("generation") or "1", U16_MAX, line)
    card_class = class_named(of["class"])
    if card_class is None:
        raise ListWrong(ListFault.CLASS, line)
    name = unicodedata.normalize("NFC", of.get("name", "")).strip()
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise ListWrong(ListFault.NAME, line)
    return Row(IssueOrder(CardNo(number), Generation(generation), card_class), name)


def _number(field: str, most: int, line: int) -> int:
    text = plain(field)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= most):
        raise ListWrong(ListFault.NUMBER, line)
    return int(text)
