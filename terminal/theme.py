"""What every screen and page looks like: colours, sizes of text, spaces and icons, by the names that drawings use.

The till's screen draws with these values, and the pages' style sheet is made of the same ones (`css`). Nothing is said
by a colour alone: each kind of moment has an icon and words beside it. A test holds the contrast of what meets.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from terminal.views import Tone


class Theme(enum.StrEnum):
    """Day, night, and for whoever sees little or has the sun on the screen."""

    LIGHT = "light"
    DARK = "dark"
    CONTRAST = "contrast"


class Role(enum.StrEnum):
    """What a colour is for. An `_ink` is what is written on the colour of that name."""

    PAGE = "page"
    SURFACE = "surface"
    LINE = "line"
    TEXT = "text"
    SOFT = "soft"
    BRAND = "brand"
    BRAND_INK = "brand_ink"
    KEY = "key"
    KEY_INK = "key_ink"
    OFF = "off"
    """What cannot be pressed now."""
    WARNING = "warning"
    WARNING_INK = "warning_ink"
    WAITING = "waiting"
    WAITING_INK = "waiting_ink"
    HOLD = "hold"
    HOLD_INK = "hold_ink"
    ASKING = "asking"
    ASKING_INK = "asking_ink"
    APPROVED = "approved"
    APPROVED_INK = "approved_ink"
    REFUSED = "refused"
    REFUSED_INK = "refused_ink"
    TAP_AGAIN = "tap_again"
    TAP_AGAIN_INK = "tap_again_ink"


Colours = Mapping[Role, str]
"""#RRGGBB by role."""

_LIGHT = {
    Role.PAGE: "#EEF2F5", Role.SURFACE: "#FFFFFF", Role.LINE: "#C3CDD6", Role.TEXT: "#14202B", Role.SOFT: "#4A5A68",
    Role.BRAND: "#0B5F78", Role.BRAND_INK: "#FFFFFF", Role.KEY: "#FFFFFF", Role.KEY_INK: "#14202B", Role.OFF: "#5A6873",
    Role.WARNING: "#FFD66B", Role.WARNING_INK: "#2A1D00",
    Role.WAITING: "#0B5FA8", Role.WAITING_INK: "#FFFFFF", Role.HOLD: "#3B3F9E", Role.HOLD_INK: "#FFFFFF",
    Role.ASKING: "#5B3F8F", Role.ASKING_INK: "#FFFFFF", Role.APPROVED: "#14713D", Role.APPROVED_INK: "#FFFFFF",
    Role.REFUSED: "#B3261E", Role.REFUSED_INK: "#FFFFFF", Role.TAP_AGAIN: "#FFC53D", Role.TAP_AGAIN_INK: "#2A1D00",
}  # fmt: skip
_DARK = {
    Role.PAGE: "#0F161C", Role.SURFACE: "#1A242D", Role.LINE: "#3A4854", Role.TEXT: "#F2F6F9", Role.SOFT: "#A9B7C3",
    Role.BRAND: "#58C4DD", Role.BRAND_INK: "#06222B", Role.KEY: "#2A3743", Role.KEY_INK: "#F2F6F9", Role.OFF: "#93A1AD",
    Role.WARNING: "#FFD66B", Role.WARNING_INK: "#2A1D00",
    Role.WAITING: "#1560A6", Role.WAITING_INK: "#FFFFFF", Role.HOLD: "#4A4FB8", Role.HOLD_INK: "#FFFFFF",
    Role.ASKING: "#6E4FA8", Role.ASKING_INK: "#FFFFFF", Role.APPROVED: "#177543", Role.APPROVED_INK: "#FFFFFF",
    Role.REFUSED: "#BE332A", Role.REFUSED_INK: "#FFFFFF", Role.TAP_AGAIN: "#FFC53D", Role.TAP_AGAIN_INK: "#2A1D00",
}  # fmt: skip
_CONTRAST = {
    Role.PAGE: "#000000", Role.SURFACE: "#000000", Role.LINE: "#FFFFFF", Role.TEXT: "#FFFFFF", Role.SOFT: "#FFFFFF",
    Role.BRAND: "#FFE600", Role.BRAND_INK: "#000000", Role.KEY: "#000000", Role.KEY_INK: "#FFFFFF", Role.OFF: "#B8B8B8",
    Role.WARNING: "#FFE600", Role.WARNING_INK: "#000000",
    Role.WAITING: "#00E5FF", Role.WAITING_INK: "#000000", Role.HOLD: "#FFFFFF", Role.HOLD_INK: "#000000",
    Role.ASKING: "#FFFFFF", Role.ASKING_INK: "#000000", Role.APPROVED: "#4DFF88", Role.APPROVED_INK: "#000000",
    Role.REFUSED: "#FF8A80", Role.REFUSED_INK: "#000000", Role.TAP_AGAIN: "#FFE600", Role.TAP_AGAIN_INK: "#000000",
}  # fmt: skip
COLOURS: dict[Theme, Colours] = {Theme.LIGHT: _LIGHT, Theme.DARK: _DARK, Theme.CONTRAST: _CONTRAST}

TONE_ROLES = {
    Tone.READY: (Role.SURFACE, Role.TEXT),
    Tone.WAITING: (Role.WAITING, Role.WAITING_INK),
    Tone.HOLD: (Role.HOLD, Role.HOLD_INK),
    Tone.ASKING: (Role.ASKING, Role.ASKING_INK),
    Tone.APPROVED: (Role.APPROVED, Role.APPROVED_INK),
    Tone.REFUSED: (Role.REFUSED, Role.REFUSED_INK),
    Tone.TAP_AGAIN: (Role.TAP_AGAIN, Role.TAP_AGAIN_INK),
}
"""What a kind of moment is drawn on, and in."""


