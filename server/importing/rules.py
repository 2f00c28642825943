"""Reads the list of an old system's cards strictly: every line is understood, or named with what to do about it.

    card,person,name,class,balance        (or 卡号,学号,姓名,类别,余额; in any order; person and name may be empty)
    10000123,2023001,张三,student,52.60

Nothing is guessed: one bad line, and nothing of the file is imported.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

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
from protocol.money import SALE_CENTS_MAX, Cents, format_cents
from protocol.purse import CardClass

ROWS_MAX = 1_000_000
_COLUMNS = COLUMNS | {"balance": ("balance", "余额", "餘額")}
_NAMES = by_spelling(_COLUMNS)
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,32}")
_SHORTENED = re.compile(r"[0-9]+(\.[0-9]+)?[eE]\+?[0-9]+")
_AMOUNT = re.compile(r"¥?(-?)([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.([0-9]{1,2}))?")


class FileWrong(Exception):
    """Nothing of this file can be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class OldCard:
    """One line: a card of the old system, whose it is, and what is on it."""

    line: int
    number: str
    person: str
    name: str
    card_class: CardClass
    cents: Cents


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be imported, and what to do."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class OldCards:
    """What a file says."""

    encoding: str
    cards: tuple[OldCard, ...]
    bad: tuple[BadLine, ...]

    @property
    def cents(self) -> Cents:
        """All balances together."""
        return Cents(sum(card.cents for card in self.cards))


class _Wrong(Exception):
    """Why a line cannot be imported."""


def read_old_cards(raw: bytes) -> OldCards:
    """Read a whole file. Raises FileWrong."""
    try:
        text, encoding = decoded(raw)
    except NoText as error:
        raise FileWrong(f"the file is {error}: save it as CSV UTF-8") from error
    lines = _records(text)
    places = next((_places(heading) for _, heading in lines), None) or _places([])
    cards: list[OldCard] = []
    bad: list[BadLine] = []
    numbers: dict[str, int] = {}
    people: dict[str, OldCard] = {}
    for line, fields in lines:
        if not any(field.strip() for field in fields):
            continue
        if len(cards) + len(bad) >= ROWS_MAX:
            raise FileWrong(f"there are more than {ROWS_MAX:,} lines: split the file")
        try:
            card = _card(line, fields, places)
            _require_new(card, numbers, people)
        except _Wrong as wrong:
            bad.append(BadLine(line, str(wrong)))
            continue
        numbers[card.number] = line
        if card.person:
            people.setdefault(card.person, card)
        cards.append(card)
    return OldCards(encoding, tuple(cards), tuple(bad))


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on."""
    try:
        yield from records(text)
    except NoCsv as error:
        raise FileWrong(
            f"line {error.line}: {error}: a field with quotes, commas or line ends stands in double quotes, and a "
            "quote in it twice"
        ) from error


def _places(heading: list[str]) -> dict[str, int]:
    names = [plain(field).lower() for field in heading]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise FileWrong("line 1: the columns are separated by something else than commas: save it with commas")
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        column = _NAMES.get(name)
        if column is None:
            raise FileWrong(f"line 1: there is no column {name!r}; there are: {', '.join(_COLUMNS)}")
        if column in places:
            raise FileWrong(f"line 1: the column {column} stands there twice")
        places[column] = place
    if missing := [column for column in _COLUMNS if column not in places]:
        raise FileWrong(f"line 1: columns are missing: {', '.join(missing)}")
    return places


def _card(line: int, fields: list[str], places: dict[str, int]) -> OldCard:
    if len(fields) != len(places):
        raise _Wrong(f"it has {len(fields)} fields and not {len(places)}: a comma too few or too many?")
    of = {column: fields[place] for column, place in places.items()}
    person, name = plain(of["person"]), unicodedata.normalize("NFC", of["name"]).strip()
    if any(unicodedata.category(char) == "Cc" for char in name) or len(name) > NAME_CHARS_MAX:
        raise _Wrong(f"the name has control characters, or more than {NAME_CHARS_MAX}: write it anew")
    if name.startswith(("=", "+", "-", "@")):
        raise _Wrong(f"the name {name!r} would be a formula in a spreadsheet: write it anew")
    if bool(person) != bool(name):
        raise _Wrong("a person has an id and a name, and a card of nobody has neither: fill in what is missing")
    card_class = class_named(of["class"])
    if card_class is None:
        raise _Wrong(f"{of['class']!r} is no class of card: write student, staff or visitor")
    number = _label(of["card"], "the card's number")
    return OldCard(
        line, number, _label(person, "the person's id") if person else "", name, card_class, _cents(of["balance"])
    )


def _label(field: str, what: str) -> str:
    text = plain(field)
    if _SHORTENED.fullmatch(text):
        raise _Wrong(f"{what} is {text}: a spreadsheet has shortened it; format the column as text and export again")
    if not _LABEL.fullmatch(text):
        raise _Wrong(f"{what} is {text!r}: 1 to 32 of A-Z a-z 0-9 . _ -")
    return text


def _cents(field: str) -> Cents:
    text = plain(field)
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise _Wrong(f"{text!r} is no balance: write digits, with at most two after the point, as in 52.60")
    sign, whole, rest = found.groups()
    cents = int(whole.replace(",", "")) * 100 + int((rest or "").ljust(2, "0"))
    if sign and cents:
        raise _Wrong(f"the balance is {text}: what somebody owes is settled in the old system first")
    if cents > SALE_CENTS_MAX:
        raise _Wrong(f"the balance is above {format_cents(SALE_CENTS_MAX)}, the most that one card can be given")
    return Cents(cents)


def _require_new(card: OldCard, numbers: dict[str, int], people: dict[str, OldCard]) -> None:
    if card.number in numbers:
        raise _Wrong(f"card {card.number} stands on line {numbers[card.number]} already: which one is right?")
    known = people.get(card.person)
    if known is not None and (known.name, known.card_class) != (card.name, card.card_class):
        raise _Wrong(f"person {card.person} has another name or class on line {known.line}: which one is right?")
