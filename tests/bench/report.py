"""The figures of a run as a page: a table, and a picture of how much of each bar is used."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.figures import Line

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 900, 330, 110, 44, 24, 14
KEPT, MISSED, INK, PALE = "#2a9d8f", "#c44e52", "#222222", "#8a8a8a"
_SHOWN_MAX: Final = 1.5
"""Of what a bar allows; a longer bar ends here, its figure says the rest."""


def write(lines: Sequence[Line], directory: Path) -> Path:
    """Leave `figures.md` and `bars.svg` in a directory; the page."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bars.svg").write_text(picture(lines))
    page = directory / "figures.md"
    page.write_text(f"# Figures\n\n![How much of each bar is used](bars.svg)\n\n{table(lines)}")
    return page


def table(lines: Sequence[Line]) -> str:
    """Every figure beside its baseline, as Markdown."""
    head = "| Figure | Value | Baseline | Unit | Ratio | Bar | Used | |\n|---|--:|--:|---|--:|--:|--:|---|\n"
    return head + "".join(_row(line) for line in lines)


def picture(lines: Sequence[Line]) -> str:
    """The figures that have a bar, each as the share of it that it takes. Reads on light and on dark."""
    barred = [line for line in lines if line["used"] is not None]
    end = TOP + ROW * len(barred)
    full = _x(1.0)
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {end + 16}"',
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        f'<text x="{full:.0f}" y="24" text-anchor="middle" fill="{PALE}">all that the bar allows</text>',
        *(part for number, line in enumerate(barred) for part in _bar(TOP + ROW * number, line)),
        f'<line x1="{full:.0f}" x2="{full:.0f}" y1="{TOP - 10}" y2="{end}" stroke="{PALE}" stroke-dasharray="3 3"/>',
        "</svg>\n",
    ))  # fmt: skip


def _bar(y: int, line: Line) -> Iterator[str]:
    used = float(line["used"])
    width, base = _x(min(used, _SHOWN_MAX)) - LEFT, y + BAR - 2
    told = line["value"] if line["ratio"] is None else line["ratio"]
    yield f'<text x="{LEFT - 10}" y="{base}" text-anchor="end" fill="{INK}">{escape(line["bench"])}</text>'
    yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{KEPT if line["ok"] else MISSED}"/>'
    yield f'<text x="{LEFT + width + 8:.1f}" y="{base}" fill="{INK}">{told:g} of {line["bar"]:g}</text>'


def _x(used: float) -> float:
    return LEFT + used * (WIDTH - LEFT - RIGHT) / _SHOWN_MAX


def _row(line: Line) -> str:
    cells = (_cell(line[name]) for name in ("value", "baseline", "unit", "ratio", "bar"))
    share = "" if line["used"] is None else f"{line['used']:.0%}"
    return f"| `{line['bench']}` | {' | '.join(cells)} | {share} | {'' if line['ok'] else '**missed**'} |\n"


def _cell(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:,}"
