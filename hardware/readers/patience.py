"""Calls of libpcsclite with an end: they wait for the daemon for ever, and it may hang, or be stopped, at any moment.

    whoever waits --- submit ---> DeviceThread: job, job ... ---> Patience.ask ---> libpcsclite ---> pcscd
         |                             |
         +--------- look --------------+ when did the call under way begin?

A call is made by the thread that does the job. It cannot be ended; so whoever waits for a job looks now and then, and
gives up a call that takes too long. Then all who wait are told, and no other job is begun before that one has ended;
and it ends where the call comes back, without another one. So what the daemon still does of the old comes before all
that is asked later, and nothing comes of a job that was said to have failed.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from hardware.ports import DeviceError

ANSWER_S = 3.0
"""The longest that a daemon in order takes for one command, its card included; beyond the time it was told to wait."""

T = TypeVar("T")
_Failure = type[DeviceError]
_Told = Callable[[Any, BaseException | None], object]
"""Called with a result or an exception."""
_this_thread = threading.local()


class Job:
    """Some work for a `DeviceThread`, and who is told what came of it. What gives back is done in any case."""

    __slots__ = ("gives_back", "told", "work")

    def __init__(self, work: Callable[[], Any], told: _Told, *, gives_back: bool = False) -> None:
        self.work, self.told, self.gives_back = work, told, gives_back


class DeviceThread:
    """Does jobs one after the other, in a thread that holds up no program's end. It starts with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        # under the lock:
        self._runs = False
        self._waited_for: set[Job] = set()
        self._call: tuple[float, _Failure] | None = None
        """The call under way: when it has taken too long, and what that is."""
        self._given_up: _Failure | None = None
        """What it was, until the job ends whose call was given up."""

    def submit(self, work: Callable[[], Any], told: _Told) -> Job:
        """Have a job done. `told` is called once, in whatever thread; somebody must `look` until then."""
        job = Job(work, told)
        with self._lock:
            given_up = self._given_up
            if given_up is None:
                self._waited_for.add(job)
                self._put(job)
        if given_up is not None:
            told(None, _silent(given_up))
        return job

    def cancel(self, job: Job) -> None:
        """Nobody waits any more: it is not begun, and nobody is told."""
        with self._lock:
            self._waited_for.discard(job)

    def do(self, work: Callable[[], T]) -> T:
        """Have a job done and wait for it. Raises what it raises, and a silent daemon's failure."""
        done, came = threading.Event(), list[tuple[T, BaseException | None]]()

        def told(result: T, error: BaseException | None) -> None:
            came.append((result, error))
            done.set()

        self.submit(work, told)
        while not done.wait(self.look()):
            pass
        result, error = came.pop()
        if error is not None:
            raise error
        return result

    def look(self) -> float | None:
        """Give up the call under way if it has taken too long; seconds until the next look, None if nobody waits."""
        with self._lock:
            if not self._waited_for:
                return None
            if self._call is None:
                return ANSWER_S
            late_at_s, failure = self._call
            remaining_s = late_at_s - time.monotonic()
            if remaining_s > 0:
                return remaining_s
            self._given_up = failure
            given_up, self._waited_for = self._waited_for, set()
        for job in given_up:
            job.told(None, _silent(failure))
        return None

    def close(self) -> None:
        """Wait for what is to be done, as long as the daemon answers. What is let go of afterwards still is."""
        with suppress(DeviceError):
            self.do(_nothing)
        with self._lock:
            self._put(None)

    def call(self, failure: _Failure, allowed_s: float, function: Callable[..., Any], *args: object) -> Any:
        """Make a call in this thread, in one of its jobs. Raises the failure where it was given up, then or before."""
        with self._lock:
            if self._given_up is not None:
                raise _silent(self._given_up)
            self._call = (time.monotonic() + allowed_s, failure)
        try:
            return function(*args)
        finally:
            with self._lock:
                self._call = None
                given_up = self._given_up
            if given_up is not None:
                raise _silent(given_up)

    def let_go(self, call: Callable[[], object]) -> None:
        """Make a call that gives something back: now, or when the daemon answers again. From any thread."""
        if _here() is self and not self.is_silent:
            with suppress(DeviceError):
                call()
            return
        with self._lock:
            self._put(Job(call, unheard, gives_back=True))
        if _here() is not self:
            with suppress(DeviceError):
                self.do(_nothing)

    @property
    def is_silent(self) -> bool:
        """Whether a call was given up, and its job has not ended yet."""
        return self._given_up is not None

    def _put(self, job: Job | None) -> None:
        """Under the lock."""
        if not self._runs:
            self._runs = True
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        _this_thread.is_for = self
        while True:
            job = self._jobs.get()
            if job is not None:
                self._do_one(job)
                continue
            with self._lock:
                if self._jobs.empty():
                    self._runs = False
                    return

    def _do_one(self, job: Job) -> None:
        """Do a job, unless nobody wants it any more."""
        result, raised = None, None
        with self._lock:
            if not (job.gives_back or job in self._waited_for):
                return
        try:
            result = job.work()
        except BaseException as error:  # noqa: BLE001  the waiter's, who may be gone
            raised = error
        with self._lock:
            self._given_up = None
            is_waited_for = job in self._waited_for
            self._waited_for.discard(job)
        if is_waited_for:
            job.told(result, raised)


class Patience:
    """The calls of one reader or slot. Their thread is the `DeviceThread` that asks, else one of its own."""

    def __init__(self, failure: _Failure) -> None:
        """`failure` is raised with one sentence where no answer comes in time."""
        self._failure = failure
        self._thread: DeviceThread | None = None

    def ask(self, function: Callable[..., Any], *args: object, wait_s: float = 0.0) -> Any:
        """What the function answers; `wait_s`: how long it was told to wait. Raises what it raises, and the failure.

        After a failure it is unknown whether it was carried out, or will be.
        """
        thread = _here()
        if thread is not None and thread is self._thread:
            return thread.call(self._failure, ANSWER_S + wait_s, function, *args)
        thread = self._moved_to(thread or self._thread or DeviceThread("pcsc"))
        call = partial(thread.call, self._failure, ANSWER_S + wait_s, function, *args)
        return call() if _here() is thread else thread.do(call)

    def let_go(self, function: Callable[..., Any], *args: object) -> None:
        """Have something given back: now, or when the daemon answers again; nobody needs to hear of it."""
        thread = self._thread
        assert thread is not None, "what is given back was asked for"
        thread.let_go(partial(thread.call, self._failure, ANSWER_S, function, *args))

    def _moved_to(self, thread: DeviceThread) -> DeviceThread:
        """The thread that asks from now on. Raises the failure while a call in the one before has not come back."""
        if self._thread is not None and self._thread is not thread and self._thread.is_silent:
            raise _silent(self._failure)
        self._thread = thread
        return thread


def unheard(_result: object, _error: BaseException | None) -> None:
    """For work that nobody waits for."""


def _here() -> DeviceThread | None:
    """The `DeviceThread` that this is called in."""
    return getattr(_this_thread, "is_for", None)


def _silent(failure: _Failure) -> DeviceError:
    return failure("the PC/SC daemon (pcscd) does not answer: restart it, or plug the reader in again")


def _nothing() -> None:
    """A job to wait for what was given before it."""
