"""A picture as plain data: boxes in pixels, what lies in them, and what a touch on it means. A screen only draws it."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from terminal.theme import Icon, Metrics, Role, Size


class Align(enum.StrEnum):
    """Where a line of text stands in its box."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left, top, width, height."""

    x: int
    y: int
    w: int
    h: int

    def inset(self, dx: int, dy: int | None = None) -> "Box":
        """The box within it."""
        dy = dx if dy is None else dy
        return Box(self.x + dx, self.y + dy, max(0, self.w - 2 * dx), max(0, self.h - 2 * dy))

    def top(self, height: int, gap: int = 0) -> tuple["Box", "Box"]:
        """So much from the top, and the rest."""
        height = min(height, self.h)
        return Box(self.x, self.y, self.w, height), Box(
            self.x, self.y + height + gap, self.w, max(0, self.h - height - gap)
        )

    def bottom(self, height: int, gap: int = 0) -> tuple["Box", "Box"]:
        """So much from the bottom, and the rest."""
        rest, part = self.top(self.h - height)
        return part, Box(rest.x, rest.y, rest.w, max(0, rest.h - gap))

    def left(self, width: int, gap: int = 0) -> tuple["Box", "Box"]:
        """So much from the left, and the rest."""
        width = min(width, self.w)
        return Box(self.x, self.y, width, self.h), Box(
            self.x + width + gap, self.y, max(0, self.w - width - gap), self.h
        )

    def right(self, width: int, gap: int = 0) -> tuple["Box", "Box"]:
        """So much from the right, and the rest."""
        rest, part = self.left(self.w - width)
        return part, Box(rest.x, rest.y, max(0, rest.w - gap), rest.h)

    def grid(self, columns: int, rows: int, gap: int) -> list["Box"]:
        """Cells from the top left, row by row; what does not divide goes to the first ones."""
        lefts, tops = _cuts(self.w, columns, gap), _cuts(self.h, rows, gap)
        return [Box(self.x + x, self.y + y, w, h) for y, h in tops for x, w in lefts]

    def holds(self, x: int, y: int) -> bool:
        """Whether a point lies in it."""
        return self.x <= x < self.x + self.w and self.y <= y < self.y + self.h


def _cuts(length: int, count: int, gap: int) -> list[tuple[int, int]]:
    each, more = divmod(length - gap * (count - 1), count)
    cuts, at = list[tuple[int, int]](), 0
    for index in range(count):
        size = each + (index < more)
        cuts.append((at, size))
        at += size + gap
    return cuts


