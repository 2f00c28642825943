"""What people chose at the screen and find again after a restart; the settings file is the technician's and stays.

    screen.json    {"language": "zh-Hans", "theme": "dark"}    in the terminal's directory

A file that cannot be read or written costs nobody a sale: the settings hold then, and the log says why.
"""

import asyncio
import dataclasses
import logging
from pathlib import Path

import msgspec
from msgspec import structs

from protocol.canonical import NotCanonical, read_part
from terminal.durable_file import replace_file
from terminal.theme import ScreenSettings, Theme

PREFERENCES_FILE = "screen.json"

_log = logging.getLogger(__name__)


class Preferences(msgspec.Struct, frozen=True):
    """Empty or None: what the settings say."""

    language: str = ""
    theme: Theme | None = None


_decoder = msgspec.json.Decoder(Preferences)


class Choices:
    """What is chosen while the program runs: every choice is kept beside the others, one after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._now = directory, read_preferences(directory)
        self._one_at_a_time = asyncio.Lock()

    async def speak(self, language: str) -> None:
        """Somebody chose a language."""
        await self._keep(structs.replace(self._now, language=language))

    async def paint(self, theme: Theme) -> None:
        """Somebody chose colours."""
        await self._keep(structs.replace(self._now, theme=theme))

    async def _keep(self, chosen: Preferences) -> None:
        self._now = chosen
        async with self._one_at_a_time:
            await asyncio.to_thread(keep_preferences, self._directory, self._now)


def read_preferences(directory: Path) -> Preferences:
    """What was kept here last."""
    try:
        return read_part((directory / PREFERENCES_FILE).read_bytes(), _decoder)
    except FileNotFoundError:
        return Preferences()
    except (OSError, NotCanonical) as error:
        _log.warning("%s cannot be read: %s", PREFERENCES_FILE, error)
        return Preferences()


def keep_preferences(directory: Path, preferences: Preferences) -> None:
    """Keep it for the next start."""
    try:
        replace_file(directory / PREFERENCES_FILE, msgspec.json.encode(preferences))
    except OSError as error:
        _log.warning("%s cannot be kept: %s", PREFERENCES_FILE, error.strerror)


def painted(settings: ScreenSettings, directory: Path) -> ScreenSettings:
    """The screen in the colours that were chosen at it."""
    return dataclasses.replace(settings, theme=read_preferences(directory).theme or settings.theme)
