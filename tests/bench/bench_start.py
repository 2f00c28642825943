"""How soon a till can sell again, on a large campus and with a long journal.

screen_start     the program with a screen, until its counter is there      interpreter, imports, the database open
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from terminal.sdl import prepare_sdl
from tests.bench.figures import Line, clocked, on_disk
from tests.bench.long_used import Much, long_used

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
prepare_sdl()

STARTS: Final = 12
START_BAR: Final = 1.5
BARE: Final = (
    "import sqlite3, sys, terminal.__main__, terminal.screen, terminal.speaker;"
    "sqlite3.connect(sys.argv[1]).execute('SELECT max(seq) FROM entry').fetchall()"
)


def run(scale: float = 1.0) -> Iterator[Line]:
    """With many products, many listed cards and many entries."""
    much = Much().scaled(scale)
    with on_disk() as directory:
        settings = long_used(Path(directory).resolve(), much)
        program = [sys.executable, "-m", "terminal", "--config", str(settings), "--json"]
        bare = [sys.executable, "-c", BARE, str(settings.parent / "data" / "journal.db")]
        env = _with_compiled_files(directory)
        _seconds_to_first_view(program, env)  # this one compiles
        took = list[float]()
        basis = list[float]()
        for _ in range(max(2, int(STARTS * scale))):
            took.append(_seconds_to_first_view(program, env))
            began_s = time.perf_counter()
            subprocess.run(bare, check=True, timeout=60, env=env)
            basis.append(time.perf_counter() - began_s)
    yield clocked("screen_start", took, basis, START_BAR, **asdict(much))


def _with_compiled_files(directory: str) -> dict[str, str]:
    """As an installed terminal has them, whatever the environment says: else both sides would mostly compile."""
    without = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**without, "PYTHONPYCACHEPREFIX": str(Path(directory).resolve() / "compiled")}


def _seconds_to_first_view(program: list[str], env: dict[str, str]) -> float:
    began_s = time.perf_counter()
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env) as child:
        try:
            assert child.stdout is not None
            while b'"event":"view"' not in child.stdout.readline():
                assert child.poll() is None
            return time.perf_counter() - began_s
        finally:
            child.kill()