@dataclass(frozen=True, slots=True)
class Fill:
    """A filled rectangle."""

    box: Box
    role: Role
    radius: int = 0
    edge: Role | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a box: in the first of `px` in which they fit when wrapped; a test shows that they always do."""

    box: Box
    text: str
    role: Role
    px: tuple[int, ...]
    bold: bool = False
    align: Align = Align.LEFT
    lines: int = 1
    middle: bool = True
    """Half way down the box, or from its top."""


@dataclass(frozen=True, slots=True)
class Sign:
    """An icon in the middle of a box."""

    box: Box
    icon: Icon
    role: Role
    px: int


Element = Fill | Text | Sign


@dataclass(frozen=True, slots=True)
class Touch:
    """What a press in a box means."""

    box: Box
    press: Any
    """One of `terminal.front.Press`; drawings do not look into it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything on a screen at one moment, from the back to the front."""

    elements: tuple[Element, ...]
    touches: tuple[Touch, ...]

    def pressed(self, x: int, y: int) -> Any | None:
        """What a touch there means."""
        return next((touch.press for touch in reversed(self.touches) if touch.box.holds(x, y)), None)


@dataclass(slots=True)
class Drawing:
    """A scene in the making."""

    metrics: Metrics
    elements: list[Element] = field(default_factory=list[Element])
    touches: list[Touch] = field(default_factory=list[Touch])

    def done(self) -> Scene:
        """What was drawn."""
        return Scene(tuple(self.elements), tuple(self.touches))

    def fill(self, box: Box, role: Role, *, edge: Role | None = None, round_: bool = True) -> None:
        """A surface."""
        self.elements.append(Fill(box, role, self.metrics.radius if round_ else 0, edge))

    def text(
        self,
        box: Box,
        text: str,
        role: Role,
        *sizes: Size,
        bold: bool = False,
        align: Align = Align.LEFT,
        lines: int = 1,
        middle: bool = True,
    ) -> None:
        """Words, in the largest size that fits; the smallest of the scale comes last by itself."""
        px = sorted({self.metrics.px(size) for size in (*sizes, Size.SMALL)}, reverse=True)
        self.elements.append(Text(box, text, role, tuple(px), bold, align, lines, middle))

    def sign(self, box: Box, icon: Icon, role: Role, px: int | None = None) -> None:
        """An icon."""
        self.elements.append(Sign(box, icon, role, px or min(box.w, box.h)))

    def button(
        self,
        box: Box,
        press: Any,
        text: str = "",
        *,
        icon: Icon | None = None,
        role: Role = Role.KEY,
        ink: Role = Role.KEY_INK,
        size: Size = Size.STRONG,
        lines: int = 1,
    ) -> None:
        """Something to press: an icon, words, or both. `press` None: it cannot be pressed now, and looks so."""
        if press is None:
            role, ink = Role.PAGE, Role.OFF
        self.fill(box, role, edge=Role.LINE if role in (Role.KEY, Role.PAGE) else None)
        inner = box.inset(self.metrics.gap, self.metrics.gap // 2)
        if icon is not None and not text:
            self.sign(box, icon, ink, min(self.metrics.px(Size.TITLE), min(box.w, box.h) * 3 // 4))
        elif icon is not None:
            sign, inner = inner.left(self.metrics.px(Size.TITLE), self.metrics.gap)
            self.sign(sign, icon, ink, self.metrics.px(Size.TITLE))
            self.text(inner, text, ink, size, Size.BODY, bold=True, lines=lines)
        else:
            self.text(inner, text, ink, size, Size.BODY, bold=True, align=Align.CENTER, lines=lines)
        if press is not None:
            self.touches.append(Touch(box, press))


Measure = Callable[[int, bool, str], int]
"""How many pixels wide in a size, bold or not, a text is."""


def fit(text: Text, measure: Measure, line_px: Callable[[int], int]) -> tuple[int, tuple[str, ...]] | None:
    """The size and the lines in which a text fits its box; None: it fits in none of its sizes.

    A word is broken only where it is too long for the smallest size.
    """
    for px, breaks in (*((px, False) for px in text.px), (text.px[-1], True)):
        lines = wrapped(text.text, text.box.w, partial(measure, px, text.bold), breaks=breaks)
        if lines is not None and len(lines) <= text.lines and len(lines) * line_px(px) <= text.box.h:
            return px, lines
    return None


def wrapped(text: str, width: int, measure: Callable[[str], int], *, breaks: bool = False) -> tuple[str, ...] | None:
    """Lines no wider than that, broken at spaces and between ideographs; None where a word is wider by itself.

    `breaks`: words are broken anywhere instead.
    """
    lines = list[str]()
    for paragraph in text.split("\n"):
        line = ""
        for part in list(paragraph) if breaks else _parts(paragraph):
            if measure((line + part).rstrip()) <= width:
                line += part
                continue
            if measure(part.rstrip()) > width:
                return None
            lines.append(line.rstrip())
            line = part
        lines.append(line.rstrip())
    return tuple(lines)


_NOT_FIRST = "，。、；：！？）」』”’％"


def _parts(text: str) -> list[str]:
    """What must stay together: a word with the space behind it, an ideograph with the mark behind it."""
    parts = list[str]()
    for char in text:
        joins = parts and (
            char in _NOT_FIRST or (not _is_wide(char) and not _is_wide(parts[-1][-1]) and parts[-1][-1] != " ")
        )
        if parts and (joins or (char == " " and parts[-1][-1] != " ")):
            parts[-1] += char
        else:
            parts.append(char)
    return parts


def _is_wide(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef" or "\u3000" <= char <= "\u303f"
