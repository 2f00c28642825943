"""Calls of libpcsclite with an end: they wait for the daemon for ever, and it may hang, or be stopped, at any moment.

Each is made in a thread of its own. One that does not come back is left there: its caller is told, and nothing else is
asked before it has come back, so that what the daemon still does of it comes before all that is asked later.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from hardware.ports import DeviceError

ANSWER_S = 3.0
"""The longest that a daemon in order takes for one command, its card included; beyond the time it was told to wait."""

_Call = Callable[[], Any]


class Patience:
    """One thread, from its first call to the end of the program; it holds up no end."""

    def __init__(self, failure: type[DeviceError], answer_s: float = ANSWER_S) -> None:
        """`failure` is raised with one sentence where no answer comes in time."""
        self._failure, self._answer_s = failure, answer_s
        self._calls: SimpleQueue[tuple[_Call, Future[Any]]] = SimpleQueue()
        self._newest: Future[Any] | None = None

    def ask(self, function: Callable[..., Any], *args: object, wait_s: float = 0.0) -> Any:
        """What the function answers; `wait_s`: how long it was told to wait. Raises what it raises, and the failure.

        After a failure it is unknown whether it was carried out, or will be.
        """
        if self._newest is not None and not self._newest.done():
            raise self._silent()
        try:
            return self._put(function, *args).result(self._answer_s + wait_s)
        except NotYet as error:
            raise self._silent() from error

    def let_go(self, function: Callable[..., Any], *args: object) -> None:
        """Have something given back: now, or when the daemon answers again; nobody needs to hear of it."""
        late = self._newest is not None and not self._newest.done()
        given_back = self._put(function, *args)
        with suppress(NotYet):
            given_back.result(0 if late else self._answer_s)

    def _put(self, function: Callable[..., Any], *args: object) -> "Future[Any]":
        if self._newest is None:
            threading.Thread(target=self._work, name="pcsc", daemon=True).start()
        self._newest = Future()
        self._calls.put((lambda: function(*args), self._newest))
        return self._newest

    def _work(self) -> None:
        while True:
            call, answer = self._calls.get()
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001  the caller's, who may be gone
                answer.set_exception(error)

    def _silent(self) -> DeviceError:
        return self._failure("the PC/SC daemon (pcscd) does not answer: restart it, or plug the reader in again")
