"""What is always on a till's screen: which terminal, who sells, how late it is, whether the server is there."""

from protocol.instants import CampusTime
from terminal.front import Counter
from terminal.scene import Align, Box, Drawing
from terminal.status import Status, time_text
from terminal.theme import Icon, Role, Size
from terminal.views import Words


def draw_bar(drawing: Drawing, bar: Box, counter: Counter, campus: CampusTime, words: Words) -> None:
    """One line over the whole width; yellow where somebody must know that something is not as always."""
    status, metrics = counter.status, drawing.metrics
    warns = counter.training or warns_of(status)
    ground, ink = (Role.WARNING, Role.WARNING_INK) if warns else (Role.SURFACE, Role.TEXT)
    drawing.fill(bar, ground, round_=False)
    inner = bar.inset(metrics.gap, 0)
    narrow = metrics.width < 600
    left, inner = inner.left(inner.w * (30 if narrow else 27) // 100, metrics.gap)
    staff = status.shift.staff or words["status.nobody"]
    _item(drawing, left, Icon.PERSON, f"{status.tid} · {staff}", ink)
    clock, inner = inner.left(metrics.px(Size.BODY) * (5 if narrow else 6), metrics.gap)
    _item(drawing, clock, Icon.CLOCK, time_text(status.now.utc_ms, campus)[-5:], ink)
    lists, inner = inner.right(inner.w * (33 if narrow else 30) // 100, metrics.gap)
    _item(drawing, lists, Icon.LISTS, _lists_text(status, campus, words), ink)
    unsent, inner = inner.right(metrics.px(Size.BODY) * (5 if narrow else 7), metrics.gap)
    _item(drawing, unsent, Icon.UNSENT, str(status.unsent), ink)
    if counter.training:
        return _item(drawing, inner, Icon.SCHOOL, words["bar.training"], ink)
    return _item(drawing, inner, Icon.OFFLINE if status.offline else Icon.ONLINE, state_text(status, words), ink)


def warns_of(status: Status) -> bool:
    """Whether something is not as always."""
    return bool(status.offline or status.alarm or status.reader_fault or status.disk_low or status.forked)


def state_text(status: Status, words: Words) -> str:
    """The most important thing that is not as always, in a word or two."""
    if status.forked:
        return words["bar.forked"]
    if status.disk_low:
        return words["bar.disk"]
    if status.reader_fault:
        return words["bar.reader"]
    if status.offline:
        return words[f"bar.{status.offline.cause}"]
    return words["bar.alarm"] if status.alarm else words["bar.online"]


def _lists_text(status: Status, campus: CampusTime, words: Words) -> str:
    """The time of today's lists, the day of older ones."""
    if not status.lists_as_of:
        return words["bar.no_lists"]
    (day, time), today = (time_text(at, campus).split() for at in (status.lists_as_of, status.now.utc_ms))
    return time if day == today[0] else day[5:]


def _item(drawing: Drawing, box: Box, icon: Icon, text: str, ink: Role) -> None:
    px = drawing.metrics.px(Size.BODY)
    sign, rest = box.left(px + 2, drawing.metrics.gap // 2)
    drawing.sign(sign, icon, ink, px)
    drawing.text(rest, text, ink, Size.BODY, bold=True, align=Align.LEFT)
