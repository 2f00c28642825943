"""A small coverage-guided fuzzer: keeps what reaches new lines or is told something new, and makes more of it.

Standard library only, so that it runs wherever the programs run. An input is judged by `Target.check`; whatever comes
out of that is a failure, is shrunk while it stays the same failure, and told with the command that shows it again.
"""

import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from types import FrameType
from typing import Final

from tests.fuzz.lines import Lines
from tests.fuzz.mutations import Mutator
from tests.fuzz.target import TAKEN, Target

FAILURES_MAX: int = 5
"""So many different ones of a target are told."""
RUN_S_MAX: float = 2
"""Processor time of one input, of at most some 1 MiB; a longer one is seen before it has taken twice as long."""
TRACED_RUNS: Final = 2_000
TRACED_ONCE_IN: Final = 4
"""Of the first runs all are traced, and then one in so many: by then most of what is new is in what is told."""
_CORPUS_MAX: Final = 2_000
_TOLD_MAX: Final = 400
_SHRINK_TRIES_MAX: Final = 1_000
_SHRINK_S_MAX: Final = 5
_SHRINK_ROOM: Final = 500
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_TESTS: Final = str(Path(__file__).resolve().parents[1])
_VARIES: Final = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")


class TooSlow(BaseException):
    """One input has taken too long; nothing on the way catches this."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a decoder must not do, and with which input."""

    target: str
    key: str
    """Failures with the same one are one."""
    text: str
    raw: bytes

    @property
    def command(self) -> str:
        """Shows it again."""
        return f"python -m tests.fuzz --target {self.target} --replay {self.raw.hex() or '-'}"


@dataclass
class Tally:
    """How the runs of one target went."""

    target: str
    runs: int = 0
    seconds: float = 0.0
    lines: int = 0
    corpus: int = 0
    taken: int = 0
    failures: list[Failure] = field(default_factory=list)


class Fuzzer:
    """One target, its corpus and its chance: the same seed does the same."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target, self._chance = target, Random(f"{target.name} {seed}")
        self._lines = Lines(file for name in target.modules if (file := sys.modules[name].__file__))
        self._corpus = list(target.samples)
        self._mutator = Mutator(self._chance, target.samples, target.words)
        self._told: set[str] = set()
        self._is_slow = False
        self._keys: set[str] = set()
        self.tally = Tally(target.name)

    def run(self, count: int) -> Tally:
        """So many inputs: the samples first, then what is made of them."""
        began, tally, corpus = perf_counter(), self.tally, self._corpus
        mutator = self._mutator
        with _watched(lambda: tally.runs):
            for sample in self._target.samples[:count]:
                self._one(sample)
                assert tally.taken == tally.runs or tally.failures, f"{tally.target} refuses its sample {sample!r}"
            while tally.runs < count and len(tally.failures) < FAILURES_MAX and not self._is_slow:
                raw = mutator.mutate(self._chance.choice(corpus), self._chance.choice(corpus))
                if self._one(raw):
                    self._keep(raw)
        tally.seconds += perf_counter() - began
        tally.lines, tally.corpus = self._lines.seen, len(corpus)
        return tally

    def _one(self, raw: bytes) -> bool:
        """Whether this input did something new."""
        lines, told = self._lines, ""
        is_large = len(raw) > self._mutator.bytes_max
        traced = not is_large and (self.tally.runs < TRACED_RUNS or self.tally.runs % TRACED_ONCE_IN == 0)
        before = lines.seen
        self.tally.runs += 1
        try:
            told = lines.traced(lambda: self._target.check(raw)) if traced else self._target.check(raw)
        except (Exception, TooSlow) as error:  # noqa: BLE001  whatever it is, it is a failure
            self._failed(raw, error)
            return False
        self.tally.taken += told == TAKEN
        return not is_large and (self._is_new(told) or lines.seen > before)

    def _is_new(self, told: str) -> bool:
        told = _VARIES.sub("0", told[:200])
        if told in self._told or len(self._told) >= _TOLD_MAX:
            return False
        self._told.add(told)
        return True

    def _keep(self, raw: bytes) -> None:
        if len(self._corpus) < _CORPUS_MAX:
            self._corpus.append(raw)
        else:
            self._corpus[self._chance.randrange(len(self._target.samples), _CORPUS_MAX)] = raw

    def _shrunk(self, raw: bytes, key: str) -> bytes:
        """With more room for brackets in brackets: what fails then fails wherever it is shown again."""
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + _SHRINK_ROOM)
        try:
            return shrunk(raw, lambda less: failure_of(self._target, less) == key)
        finally:
            sys.setrecursionlimit(limit)

    def _failed(self, raw: bytes, error: BaseException) -> None:
        key = key_of(error)
        if key in self._keys:
            return
        self._keys.add(key)
        self._is_slow = isinstance(error, TooSlow)
        small = raw if self._is_slow else self._shrunk(raw, key)
        text = "".join(traceback.format_exception(error)[-3:]).strip()
        self.tally.failures.append(Failure(self._target.name, key, text, small))


def failure_of(target: Target, raw: bytes) -> str:
    """The key of what goes wrong with an input; empty where nothing does."""
    try:
        target.check(raw)
    except Exception as error:  # noqa: BLE001  as above
        return key_of(error)
    return ""


def key_of(error: BaseException) -> str:
    """What it is, and the line of ours that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_ROOT)]
    ours = [frame for frame in frames if not frame.filename.startswith(_TESTS)] or frames
    where = f"{ours[-1].filename.removeprefix(_ROOT)}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {where}"


def shrunk(raw: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A shorter and plainer input that fails too: pieces taken out, then bytes made the same."""
    tries, ends_at = 0, process_time() + _SHRINK_S_MAX
    size = max(1, len(raw) // 2)
    while size and tries < _SHRINK_TRIES_MAX and process_time() < ends_at:
        at, before = 0, raw
        while at < len(raw) and tries < _SHRINK_TRIES_MAX and process_time() < ends_at:
            tries += 1
            less = raw[:at] + raw[at + size :]
            if fails(less):
                raw = less
            else:
                at += size
        size = size if raw != before and size == 1 else size // 2
    for at in range(len(raw)):
        plain = raw[:at] + b"0" + raw[at + 1 :]
        tries += 1
        if tries < 2 * _SHRINK_TRIES_MAX and process_time() < ends_at and plain != raw and fails(plain):
            raw = plain
    return raw


@contextmanager
def _watched(runs: Callable[[], int]) -> Iterator[None]:
    """Ends a run that takes too long: where the clock strikes twice within one, and it is the processor's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -1

    def struck(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if last == runs():
            last = -1
            raise TooSlow(f"more than {RUN_S_MAX} s of processor time")
        last = runs()

    before = signal.signal(signal.SIGPROF, struck)
    signal.setitimer(signal.ITIMER_PROF, RUN_S_MAX, RUN_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
