"""Every picture of the till in words, for reading in a diff: one file a picture and language, all sizes in it.

800x480
  [ 60,428  452x 52] "Pay"  nfc  -> Pay()         something to press: its box, words, sign, and what it means
    68, 56  436x 42  32 "Ready"                   words: their box and largest size
    62, 50  448x370  surface                      a surface, by what its colour is for
"""

import re
from collections.abc import Iterator
from pathlib import Path

from terminal.languages import LANGUAGES
from terminal.scene import Box, Fill, Scene, Sign, Text, Touch
from terminal.theme import SCREENS
from tests.terminal.screen.moments import scenes

BAR_ELEMENTS = 12
"""The page, the bar on it, and a sign and words for each of five things."""
WORDING = Path(__file__).parents[2] / "golden" / "screens"


def write_wording() -> None:
    """Write all of them anew, and remove those that are of no picture any more."""
    for path in WORDING.glob("*/*.txt"):
        path.unlink()
    for language in LANGUAGES:
        (WORDING / language).mkdir(parents=True, exist_ok=True)
        for name, text in wording(language).items():
            (WORDING / language / f"{name}.txt").write_text(text)


def wording(language: str) -> dict[str, str]:
    """Each picture in a language, in words."""
    words = LANGUAGES[language]
    drawn = {f"{w}x{h}": scenes(words, metrics) for (w, h), metrics in SCREENS.items()}
    names = next(iter(drawn.values()))
    return {name: "".join(_block(size, found[name], found["idle"]) for size, found in drawn.items()) for name in names}


def _block(size: str, scene: Scene, idle: Scene) -> str:
    return f"{size}\n" + "".join(f"  {line}\n" for line in _lines(scene, idle))


def _lines(scene: Scene, idle: Scene) -> Iterator[str]:
    """From the back to the front; what belongs to a key stands in the key's line. The usual bar is told once."""
    seen = set[int]()
    skipped = BAR_ELEMENTS if scene is not idle and scene.elements[:BAR_ELEMENTS] == idle.elements[:BAR_ELEMENTS] else 0
    if skipped:
        yield "the bar of idle"
    for element in scene.elements[skipped:]:
        touch = next((at for at, one in enumerate(scene.touches) if _is_in(element.box, one.box)), None)
        if touch is not None:
            if touch not in seen:
                seen.add(touch)
                yield _key(scene.touches[touch], scene)
            continue
        match element:
            case Fill(box, role, _, edge):
                yield f" {_box(box)}  {role}{' ' + edge if edge else ''}"
            case Text():
                yield f" {_box(element.box)}  {element.px[0]} {_quoted(element.text)} {element.role}"
            case Sign(box, icon, role):
                yield f" {_box(box)}  <{icon}> {role}"


def _key(touch: Touch, scene: Scene) -> str:
    inside = [one for one in scene.elements if _is_in(one.box, touch.box)]
    texts = [_quoted(one.text) for one in inside if isinstance(one, Text) and one.text]
    signs = [f"<{one.icon}>" for one in inside if isinstance(one, Sign)]
    roles = [one.role for one in inside if isinstance(one, Fill)]
    return f"[{_box(touch.box)}] {' '.join([*signs, *texts])} {' '.join(roles)} -> {_meaning(touch)}"


def _meaning(touch: Touch) -> str:
    text = re.sub(r"<\w+\.\w+: '?([^'>]*)'?>", r"\1", repr(touch.press))
    return re.sub(r"^Do\(command=(.*)\)$", r"\1", text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\n", " / ") + '"'


def _box(box: Box) -> str:
    return f"{box.x:4},{box.y:3} {box.w:4}x{box.h:3}"


def _is_in(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.w <= outer.x + outer.w
        and inner.y + inner.h <= outer.y + outer.h
    )
