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
        took = list[float]()
        basis = list[float]()
        for _ in range(max(2, int(STARTS * scale))):
            took.append(_seconds_to_first_view(program))
            began_s = time.perf_counter()
            subprocess.run(bare, check=True, timeout=60)
            basis.append(time.perf_counter() - began_s)
    yield clocked("screen_start", took, basis, START_BAR, **asdict(much))


def _seconds_to_first_view(program: list[str]) -> float:
    began_s = time.perf_counter()
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            assert child.stdout is not None
            while b'"event":"view"' not in child.stdout.readline():
                assert child.poll() is None
            return time.perf_counter() - began_s
        finally:
            child.kill()
