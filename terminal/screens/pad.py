"""The number pad and the letters, for whoever has no keyboard."""

from terminal.presses import Enter, Plus, Press, Rub, Type
from terminal.scene import Align, Box, Drawing
from terminal.theme import Icon, Role, Size
from terminal.views import Words

_LETTERS = ("1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM")


def draw_pad(
    drawing: Drawing,
    area: Box,
    typed: str,
    words: Words,
    *,
    adds: bool = False,
    hidden: bool = False,
    whole: bool = False,
) -> None:
    """Digits, point, rub out, enter; `adds`: a plus, too. `hidden`: a PIN. `whole`: no point."""
    metrics = drawing.metrics
    line, keys = area.top(max(metrics.touch, metrics.px(Size.AMOUNT) * 5 // 4), metrics.gap)
    drawing.fill(line, Role.SURFACE, edge=Role.BRAND)
    shown = "•" * len(typed) if hidden else typed
    drawing.text(
        line.inset(metrics.gap, 0),
        shown or "0" * (not hidden),
        Role.TEXT if typed else Role.SOFT,
        Size.AMOUNT,
        Size.TITLE,
        bold=True,
        align=Align.RIGHT,
    )
    digits, side = keys.left(keys.w * 3 // 4 - metrics.gap // 4, metrics.gap)
    for cell, sign in zip(
        digits.grid(3, 4, metrics.gap), ("7", "8", "9", "4", "5", "6", "1", "2", "3", "00", "0", "."), strict=True
    ):
        _draw_digit(drawing, cell, sign, whole=whole)
    column = side.grid(1, 4, metrics.gap)
    drawing.button(column[0], Rub(), icon=Icon.RUB)
    enter = column[1]
    if adds:
        drawing.button(column[1], Plus(), icon=Icon.PLUS)
        enter = column[2]
    last = column[3]
    enter = Box(enter.x, enter.y, enter.w, last.y + last.h - enter.y)
    drawing.button(enter, Enter(), words["screen.enter"], role=Role.BRAND, ink=Role.BRAND_INK, size=Size.BODY, lines=2)


def _draw_digit(drawing: Drawing, cell: Box, sign: str, *, whole: bool) -> None:
    if sign == "00":
        return drawing.button(cell, Type("00") if not whole else None, "00" if not whole else "", size=Size.TITLE)
    what: Press | None = None if sign == "." and whole else Type(sign)
    return drawing.button(cell, what, sign if what else "", size=Size.TITLE)


def draw_keyboard(drawing: Drawing, area: Box) -> None:
    """Letters and digits in four rows."""
    gap = drawing.metrics.gap // 2
    for line, row in zip(_LETTERS, area.grid(1, 4, gap), strict=True):
        keys = list(line) + ([] if len(line) > 7 else ["rub", "enter"])
        for cell, key in zip(row.grid(len(keys), 1, gap), keys, strict=True):
            if key == "rub":
                drawing.button(cell, Rub(), icon=Icon.RUB)
            elif key == "enter":
                drawing.button(cell, Enter(), icon=Icon.CHECK, role=Role.BRAND, ink=Role.BRAND_INK)
            else:
                drawing.button(cell, Type(key.lower()), key, size=Size.STRONG)
