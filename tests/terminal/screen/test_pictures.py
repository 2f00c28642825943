"""Every picture in every size and language: nothing is cut, everything can be hit, and nothing looks other than it did.

The sums in `tests/golden/screens.txt` are of the drawn pixels; a picture that differs is written to the test's
directory. `python -m tests.terminal.screen.sums` writes them anew, after somebody has looked at what changed.
"""

import itertools
import os
import string
from functools import cache
from pathlib import Path

import pytest

from protocol.instants import CampusTime
from terminal.doctor import findings
from terminal.enrol_fault import EnrolFault
from terminal.enrolling import Enrolling, Step, pressed
from terminal.languages import LANGUAGES
from terminal.painter import Painter
from terminal.presses import Turn, Type
from terminal.scene import Box, Scene, Sign, Text
from terminal.screens.enrolling import draw_enrolling
from terminal.screens.picture import picture
from terminal.theme import COLOURS, ICON_CODES, SCREENS, TONE_ICONS, TONE_ROLES, Icon, Role, Theme, contrast, css
from terminal.views import Tone
from tests.terminal.screen.moments import causes, faulty, scenes
from tests.terminal.screen.sums import SUMS, drawn, read_sums, sum_of
from tests.terminal.screen.wording import WORDING, wording

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
SIZES = [f"{width}x{height}" for width, height in SCREENS]
NAMES = sorted(scenes(LANGUAGES["en"], SCREENS[800, 480]))
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ADDRESS = string.ascii_lowercase + string.digits + "-.:/"
MM_9 = {(800, 480): 47, (1024, 600): 60, (480, 320): 58}
"""Pixels of nine millimetres on panels of 7, 7 and 3.5 inches."""


def scene_of(name: str, size: str, language: str) -> Scene:
    return _scenes(size, language)[name]


@cache
def _scenes(size: str, language: str) -> dict[str, Scene]:
    width, _, height = size.partition("x")
    return scenes(LANGUAGES[language], SCREENS[int(width), int(height)])


@pytest.mark.parametrize(("size", "language"), [*itertools.product(SIZES, LANGUAGES)])
def test_no_text_is_cut_and_nothing_lies_outside(size: str, language: str) -> None:
    painter = Painter(language)
    width, height = (int(part) for part in size.split("x"))
    for name in NAMES:
        scene = scene_of(name, size, language)
        for element in scene.elements:
            box = element.box
            assert box.x >= 0 and box.y >= 0 and box.x + box.w <= width and box.y + box.h <= height, (name, element)
            assert not isinstance(element, Text) or painter.fits(element), (name, element)
            assert not isinstance(element, Sign) or element.px <= min(box.w, box.h), (name, element)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_doctor_has_room_for_each_cause_and_says_what_to_do(language: str) -> None:
    painter, words = Painter(language), LANGUAGES[language]
    for metrics in SCREENS.values():
        for cause, (front, counter) in causes(words).items():
            scene = picture(front, counter, CampusTime(), words, metrics)
            assert all(painter.fits(one) for one in scene.elements if isinstance(one, Text)), (cause, metrics)
            advised = [one.advice for one in findings(counter.status, CampusTime(), words) if one.advice]
            assert all(advised) and bool(advised) == (cause != "no_broker"), cause


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_in_which_enrolment_fails_has_room_and_a_sentence(language: str) -> None:
    painter, words = Painter(language), LANGUAGES[language]
    for metrics in SCREENS.values():
        for fault in EnrolFault:
            scene = draw_enrolling(faulty(fault), words, metrics)
            assert all(painter.fits(one) for one in scene.elements if isinstance(one, Text)), (fault, metrics)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h
    )


@pytest.mark.parametrize("size", SIZES)
def test_every_key_is_its_own_and_large_enough_for_a_finger(size: str) -> None:
    """On the small panel letters of the search are smaller, and a basket's minus signs."""
    width, height = (int(part) for part in size.split("x"))
    least = MM_9[width, height]
    for name in NAMES:
        touches = scene_of(name, size, "zh-Hans").touches
        for one, other in itertools.combinations(touches, 2):
            assert not overlap(one.box, other.box), (name, one, other)
        if name.startswith("search"):
            continue
        for touch in touches:
            is_minus = type(touch.press).__name__ == "Do" and type(touch.press.command).__name__ == "Remove"
            wanted = least * 2 // 3 if is_minus else least * 4 // 5
            assert min(touch.box.w, touch.box.h) >= wanted, (name, touch)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("step", "signs"), [(Step.CODE, CROCKFORD), (Step.SERVER, ADDRESS)])
