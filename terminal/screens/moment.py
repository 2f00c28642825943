"""A moment of a sale over the whole page: tap, hold, paid, refused, tap again, a question. Seen from two metres."""

from terminal.commands import Cancel, Confirm, GiveBack, TakeCash
from terminal.floor_commands import Pretend, Trial
from terminal.front import Counter, Front
from terminal.presses import NEXT, Do, Press, Repeat
from terminal.scene import Box, Drawing
from terminal.screens.pad import draw_pad
from terminal.theme import TONE_ICONS, TONE_ROLES, Icon, Role, Size
from terminal.views import Choice, View, Words, cents_text


def draw_moment(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """Sign, title and amount on the colour of the moment; what to do; what can be pressed."""
    view, metrics = counter.view, drawing.metrics
    if view.phase == "pin_entry":
        page, pad = page.left(page.w * 48 // 100, metrics.gap)
        draw_pad(drawing, pad, front.typed, words, hidden=True, whole=True)
    if counter.training and view.phase in ("awaiting_card", "tap_again", "not_done"):
        row, page = page.bottom(metrics.touch, metrics.gap)
        for cell, trial in zip(row.grid(len(Trial), 1, metrics.gap), Trial, strict=True):
            text = words[f"screen.trial_{trial}"]
            drawing.button(
                cell, Do(Pretend(trial)), text, role=Role.WARNING, ink=Role.WARNING_INK, size=Size.BODY, lines=2
            )
    buttons = _buttons(counter, words)
    if buttons:
        row, page = page.bottom(metrics.touch, metrics.gap)
        for cell, (what, icon, text) in zip(row.grid(len(buttons), 1, metrics.gap), buttons, strict=True):
            drawing.button(cell, what, text, icon=icon, size=Size.STRONG, lines=2)
    ground, ink = TONE_ROLES[view.tone]
    drawing.fill(page, ground)
    _draw_words(drawing, page.inset(metrics.gap * 2), view, ink, words)


def _draw_words(drawing: Drawing, box: Box, view: View, ink: Role, words: Words) -> None:
    metrics = drawing.metrics
    head, rest = box.top(box.h * 58 // 100, metrics.gap)
    sign_px = min(box.w // 4, head.h * 9 // 10)
    sign, title = head.left(sign_px, metrics.gap * 2)
    drawing.sign(sign, TONE_ICONS[view.tone], ink, sign_px)
    if view.amount_cents is not None:
        amount, title = title.bottom(title.h * 62 // 100)
        cents = cents_text(view.amount_cents, words)
        drawing.text(amount, cents, ink, Size.GIANT, Size.AMOUNT, Size.TITLE, bold=True)
    drawing.text(title, view.title, ink, Size.AMOUNT, Size.TITLE, Size.STRONG, Size.BODY, bold=True, lines=3)
    text = "\n".join((*view.lines, view.advice))
    drawing.text(rest, text, ink, Size.TITLE, Size.STRONG, Size.BODY, lines=14, middle=False)


def _buttons(counter: Counter, words: Words) -> list[tuple[Press, Icon | None, str]]:
    view = counter.view
    if view.phase == "done":
        return _after(counter, words)
    known: dict[Choice, tuple[Press, Icon, str]] = {
        Choice.CONFIRM: (Do(Confirm()), Icon.CHECK, words["screen.yes"]),
        Choice.CASH: (Do(TakeCash()), Icon.CASH, words["screen.cash"]),
        Choice.CANCEL: (Do(Cancel()), Icon.CROSS, words["screen.cancel"]),
    }
    return [known[choice] for choice in view.choices if choice in known]


def _after(counter: Counter, words: Words) -> list[tuple[Press, Icon | None, str]]:
    """Paid: the next customer, the same once more, or a mistake."""
    buttons: list[tuple[Press, Icon | None, str]] = []
    newest = counter.sold[0] if counter.sold else None
    if counter.undo and newest is not None and newest.seq == counter.undo:
        buttons.append((Do(GiveBack(newest.seq, newest.left_cents)), Icon.UNDO, words["screen.undo"]))
    if counter.last:
        text = words["screen.repeat"].format(cents=cents_text(counter.last_cents, words))
        buttons.append((Repeat(), Icon.AGAIN, text))
    return [*buttons, (NEXT, Icon.BACK, words["screen.next"])]
