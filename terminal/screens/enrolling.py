"""The screens of a machine that is no terminal yet: server, claim code, the four words, what went wrong."""

from dataclasses import dataclass
from textwrap import shorten

from terminal.enrol_fault import TOLD_APART
from terminal.enrolling import Enrolling, Step
from terminal.floor_commands import Speak
from terminal.languages import LANGUAGES
from terminal.presses import Do, Enter, Escape, Press, Rub, Turn, Type
from terminal.scene import Align, Box, Drawing, Scene
from terminal.theme import Icon, Metrics, Role, Size
from terminal.views import Words


@dataclass(frozen=True, slots=True)
class _Board:
    """Keys of a keyboard: rows for a panel that has room for all of them, pages of rows for one that has not."""

    rows: tuple[str, ...]
    pages: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    """What stands on the key that turns to a page."""


_ADDRESS = _Board(
    ("1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm.:/"),
    (("abcdefgh", "ijklmnop", "qrst."), ("12345678", "90.:/-uv", "wxyz")),
    ("a–t", "0–9 u–z"),
)
_CODE = _Board(
    ("01234567", "89ABCDEF", "GHJKMNPQ", "RSTVWXYZ"),
    (("01234567", "89ABCDEF", ""), ("GHJKMNPQ", "RSTVWXYZ", "")),
    ("0–F", "G–Z"),
)
"""The signs of claim codes (SPEC, "Enrolment")."""
_BEGINNING = "https://"
_LETTERS_PERCENT = 85
"""Of the width, where all keys are shown; the rest is for what rubs out and enters."""
_PAGE_ROWS = 3
_DETAIL_CHARS = 200


def draw_enrolling(now: Enrolling, words: Words, metrics: Metrics) -> Scene:
    """What the screen shows. Pure: the same arguments give the same boxes."""
    drawing = Drawing(metrics)
    screen = Box(0, 0, metrics.width, metrics.height)
    drawing.fill(screen, Role.PAGE, round_=False)
    page = screen.inset(metrics.gap)
    head, page = page.top(metrics.touch, metrics.gap)
    _draw_head(drawing, head, now, words)
    match now.step:
        case Step.SERVER:
            beginning = "" if "://" in now.typed else _BEGINNING
            wrong = words["enrol.no_address"] if now.is_wrong else ""
            _draw_typing(drawing, page, wrong or words["enrol.ask_server"], beginning + now.typed, _ADDRESS, now)
        case Step.CODE:
            asked = words["enrol.no_code" if now.is_wrong else "enrol.ask_code"].format(server=now.server)
            _draw_typing(drawing, page, asked, _halves(now.typed), _CODE, now)
        case Step.WAITING if now.four_words:
            _draw_words(drawing, page, now, words)
        case Step.WAITING:
            _draw_moment(drawing, page, (Role.HOLD, Icon.HOURGLASS), words["enrol.asking"], now.server)
        case Step.FAILED:
            _draw_failed(drawing, page, now, words)
        case Step.KEYS:
            _draw_moment(drawing, page, (Role.WAITING, Icon.LOCK), words["enrol.keys"], now.why)
    return drawing.done()


def _halves(code: str) -> str:
    """As it stands on paper."""
    return f"{code[:5]}-{code[5:]}" if len(code) > 5 and "-" not in code else code


def _draw_head(drawing: Drawing, head: Box, now: Enrolling, words: Words) -> None:
    """The way back where there is one, what this is, and another language, by its own name."""
    metrics = drawing.metrics
    if now.step in (Step.CODE, Step.WAITING, Step.FAILED):
        back, head = head.left(metrics.touch, metrics.gap * 2)
        drawing.button(back, Escape(), icon=Icon.BACK)
    names = list(LANGUAGES)
    spoken = next(at for at, name in enumerate(names) if LANGUAGES[name]["language"] == words["language"])
    other = names[(spoken + 1) % len(names)]
    tongue, head = head.right(metrics.touch * 3, metrics.gap)
    drawing.button(tongue, Do(Speak(other)), LANGUAGES[other]["name"], icon=Icon.LANGUAGE, size=Size.BODY, lines=2)
    drawing.text(head, words["enrol.title"], Role.TEXT, Size.TITLE, Size.STRONG, Size.BODY, bold=True, lines=2)


