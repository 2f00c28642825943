"""A window or the whole panel, and the scene that is on it: a frame is drawn only where one differs from the last."""

import pygame

from terminal.painter import FontsMissing, Painter
from terminal.presses import Press
from terminal.scene import Scene
from terminal.theme import SCREENS, Metrics, ScreenSettings, Theme


class ScreenUnusable(Exception):
    """Nothing can be shown; the text says why."""


class Window:
    """Owns the display from construction to `close`."""

    def __init__(self, settings: ScreenSettings, language: str) -> None:
        """Raises ScreenUnusable."""
        flags = pygame.FULLSCREEN | pygame.SCALED if settings.full else 0
        try:
            self._painter = Painter(language)
            pygame.display.init()
            self.surface = pygame.display.set_mode(settings.size, flags)
        except (FontsMissing, pygame.error) as error:
            raise ScreenUnusable(str(error)) from error
        pygame.display.set_caption("Fanka")
        pygame.mouse.set_visible(not settings.full)
        self.metrics: Metrics = SCREENS[settings.size]
        self.scene: Scene | None = None
        self._theme = settings.theme
        self.frames = 0
        """So many were drawn."""

    def draw(self, scene: Scene, theme: Theme) -> None:
        """Show a scene."""
        before = self.scene if theme is self._theme else None
        if scene == before:
            return
        pygame.display.update(self._painter.paint(self.surface, scene, before, theme))
        self.scene, self._theme = scene, theme
        self.frames += 1

    def forget(self) -> None:
        """What is on the display is not known any more: the next scene is drawn as a whole."""
        self.scene = None

    def speak(self, language: str) -> None:
        """Characters look different in another language."""
        self._painter = Painter(language)
        self.forget()

    def touched(self, event: pygame.event.Event) -> Press | None:
        """What a touch means, if it is one and lies on something."""
        if event.type != pygame.MOUSEBUTTONDOWN or event.button != 1 or self.scene is None:
            return None
        found: Press | None = self.scene.pressed(*event.pos)
        return found

    def close(self) -> None:
        """Give the display back."""
        pygame.display.quit()
