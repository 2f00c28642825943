"""Pages to read: what can be given back, the X report, how the terminal is, a long answer."""

from protocol.instants import CampusTime
from terminal.front import Counter, Front
from terminal.presses import Begin, FormName, Report
from terminal.scene import Box, Drawing
from terminal.screens.frame import draw_frame, room_of
from terminal.status import shift_lines, status_lines
from terminal.theme import Icon, Role, Size
from terminal.views import Words, cents_text


def draw_sold(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """The newest sales of this terminal; a touch asks how much of one is given back."""
    metrics = drawing.metrics
    rows = _rows(drawing, page)
    room = draw_frame(drawing, page, words["screen.refund"], front, range(0, len(counter.sold), rows))
    if not counter.sold:
        return drawing.text(room.inset(metrics.gap), words["screen.none_sold"], Role.SOFT, Size.STRONG, lines=3)
    for cell, sold in zip(room.grid(1, rows, metrics.gap), counter.sold[front.first :], strict=False):
        text = words["screen.sold_row"].format(
            seq=sold.seq, card=sold.card.no, cents=cents_text(sold.left_cents, words)
        )
        what = Begin(FormName.REFUND, sold.seq, sold.left_cents)
        drawing.button(cell, what, text, icon=Icon.UNDO, size=Size.STRONG, lines=2)
    return None


def draw_text(drawing: Drawing, page: Box, front: Front, counter: Counter, campus: CampusTime, words: Words) -> None:
    """Sentences under a title."""
    match front.report:
        case Report.SHIFT:
            title, lines = words["screen.x_report"], shift_lines(counter.status, words)
        case Report.STATUS:
            title, lines = words["screen.status"], status_lines(counter.status, campus, words)
        case Report.SAID:
            title, lines = words["screen.answer"], front.told
    metrics = drawing.metrics
    rows = _rows(drawing, page)
    room = draw_frame(drawing, page, title, front, range(0, len(lines), rows))
    drawing.fill(room, Role.SURFACE, edge=Role.LINE)
    for cell, line in zip(room.inset(metrics.gap).grid(1, rows, 0), lines[front.first :], strict=False):
        drawing.text(cell, line, Role.TEXT, Size.STRONG, Size.BODY, lines=3)


def _rows(drawing: Drawing, page: Box) -> int:
    return max(1, room_of(drawing, page).h // drawing.metrics.touch)
