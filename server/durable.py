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
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
