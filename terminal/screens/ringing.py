"""Ringing: dishes or a number pad on the left, the basket and its sum on the right."""

from math import ceil

from protocol.basket import Item
from protocol.price_list import Product
from terminal.commands import Clear, Pay, Remove, RingItem, TakeCash
from terminal.front import Counter, Front, found
from terminal.help import widest_of, width_of
from terminal.presses import Area, Beside, Do, Open, Page, Pick, Repeat, Turn
from terminal.scene import Align, Box, Drawing, Touch
from terminal.screens.pad import draw_keyboard, draw_pad
from terminal.theme import Icon, Role, Size
from terminal.views import Words, cents_text, item_text, price_text

_CHANGES = {Area.DISHES: Icon.DISHES, Area.PAD: Icon.NUMBERS, Area.SEARCH: Icon.SEARCH}


def draw_ringing(drawing: Drawing, page: Box, front: Front, counter: Counter, words: Words) -> None:
    """The page of a cashier at work."""
    metrics = drawing.metrics
    rail, page = page.left(metrics.touch, metrics.gap)
    _draw_rail(drawing, rail, front)
    left, right = page.left(page.w * (58 if metrics.width < 600 else 60) // 100, metrics.gap)
    match front.area:
        case Area.PAD:
            draw_pad(drawing, left, front.typed, words, adds=True)
        case Area.SEARCH:
            _draw_search(drawing, left, front, counter, words)
        case Area.DISHES:
            _draw_dishes(drawing, left, front, counter, words)
    _draw_basket(drawing, right, counter, words)


def _draw_rail(drawing: Drawing, rail: Box, front: Front) -> None:
    """What can stand beside the basket, and the menu."""
    cells = rail.grid(1, len(_CHANGES) + 1, drawing.metrics.gap)
    for cell, (area, icon) in zip(cells, _CHANGES.items(), strict=False):
        role, ink = (Role.BRAND, Role.BRAND_INK) if area is front.area else (Role.KEY, Role.KEY_INK)
        drawing.button(cell, Beside(area), icon=icon, role=role, ink=ink)
    drawing.button(cells[-1], Open(Page.MENU), icon=Icon.MENU)


def categories(products: tuple[Product, ...]) -> tuple[str, ...]:
    """All of them ("") first, then each in the order of the price list."""
    return tuple(dict.fromkeys(["", *(product.category for product in products)]))


def _draw_dishes(drawing: Drawing, area: Box, front: Front, counter: Counter, words: Words) -> None:
    names, metrics = categories(counter.products), drawing.metrics
    category = front.category if front.category in names else ""
    if len(names) > 2:
        tabs, area = area.top(metrics.touch, metrics.gap)
        _draw_tabs(drawing, tabs, names, category, words)
    chosen = tuple(one for one in counter.products if category in ("", one.category))
    if chosen:
        return _draw_tiles(drawing, area, chosen, front, counter, words)
    return drawing.text(area.inset(metrics.gap), words["screen.no_dishes"], Role.SOFT, Size.STRONG, Size.BODY, lines=6)


def _draw_tabs(drawing: Drawing, tabs: Box, names: tuple[str, ...], chosen: str, words: Words) -> None:
    """As many categories as fit, from the chosen one's group on; the last key leads to the next group."""
    metrics = drawing.metrics
    longest = widest_of(names) * metrics.px(Size.SMALL) * 6 // 10 // 2 + 3 * metrics.gap
    room = max(2, tabs.w // max(metrics.touch * 8 // 5, longest))
    group = room - 1 if len(names) > room else room
    first = names.index(chosen) // group * group
    shown = names[first : first + group]
    cells = tabs.grid(room, 1, metrics.gap)
    for cell, name in zip(cells, shown, strict=False):
        role, ink = (Role.BRAND, Role.BRAND_INK) if name == chosen else (Role.KEY, Role.KEY_INK)
        drawing.button(cell, Pick(name), name or words["screen.all"], role=role, ink=ink, size=Size.BODY, lines=2)
    if len(names) > room:
        following = names[first + group] if first + group < len(names) else ""
        drawing.button(cells[-1], Pick(following), "…")


def _draw_search(drawing: Drawing, area: Box, front: Front, counter: Counter, words: Words) -> None:
    metrics = drawing.metrics
    top, keys = area.top(area.h * 42 // 100, metrics.gap)
    line, tiles = top.top(metrics.px(Size.STRONG) * 3 // 2, metrics.gap)
    drawing.fill(line, Role.SURFACE, edge=Role.LINE)
    drawing.text(
        line.inset(metrics.gap, 0),
        front.typed or words["screen.search"],
        Role.TEXT if front.typed else Role.SOFT,
        Size.STRONG,
    )
    hits = found(counter.products, front.typed) if front.typed else ()
    if front.typed and not hits:
        drawing.text(tiles.inset(metrics.gap), words["screen.none_found"], Role.SOFT, Size.BODY, lines=2)
    _draw_tiles(drawing, tiles, hits, front, counter, words, columns=2, rows=1)
    draw_keyboard(drawing, keys)


def _draw_tiles(
    drawing: Drawing,
    area: Box,
    products: tuple[Product, ...],
    front: Front,
    counter: Counter,
    words: Words,
    *,
    columns: int = 0,
    rows: int = 0,
) -> None:
    """As many as are large enough to be hit; what does not fit is a press further."""
    metrics = drawing.metrics
    columns = columns or max(2, area.w // (metrics.touch * 2 + metrics.touch // 2))
    rows = rows or max(1, area.h // _tile_px(area.w // columns - 3 * metrics.gap, products, drawing, words))
    room, first = columns * rows, front.first
    pages = ceil(len(products) / room) > 1
    shown = products[first : first + room - pages] if pages else products
    cells = area.grid(columns, rows, metrics.gap)
    for cell, product in zip(cells, shown, strict=False):
        _draw_tile(drawing, cell, product, counter.minute, words)
    if pages:
        step = room - 1
        following = first + step if first + step < len(products) else 0
        number = f"{first // step + 1}/{ceil(len(products) / step)}"
        drawing.button(cells[-1], Turn(following), number, icon=Icon.DOWN, size=Size.BODY)


def _tile_px(width: int, products: tuple[Product, ...], drawing: Drawing, words: Words) -> int:
    """How high a tile is: a good deal more than a finger, and enough for the longest name of these."""
    metrics = drawing.metrics
    line, px = metrics.px(Size.SMALL) * 4 // 3, metrics.px(Size.SMALL)
    longest = widest_of(_name(product, words) for product in products)
    lines = ceil(longest * px * 62 / 100 / width) + (longest * px * 62 // 100 > width)
    return max(metrics.touch * 3 // 2, lines * line + metrics.px(Size.BODY) * 4 // 3 + 2 * metrics.gap)


def _name(product: Product, words: Words) -> str:
    return str(getattr(product.names, words["language"]))


def _draw_tile(drawing: Drawing, cell: Box, product: Product, minute: int, words: Words) -> None:
    metrics = drawing.metrics
    drawing.fill(cell, Role.KEY, edge=Role.LINE)
    inner = cell.inset(metrics.gap, metrics.gap // 2)
    price, name = inner.bottom(metrics.px(Size.BODY) * 4 // 3)
    text = _name(product, words)
    drawing.text(name, text, Role.KEY_INK, Size.STRONG, Size.BODY, bold=True, lines=9, middle=False)
    cents = cents_text(product.price_for(None, minute), words)
    drawing.text(price, cents, Role.SOFT, Size.BODY, align=Align.RIGHT)
    drawing.touches.append(Touch(cell, Do(RingItem(product.id, 1))))


def _draw_basket(drawing: Drawing, panel: Box, counter: Counter, words: Words) -> None:
    metrics, items = drawing.metrics, counter.basket.items if counter.basket else ()
    drawing.fill(panel, Role.SURFACE, edge=Role.LINE)
    inner = panel.inset(metrics.gap)
    pay, inner = inner.bottom(metrics.touch, metrics.gap)
    more, inner = inner.bottom(metrics.touch, metrics.gap)
    total, inner = inner.bottom(metrics.px(Size.AMOUNT) * 4 // 3, 0)
    cents = counter.view.amount_cents
    if items:
        drawing.text(total, price_text(cents, words), Role.TEXT, Size.AMOUNT, Size.TITLE, bold=True, align=Align.RIGHT)
        cash, clear = more.grid(2, 1, metrics.gap)
        drawing.button(cash, Do(TakeCash()), words["screen.cash"], icon=Icon.CASH, size=Size.BODY)
        drawing.button(clear, Do(Clear()), words["screen.clear"], icon=Icon.TRASH, size=Size.BODY)
        drawing.button(pay, Do(Pay()), words["screen.pay"], icon=Icon.CARD, role=Role.BRAND, ink=Role.BRAND_INK)
        _draw_items(drawing, inner, items, counter, words)
        return
    can_repeat = bool(counter.last) and counter.basket is not None
    if can_repeat:
        text = words["screen.repeat"].format(cents=cents_text(counter.last_cents, words))
        drawing.button(pay, Repeat(), text, icon=Icon.AGAIN, role=Role.BRAND, ink=Role.BRAND_INK, lines=2)
    box = Box(inner.x, inner.y, inner.w, (total.y + total.h if can_repeat else pay.y) - inner.y)
    _draw_empty(drawing, box, counter)


def _draw_empty(drawing: Drawing, box: Box, counter: Counter) -> None:
    """Nothing is rung: what to do, and what must not be forgotten."""
    metrics, view = drawing.metrics, counter.view
    title, rest = box.top(metrics.px(Size.TITLE) * 4 // 3, metrics.gap)
    drawing.text(title, view.title, Role.TEXT, Size.TITLE, Size.STRONG, bold=True)
    text = "\n".join((view.advice, *view.lines))
    drawing.text(rest, text, Role.SOFT, Size.STRONG, Size.BODY, lines=14, middle=False)


def _draw_items(drawing: Drawing, box: Box, items: tuple[Item, ...], counter: Counter, words: Words) -> None:
    """The newest last and always in sight; a touch takes one away."""
    metrics, basket = drawing.metrics, counter.basket
    assert basket is not None
    gap, line = metrics.gap // 2, metrics.px(Size.SMALL) * 4 // 3
    key = metrics.touch * 3 // 4
    stacked = metrics.width < 600
    texts = [
        (_label(item, name), cents)
        for item in items
        for name, cents in [item_text(item, basket, counter.minute, words)]
    ]
    columns = (box.w - key - gap) * (100 if stacked else 60) // (metrics.px(Size.SMALL) * 52)
    heights = [max(key, line * (min(4, ceil(width_of(name) / max(1, columns))) + stacked) + gap) for name, _ in texts]
    first = len(items)
    room = box.h - line - gap
    while first and room >= heights[first - 1]:
        first -= 1
        room -= heights[first] + gap
    first = min(first, len(items) - 1)
    if first:
        above, box = box.top(line, gap)
        drawing.text(above, words["screen.more_lines"].format(count=first), Role.SOFT, Size.BODY)
    for index in range(first, len(items)):
        row, box = box.top(heights[index], gap)
        _draw_item(drawing, row, index, texts[index], key, stacked=stacked)


def _label(item: Item, name: str) -> str:
    return name if item.qty == 1 else f"{item.qty} × {name}"


def _draw_item(drawing: Drawing, row: Box, index: int, text: tuple[str, str], key_px: int, *, stacked: bool) -> None:
    metrics, (name, cents) = drawing.metrics, text
    key, rest = row.right(key_px, metrics.gap)
    drawing.button(key, Do(Remove(index)), icon=Icon.MINUS)
    if stacked:
        amount, rest = rest.bottom(metrics.px(Size.SMALL) * 4 // 3)
    else:
        amount, rest = rest.right(rest.w * 40 // 100, metrics.gap)
    drawing.text(rest, name, Role.TEXT, Size.BODY, lines=4)
    drawing.text(amount, cents, Role.TEXT, Size.BODY, bold=True, align=Align.RIGHT)
