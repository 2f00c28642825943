"""Where a server works: on SQLite one process at a time. The system lets go of the lock however a process ends."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from server.config import ConfigWrong
from server.durable import make_directory

LOCK = "server.lock"


def make_place(data: Path) -> None:
    """Make the server's directory, and its name durable. Raises ConfigWrong where nothing can be written in it."""
    try:
        if not data.is_dir():
            make_directory(data, 0o777)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigWrong(f"data: {data} is no directory: a file of that name is in the way") from error
    except OSError as error:
        raise ConfigWrong(f"data: {data} cannot be made: {error.strerror}. Make it, or name another") from error
    if not os.access(data, os.W_OK | os.X_OK):
        raise ConfigWrong(f"data: {data} may not be written by this user (uid {os.geteuid()})")


@contextmanager
def disk_told(data: Path) -> Generator[None]:
    """What the disk of the server's directory says that does not do its part, in a sentence. Raises ConfigWrong."""
    try:
        yield
    except OSError as error:
        raise ConfigWrong(f"data: {error.filename or data}: {error.strerror or error}") from error


@contextmanager
def alone(data: Path) -> Generator[None]:
    """Be the only one in this directory. Raises ConfigWrong where somebody else is."""
    with disk_told(data):
        descriptor = (data / LOCK).open("w")
    with descriptor as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigWrong(
                f"data: another server works in {data}, and on SQLite there is only one. "
                "Stop it, or name a PostgreSQL in `database`"
            ) from error
        yield
