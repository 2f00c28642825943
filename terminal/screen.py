"""The till on a panel or in a window: pygame draws scenes, and what is pressed becomes commands.

The window belongs to the program's own loop: between two looks at the keys everything else goes on, and a frame is
drawn only where a scene differs from the one before. Nothing here stops a sale: a screen that cannot be drawn is dark.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

import pygame

from protocol.instants import MINUTE_MS, CampusTime, MonoMs
from terminal.commands import Clear, Confirm, TakeCash, Typed
from terminal.front import Front, press, said, shown
from terminal.glance import Glance
from terminal.ports import JournalBroken
from terminal.presses import Area, Beside, Do, Enter, Escape, Look, Open, Page, Plus, Press, Repeat, Rub, Type
from terminal.scene import Scene
from terminal.screens.bar import warns_of
from terminal.screens.picture import picture
from terminal.status import Status
from terminal.theme import ScreenSettings, Theme
from terminal.views import View, Words
from terminal.window import Window

_log = logging.getLogger(__name__)

LOOK_S = 0.015
"""From one look at keys and glass to the next."""
STATUS_S = 0.5
"""The bar follows the clock and the line so often."""
WARN_AGAIN_MS = MINUTE_MS
"""A line that comes and goes is one warning a minute."""
AGAIN_S = 2.0
"""After this time a screen is drawn again that could not be drawn."""
_PIN = "pin_entry"
KEYS: dict[int, Press] = {
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


class Behind(Protocol):
    """The counter behind the screen."""

    @property
    def glance(self) -> Glance:
        """Of the counter that is worked at now."""
        ...

    def status(self) -> Status:
        """How the terminal is. Raises JournalBroken while the disk fails."""
        ...

    async def do(self, command: Typed) -> None:
        """Somebody pressed this."""
        ...

    @property
    def paint(self) -> Callable[[Theme], Awaitable[None]]:
        """Is told which colours somebody chose."""
        ...


class Screen:
    """Implements the port `Face`."""

    def __init__(
        self,
        settings: ScreenSettings,
        words: Words,
        campus: CampusTime,
        *,
        language: str,
        warn: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the window. `warn` is called when the bar turns yellow. Raises ScreenUnusable."""
        self._window = Window(settings, language)
        self._words, self._campus, self._warn = words, campus, warn
        self._front = Front(theme=settings.theme)
        self._view: View | None = None
        self._behind: Behind | None = None
        self._status: Status | None = None
        self._warned_ms = MonoMs(-WARN_AGAIN_MS)
        self._changed = True
        self._presses: asyncio.Queue[tuple[Press, str]] = asyncio.Queue()
        """What was pressed and not yet taken, each with the phase that was seen then."""

    @property
    def scene(self) -> Scene | None:
        """What is on the display."""
        return self._window.scene

    @property
    def frames(self) -> int:
        """So many were drawn."""
        return self._window.frames

    def speak(self, language: str) -> None:
        """The words that this screen was given are another language's from now on."""
        self._window.speak(language)
        self._changed = True

    def show(self, view: View) -> None:
        """The counter shows something else."""
        if self._behind is not None:
            self._behind.glance.follow()
        self._front = shown(self._front, view, self._view)
        self._view, self._changed = view, True

    def say(self, text: str) -> None:
        """An answer lies over the page until the next press."""
        self._front, self._changed = said(self._front, text), True

    def note(self, event: str, /, **facts: str | int) -> None:
        """For programs only."""

    async def run(self, behind: Behind) -> None:
        """Draw and listen until it is cancelled. Raises what `do` raises; whatever fails at the screen is logged."""
        self._behind = behind
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._obey(behind))
            tasks.create_task(self._follow(behind))
            tasks.create_task(self._look(behind))

    async def _look(self, behind: Behind) -> None:
        while True:
            wait_s = LOOK_S
            try:
                for event in pygame.event.get():
                    self._take(event)
                self.draw(behind.glance)
            except Exception:  # noqa: BLE001  a dark screen stops no sale
                _log.exception("the screen cannot be drawn")
                self._begin_anew()
                wait_s = AGAIN_S
            await asyncio.sleep(wait_s)

    def _begin_anew(self) -> None:
        """The counter's own page, without anything that was typed or said: that may be what cannot be drawn."""
        self._front, self._changed = Front(theme=self._front.theme), True
        self._window.forget()

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
        scene = picture(self._front, counter, self._campus, self._words, self._window.metrics)
        self._window.draw(scene, self._front.theme)

    def see(self, status: Status) -> None:
        """How the terminal is."""
        before, now_ms = self._status, status.now.mono_ms
        if status == before:
            return
        self._status, self._changed = status, True
        is_news = before is not None and not warns_of(before) and now_ms - self._warned_ms >= WARN_AGAIN_MS
        if is_news and warns_of(status):
            self._warned_ms = now_ms
            self._warn()

    async def _follow(self, behind: Behind) -> None:
        while True:
            try:
                self.see(behind.status())
            except JournalBroken:
                _log.debug("the disk does not answer: the bar stays as it is")
            await asyncio.sleep(STATUS_S)

    async def _obey(self, behind: Behind) -> None:
        """One press after the other: each is judged by what the ones before it have done."""
        while True:
            what, seen = await self._presses.get()
            for command in self._asked(what, seen, behind.glance):
                await behind.do(command)
            if isinstance(what, Look):
                await behind.paint(self._front.theme)

    def _asked(self, what: Press, seen: str, glance: Glance) -> tuple[Typed, ...]:
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
        if event.type == pygame.MOUSEBUTTONDOWN:
            found = self._window.touched(event)
            if found is None and self._front.said:
                self._front, self._changed = replace(self._front, said=()), True
            return found
        if event.type == pygame.KEYDOWN:
            return KEYS.get(event.key) or typed_sign(event.unicode)
        return None


def typed_sign(sign: str) -> Press | None:
    """What a key with a sign on it means."""
    return Plus() if sign == "+" else Type(sign) if len(sign) == 1 and sign.isprintable() else None
