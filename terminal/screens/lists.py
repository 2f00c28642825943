"""The page of lists and sync: what this terminal has from the server, how old it is, and what it has not sent."""

from msgspec import structs

from protocol.instants import CampusTime
from terminal.front import Counter, Front
from terminal.scene import Box, Drawing
from terminal.screens.frame import draw_frame, page_at, room_of, starts_of
from terminal.status import Status, limit_text, time_text
from terminal.theme import Icon, Role, Size
from terminal.views import Words, age_text

_NAMES = ("cards", "prices", "limits", "loads", "staff", "promotions", "texts", "config")
_LOW = 0xFFFF_FFFF
"""A version is a number under the epoch of the server that gave it (SPEC, "Lists")."""
_ROW_LINES = 3


def draw_lists(drawing: Drawing, page: Box, front: Front, counter: Counter, campus: CampusTime, words: Words) -> None:
    """Sync and age in full width, then each list with its version and what happens when it gets old."""
    metrics = drawing.metrics
    line = metrics.px(Size.BODY) * 4 // 3
    rows = [((Icon.UNSENT, *sync_text(counter.status, campus, words)),)]
    rows.append(((Icon.LISTS, *age_of_lists(counter.status, campus, words)),))
    lists = [(Icon.LISTS, *one) for one in list_texts(counter.status, campus, words)]
    pairs = [*rows, *(tuple(lists[at : at + 2]) for at in range(0, len(lists), 2))]
    heights = [_ROW_LINES * line + metrics.gap] * len(pairs)
    starts = starts_of(heights, room_of(drawing, page).h, metrics.gap)
    room = draw_frame(drawing, page, words["screen.lists"], front, starts)
    at = page_at(starts, front.first)
    shown = pairs[starts[at] : starts[at + 1] if at + 1 < len(starts) else None]
    for pair in shown:
        row, room = room.top(heights[0], metrics.gap)
        columns = 2 if pair[0] in lists else 1
        for cell, (icon, title, text) in zip(row.grid(columns, 1, metrics.gap), pair, strict=False):
            _draw_row(drawing, cell, icon, title, text)


def sync_text(status: Status, campus: CampusTime, words: Words) -> tuple[str, str]:
    """What the server has of this journal."""
    title = words["sync.unsent"].format(unsent=status.unsent, epoch=status.outfit.epoch)
    if not status.acked_at:
        return title, words["sync.never"].format(tip=status.tip)
    figures = {"acked": status.acked, "tip": status.tip, "time": time_text(status.acked_at, campus)}
    return title, words["sync.acked"].format(**figures)


def age_of_lists(status: Status, campus: CampusTime, words: Words) -> tuple[str, str]:
    """Of when all lists are, when newer ones should come, and what holds meanwhile."""
    if not status.lists_as_of:
        return words["status.no_lists"], words["sync.no_lists"]
    age = age_text(status.lists_age_ms, words)
    title = words["sync.of"].format(time=time_text(status.lists_as_of, campus), age=age)
    if status.sale_max is not None:
        return title, limit_text(status.lists_as_of, status.sale_max, campus, words)
    if not status.lists_expire:
        return title, words["sync.no_end"]
    key = "sync.ended" if status.lists_expire <= status.now.utc_ms else "sync.ends"
    return title, words[key].format(time=time_text(status.lists_expire, campus))


def list_texts(status: Status, campus: CampusTime, words: Words) -> list[tuple[str, str]]:
    """Each list by name and version, and what becomes of it when no newer one comes."""
    versions: dict[str, int] = structs.asdict(status.versions)
    rows = list[tuple[str, str]]()
    for name in _NAMES:
        version = f"{versions[name] >> 32}.{versions[name] & _LOW}" if versions[name] else words["sync.none"]
        then = words[f"list_then.{name}"]
        if name == "prices" and status.prices_later:
            then = words["list_then.prices_later"].format(time=time_text(status.prices_later, campus))
        rows.append((words["screen.named"].format(name=words[f"list_name.{name}"], value=version), then))
    return rows


def _draw_row(drawing: Drawing, cell: Box, icon: Icon, title: str, text: str) -> None:
    metrics = drawing.metrics
    drawing.fill(cell, Role.SURFACE, edge=Role.LINE)
    px = metrics.px(Size.TITLE)
    sign, rest = cell.inset(metrics.gap // 2).left(px, metrics.gap)
    drawing.sign(sign, icon, Role.TEXT, px)
    head, rest = rest.top(metrics.px(Size.BODY) * 4 // 3)
    drawing.text(head, title, Role.TEXT, Size.BODY, bold=True)
    drawing.text(rest, text, Role.SOFT, Size.BODY, lines=2, middle=False)
