"""The screens of a machine that is no terminal yet: server, claim code, the four words, what went wrong."""

from terminal.enrol_fault import TOLD_APART
from terminal.enrolling import Enrolling, Step
from terminal.floor_commands import Speak
from terminal.languages import LANGUAGES
from terminal.presses import Do, Enter, Escape, Press, Rub, Type
from terminal.scene import Align, Box, Drawing, Scene
from terminal.theme import Icon, Metrics, Role, Size
from terminal.views import Words

_ADDRESS = ("1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm.:/")
_CODE = ("01234567", "89ABCDEF", "GHJKMNPQ", "RSTVWXYZ")
"""The signs of claim codes (SPEC, "Enrolment")."""
_BEGINNING = "https://"


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
            _draw_typing(drawing, page, wrong or words["enrol.ask_server"], beginning + now.typed, _ADDRESS)
        case Step.CODE:
            asked = words["enrol.no_code" if now.is_wrong else "enrol.ask_code"].format(server=now.server)
            _draw_typing(drawing, page, asked, _halves(now.typed), _CODE)
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


def _draw_typing(drawing: Drawing, page: Box, asked: str, typed: str, rows: tuple[str, ...]) -> None:
    metrics = drawing.metrics
    question, page = page.top(metrics.px(Size.BODY) * 8 // 3, metrics.gap)
    drawing.text(question, asked, Role.TEXT, Size.STRONG, Size.BODY, lines=2)
    line, keys = page.top(metrics.touch * 3 // 4, metrics.gap)
    drawing.fill(line, Role.SURFACE, edge=Role.BRAND)
    drawing.text(line.inset(metrics.gap, 0), typed[-60:], Role.TEXT, Size.STRONG, Size.BODY, bold=True, lines=2)
    letters, side = keys.left(keys.w * 85 // 100, metrics.gap // 2)
    gap = metrics.gap // 2
    for signs, row in zip(rows, letters.grid(1, len(rows), gap), strict=True):
        for cell, sign in zip(row.grid(len(signs), 1, gap), signs, strict=True):
            drawing.button(cell, Type(sign), sign, size=Size.STRONG)
    rub, enter = side.grid(1, 2, gap)
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
        text = f"{text}\n{words['enrol.detail'].format(text=now.why)}"
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
