"""Programs that start warm: forked from a process that has imported everything and done nothing else.

From the shipping `main` on they are what a new interpreter would be; what an interpreter and its imports take is saved.
"""

import contextlib
import ctypes
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, BinaryIO, Final, cast

from tests.fire import planted
from tests.integration.programs import Begin

PRELOADED: Final = [
    "tests.fire.warm",
    "server.__main__",
    "server.run_command",
    "terminal.__main__",
    "aiosqlite",
    "alembic.runtime.migration",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
]
_PR_SET_PDEATHSIG: Final = 1

_context = get_context("forkserver")


def warm(control: str = "") -> Begin:
    """How a warm program begins; with something planted in it, or nothing."""
    _context.set_forkserver_preload(PRELOADED)
    return cast("Begin", partial(_begin, control))


class WarmProcess:
    """As much of `subprocess.Popen` as a `Program` needs."""

    def __init__(self, process: ForkServerProcess, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self._process, self.stdin, self.stdout = process, stdin, stdout
        assert process.pid is not None
        self.pid, self._lock = process.pid, threading.Lock()

    def poll(self) -> int | None:
        """Its exit status, minus the signal that ended it; None while it runs."""
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        """Raises TimeoutExpired."""
        with self._lock:
            self._process.join(timeout_s)
            status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("warm", timeout_s or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """As `kill` does."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


def _begin(control: str, arguments: list[str], environment: Mapping[str, str], log: BinaryIO) -> WarmProcess:
    stdin, stdout, stderr = os.pipe(), os.pipe(), os.dup(log.fileno())
    ends = [
        Connection(stdin[0], writable=False),
        Connection(stdout[1], readable=False),
        Connection(stderr, readable=False),
    ]
    process = _context.Process(target=_be, args=(arguments, dict(environment), control, *ends))
    process.start()
    for end in ends:
        end.close()
    return WarmProcess(process, os.fdopen(stdin[1], "wb"), os.fdopen(stdout[0], "rb"))


def _be(arguments: list[str], environment: dict[str, str], control: str, *ends: Connection) -> None:
    """In the new process: become the program. Never returns."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin, sys.stdout, sys.stderr = open(0), _writing(1), _writing(2)  # noqa: SIM115
    os.environ.update(environment)
    dash, module, *rest = arguments
    assert dash == "-m"
    sys.argv = [module, *rest]
    program: Any = sys.modules[f"{module}.__main__"]
    planted.plant(module, control)
    try:
        status = program.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    sys.stdout.flush()
    os._exit(status)


def _writing(descriptor: int) -> io.TextIOWrapper:
    return os.fdopen(descriptor, "w", buffering=1)
