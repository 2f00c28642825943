"""The server's HTTP address at which this terminal was enrolled, for settings that name none.

    server.json    {"url": "https://fanka.campus.example"}    in the terminal's directory

A file that cannot be read costs nobody a sale: the certificate is not renewed then, and the log says why.
"""

import logging
from pathlib import Path

import msgspec

from protocol.canonical import NotCanonical, read_part
from terminal.durable_file import replace_file

SERVER_FILE = "server.json"

_log = logging.getLogger(__name__)


class _Address(msgspec.Struct, frozen=True):
    url: str


_decoder = msgspec.json.Decoder(_Address)


def keep_address(directory: Path, url: str) -> None:
    """Where the server was when it made this machine a terminal. Raises OSError."""
    replace_file(directory / SERVER_FILE, msgspec.json.encode(_Address(url)))


def kept_address(directory: Path) -> str:
    """What was kept; empty where nothing was, or nothing that can be read."""
    try:
        return read_part((directory / SERVER_FILE).read_bytes(), _decoder).url
    except FileNotFoundError:
        return ""
    except (OSError, NotCanonical) as error:
        _log.warning("%s cannot be read: %s", SERVER_FILE, error)
        return ""
