"""A page to read: the way back, its title, and a key to what lies further on."""

from collections.abc import Sequence

from terminal.front import Front
from terminal.presses import Escape, Turn
from terminal.scene import Box, Drawing
from terminal.theme import Icon, Role, Size


def room_of(drawing: Drawing, page: Box) -> Box:
    """What lies under the title."""
    return page.top(drawing.metrics.touch, drawing.metrics.gap)[1]


def draw_frame(drawing: Drawing, page: Box, title: str, front: Front, starts: Sequence[int]) -> Box:
    """`starts`: the first thing of each page of them. Returns the room under the title."""
    metrics = drawing.metrics
    head, room = page.top(metrics.touch, metrics.gap)
    back, head = head.left(metrics.touch * 2, metrics.gap * 2)
    drawing.button(back, Escape(), icon=Icon.BACK)
    if len(starts) > 1:
        turn, head = head.right(metrics.touch * 3, metrics.gap)
        at = page_at(starts, front.first)
        following = starts[at + 1] if at + 1 < len(starts) else 0
        drawing.button(turn, Turn(following), f"{at + 1}/{len(starts)}", icon=Icon.DOWN)
    drawing.text(head, title, Role.TEXT, Size.TITLE, Size.STRONG, Size.BODY, bold=True, lines=2)
    return room


def page_at(starts: Sequence[int], first: int) -> int:
    """On which page something stands; things may have come and gone since it was turned to."""
    return max((at for at, start in enumerate(starts) if start <= first), default=0)


def starts_of(heights: Sequence[int], room: int, gap: int) -> tuple[int, ...]:
    """The first thing of each page, where things of these heights stand one under the other."""
    starts, left = list[int](), 0
    for at, height in enumerate(heights):
        if not starts or left < height:
            starts.append(at)
            left = room
        left -= height + gap
    return tuple(starts)