def test_an_enrolment_is_typed_on_keys_of_nine_millimetres(size: str, step: Step, signs: str) -> None:
    """On the smallest panel on two pages; every sign is there, whatever page is turned to."""
    width, height = (int(part) for part in size.split("x"))
    now, seen, pages = Enrolling(step, "https://x", typed="x"), set[str](), set[int]()
    while now.keys_from not in pages:
        pages.add(now.keys_from)
        touches = draw_enrolling(now, LANGUAGES["en"], SCREENS[width, height]).touches
        assert all(min(one.box.w, one.box.h) >= MM_9[width, height] * 19 // 20 for one in touches)
        seen |= {one.press.sign for one in touches if isinstance(one.press, Type)}
        turns = [one.press for one in touches if isinstance(one.press, Turn)]
        now = pressed(now, turns[0])[0] if turns else now
    assert seen == set(signs) and len(pages) == (2 if size == "480x320" else 1)


def test_what_is_written_on_a_colour_is_seen_on_it() -> None:
    """WCAG 2.2, 1.4.3 and, for the theme that is made for it, 1.4.6."""
    for theme, colours in COLOURS.items():
        assert set(colours) == set(Role)
        least = 7.0 if theme is Theme.CONTRAST else 4.5
        pairs = [(Role.PAGE, Role.TEXT), (Role.SURFACE, Role.TEXT), (Role.SURFACE, Role.SOFT), (Role.KEY, Role.SOFT)]
        pairs += [(role, Role(f"{role}_ink")) for role in Role if f"{role}_ink" in set(map(str, Role))]
        pairs += [*TONE_ROLES.values(), (Role.PAGE, Role.OFF), (Role.TEXT, Role.PAGE)]
        for ground, ink in pairs:
            assert contrast(colours[ground], colours[ink]) >= least, (theme, ground, ink)


def test_each_kind_of_moment_has_a_colour_a_sign_and_words() -> None:
    assert set(TONE_ROLES) == set(TONE_ICONS) == set(Tone) and set(ICON_CODES) == set(Icon)
    different = {(TONE_ROLES[tone], TONE_ICONS[tone]) for tone in Tone}
    assert len(different) == len(Tone)


def test_pages_have_the_same_colours() -> None:
    text = css()
    assert text.count("{") == len(Theme) and "--fanka-approved-ink: #FFFFFF;" in text


def test_only_what_changed_is_drawn_and_it_looks_the_same() -> None:
    """From any picture to any other, by parts, the panel ends up with the same pixels as one drawn at once."""
    painter, size = Painter("en"), SIZES[0]
    for before, after in itertools.pairwise(["idle", "rung", "tap", "paid", "pad_typed", "menu", "said", "idle"]):
        for theme in Theme:
            surface = drawn(painter, scene_of(before, size, "en"), theme)
            part = painter.paint(surface, scene_of(after, size, "en"), scene_of(before, size, "en"), theme)
            whole = drawn(painter, scene_of(after, size, "en"), theme)
            assert part and sum_of(surface) == sum_of(whole), (before, after, theme)
    pad = scene_of("pad", size, "en")
    assert painter.paint(drawn(painter, pad, Theme.LIGHT), pad, pad, Theme.LIGHT) == [], "no frame without a change"


@pytest.mark.parametrize(("size", "language"), [*itertools.product(SIZES, LANGUAGES)])
def test_it_looks_as_it_did(size: str, language: str, tmp_path: Path) -> None:
    """Somebody has looked at each of these pictures (docs/screen.md shows some)."""
    painter, known, wrong = Painter(language), read_sums(), list[str]()
    for name in NAMES:
        scene = scene_of(name, size, language)
        for theme in Theme:
            surface = drawn(painter, scene, theme)
            key = f"{name} {size} {language} {theme}"
            if known.get(key) != sum_of(surface):
                wrong.append(key)
                path = tmp_path / f"{key.replace(' ', '-')}.png"
                import pygame

                pygame.image.save(surface, path)
    assert not wrong, f"{len(wrong)} pictures differ from {SUMS.name}, see {tmp_path}: {wrong[:5]}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_it_said(language: str) -> None:
    """The same in words, so that a change can be read: `python -m tests.terminal.screen.sums` writes them anew."""
    kept = {path.stem: path.read_text() for path in (WORDING / language).glob("*.txt")}
    found = wording(language)
    assert set(kept) == set(found)
    for name, text in found.items():
        assert text == kept[name], f"{name} differs from {WORDING / language / name}.txt"


def test_the_sums_are_of_these_pictures_alone() -> None:
    named = {
        f"{name} {size} {language} {theme}"
        for name in NAMES
        for size in SIZES
        for language in LANGUAGES
        for theme in Theme
    }
    assert set(read_sums()) == named
