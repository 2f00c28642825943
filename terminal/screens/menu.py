"""Everything that is not ringing: shift, money back, top-up, a card's balance, reports, colours."""

from terminal.commands import LookAtCard
from terminal.front import Counter, Front
from terminal.presses import COLLECT, Begin, Do, Escape, FormName, Look, Open, Page, Press, Report
from terminal.scene import Box, Drawing
from terminal.theme import Icon, Role, Size, Theme
from terminal.views import Words

_NEXT_THEME = {Theme.LIGHT: Theme.DARK, Theme.DARK: Theme.CONTRAST, Theme.CONTRAST: Theme.LIGHT}
_THEME_ICONS = {Theme.LIGHT: Icon.SUN, Theme.DARK: Icon.MOON, Theme.CONTRAST: Icon.CONTRAST}


def draw_menu(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """A grid of large keys; what this terminal may not do is not there."""
    entries = _entries(front, counter, words)
    for cell, (what, icon, text) in zip(page.grid(3, 3, drawing.metrics.gap), entries, strict=False):
        is_back = isinstance(what, Escape)
        role, ink = (Role.BRAND, Role.BRAND_INK) if is_back else (Role.KEY, Role.KEY_INK)
        drawing.button(cell, what, text, icon=icon, role=role, ink=ink, size=Size.STRONG, lines=3)


def _entries(front: Front, counter: Counter, words: Words) -> list[tuple[Press, Icon, str]]:
    is_open = bool(counter.status.shift.number)
    shift = FormName.CLOSE_SHIFT if is_open else FormName.OPEN_SHIFT
    entries: list[tuple[Press, Icon, str]] = [
        (Escape(), Icon.BACK, words["screen.back"]),
        (Begin(shift), Icon.SHIFT, words[f"screen.{shift}"]),
        (Open(Page.TEXT, Report.SHIFT), Icon.REPORT, words["screen.x_report"]),
    ]
    if counter.rights.refund:
        entries.append((Open(Page.SOLD), Icon.REFUND, words["screen.refund"]))
    if counter.rights.topup:
        entries.append((Begin(FormName.TOPUP), Icon.TOPUP, words["screen.topup"]))
    if counter.rights.load:
        entries.append((COLLECT, Icon.CARD, words["screen.collect"]))
    look = _NEXT_THEME[front.theme]
    return [
        *entries,
        (Do(LookAtCard()), Icon.CARD, words["screen.card"]),
        (Open(Page.TEXT, Report.STATUS), Icon.TOOLS, words["screen.status"]),
        (Look(look), _THEME_ICONS[look], words[f"screen.theme_{look}"]),
    ]
