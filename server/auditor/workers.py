"""Has parts of chains checked by several processes, so many at a time that memory stays bounded.

Processes are forked before anything is opened: none of them ever sees the database.
"""

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

from server.auditor.parts import Found, Part, check_part
from server.auditor.service import Spread

PARTS_WAITING = 3
"""For each process."""


@contextmanager
def workers(processes: int) -> Generator[Spread]:
    """Something that has parts checked; in this process alone where it is one."""
    if processes <= 1:
        yield lambda parts: map(check_part, parts)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        pool.submit(_ready).result()

        def spread(parts: Iterable[Part]) -> Iterator[Found]:
            waiting: deque[Future[Found]] = deque()
            for part in parts:
                waiting.append(pool.submit(check_part, part))
                while len(waiting) > PARTS_WAITING * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        yield spread


def _ready() -> None:
    return None
