"""One moment of a till as a scene: the bar that is always there, and the page under it."""

from protocol.instants import CampusTime
from terminal.front import Counter, Front
from terminal.presses import Page
from terminal.scene import Align, Box, Drawing, Scene
from terminal.screens.bar import draw_bar
from terminal.screens.doctor import draw_doctor
from terminal.screens.forms import draw_form
from terminal.screens.lists import draw_lists
from terminal.screens.menu import draw_languages, draw_menu, draw_tools
from terminal.screens.moment import draw_moment
from terminal.screens.pages import draw_sold, draw_text
from terminal.screens.ringing import draw_ringing
from terminal.theme import Metrics, Role, Size
from terminal.views import Words


def picture(front: Front, counter: Counter, campus: CampusTime, words: Words, metrics: Metrics) -> Scene:
    """What the screen shows. Pure: the same arguments give the same boxes."""
    drawing = Drawing(metrics)
    screen = Box(0, 0, metrics.width, metrics.height)
    drawing.fill(screen, Role.PAGE, round_=False)
    bar, rest = screen.top(metrics.bar)
    draw_bar(drawing, bar, counter, campus, words)
    page = rest.inset(metrics.gap)
    if counter.training:
        drawing.fill(rest, Role.WARNING, round_=False)
        drawing.fill(rest.inset(metrics.gap // 2), Role.PAGE, round_=False)
        strip, page = page.top(metrics.px(Size.BODY) + metrics.gap, metrics.gap)
        drawing.fill(strip, Role.WARNING)
        drawing.text(strip, words["screen.training"], Role.WARNING_INK, Size.BODY, bold=True, align=Align.CENTER)
    _draw_page(drawing, page, front, counter, campus, words)
    if front.said:
        _draw_said(drawing, screen, front.said, words)
    return drawing.done()


def _draw_page(drawing: Drawing, page: Box, front: Front, counter: Counter, campus: CampusTime, words: Words) -> None:
    match front.page:
        case Page.MENU:
            draw_menu(drawing, page, counter, words)
        case Page.FORM if front.form is not None:
            draw_form(drawing, page, front, counter, words)
        case Page.SOLD:
            draw_sold(drawing, page, front, counter, words)
        case Page.TEXT:
            draw_text(drawing, page, front, counter, campus, words)
        case Page.TOOLS:
            draw_tools(drawing, page, front, counter, words)
        case Page.DOCTOR:
            draw_doctor(drawing, page, front, counter, campus, words)
        case Page.LISTS:
            draw_lists(drawing, page, front, counter, campus, words)
        case Page.LANGUAGE:
            draw_languages(drawing, page, words)
        case _ if counter.view.phase == "ringing" or _rings_on(front, counter):
            draw_ringing(drawing, page, front, counter, words)
        case _:
            draw_moment(drawing, page, front, counter, words)


def _rings_on(front: Front, counter: Counter) -> bool:
    """Somebody types an amount though the last customer's moment is still shown: it must be seen."""
    return front.typed[:1].isdigit() and counter.view.phase == "done"


def _draw_said(drawing: Drawing, screen: Box, said: tuple[str, ...], words: Words) -> None:
    """An answer, over everything, until the next press."""
    metrics = drawing.metrics
    text = "\n".join(words["screen.what"] if line == "?" else line for line in said)
    height = 3 * metrics.px(Size.BODY) * 3 // 2 + 2 * metrics.gap
    box, _ = screen.inset(metrics.gap * 2).bottom(height)
    drawing.fill(box, Role.TEXT)
    drawing.text(box.inset(metrics.gap * 2, metrics.gap), text, Role.PAGE, Size.STRONG, Size.BODY, bold=True, lines=4)
