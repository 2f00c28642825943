"""The till on a panel or in a window: pygame draws scenes, and what is pressed becomes commands.

The window belongs to the program's own loop: between two looks at the keys everything else goes on, and a frame is
drawn only where a scene differs from the one before. Nothing here stops a sale: a screen that cannot be drawn is dark.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pygame

from protocol.instants import CampusTime
from terminal.commands import Clear, Command, Confirm, TakeCash
from terminal.front import Front, press, said, shown
from terminal.glance import Glance
from terminal.painter import FontsMissing, Painter
from terminal.ports import JournalBroken
from terminal.presses import Area, Beside, Do, Enter, Escape, Open, Page, Plus, Press, Repeat, Rub, Type
from terminal.scene import Scene
from terminal.screens.picture import picture
from terminal.status import Status
from terminal.theme import SCREENS, Metrics, ScreenSettings
from terminal.views import View, Words

_log = logging.getLogger(__name__)

LOOK_S = 0.015
"""From one look at keys and glass to the next."""
STATUS_S = 0.5
"""The bar follows the clock and the line so often."""
AGAIN_S = 2.0
"""After this time a screen is drawn again that could not be drawn."""
_PIN = "pin_entry"
_KEYS: dict[int, Press] = {
    pygame.K_RETURN: Enter(),
    pygame.K_KP_ENTER: Enter(),
    pygame.K_BACKSPACE: Rub(),
    pygame.K_ESCAPE: Escape(),
    pygame.K_DELETE: Do(Clear()),
    pygame.K_KP_PLUS: Plus(),
    pygame.K_F1: Open(Page.MENU),
    pygame.K_F2: Beside(Area.DISHES),
    pygame.K_F3: Beside(Area.PAD),
    pygame.K_F4: Beside(Area.SEARCH),
    pygame.K_F5: Repeat(),
    pygame.K_F8: Do(TakeCash()),
    pygame.K_F9: Do(Confirm()),
}
"""docs/screen.md lists them."""


class ScreenUnusable(Exception):
    """Nothing can be shown; the text says why."""


class Screen:
    """Implements the port `Face`."""

    def __init__(self, settings: ScreenSettings, words: Words, campus: CampusTime, *, language: str) -> None:
        """Opens the window. Raises ScreenUnusable."""
        flags = pygame.FULLSCREEN | pygame.SCALED if settings.full else 0
        try:
            self._painter = Painter(language)
            pygame.display.init()
            self.surface = pygame.display.set_mode(settings.size, flags)
        except (FontsMissing, pygame.error) as error:
            raise ScreenUnusable(str(error)) from error
        pygame.display.set_caption("Fanka")
        pygame.mouse.set_visible(not settings.full)
        self._metrics: Metrics = SCREENS[settings.size]
        self._words, self._campus = words, campus
        self._front = Front(theme=settings.theme)
        self._view: View | None = None
        self._glance: Glance | None = None
        self._status: Status | None = None
        self.scene: Scene | None = None
        self._drawn_in = settings.theme
        self._changed = True
        self._presses: asyncio.Queue[tuple[Press, str]] = asyncio.Queue()
        """What was pressed and not yet taken, each with the phase that was seen then."""
        self.frames = 0
        """So many were drawn."""

    def show(self, view: View) -> None:
        """The counter shows something else."""
        if self._glance is not None:
            self._glance.follow()
        self._front = shown(self._front, view, self._view)
        self._view, self._changed = view, True

    def say(self, text: str) -> None:
        """An answer lies over the page until the next press."""
        self._front, self._changed = said(self._front, text), True

    def note(self, event: str, /, **facts: str | int) -> None:
        """For programs only."""

    async def run(self, glance: Glance, status: Callable[[], Status], do: Callable[[Command], Awaitable[None]]) -> None:
        """Draw and listen until it is cancelled. Raises what `do` raises; whatever fails at the screen is logged."""
        self._glance = glance
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._obey(glance, do))
            tasks.create_task(self._follow(status))
            tasks.create_task(self._look(glance))

    async def _look(self, glance: Glance) -> None:
        while True:
            wait_s = LOOK_S
            try:
                for event in pygame.event.get():
                    self._take(event)
                self.draw(glance)
            except Exception:  # noqa: BLE001  a dark screen stops no sale
                _log.exception("the screen cannot be drawn")
                self._begin_anew()
                wait_s = AGAIN_S
            await asyncio.sleep(wait_s)

    def _begin_anew(self) -> None:
        """The counter's own page, without anything that was typed or said: that may be what cannot be drawn."""
        self._front, self.scene, self._changed = Front(theme=self._front.theme), None, True

    def _take(self, event: pygame.event.Event) -> None:
        what = self._meant(event)
        if what is not None and self._view is not None:
            self._presses.put_nowait((what, self._view.phase))

    def draw(self, glance: Glance) -> None:
        """A frame, if anything differs from the one before."""
        if not self._changed or self._view is None or self._status is None:
            return
        self._changed = False
        counter = glance.counter(self._view, self._status)
        scene = picture(self._front, counter, self._campus, self._words, self._metrics)
        theme = self._front.theme
        before = self.scene if theme is self._drawn_in else None
        if scene == before:
            return
        where = self._painter.paint(self.surface, scene, before, theme)
        pygame.display.update(where)
        self.scene, self._drawn_in = scene, theme
        self.frames += 1

    def see(self, status: Status) -> None:
        """How the terminal is."""
        if status != self._status:
            self._status, self._changed = status, True

    async def _follow(self, status: Callable[[], Status]) -> None:
        while True:
            try:
                self.see(status())
            except JournalBroken:
                _log.debug("the disk does not answer: the bar stays as it is")
            await asyncio.sleep(STATUS_S)

    async def _obey(self, glance: Glance, do: Callable[[Command], Awaitable[None]]) -> None:
        """One press after the other: each is judged by what the ones before it have done."""
        while True:
            for command in self._asked(*await self._presses.get(), glance):
                await do(command)

    def _asked(self, what: Press, seen: str, glance: Glance) -> tuple[Command, ...]:
        """What a press asks for. What was meant for a PIN is for nothing else, and nothing else is for a PIN."""
        if (
            self._view is None
            or self._status is None
            or (seen != self._view.phase and _PIN in (seen, self._view.phase))
        ):
            return ()
        before = self._front
        try:
            self._front, asked = press(before, glance.counter(self._view, self._status), what)
        except Exception:  # noqa: BLE001  neither does a press
            _log.exception("a press means nothing")
            self._begin_anew()
            return ()
        self._changed = self._changed or self._front != before
        return asked

    def _meant(self, event: pygame.event.Event) -> Press | None:
        """What a key or a touch means now."""
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and self.scene is not None:
            found: Press | None = self.scene.pressed(*event.pos)
            if found is None and self._front.said:
                self._front, self._changed = replace(self._front, said=()), True
            return found
        if event.type == pygame.KEYDOWN:
            if event.key in _KEYS:
                return _KEYS[event.key]
            sign = event.unicode
            return Plus() if sign == "+" else Type(sign) if len(sign) == 1 and sign.isprintable() else None
        return None
