"""`python -m terminal labels FILE --output labels.pdf`: a label for every card of a list, to print and stick on.

FILE is the list that the cards are made from (numbers.csv of `import-cards`). With --made DIR, a terminal's data
directory, only those that its journal says were made get one. The terminal may run meanwhile.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from protocol.entries import CardIssued
from protocol.ids import CardKey
from protocol.journal import NotAnEntry, read_entry
from terminal.batch import Row
from terminal.batch_list import ListWrong, read_list
from terminal.durable_file import replace_file
from terminal.languages import LANGUAGES, words_of
from terminal.rescue import NothingToRescue, rescue
from terminal.views import Words, class_text

OK, WRONG, UNWRITTEN = 0, 2, 5
CARDS_NAMED_MAX = 20

FONT_FILES = ("wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf")
"""Fonts with Chinese, Latin letters and TrueType outlines that Debian has, the best first."""
_FONT_PLACES = ("/usr/share/fonts", "/usr/local/share/fonts")

Say = Callable[[str], object]


def main(arguments: list[str], say: Say, warn: Say) -> int:
    """Do what the arguments after `labels` ask for.

    Returns 0; 2 for a list, a font or a journal that cannot be used; 5 where the file cannot be written.
    """
    given = _parser().parse_args(arguments)
    words = words_of(given.language)
    try:
        rows = _rows(given.list, given.made)
        font = given.font or _font()
    except ListWrong as wrong:
        return _failed(warn, words[f"list.{wrong.fault}"].format(line=wrong.line))
    except NothingToRescue:
        return _failed(warn, words["labels.no_journal"].format(path=given.made))
    except OSError as error:
        return _failed(warn, words["list.unread"].format(path=given.list, why=error.strerror or error))
    if not rows:
        return _failed(warn, words["labels.none_made"].format(path=given.made))
    if font is None:
        return _failed(warn, words["labels.no_font"])
    return _print(rows, font, given, words, say, warn)


def _print(rows: list[Row], font: Path, given: argparse.Namespace, words: Words, say: Say, warn: Say) -> int:
    # Only here: it takes longer to load than a terminal to start.
    from terminal.label_sheet import FontUnusable, Label, draw_labels

    labels = [Label(row.order.card, row.name, _about(row, words)) for row in rows]
    try:
        sheets = draw_labels(labels, str(font), skip=given.skip, outlined=given.outline)
    except FontUnusable as error:
        return _failed(warn, words["labels.bad_font"].format(path=font, why=error))
    try:
        replace_file(given.output, sheets.pdf, 0o600)  # it is a list of people
    except OSError as error:
        warn("fanka terminal: " + words["labels.unwritten"].format(path=given.output, why=error.strerror or error))
        return UNWRITTEN
    if sheets.lacking:
        named = ", ".join(map(str, sheets.lacking[:CARDS_NAMED_MAX]))
        more = f" … ({len(sheets.lacking)})" if len(sheets.lacking) > CARDS_NAMED_MAX else ""
        warn(words["labels.missing"].format(cards=named + more))
    say(words["labels.done"].format(labels=len(labels), sheets=sheets.pages, path=given.output))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m terminal labels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "list", type=Path, metavar="FILE", help="CSV with card and class; name and generation may follow"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="PDF", help="where the sheets are written")
    parser.add_argument(
        "--made", type=Path, metavar="DIR", help="only cards that were made by the terminal of this data"
    )
    parser.add_argument(
        "--font", type=Path, metavar="FILE", help="a TrueType font; without it one of Debian's is looked for"
    )
    parser.add_argument("--skip", type=_skip, default=0, metavar="N", help="so many labels of the first sheet are gone")
    parser.add_argument("--outline", action="store_true", help="lines to cut along, for plain paper")
    parser.add_argument("--language", choices=sorted(LANGUAGES), default="en", help="of the class and of what is said")
    return parser


def _skip(text: str) -> int:
    if not re.fullmatch("[0-9]|1[0-9]|20", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no count of labels: a sheet has 21, so write 0 to 20")
    return int(text)


def _rows(path: Path, made: Path | None) -> list[Row]:
    """Raises ListWrong, OSError, NothingToRescue."""
    rows = read_list(path.read_bytes())
    if made is None:
        return list(rows)
    issued = _issued(rescue(made).lines)
    return [row for row in rows if row.key in issued]


def _issued(lines: Iterable[bytes]) -> set[CardKey]:
    """Number and generation of every card that a journal says was made."""
    found = set[CardKey]()
    for line in lines:
        try:
            body = read_entry(line).entry.body
        except NotAnEntry as error:
            raise NothingToRescue(str(error)) from error
        if isinstance(body, CardIssued):
            found.add(body.card.key)
    return found


def _about(row: Row, words: Words) -> str:
    generation = row.order.generation
    return class_text(row.order.card_class, words) + (f" / {generation}" if generation > 1 else "")


def _font() -> Path | None:
    own = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fonts"
    places = [Path(place) for place in (*_FONT_PLACES, own)]
    found = {file.name: file for place in places if place.is_dir() for file in place.rglob("*.tt[cf]")}
    return next((found[name] for name in FONT_FILES if name in found), None)


def _failed(warn: Say, sentence: str) -> int:
    warn(f"fanka terminal: {sentence}")
    return WRONG
