"""One figure is one line of JSON: what was measured, what it is compared with, and whether it keeps its bar.

A figure never stands alone: value and baseline come from the same run, taken in turn, so that both meet the same
machine. Work that only computes is timed by the processor time of its thread, which waits for nobody; work that waits
for a disk or a card is timed by the clock, and of many measurements the first decile counts: where others want the
same processors, the median tells how long the queue is, and two of them compare by chance. `median_ratio` shows it.
Work that wakes threads is measured `ahead_of_others`.
"""

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

Line = dict[str, Any]

_DIGITS = 4
_WARM_UP_SHARE = 20
"""One measurement in so many, the first ones, is thrown away: the log is new and the caches are cold."""
_DECILE = 10


def cost(bench: str, value: float, baseline: float, unit: str, bar: float | None = None, **more: object) -> Line:
    """How much more something costs than its baseline; the bar is the most it may."""
    ratio = value / baseline
    return _line(bench, value, unit, baseline, ratio, bar, used=bar and ratio / bar) | more


def clocked(
    bench: str, works: Sequence[float], parts: Sequence[float], bar: float | None = None, **more: object
) -> Line:
    """What some work costs beside its parts, both timed by the clock, in seconds and in turn."""
    told = {"median_ratio": _rounded(statistics.median(_warm(works)) / statistics.median(_warm(parts)))}
    return cost(bench, undisturbed(works), undisturbed(parts), "us", bar, **told, **more)


def gain(bench: str, value: float, baseline: float, unit: str, bar: float | None = None, **more: object) -> Line:
    """How many times cheaper something is than its baseline; the bar is the least it must be."""
    ratio = baseline / value
    return _line(bench, value, unit, baseline, ratio, bar, used=bar and bar / ratio) | more


def count(bench: str, value: int, unit: str, bar: int) -> Line:
    """Something that is counted; the bar is the most there may be."""
    return _line(bench, value, unit, None, None, bar, used=value / bar)


def undisturbed(seconds: Sequence[float]) -> float:
    """What some work takes while nobody else wants the machine: the first decile, in microseconds."""
    warm = sorted(_warm(seconds))
    return warm[len(warm) // _DECILE] * 1e6


def processor_time(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Microseconds of processor time that each work takes, undisturbed; every round does all of them in turn."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    gc.collect()
    for _ in range(rounds):
        for name, work in works.items():
            started = time.thread_time()
            work()
            spent[name].append(time.thread_time() - started)
    return {name: undisturbed(seconds) for name, seconds in spent.items()}


@contextmanager
def ahead_of_others() -> Iterator[None]:
    """Let this thread, and those it starts, run before everything else on the machine, where that is permitted."""
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, parameters)


def on_disk() -> AbstractContextManager[str]:
    """A directory on the disk that the project lies on: /tmp may be memory, where nothing needs to be synced."""
    Path("build").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="bench-", dir="build")


def _warm(seconds: Sequence[float]) -> Sequence[float]:
    return seconds[len(seconds) // _WARM_UP_SHARE :]


def _line(
    bench: str,
    value: float,
    unit: str,
    baseline: float | None,
    ratio: float | None,
    bar: float | None,
    *,
    used: float | None,
) -> Line:
    """`used`: how much of what the bar allows; 1 is all of it."""
    return {
        "bench": bench,
        "value": _rounded(value),
        "unit": unit,
        "baseline": _rounded(baseline),
        "ratio": _rounded(ratio),
        "bar": bar,
        "used": _rounded(used),
        "ok": used is None or used <= 1,
    }


def _rounded(figure: float | None) -> float | None:
    return figure if figure is None or isinstance(figure, int) else float(f"{figure:.{_DIGITS}g}")
