"""Files that a power cut leaves either as they were or as they were meant to be."""

import contextlib
import os
from pathlib import Path

_ZEROS = bytes(64 * 1_024)


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put new content in place of a file in one step: after a power cut there is the old file or the new one.

    Raises OSError; the old file is untouched then.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory of ours alone, and those above it: after a power cut their names are there. Raises OSError.

    The name of one that is there is made durable too. Above it may be what is not ours to read: then it is not.
    """
    missing = [one for one in directory.parents if not one.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in (directory, *missing):
        with contextlib.suppress(PermissionError):
            sync_directory(made.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: creating, renaming and removing are otherwise lost with the power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fill_file(path: Path, size: int) -> None:
    """Grow a file to `size` bytes by writing zeros: its blocks are its own from then on. It never shrinks.

    Zeros are written, not merely allocated: overwriting a written block needs nothing from the file system.
    Raises OSError with the file as long as it was.
    """
    with path.open("ab", buffering=0) as file:
        before = end = file.tell()
        try:
            while end < size:
                end += file.write(_ZEROS[: size - end])
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def rewrite_file(path: Path) -> None:
    """Write a file's bytes onto themselves and make them durable.

    After a failed fsync Linux may call pages clean that never reached the disk (Rebello et al., "Can Applications
    Recover from fsync Failures?", USENIX ATC 2020): reading them back proves nothing, writing them again does.
    """
    with path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def free_bytes(path: Path) -> int:
    """What an ordinary program may still write on the file system of `path`."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
