"""On SQLite one process of the server works at a time; the system lets go of the lock when it ends, however it does."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from server.config import ConfigWrong

LOCK = "server.lock"


@contextmanager
def alone(data: Path) -> Generator[None]:
    """Be the only one in this directory. Raises ConfigWrong where somebody else is."""
    with (data / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigWrong(
                f"data: another server works in {data}, and on SQLite there is only one. "
                "Stop it, or name a PostgreSQL in `database`"
            ) from error
        yield
