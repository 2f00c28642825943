"""What people chose at the screen and find again after a restart; the settings file is the technician's and stays.

    screen.json    {"language": "zh-Hans"}    in the terminal's directory

A file that cannot be read or written costs nobody a sale: the settings hold then, and the log says why.
"""

import logging
from pathlib import Path

import msgspec

from terminal.durable_file import replace_file

PREFERENCES_FILE = "screen.json"

_log = logging.getLogger(__name__)


class Preferences(msgspec.Struct, frozen=True):
    """Empty: what the settings say."""

    language: str = ""


def read_preferences(directory: Path) -> Preferences:
    """What was kept here last."""
    try:
        return msgspec.json.decode((directory / PREFERENCES_FILE).read_bytes(), type=Preferences)
    except FileNotFoundError:
        return Preferences()
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("%s cannot be read: %s", PREFERENCES_FILE, error)
        return Preferences()


def keep_preferences(directory: Path, preferences: Preferences) -> None:
    """Keep it for the next start."""
    try:
        replace_file(directory / PREFERENCES_FILE, msgspec.json.encode(preferences))
    except OSError as error:
        _log.warning("%s cannot be kept: %s", PREFERENCES_FILE, error.strerror)
