"""Plant a bug in a copy of the sources and let the simulation look for it.

A mutant is caught by a seed that breaks a promise: an assertion of a checker, with a sentence. Any other exception,
an assertion of the shipping code included, is a crash and catches nothing. A seed that also fails without the bug
says nothing about it: the control is asked about every seed that fails.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.mutants.catalogue import Mutant

ROOT = Path(__file__).parents[3]
SOURCES = ("protocol", "hardware", "terminal", "server", "tests/simulation")
SEEDS_MAX = 50
COPY_S_MAX = 900
"""A copy that plays longer than this hangs: the bug is not caught."""


class PatchError(ValueError):
    """A mutant does not fit the sources any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The first seed that failed in a copy."""

    seed: int
    failure: str
    raised_in: str = ""

    @property
    def is_broken_promise(self) -> bool:
        """Whether a checker said in a sentence what is wrong."""
        kind, _, sentence = self.failure.partition(": ")
        return kind in ("Broken", "AssertionError") and bool(sentence) and self.raised_in.startswith("tests/")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant. `failed` is None where every seed passed."""

    mutant: Mutant
    failed: Failed | None
    took_s: float

    @property
    def caught(self) -> bool:
        """Whether the bug was found, and not merely tripped over."""
        return self.failed is not None and self.failed.is_broken_promise


@dataclass
class Control:
    """The unmutated copy. Two mutants may ask at once; a seed is played only once."""

    copy: Path
    clean: set[int] = field(default_factory=set)
    failing: dict[int, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def passes(self, seed: int) -> bool:
        """Whether this seed is clean without any bug planted."""
        with self._lock:
            if seed not in self.clean and seed not in self.failing:
                failed = play_copy(self.copy, seed, seed + 1)
                if failed is None:
                    self.clean.add(seed)
                else:
                    self.failing[seed] = failed.failure
            return seed in self.clean


def copy_sources(to: Path, root: Path = ROOT) -> None:
    """Everything that the simulation runs, itself included."""
    for name in SOURCES:
        shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))


def patched(mutant: Mutant, root: Path) -> str:
    """The source of its file with the bug. Raises PatchError where the text is not there exactly once."""
    file = root / mutant.file
    if not file.is_file():
        raise PatchError(f"{mutant.name}: there is no {mutant.file}")
    source = file.read_text()
    if (found := source.count(mutant.text)) != 1:
        raise PatchError(f"{mutant.name}: its text stands {found} times in {mutant.file}, not once")
    return source.replace(mutant.text, mutant.planted)


def play_copy(copy: Path, first: int, end: int) -> Failed | None:
    """Play seeds in a copy; the first that fails, if any. A copy that cannot start at all fails with its error."""
    command = [sys.executable, "-m", "tests.simulation.mutants.in_copy", str(first), str(end)]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=COPY_S_MAX)
    except subprocess.TimeoutExpired:
        return Failed(first, f"hangs: {COPY_S_MAX} s were not enough for seeds {first} to {end - 1}")
    if done.returncode:
        return Failed(first, f"does not start: {done.stderr.strip().splitlines()[-1]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return Failed(**told) if told else None


def hunt(mutant: Mutant, control: Control, seeds: int = SEEDS_MAX) -> Verdict:
    """Let the simulation look for a mutant. Seeds that fail without it are passed over. Raises PatchError."""
    began, first = time.monotonic(), 0
    with TemporaryDirectory(prefix="fanka-mutant-") as directory:
        copy = Path(directory).resolve()
        copy_sources(copy, control.copy)
        (copy / mutant.file).write_text(patched(mutant, copy))
        failed = play_copy(copy, first, seeds)
        while failed is not None and not control.passes(failed.seed):
            first = failed.seed + 1
            failed = play_copy(copy, first, seeds) if first < seeds else None
    return Verdict(mutant, failed, time.monotonic() - began)
