"""One question at a time, with a number pad: who sells, what lies in the drawer, how much is given back."""

from terminal.front import Counter, Form, Front
from terminal.presses import Answer, Escape, Field, FormName, Turn
from terminal.scene import Box, Drawing
from terminal.screens.pad import draw_pad
from terminal.theme import Icon, Role, Size
from terminal.views import Words, cents_text

_STAFF_SHOWN = 8


def draw_form(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """The question and what was answered on the left, what answers it on the right."""
    form, metrics = front.form, drawing.metrics
    assert form is not None
    left, right = page.left(page.w * 42 // 100, metrics.gap)
    back, left = left.bottom(metrics.touch, metrics.gap)
    drawing.button(back, Escape(), words["screen.cancel"], icon=Icon.CROSS)
    drawing.fill(left, Role.SURFACE, edge=Role.LINE)
    inner = left.inset(metrics.gap * 2)
    title, inner = inner.top(inner.h * 30 // 100, metrics.gap)
    drawing.text(title, words[f"screen.{form.name}"], Role.TEXT, Size.TITLE, Size.STRONG, Size.BODY, bold=True, lines=3)
    question, inner = inner.top(inner.h * 45 // 100, metrics.gap)
    drawing.text(question, words[f"ask.{form.asked}"], Role.TEXT, Size.STRONG, Size.BODY, lines=5)
    drawing.text(inner, "\n".join(_known(form, counter, words)), Role.SOFT, Size.BODY, lines=6)
    if form.asked is Field.STAFF and counter.staff:
        return _draw_staff(drawing, right, front, counter, words)
    is_pin = form.asked is Field.PIN
    return draw_pad(drawing, right, front.typed, words, hidden=is_pin, whole=is_pin or form.asked is Field.STAFF)


def _known(form: Form, counter: Counter, words: Words) -> list[str]:
    """What was said before, and the figures that belong to the question."""
    if form.name is FormName.OPEN_SHIFT:
        return [text for field, text in zip((Field.STAFF, Field.DRAWER), form.answers, strict=False) if field]
    if form.name is FormName.CLOSE_SHIFT:
        shift = counter.status.shift
        return [words["screen.unsent"].format(count=counter.status.unsent)] if shift.number else []
    if form.name is FormName.REFUND:
        sold = next((one for one in counter.sold if one.seq == form.receipt), None)
        left = cents_text(sold.left_cents if sold else 0, words)
        return [words["screen.sold_row"].format(seq=form.receipt, card=sold.card.no if sold else 0, cents=left)]
    return []


def _draw_staff(drawing: Drawing, area: Box, front: Front, counter: Counter, words: Words) -> None:
    metrics = drawing.metrics
    cells = area.grid(2, _STAFF_SHOWN // 2, metrics.gap)
    pages = len(counter.staff) > _STAFF_SHOWN
    room = _STAFF_SHOWN - pages
    for cell, person in zip(cells, counter.staff[front.first : front.first + room], strict=False):
        drawing.button(cell, Answer(person.id), person.name, icon=Icon.PERSON, size=Size.STRONG, lines=3)
    if pages:
        following = front.first + room
        drawing.button(
            cells[-1], Turn(following if following < len(counter.staff) else 0), words["screen.more"], icon=Icon.DOWN
        )
