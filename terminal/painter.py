"""Draws scenes on a pygame surface, and only what has changed since the scene before.

An element paints within its box, so a box whose elements are the same needs no paint. Fonts come from the locked
packages that `scripts/assets` installs.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pygame

from terminal.scene import Align, Box, Element, Fill, Scene, Sign, Text, fit
from terminal.theme import COLOURS, ICON_CODES, Colours, Theme

FONTS = Path(__file__).parent / "fonts"
_SMOOTH = 4
"""Each pixel of a corner is looked at in so many times so many places, which makes it smooth."""


class FontsMissing(Exception):
    """The screen has nothing to write with; the text says what to run."""


class Painter:
    """Draws in one language: Chinese characters look different in two of them."""

    def __init__(self, language: str) -> None:
        """Raises FontsMissing."""
        families = ("NotoSansTC", "NotoSansSC") if language == "zh-Hant" else ("NotoSansSC", "NotoSansTC")
        weights = {False: "500Medium", True: "700Bold"}
        self._files = {
            bold: [FONTS / f"{family}_{weight}.ttf" for family in families] for bold, weight in weights.items()
        }
        self._icons = FONTS / "tabler-icons.ttf"
        for path in (*self._files[False], *self._files[True], self._icons):
            if not path.is_file():
                raise FontsMissing(f"no font {path.name} in {FONTS}: scripts/assets brings it")
        pygame.font.init()
        self._load = lru_cache(maxsize=64)(pygame.font.Font)
        self._drawn = lru_cache(maxsize=512)(self._draw_word)
        self._fitted = lru_cache(maxsize=1_024)(self._fit)

    def measure(self, px: int, bold: bool, text: str) -> int:
        """How many pixels wide a text is."""
        return self._font(px, bold, text).size(text)[0]

    def line_px(self, px: int) -> int:
        """From line to line, in pixels; the fonts' own is made for print."""
        return px * 4 // 3

    def fits(self, text: Text) -> bool:
        """Whether a text fits its box in one of its sizes."""
        return self._fitted(text) is not None

    def _fit(self, text: Text) -> tuple[int, tuple[str, ...]] | None:
        return fit(text, self.measure, self.line_px)

    def paint(self, surface: pygame.Surface, scene: Scene, before: Scene | None, theme: Theme) -> list[pygame.Rect]:
        """Draw what has changed since a scene that is on the surface; None: everything. Returns where."""
        colours = COLOURS[theme]
        changed = [surface.get_rect()] if before is None else _changed(scene, before)
        for rect in changed:
            surface.set_clip(rect)
            for element in scene.elements:
                if rect.colliderect(_rect(element.box)):
                    self._paint(surface, element, colours)
        surface.set_clip(None)
        return changed

    def _paint(self, surface: pygame.Surface, element: Element, colours: Colours) -> None:
        match element:
            case Fill():
                _paint_fill(surface, element, colours)
            case Text():
                self._paint_text(surface, element, colours)
            case Sign(box, icon, role, px):
                glyph = self._drawn(chr(ICON_CODES[icon]), px, None, colours[role])
                surface.blit(glyph, glyph.get_rect(center=_rect(box).center))

    def _paint_text(self, surface: pygame.Surface, text: Text, colours: Colours) -> None:
        fitted = self._fitted(text)
        # A text of somebody's data that is longer than any screen: what fits of it is better than nothing.
        px, lines = fitted or (text.px[-1], (text.text.replace("\n", " "),))
        box, line = _rect(text.box), self.line_px(px)
        y = box.y + (box.h - line * len(lines)) // 2 if text.middle else box.y
        clip = surface.get_clip()
        surface.set_clip(clip.clip(box))
        for part in lines:
            word = self._drawn(part, px, text.bold, colours[text.role])
            x = {Align.LEFT: box.x, Align.CENTER: box.centerx - word.get_width() // 2}.get(
                text.align, box.right - word.get_width()
            )
            surface.blit(word, (x, y + (line - word.get_height()) // 2))
            y += line
        surface.set_clip(clip)

    def _draw_word(self, text: str, px: int, bold: bool | None, colour: str) -> pygame.Surface:
        font = self._load(self._icons, px) if bold is None else self._font(px, bold, text)
        return font.render(text, True, colour)

    def _font(self, px: int, bold: bool, text: str) -> pygame.font.Font:
        """The language's own, or the other one where a character is only there; a name may be of either."""
        own, other = (self._load(path, px) for path in self._files[bold])
        return own if text.isascii() or None not in own.metrics(text) else other


def _rect(box: Box) -> pygame.Rect:
    return pygame.Rect(box.x, box.y, box.w, box.h)


def _changed(scene: Scene, before: Scene) -> list[pygame.Rect]:
    """Boxes of all elements that came or went, joined where they meet."""
    old, new = before.elements, scene.elements
    most = min(len(old), len(new))
    first = next((at for at in range(most) if old[at] != new[at]), most)
    last = next((at for at in range(most - first) if old[-1 - at] != new[-1 - at]), most - first)
    came_or_went = set(old[first : len(old) - last]) ^ set(new[first : len(new) - last])
    return _joined(_rect(element.box) for element in came_or_went)


def _joined(rects: Iterable[pygame.Rect]) -> list[pygame.Rect]:
    joined = list[pygame.Rect]()
    for rect in rects:
        grown = rect
        while (at := grown.collidelist(joined)) >= 0:
            grown = grown.union(joined.pop(at))
        joined.append(grown)
    return joined


def _paint_fill(surface: pygame.Surface, fill: Fill, colours: Colours) -> None:
    rect = _rect(fill.box)
    if not fill.radius and fill.edge is None:
        surface.fill(colours[fill.role], rect)
        return
    edge = colours[fill.edge] if fill.edge else ""
    surface.blit(_rounded(rect.w, rect.h, fill.radius, colours[fill.role], edge), rect)


@lru_cache(maxsize=256)
def _rounded(w: int, h: int, radius: int, colour: str, edge: str) -> pygame.Surface:
    """A rectangle with smooth corners, and a line around it. Integer arithmetic: the same bytes on every machine."""
    surface = pygame.Surface((w, h), pygame.SRCALPHA)
    surface.fill(edge or colour)
    red, green, blue, _ = pygame.Color(edge or colour)
    for (x, y), alpha in _corner(radius).items():
        for at in ((x, y), (w - 1 - x, y), (x, h - 1 - y), (w - 1 - x, h - 1 - y)):
            surface.set_at(at, (red, green, blue, alpha))
    if edge:
        surface.blit(_rounded(w - 2, h - 2, max(0, radius - 1), colour, ""), (1, 1))
    return surface


@lru_cache(maxsize=16)
def _corner(radius: int) -> dict[tuple[int, int], int]:
    """How much (0 to 255) of each pixel of the upper left corner a quarter of a circle covers."""
    fine = range(_SMOOTH)
    reach = (radius * _SMOOTH) ** 2 * 4

    def inside(x: int, y: int) -> bool:
        from_middle = ((radius * _SMOOTH - at) * 2 - 1 for at in (x, y))
        return sum(distance * distance for distance in from_middle) <= reach

    return {
        (x, y): sum(inside(x * _SMOOTH + dx, y * _SMOOTH + dy) for dx in fine for dy in fine) * 255 // _SMOOTH**2
        for x in range(radius)
        for y in range(radius)
    }