class Icon(enum.StrEnum):
    """A sign, by its name in the Tabler set; the value of `ICON_CODES` is its place in that font."""

    CARD = "nfc"
    CHECK = "circle-check"
    CROSS = "circle-x"
    AGAIN = "repeat"
    HAND = "hand-stop"
    HOURGLASS = "hourglass"
    QUESTION = "help-circle"
    ONLINE = "wifi"
    OFFLINE = "wifi-off"
    UNSENT = "cloud-upload"
    LISTS = "list-check"
    CLOCK = "clock"
    PERSON = "user"
    ALERT = "alert-triangle"
    MENU = "menu-2"
    SEARCH = "search"
    NUMBERS = "numbers"
    DISHES = "soup"
    RUB = "backspace"
    CASH = "cash"
    TRASH = "trash"
    BACK = "arrow-left"
    UNDO = "arrow-back-up"
    SHIFT = "cash-register"
    REPORT = "report"
    REFUND = "receipt-refund"
    TOPUP = "wallet"
    TOOLS = "tools"
    SCHOOL = "school"
    SUN = "sun"
    MOON = "moon"
    CONTRAST = "contrast"
    LANGUAGE = "language"
    LOCK = "lock"
    UP = "chevron-up"
    DOWN = "chevron-down"
    PLUS = "plus"
    MINUS = "minus"


ICON_CODES = {
    Icon.CARD: 0xEEB7, Icon.CHECK: 0xEA67, Icon.CROSS: 0xEA6A, Icon.AGAIN: 0xEB72, Icon.HAND: 0xEC2E,
    Icon.HOURGLASS: 0xEF93, Icon.QUESTION: 0xF91D, Icon.ONLINE: 0xEB52, Icon.OFFLINE: 0xECFA, Icon.UNSENT: 0xEA75,
    Icon.LISTS: 0xEB6A, Icon.CLOCK: 0xEA70, Icon.PERSON: 0xEB4D, Icon.ALERT: 0xEA06, Icon.MENU: 0xEC42,
    Icon.SEARCH: 0xEB1C, Icon.NUMBERS: 0xF015, Icon.DISHES: 0xEF2E, Icon.RUB: 0xEA2D, Icon.CASH: 0xEA55,
    Icon.TRASH: 0xEB41, Icon.BACK: 0xEA19, Icon.UNDO: 0xEB77, Icon.SHIFT: 0xFEE6, Icon.REPORT: 0xEECE,
    Icon.REFUND: 0xEDFC, Icon.TOPUP: 0xEB75, Icon.TOOLS: 0xEBCA, Icon.SCHOOL: 0xECF7, Icon.SUN: 0xEB30,
    Icon.MOON: 0xEAF8, Icon.CONTRAST: 0xEC4E, Icon.LANGUAGE: 0xEBBE, Icon.LOCK: 0xEAE2, Icon.UP: 0xEA62,
    Icon.DOWN: 0xEA5F, Icon.PLUS: 0xEB0B, Icon.MINUS: 0xEAF2,
}  # fmt: skip

TONE_ICONS = {
    Tone.READY: Icon.CARD,
    Tone.WAITING: Icon.CARD,
    Tone.HOLD: Icon.HAND,
    Tone.ASKING: Icon.QUESTION,
    Tone.APPROVED: Icon.CHECK,
    Tone.REFUSED: Icon.CROSS,
    Tone.TAP_AGAIN: Icon.AGAIN,
}


class Size(enum.IntEnum):
    """The type scale: the height of letters in pixels on a screen of 800 x 480; each is some 1.3 times the last."""

    SMALL = 14
    BODY = 18
    STRONG = 23
    TITLE = 32
    AMOUNT = 46
    GIANT = 84


TEXT_PX_MIN = 12
"""No text is smaller on any screen."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Spaces of a screen in pixels; a touch is at least 9 mm on the panels of that size (7 inches, 7 inches, 3.5)."""

    width: int
    height: int
    bar: int
    gap: int
    touch: int
    radius: int
    percent: int
    """How large text is, of the type scale."""

    def px(self, size: Size) -> int:
        """The pixels of a text size here."""
        return max(TEXT_PX_MIN, size * self.percent // 100)


SCREENS = {
    (800, 480): Metrics(800, 480, bar=40, gap=8, touch=52, radius=10, percent=100),
    (1024, 600): Metrics(1024, 600, bar=48, gap=10, touch=64, radius=12, percent=125),
    (480, 320): Metrics(480, 320, bar=26, gap=4, touch=58, radius=8, percent=72),
}


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """How a terminal's screen is shown."""

    size: tuple[int, int] = (800, 480)
    """One of `SCREENS`."""
    full: bool = False
    """The whole panel, scaled, instead of a window."""
    theme: Theme = Theme.LIGHT
    volume: int = 60
    """Of its sounds, 0 (off) to 100."""


def css() -> str:
    """The same colours as variables of a style sheet: one block a theme."""
    blocks = [f'[data-look="{theme}"] {{\n{_variables(colours)}}}\n' for theme, colours in COLOURS.items()]
    return "".join(blocks)


def _variables(colours: Colours) -> str:
    return "".join(f"  --fanka-{role.replace('_', '-')}: {colour};\n" for role, colour in colours.items())


def luminance(colour: str) -> float:
    """The relative luminance of #RRGGBB, 0 to 1 (WCAG 2.2, "relative luminance")."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """How well one colour is seen on another, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
