"""Enrolment at the panel: the loop of a machine that is no terminal yet. What the server is asked is `claim.enrol`."""

import asyncio
import logging
import platform
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pygame

from terminal.claim import enrol
from terminal.config import Config, ConfigWrong, server_url
from terminal.enrol_fault import fault_of
from terminal.enrolling import Begin, Enrolling, Leave, Step, address_of, begun, failed, pressed
from terminal.floor_commands import Speak
from terminal.identity import GRANT_FILE, Identity, IdentityError
from terminal.languages import Spoken
from terminal.ports import JournalError
from terminal.presses import Enter, Press
from terminal.screen import KEYS, LOOK_S, typed_sign
from terminal.screens.enrolling import draw_enrolling
from terminal.server_http import ServerAt
from terminal.theme import ScreenSettings
from terminal.window import Window

_log = logging.getLogger(__name__)

KEYS_LOOK_S = 1.0
"""How often it is looked whether the card keys have come."""


class _Left(Exception):
    """Somebody does not wait for the desk any more. What was begun is kept: the same code goes on with it."""


class EnrolScreen:
    """One machine at its first start, from the first picture until it may sell."""

    def __init__(self, config: Config, screen: ScreenSettings, words: Spoken) -> None:
        """Opens the window. Raises ScreenUnusable."""
        self._config, self._words = config, words
        self.window = Window(screen, words.language)
        self.now = begun(config.server_url, screen.theme)
        self._stop = threading.Event()
        self._waiting: asyncio.Task[Identity] | None = None
        self._ended = asyncio.Event()

    async def run(self, ready: Callable[[], str]) -> bool:
        """Until this is a terminal with its card keys; False: the program is to end.

        `ready` says what is still missing, as a sentence; empty: nothing is.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._ended.set)
        try:
            if needs_enrolment(self._config.directory):
                while not (self.now.step is Step.KEYS or self._ended.is_set()):
                    await self._look()
            while not self._ended.is_set() and (missing := ready()):
                self.now = replace(self.now, step=Step.KEYS, why=missing)
                looks = int(KEYS_LOOK_S / LOOK_S)
                for _ in range(looks):
                    if not self._ended.is_set():
                        await self._look()
            return not self._ended.is_set()
        finally:
            self._stop.set()
            self.window.close()

    async def _look(self) -> None:
        """One look at keys and glass, at what the server said, and a frame if anything differs."""
        for event in pygame.event.get():
            what = self._meant(event)
            if what is not None:
                self._take(what)
        self._hear()
        self.window.draw(draw_enrolling(self.now, self._words, self.window.metrics), self.now.theme)
        await asyncio.sleep(LOOK_S)

    def _meant(self, event: pygame.event.Event) -> Press | None:
        if event.type == pygame.KEYDOWN:
            return KEYS.get(event.key) or typed_sign(event.unicode)
        return self.window.touched(event)

    def _take(self, what: Press) -> None:
        before = self.now
        self.now, asked = pressed(before, what)
        match asked:
            case Begin(code):
                self._begin(code)
            case Leave():
                self._leave()
            case Speak(language):
                self._words.speak(language)
                self.window.speak(language)
            case None if before.step is Step.SERVER and isinstance(what, Enter):
                self._check_address(before)
            case None:
                pass

    def _check_address(self, before: Enrolling) -> None:
        try:
            server_url(address_of(before.typed))
        except ConfigWrong:
            self.now = replace(before, is_wrong=True)

    def _begin(self, code: str) -> None:
        loop, stop = asyncio.get_running_loop(), threading.Event()
        self._stop, server = stop, ServerAt(self.now.server)
        directory, keys = self._config.directory, self._config.journal_keys

        def wait(seconds: float) -> None:
            if stop.wait(seconds):
                raise _Left

        def show(four_words: str) -> None:
            loop.call_soon_threadsafe(self._show, stop, four_words)

        def work() -> Identity:
            return enrol(directory, server, code, platform.node(), _log.info, wait, keys, show)

        self._waiting = asyncio.create_task(asyncio.to_thread(work))

    def _show(self, asked_by: threading.Event, four_words: str) -> None:
        if asked_by is self._stop and self.now.step is Step.WAITING:
            self.now = replace(self.now, four_words=four_words)

    def _leave(self) -> None:
        self._stop.set()

    def _hear(self) -> None:
        """What became of the enrolment."""
        if self._waiting is None or not self._waiting.done():
            return
        task, self._waiting = self._waiting, None
        try:
            task.result()
        except _Left:
            return
        except (IdentityError, JournalError, OSError) as error:
            _log.warning("not enrolled: %s", error)
            self.now = failed(self.now, fault_of(error), str(error))
        else:
            self.now = replace(self.now, step=Step.KEYS, why="")


def needs_enrolment(directory: Path) -> bool:
    """Whether no terminal was ever enrolled here."""
    return not (directory / GRANT_FILE).exists()