def _draw_typing(drawing: Drawing, page: Box, asked: str, typed: str, board: _Board, now: Enrolling) -> None:
    metrics, gap = drawing.metrics, drawing.metrics.gap // 2
    is_small = page.w * _LETTERS_PERCENT // 100 // max(map(len, board.rows)) < metrics.touch
    question, page = page.top(metrics.px(Size.BODY) * 8 // 3, metrics.gap)
    paged = _PAGE_ROWS * metrics.touch
    line, keys = page.top(page.h - paged - metrics.gap if is_small else metrics.touch * 3 // 4, metrics.gap)
    drawing.text(question, asked, Role.TEXT, Size.STRONG, Size.BODY, lines=2)
    drawing.fill(line, Role.SURFACE, edge=Role.BRAND)
    drawing.text(line.inset(metrics.gap, 0), typed[-60:], Role.TEXT, Size.STRONG, Size.BODY, bold=True, lines=2)
    if is_small:
        return _draw_page(drawing, keys, board, now.keys_from)
    letters, side = keys.left(keys.w * _LETTERS_PERCENT // 100, gap)
    for signs, row in zip(board.rows, letters.grid(1, len(board.rows), gap), strict=True):
        _draw_signs(drawing, row.grid(len(signs), 1, gap), signs)
    rub, enter = side.grid(1, 2, gap)
    return _draw_ends(drawing, rub, enter)


def _draw_page(drawing: Drawing, keys: Box, board: _Board, first: int) -> None:
    """Some of the keys, each large enough for a finger; beside the last of them what turns, rubs out, and enters."""
    gap, rows = drawing.metrics.gap // 2, board.pages[first]
    columns, following = max(map(len, rows)), (first + 1) % len(board.pages)
    lines = keys.grid(1, len(rows), gap)
    for signs, row in zip(rows, lines, strict=True):
        _draw_signs(drawing, row.grid(columns, 1, gap)[: len(signs)], signs)
    cells = lines[-1].grid(columns, 1, gap)[len(rows[-1]) :]
    rest = Box(cells[0].x, cells[0].y, cells[-1].x + cells[-1].w - cells[0].x, cells[0].h)
    turn, rub, enter = rest.grid(3, 1, gap)
    drawing.button(turn, Turn(following), board.names[following], size=Size.BODY, lines=2)
    _draw_ends(drawing, rub, enter)


def _draw_signs(drawing: Drawing, cells: list[Box], signs: str) -> None:
    for cell, sign in zip(cells, signs, strict=True):
        drawing.button(cell, Type(sign), sign, size=Size.STRONG)


def _draw_ends(drawing: Drawing, rub: Box, enter: Box) -> None:
    drawing.button(rub, Rub(), icon=Icon.RUB)
    drawing.button(enter, Enter(), icon=Icon.CHECK, role=Role.BRAND, ink=Role.BRAND_INK)


def _draw_words(drawing: Drawing, page: Box, now: Enrolling, words: Words) -> None:
    """Four words, large, one under the other: somebody reads them over a telephone."""
    metrics = drawing.metrics
    drawing.fill(page, Role.ASKING)
    left, right = page.inset(metrics.gap * 2).left(page.w * 46 // 100, metrics.gap * 2)
    drawing.text(left, words["enrol.compare"], Role.ASKING_INK, Size.STRONG, Size.BODY, lines=12)
    four = now.four_words.split()
    for cell, word in zip(right.grid(1, len(four), metrics.gap), four, strict=True):
        drawing.text(cell, word, Role.ASKING_INK, Size.GIANT, Size.AMOUNT, bold=True, align=Align.CENTER)


def _draw_failed(drawing: Drawing, page: Box, now: Enrolling, words: Words) -> None:
    button, page = page.bottom(drawing.metrics.touch, drawing.metrics.gap)
    again: Press = Enter()
    drawing.button(button, again, words["enrol.again"], icon=Icon.AGAIN, role=Role.BRAND, ink=Role.BRAND_INK)
    assert now.fault is not None, "it failed in some way"
    text = words[f"enrol_fault.{now.fault}"].format(server=now.server)
    if now.fault in TOLD_APART:
        told = shorten(now.why, _DETAIL_CHARS, placeholder=" …")  # the log has the whole
        text = f"{text}\n{words['enrol.detail'].format(text=told)}"
    _draw_moment(drawing, page, (Role.REFUSED, Icon.CROSS), words["enrol.failed"], text)


def _draw_moment(drawing: Drawing, page: Box, look: tuple[Role, Icon], title: str, text: str) -> None:
    metrics = drawing.metrics
    role, icon = look
    ink = Role(f"{role}_ink")
    drawing.fill(page, role)
    head, rest = page.inset(metrics.gap * 2).top(page.h * 34 // 100, metrics.gap)
    px = min(head.h, head.w // 5)
    sign, head = head.left(px, metrics.gap * 2)
    drawing.sign(sign, icon, ink, px)
    drawing.text(head, title, ink, Size.TITLE, Size.STRONG, Size.BODY, bold=True, lines=3)
    drawing.text(rest, text, ink, Size.STRONG, Size.BODY, lines=14, middle=False)
