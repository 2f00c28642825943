"""The terminal program with a screen that can be photographed: at SIGUSR1 it writes what it shows as a PNG.

The file `photograph` beside its configuration names the picture, and is gone when that is written. At SIGUSR2 somebody
presses F2, so that an answer which lies over the page goes away. What comes through the pipe of FANKA_TEST_HANDS is
pressed:

    keys 12.5     typed, one sign after the other; `enter`, `escape`, `menu` and `rub` are keys of their own
    touch Pay     the key with these words on it is touched, once it is on the screen

The shipping program knows nothing of this: pygame knows what is shown and takes the events, as from a panel.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from terminal.sdl import prepare_sdl

prepare_sdl()

import pygame  # noqa: E402

from terminal import __main__ as program  # noqa: E402
from terminal.scene import Box, Scene, Text  # noqa: E402
from terminal.window import Window  # noqa: E402

TOUCH_S = 30.0
_NAMED = {"enter": pygame.K_RETURN, "escape": pygame.K_ESCAPE, "menu": pygame.K_F1, "rub": pygame.K_BACKSPACE}

_windows: list[Window] = []


def photograph(wish: Path) -> None:
    """Write the picture, if there is a screen."""
    if not wish.exists():
        return
    path, shown = Path(wish.read_text()), pygame.display.get_surface() if pygame.display.get_init() else None
    if shown is not None:
        unfinished = path.with_name(f".{path.name}")
        pygame.image.save(shown, unfinished)
        unfinished.replace(path)
    wish.unlink()


def press() -> None:
    """Somebody at the screen."""
    if pygame.display.get_init():
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_F2, mod=0, unicode="", scancode=0))


def watch() -> None:
    """Know the program's window when it opens one."""
    opened = Window.__init__

    def watched(self: Window, *args: object, **more: object) -> None:
        opened(self, *args, **more)  # type: ignore[arg-type]
        _windows.append(self)

    Window.__init__ = watched  # type: ignore[method-assign]


def obey(pipe: Path) -> None:
    """Press what comes through it, until its end."""
    with pipe.open() as lines:
        for line in lines:
            what, _, argument = line.rstrip("\n").partition(" ")
            if what == "touch":
                _touch(argument)
            elif what in _NAMED:
                pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=_NAMED[what], unicode=""))
            else:
                for sign in argument:
                    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=0, unicode=sign))


def _touch(words: str) -> None:
    deadline = time.monotonic() + TOUCH_S
    while time.monotonic() < deadline:
        scene = _windows[-1].scene if _windows else None
        box = _box_of(scene, words) if scene else None
        if box is not None:
            at = (box.x + box.w // 2, box.y + box.h // 2)
            pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=at, button=1))
            return
        time.sleep(0.01)
    print(f"nothing on the screen says {words!r}", file=sys.stderr, flush=True)


def _box_of(scene: Scene, words: str) -> Box | None:
    """Where the key is that says this, or something that begins so."""
    for touch in scene.touches:
        for one in scene.elements:
            if isinstance(one, Text) and one.text.startswith(words) and _lies_in(one.box, touch.box):
                return touch.box
    return None


def _lies_in(inner: Box, outer: Box) -> bool:
    return outer.holds(inner.x, inner.y) and inner.x + inner.w <= outer.x + outer.w


if __name__ == "__main__":
    wish = Path(sys.argv[sys.argv.index("--config") + 1]).with_name("photograph")
    signal.signal(signal.SIGUSR1, lambda *_: photograph(wish))
    signal.signal(signal.SIGUSR2, lambda *_: press())
    watch()
    if hands := os.environ.get("FANKA_TEST_HANDS"):
        threading.Thread(target=obey, args=(Path(hands),), daemon=True).start()
    sys.exit(program.main())
