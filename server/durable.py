"""Files that a power cut leaves either as they were or as they were meant to be."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int = 0o644, *, exactly: bool = False) -> None:
    """Put new content in place of a file in one step. Raises OSError; the old file is untouched then.

    `exactly`: with this mode, whatever the umask takes away from others: another account reads it.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if exactly:
                os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make a directory, and those above it: after a power cut their names are there like the files in them.

    One that is there is left as it is; its name is made durable all the same. Raises OSError.
    """
    missing = [one for one in path.parents if not one.exists()]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in (path, *missing):
        _sync_directory(made.parent)


def _sync_directory(path: Path) -> None:
    """Names in it are durable from now on."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
