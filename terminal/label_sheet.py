"""Labels for cards on sheets of A4, as a PDF: number, name, class, and the number as a Code 128 that any scanner types.

    3 x 7 labels of 63.5 x 38.1 mm (Avery L7160 and its like), printed at 100 %

Everything is drawn with the one font that is given, and what is used of it lies in the file. Sources: ISO/IEC 15417
(Code 128), Avery L7160 (geometry).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

_pdfmetrics: Any = pdfmetrics
"""Its types are half known."""
COLUMNS, ROWS = 3, 7
LABELS_PER_SHEET = COLUMNS * ROWS
NO_GLYPH = "〓"
"""What is printed for a character that the font lacks (the geta mark, which says just that)."""

_WIDTH, _HEIGHT, _PITCH, _LEFT, _TOP = 63.5 * mm, 38.1 * mm, 66.0 * mm, 7.2 * mm, 15.15 * mm
_PADDING = 4 * mm
_TEXT_WIDTH = _WIDTH - 2 * _PADDING
_NUMBER_PT, _CLASS_PT, _NAME_PT_MAX, _TWO_LINES_PT_MAX, _NAME_PT_MIN = 15, 8, 13, 10, 7
_NUMBER_AT, _NAME_AT, _NAME_TOP, _CODE_AT, _CODE_HEIGHT = 29.5 * mm, 17 * mm, 26.5 * mm, 3 * mm, 11 * mm
_BAR, _QUIET = 0.33 * mm, 10
"""The narrowest bar, which office printers and cheap scanners manage, and the bars' width that stays empty beside."""
_FONT = "label"
_MORE = "…"
_LINE = 1.15
"""From one line of a name to the next, in heights of its font."""


class FontUnusable(Exception):
    """The file is no TrueType font."""


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on one label."""

    number: int
    name: str
    about: str
    """Class, and the generation where it is not the first."""


@dataclass(frozen=True, slots=True)
class Sheets:
    """The PDF, how many pages it has, and the numbers whose names lack characters."""

    pdf: bytes
    pages: int
    lacking: tuple[int, ...]


def draw_labels(labels: Sequence[Label], font_file: str, *, skip: int = 0, outlined: bool = False) -> Sheets:
    """The sheets. `skip`: labels that are gone from the first one; `outlined`: with lines to cut along.

    The same labels give the same bytes. Raises FontUnusable.
    """
    assert labels and 0 <= skip < LABELS_PER_SHEET
    font = _registered(font_file)
    out, lacking = io.BytesIO(), list[int]()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    canvas.setTitle("Labels")
    for place, label in enumerate(labels, start=skip):
        if place > skip and place % LABELS_PER_SHEET == 0:
            canvas.showPage()
        name = "".join(char if _has(font, char) else NO_GLYPH for char in label.name)
        if name != label.name:
            lacking.append(label.number)
        row, column = divmod(place % LABELS_PER_SHEET, COLUMNS)
        canvas.saveState()
        canvas.translate(_LEFT + column * _PITCH, A4[1] - _TOP - (row + 1) * _HEIGHT)
        _draw(canvas, label, name, outlined=outlined)
        canvas.restoreState()
    canvas.save()
    return Sheets(out.getvalue(), -(-(skip + len(labels)) // LABELS_PER_SHEET), tuple(lacking))


def fitted(name: str, width: float, font: str = _FONT) -> tuple[float, tuple[str, ...]]:
    """The size in points and the lines of a name: large in one line, else small in two, cut with … if it must be."""
    for size in range(_NAME_PT_MAX, _TWO_LINES_PT_MAX, -1):
        if pdfmetrics.stringWidth(name, font, size) <= width:
            return size, (name,)
    first = second = ""
    for size in range(_TWO_LINES_PT_MAX, _NAME_PT_MIN - 1, -1):
        first = _part(name, width, font, size)
        rest = name[len(first) :].strip()
        second = _part(rest, width, font, size)
        if second == rest:
            return size, (first.strip(), rest) if rest else (first,)
    while pdfmetrics.stringWidth(second + _MORE, font, _NAME_PT_MIN) > width:
        second = second[:-1]
    return _NAME_PT_MIN, (first.strip(), second.rstrip() + _MORE)


def _part(text: str, width: float, font: str, size: float) -> str:
    """As much of it as fits a line; up to a space where there is one, as Chinese has none."""
    end = len(text)
    while pdfmetrics.stringWidth(text[:end], font, size) > width:
        end -= 1
    space = text.rfind(" ", 0, end + 1)
    return text if end == len(text) else text[: space if space > 0 else end]


def _draw(canvas: Canvas, label: Label, name: str, *, outlined: bool) -> None:
    if outlined:
        canvas.setLineWidth(0.25)
        canvas.setStrokeGray(0.6)
        canvas.rect(0, 0, _WIDTH, _HEIGHT)
    canvas.setFont(_FONT, _NUMBER_PT)
    canvas.drawString(_PADDING, _NUMBER_AT, str(label.number))
    canvas.setFont(_FONT, _CLASS_PT)
    canvas.drawRightString(_WIDTH - _PADDING, _NUMBER_AT, label.about)
    size, lines = fitted(name, _TEXT_WIDTH)
    canvas.setFont(_FONT, size)
    middle = (_NAME_AT + _NAME_TOP) / 2 - size * 0.35
    for line, text in enumerate(lines):
        canvas.drawString(_PADDING, middle + (len(lines) / 2 - 0.5 - line) * size * _LINE, text)
    bars: Any = Code128(str(label.number), barWidth=_BAR, barHeight=_CODE_HEIGHT, quiet=False, humanReadable=False)
    assert bars.width + 2 * _QUIET * _BAR <= _WIDTH, "a number of ten digits fits with its quiet zones"
    bars.drawOn(canvas, (_WIDTH - bars.width) / 2, _CODE_AT)


def _registered(font_file: str) -> TTFont:
    try:
        font = TTFont(_FONT, font_file)
    except (TTFError, OSError, ValueError, IndexError, KeyError) as error:
        raise FontUnusable(str(error) or type(error).__name__) from error
    _pdfmetrics.registerFont(font)
    return font


def _has(font: TTFont, char: str) -> bool:
    return ord(char) in font.face.charToGlyph
