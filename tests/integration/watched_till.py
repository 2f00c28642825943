"""The terminal program with a screen that can be photographed: at SIGUSR1 it writes what it shows as a PNG.

The file `photograph` beside its configuration names the picture, and is gone when that is written. At SIGUSR2 somebody
presses F2, so that an answer which lies over the page goes away. The shipping program knows nothing of this: pygame
knows what is shown.
"""

import signal
import sys
from pathlib import Path

from terminal import __main__ as program


def photograph(wish: Path) -> None:
    """Write the picture, if there is a screen."""
    import pygame  # only once the program has opened its screen itself

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
    import pygame

    if pygame.display.get_init():
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_F2, mod=0, unicode="", scancode=0))


if __name__ == "__main__":
    wish = Path(sys.argv[sys.argv.index("--config") + 1]).with_name("photograph")
    signal.signal(signal.SIGUSR1, lambda *_: photograph(wish))
    signal.signal(signal.SIGUSR2, lambda *_: press())
    sys.exit(program.main())
