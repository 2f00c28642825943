"""One terminal program for one journal: a lock that ends with the process that holds it, however it ends."""

import fcntl
import os
from pathlib import Path

from terminal.ports import JournalInUse


class JournalLock:
    """Held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises JournalInUse with the other process' number, OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            self.release()
            raise JournalInUse(
                f"another terminal program (process {holder or 'unknown'}) holds {path}. "
                "Stop it first: two writers would break the chain."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two programs lock two files of one name."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
