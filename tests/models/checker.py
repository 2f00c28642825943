"""Run a Promela model through Spin: every interleaving, every fault, every state.

Spin writes a C program that visits all states of the model; it is compiled and run in a directory of its own.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
MODELS: Final = (HERE / "card.pml", HERE / "sync.pml")
_DEPTH_MAX: Final = 1_000_000
_WORD: Final = re.compile(r"^ \*   ([A-Z_]+)  ", re.MULTILINE)


class ModelError(Exception):
    """The model could not be checked: what Spin, the compiler or the search said."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a search through all states found. `story` tells the way to the broken sentence, step by step."""

    states: int
    broken: str = ""
    story: str = ""


def rules_of(model: Path) -> tuple[str, ...]:
    """The words that each take one rule out of a model, as its opening comment lists them."""
    return tuple(_WORD.findall(model.read_text()))


def search(model: Path, directory: Path, without: str | None = None) -> Search:
    """Visit every state of a model, if asked without one of its rules. Raises ModelError where the search failed."""
    given = [f"-D{without}"] if without else []
    (directory / model.name).write_bytes(model.read_bytes())
    _run(directory, "spin", "-m", *given, "-a", model.name)  # -m: a full queue loses what is sent
    _run(directory, "gcc", "-w", "-O2", "-DSAFETY", "-o", "pan", "pan.c")
    said = _run(directory, "./pan", f"-m{_DEPTH_MAX}")
    stored = re.search(r"(\d+) states, stored", said)
    if stored is None or "max search depth too small" in said or "out of memory" in said:
        raise ModelError(f"{model.name}: the search did not come to its end\n{said}")
    broken = re.search(r"^pan:1: (.+) \(at depth \d+\)$", said, re.MULTILINE)
    if broken is None:
        return Search(int(stored[1]))
    story = _run(directory, "spin", "-m", *given, "-t", "-p", "-g", model.name)
    return Search(int(stored[1]), broken[1], story)


def _run(directory: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode:
        raise ModelError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
