"""Draws the pictures of the documentation: `python -m tests.web.pictures docs/pictures`. Look at them afterwards."""

import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from terminal.theme import COLOURS, ICON_CODES, TONE_ICONS, TONE_ROLES, Icon, Role, Size, Theme
from terminal.views import Tone
from tests.web.conftest import CHROMIUM
from tests.web.house import web_house
from tests.web.story import lunch
from tests.web.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
CSS = ROOT / "server" / "web" / "static" / "app.css"
FONT = ROOT / "terminal" / "fonts" / "tabler-icons.ttf"
PAGES = (("overview", "/overview"), ("proof", "/entries/1/0/5"), ("day", "/days/20787"))
"""By the name of the picture; as an administrator sees them in a window of 1280 x 900."""
_SHEET = """
body { margin: 0; padding: 2rem; width: 1100px; }
section { padding: 1.2rem 1.5rem; border-radius: .75rem; margin-bottom: 1rem; background: var(--fanka-page); }
section, h2 { color: var(--fanka-text); }
.flow { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: .8rem; }
.swatch { width: 2.2rem; height: 2.2rem; border-radius: .5rem; border: 1px solid var(--fanka-soft); }
.tone { padding: .6rem .9rem; border-radius: .6rem; font-weight: 700; border: 1px solid var(--fanka-line); }
.sign { font-family: fanka-signs; font-weight: 400; font-size: 1.4em; vertical-align: -.15em; margin-right: .4em; }
.signs span { width: 6.4rem; text-align: center; font-size: .75rem; }
.signs .sign { display: block; font-size: 1.7rem; margin: 0; }
"""


def main(directory: Path) -> None:
    """Draw them all."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _draw_design(browser, directory / "design.png")
        with tempfile.TemporaryDirectory() as place, web_house(Path(place) / "house", lunch) as house:
            visitor = Visitor.open(browser, house)
            visitor.sign_in("ann")
            for name, path in PAGES:
                visitor.go(path)
                visitor.page.wait_for_load_state("networkidle")
                visitor.page.screenshot(path=directory / f"page-{name}.png")
            visitor.close()
        browser.close()


def _draw_design(browser: Browser, path: Path) -> None:
    page = browser.new_page(viewport={"width": 1164, "height": 900})
    font = f'@font-face {{ font-family: fanka-signs; src: url("{FONT.as_uri()}"); }}'
    sheet = ROOT / "build" / "design.html"
    sheet.parent.mkdir(exist_ok=True)
    sheet.write_text(f"<meta charset=utf-8><style>{CSS.read_text()}{font}{_SHEET}</style><body>{''.join(_design())}")
    page.goto(sheet.as_uri())
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=True)
    page.close()


def _design() -> Iterator[str]:
    for theme in Theme:
        yield f'<section data-look="{theme}"><h2>{theme}</h2><div class="flow">'
        for role in Role:
            if not role.endswith("_ink") and f"{role}_ink" not in set(Role):
                yield f'<span class="swatch" style="background:{COLOURS[theme][role]}"></span><span>{role}</span>'
        yield '</div><div class="flow">'
        for tone in Tone:
            back, ink = (COLOURS[theme][role] for role in TONE_ROLES[tone])
            sign = f'<span class="sign">{_sign(TONE_ICONS[tone])}</span>'
            yield f'<span class="tone" style="background:{back};color:{ink}">{sign}{tone.replace("_", " ")}</span>'
        warning = COLOURS[theme][Role.WARNING], COLOURS[theme][Role.WARNING_INK]
        sign = f'<span class="sign">{_sign(Icon.OFFLINE)}</span>'
        yield f'<span class="tone" style="background:{warning[0]};color:{warning[1]}">{sign}offline, warning</span>'
        yield "</div></section>"
    yield '<section data-look="light"><h2>Type</h2>'
    for size in sorted(Size, reverse=True):
        words = f"{size.name.lower()} {size.value} · 饭卡 ¥12.50"
        yield f'<div style="font-size:{size.value}px;line-height:1.3">{words}</div>'
    yield '</section><section data-look="light"><h2>Signs</h2><div class="flow signs">'
    for icon in Icon:
        yield f'<span><span class="sign">{_sign(icon)}</span>{escape(icon.name.lower().replace("_", " "))}</span>'
    yield "</div></section>"


def _sign(icon: Icon) -> str:
    return f"&#x{ICON_CODES[icon]:x};"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
