"""Which lines of some files have run, measured cheaply: a function all of whose lines were seen is traced no more."""

import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, TypeVar

_T = TypeVar("_T")
_Trace = Callable[[FrameType, str, Any], Any]


class Lines:
    """Lines of these files that have run since the beginning."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)
        self._tracers: dict[CodeType, _Trace | None] = {}
        self.seen = 0
        """So many lines."""

    def traced(self, call: Callable[[], _T]) -> _T:
        """Call something and note what runs."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            return call()
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> _Trace | None:
        code = frame.f_code
        try:
            return self._tracers[code]
        except KeyError:
            self._tracers[code] = found = self._tracer_of(code)
            return found

    def _tracer_of(self, code: CodeType) -> _Trace | None:
        if code.co_filename not in self._files:
            return None
        left = {line for _, _, line in code.co_lines() if line is not None} - {code.co_firstlineno}

        def passed(frame: FrameType, event: str, argument: Any) -> _Trace | None:
            if event == "line" and frame.f_lineno in left:
                left.discard(frame.f_lineno)
                self.seen += 1
                if not left:
                    self._tracers[code] = None
            return passed

        return passed if left else None
