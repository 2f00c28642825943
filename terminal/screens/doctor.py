"""The doctor's page: what is wrong first, in full width and with what to do; what is well behind it, two in a row."""

from protocol.instants import CampusTime
from terminal.doctor import Finding, Verdict, findings
from terminal.front import Counter, Front
from terminal.scene import Box, Drawing
from terminal.screens.frame import draw_frame, page_at, room_of, starts_of
from terminal.theme import Icon, Role, Size
from terminal.views import Words

_SIGNS = {
    Verdict.GOOD: (Icon.CHECK, Role.APPROVED, Role.APPROVED_INK),
    Verdict.LOOK: (Icon.ALERT, Role.WARNING, Role.WARNING_INK),
    Verdict.BROKEN: (Icon.CROSS, Role.REFUSED, Role.REFUSED_INK),
}
_GOOD_LINES, _BAD_LINES = 3, 6


def draw_doctor(drawing: Drawing, page: Box, front: Front, counter: Counter, campus: CampusTime, words: Words) -> None:
    """Every part of the terminal, each with a sign and a word for how it is."""
    metrics, blocks = drawing.metrics, _blocks(findings(counter.status, campus, words))
    line = metrics.px(Size.BODY) * 4 // 3
    heights = [(_GOOD_LINES if one[0].verdict is Verdict.GOOD else _BAD_LINES) * line + metrics.gap for one in blocks]
    starts = starts_of(heights, room_of(drawing, page).h, metrics.gap)
    room = draw_frame(drawing, page, words["screen.doctor"], front, starts)
    at = page_at(starts, front.first)
    shown = slice(starts[at], starts[at + 1] if at + 1 < len(starts) else None)
    for block, height in zip(blocks[shown], heights[shown], strict=True):
        row, room = room.top(height, metrics.gap)
        columns = 1 if block[0].verdict is not Verdict.GOOD else 2
        for cell, finding in zip(row.grid(columns, 1, metrics.gap), block, strict=False):
            _draw_finding(drawing, cell, finding, words)


def _blocks(found: tuple[Finding, ...]) -> list[tuple[Finding, ...]]:
    bad = [(one,) for one in found if one.verdict is not Verdict.GOOD]
    good = [one for one in found if one.verdict is Verdict.GOOD]
    return [*bad, *(tuple(good[at : at + 2]) for at in range(0, len(good), 2))]


def _draw_finding(drawing: Drawing, cell: Box, finding: Finding, words: Words) -> None:
    metrics = drawing.metrics
    icon, ground, ink = _SIGNS[finding.verdict]
    drawing.fill(cell, Role.SURFACE, edge=Role.LINE)
    px = metrics.px(Size.TITLE)
    sign, rest = cell.inset(metrics.gap // 2).left(px + metrics.gap, metrics.gap)
    drawing.fill(sign, ground)
    drawing.sign(sign, icon, ink, px)
    line = metrics.px(Size.BODY) * 4 // 3
    name, rest = rest.top(line)
    verdict = words[f"verdict.{finding.verdict.name.lower()}"]
    title = words["screen.named"].format(name=finding.part, value=verdict)
    drawing.text(name, title, Role.TEXT, Size.BODY, bold=True)
    if not finding.advice:
        return drawing.text(rest, finding.text, Role.SOFT, Size.BODY, lines=2, middle=False)
    return drawing.text(rest, f"{finding.text}\n{finding.advice}", Role.TEXT, Size.BODY, lines=6, middle=False)
