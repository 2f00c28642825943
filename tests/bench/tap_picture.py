"""Where the time of a tap goes, as bars in an SVG that reads on light and on dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 900, 160, 190, 56, 34, 22
COLOURS: Final = ("#4063d8", "#2a9d8f", "#a96a10", "#c44e52", "#8757b3")
_SMALLEST: Final = 34
"""A part narrower than that has no figure of its own."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One kind of tap: its name, and microseconds until the reader has said that a card is there, and of each part."""

    name: str
    detected_us: float
    parts_us: Sequence[float]


def picture(parts: Sequence[str], bars: Sequence[Bar]) -> str:
    """The whole file."""
    height = TOP + ROW * len(bars) + 16
    longest_us = max(sum(bar.parts_us) for bar in bars)
    body = [*_legend(parts)]
    for row, bar in enumerate(bars):
        body += _row(TOP + ROW * row, bar, (WIDTH - LEFT - RIGHT) / longest_us)
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        *body,
        "</svg>\n",
    ))  # fmt: skip


def _legend(parts: Sequence[str]) -> Iterator[str]:
    step = (WIDTH - 2 * 16) / len(parts)
    for number, part in enumerate(parts):
        x = 16 + step * number
        yield f'<rect x="{x:.0f}" y="17" width="13" height="13" rx="2" fill="{COLOURS[number]}"/>'
        yield f'<text x="{x + 19:.0f}" y="28" fill="#222222">{escape(part)}</text>'


def _row(y: int, bar: Bar, scale: float) -> Iterator[str]:
    middle = y + BAR / 2 + 5
    yield f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end" fill="#222222">{escape(bar.name)}</text>'
    starts = [0.0, *accumulate(bar.parts_us)]
    for number, us in enumerate(bar.parts_us):
        x, width = LEFT + starts[number] * scale, us * scale
        yield f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" height="{BAR}" fill="{COLOURS[number]}"/>'
        if width >= _SMALLEST:
            at = f'x="{x + width / 2:.1f}" y="{middle:.0f}"'
            yield f'<text {at} text-anchor="middle" fill="#ffffff">{us / 1000:.1f}</text>'
    total_us = sum(bar.parts_us)
    said = f"{total_us / 1000:.1f} ms, detected in {bar.detected_us / 1000:.1f}"
    yield f'<text x="{LEFT + total_us * scale + 8:.1f}" y="{middle:.0f}" fill="#222222">{said}</text>'
