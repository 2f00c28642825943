"""Draws every picture of the till, keeps the sums of their pixels, and writes them down in words.

`python -m tests.terminal.screen.sums [DIR]`

With a directory the pictures are written there, to be looked at.
"""

import hashlib
import itertools
import os
import sys
from pathlib import Path

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import pygame

from terminal.languages import LANGUAGES
from terminal.painter import Painter
from terminal.scene import Scene
from terminal.theme import SCREENS, Theme
from tests.terminal.screen.moments import scenes
from tests.terminal.screen.wording import write_wording

SUMS = Path(__file__).parents[2] / "golden" / "screens.txt"


def drawn(painter: Painter, scene: Scene, theme: Theme) -> pygame.Surface:
    """A scene on a surface of its own."""
    ground = scene.elements[0].box
    surface = pygame.Surface((ground.w, ground.h), depth=24)
    painter.paint(surface, scene, None, theme)
    return surface


def sum_of(surface: pygame.Surface) -> str:
    """SHA-256 of the pixels."""
    return hashlib.sha256(pygame.image.tobytes(surface, "RGB")).hexdigest()


def read_sums() -> dict[str, str]:
    """By `moment size language theme`."""
    rows = (line.rpartition(" ") for line in SUMS.read_text().splitlines())
    return {key: digest for key, _, digest in rows}


def main() -> None:
    """Write them anew."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    lines = list[str]()
    for (size, metrics), (language, words) in itertools.product(SCREENS.items(), LANGUAGES.items()):
        painter = Painter(language)
        for name, scene in sorted(scenes(words, metrics).items()):
            for theme in Theme:
                surface = drawn(painter, scene, theme)
                key = f"{name} {size[0]}x{size[1]} {language} {theme}"
                lines.append(f"{key} {sum_of(surface)}\n")
                if directory is not None:
                    pygame.image.save(surface, directory / f"{key.replace(' ', '-')}.png")
    SUMS.write_text("".join(sorted(lines)))
    write_wording()
    print(f"{len(lines)} pictures")


if __name__ == "__main__":
    main()
