"""Everything that is not ringing: shift, money back, top-up, a card's balance, language; and this terminal itself."""

from terminal.commands import LookAtCard
from terminal.floor_commands import Speak, Train
from terminal.front import Counter, Front
from terminal.languages import LANGUAGES
from terminal.presses import COLLECT, Begin, Do, Escape, FormName, Look, Open, Page, Press, Report
from terminal.scene import Box, Drawing
from terminal.theme import Icon, Role, Size, Theme
from terminal.views import Words

_NEXT_THEME = {Theme.LIGHT: Theme.DARK, Theme.DARK: Theme.CONTRAST, Theme.CONTRAST: Theme.LIGHT}
_THEME_ICONS = {Theme.LIGHT: Icon.SUN, Theme.DARK: Icon.MOON, Theme.CONTRAST: Icon.CONTRAST}

_Entry = tuple[Press | None, Icon, str]


def draw_menu(drawing: Drawing, page: Box, counter: Counter, words: Words) -> None:
    """A grid of large keys; what this terminal may not do is not there."""
    _draw_grid(drawing, page, _entries(counter, words), 3)


def draw_tools(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """What a technician or a shift leader looks for."""
    look = _NEXT_THEME[front.theme]
    is_free = counter.view.phase in ("ringing", "done", "not_done") and not (counter.basket and counter.basket.items)
    train = Do(Train(not counter.training)) if is_free else None
    entries: list[_Entry] = [
        (Escape(), Icon.BACK, words["screen.back"]),
        (Open(Page.DOCTOR), Icon.TOOLS, words["screen.doctor"]),
        (Open(Page.LISTS), Icon.LISTS, words["screen.lists"]),
        (Open(Page.TEXT, Report.STATUS), Icon.REPORT, words["screen.status"]),
        (train, Icon.SCHOOL, words["screen.train_end" if counter.training else "screen.train"]),
        (Look(look), _THEME_ICONS[look], words[f"screen.theme_{look}"]),
    ]
    _draw_grid(drawing, page, entries, 2)


def draw_languages(drawing: Drawing, page: Box, words: Words) -> None:
    """Each by its own name, so that whoever needs it can read it."""
    entries: list[_Entry] = [(Escape(), Icon.BACK, words["screen.back"])]
    entries += [(Do(Speak(name)), Icon.LANGUAGE, known["name"]) for name, known in LANGUAGES.items()]
    _draw_grid(drawing, page, entries, 2, columns=2)


def _draw_grid(drawing: Drawing, page: Box, entries: list[_Entry], rows: int, columns: int = 3) -> None:
    for cell, (what, icon, text) in zip(page.grid(columns, rows, drawing.metrics.gap), entries, strict=False):
        is_back = isinstance(what, Escape)
        role, ink = (Role.BRAND, Role.BRAND_INK) if is_back else (Role.KEY, Role.KEY_INK)
        drawing.button(cell, what, text, icon=icon, role=role, ink=ink, size=Size.STRONG, lines=3)


def _entries(counter: Counter, words: Words) -> list[_Entry]:
    is_open = bool(counter.status.shift.number)
    shift = FormName.CLOSE_SHIFT if is_open else FormName.OPEN_SHIFT
    entries: list[_Entry] = [
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
    return [
        *entries,
        (Do(LookAtCard()), Icon.CARD, words["screen.card"]),
        (Open(Page.LANGUAGE), Icon.LANGUAGE, words["screen.language"]),
        (Open(Page.TOOLS), Icon.TOOLS, words["screen.tools"]),
    ]
