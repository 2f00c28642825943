"""The real programs as child processes: a server and terminals, driven the way people and machines drive them.

Every child ends with the thread that started it (PR_SET_PDEATHSIG), however that ends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self, TextIO

ROOT = Path(__file__).resolve().parents[2]
WATCHED_TILL = Path(__file__).with_name("watched_till.py")
DYING_SERVER = Path(__file__).with_name("dying_server.py")
SERVER_OF_THE_PAST = Path(__file__).with_name("server_of_the_past.py")
STOP_S = 15.0
WAIT_S = 60.0
PHOTOGRAPH_S, REDRAW_S = 5.0, 0.3
"""The longest wait for a picture; from a change to when it is on the screen, at the most."""

Event = dict[str, Any]


class ProgramFailed(AssertionError):
    """A program did not do what was expected of it; the text holds what it said last."""


Begin = Callable[[list[str], Mapping[str, str], BinaryIO], "subprocess.Popen[bytes]"]
"""Makes a process of Python's arguments, what is added to the environment, and a log; its ends are pipes."""


def begin_cold(arguments: list[str], environment: Mapping[str, str], log: BinaryIO) -> "subprocess.Popen[bytes]":
    """A new interpreter."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-I", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


class Program:
    """One child process of ours with its log; started again it goes on with the same files."""

    def __init__(self, directory: Path, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._arguments, self._environment = arguments, dict(environment or {})
        self.log = directory / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.begin: Begin = begin_cold

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; what it prints arrives in `_line`."""
        assert not self.running
        with self.log.open("ab") as log:
            self.process = self.begin(self._arguments, self._environment, log)
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def stop(self) -> int:
        """End it in order; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """kill -9: nothing is said good-bye to; its exit status."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        self._ended()
        if threading.current_thread() is not self._reader:
            self._reader.join()
        return status

    def _ended(self) -> None:
        """Let go of what only the program that ended needed."""

    def said(self) -> str:
        """The end of what it wrote to its log."""
        return self.log.read_text(errors="replace")[-4_000:] if self.log.exists() else ""

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._line(line)

    def _line(self, line: bytes) -> None:
        with self.log.open("ab") as log:
            log.write(line)


class ServerProgram(Program):
    """`python -m server`, or one process of it. `url` is known once it listens."""

    def __init__(self, directory: Path, config: Path, *options: str, days_behind: int = 0) -> None:
        """Its clock is so many days behind until `mend_clock`."""
        arguments = ["-m", "server", "--config", str(config), *options]
        super().__init__(directory, arguments, {"FANKA_TEST_DAYS_BEHIND": str(days_behind)})
        self._config, self._shipping = config, self._arguments
        if days_behind:
            self._arguments = [str(SERVER_OF_THE_PAST), *self._shipping[2:]]
        self.url = ""
        self._ready = threading.Event()

    def start(self) -> None:
        """Return when the API answers."""
        self._ready.clear()
        super().start()
        deadline = time.monotonic() + WAIT_S
        while not self._ready.wait(0.05):
            if not self.running or time.monotonic() > deadline:
                raise ProgramFailed(f"the server did not start: {self.said()}")

    def mend_clock(self) -> None:
        """Its clock is right from the next start on."""
        self._arguments = self._shipping

    @contextlib.contextmanager
    def mortal(self) -> Iterator[Callable[[str], object]]:
        """Meanwhile it is a program that kills itself at the step it is told (`dying_server.py`)."""
        self._restart([str(DYING_SERVER), *self._shipping[2:]])
        try:
            yield self._config.with_name("die-at").write_text
        finally:
            self._config.with_name("die-at").unlink(missing_ok=True)
            self._restart(self._shipping)

    def _restart(self, arguments: list[str]) -> None:
        self.stop()
        self._arguments = arguments
        self.start()

    def _line(self, line: bytes) -> None:
        if line.startswith(b"fanka server ready: "):
            self.url = line.split()[-1].decode()
            self._ready.set()
        else:
            super()._line(line)


class TerminalProgram(Program):
    """`python -m terminal --json`: commands in, events out."""

    def __init__(
        self, directory: Path, config: Path, socket_path: Path | None, *, screen: Mapping[str, str] | None = None
    ) -> None:
        """With a screen in this environment it can be photographed, and its keys are pressed (`watched_till.py`)."""
        environment = {"PCSCLITE_CSOCK_NAME": str(socket_path)} if socket_path else {}
        self._hands = directory / "hands"
        self._pipe: TextIO | None = None
        if screen is not None:
            os.mkfifo(self._hands)
            environment["FANKA_TEST_HANDS"] = str(self._hands)
        program = ["-m", "terminal"] if screen is None else [str(WATCHED_TILL)]
        arguments = [*program, "--config", str(config), "--json", "--verbose"]
        super().__init__(directory, arguments, environment | dict(screen or {}))
        self._wish = config.with_name("photograph")
        self.events: list[Event] = []
        self._grown = threading.Condition()
        self.on_event: Callable[[Event], None] = lambda _: None
        """Called in the reading thread, before anybody else sees the event."""

    def start(self) -> None:
        """Return when the first picture is there."""
        mark = self.mark()
        super().start()
        self.wait("view", since=mark)

    def _ended(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

    def start_for(self, work: str) -> int:
        """End it, and start it for some work with cards; the place in the events from which to look."""
        self.stop()
        mark, plain = self.mark(), self._arguments
        self._arguments = [*plain[:2], "cards", *work.split(), *plain[2:]]
        try:
            self.start()
        finally:
            self._arguments = plain
        return mark

    def photograph(self, path: Path) -> bool:
        """Let a terminal with a screen write what it shows as a PNG, without the newest answer; whether it did."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR2)
        time.sleep(REDRAW_S)
        self._wish.write_text(str(path))
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + PHOTOGRAPH_S
        while self._wish.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return path.exists()

    def type(self, line: str) -> int:
        """Type a command; the place in the events from which to look for what comes of it."""
        mark = self.mark()
        assert self.process is not None and self.process.stdin is not None
        with contextlib.suppress(OSError):  # it was killed; whoever waits for an answer will say so
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        return mark

    def press(self, *lines: str) -> int:
        """Press keys at its screen; the place in the events from which to look for what comes of it."""
        mark = self.mark()
        if self._pipe is None:
            self._pipe = self._hands.open("w")
        self._pipe.write("".join(f"{line}\n" for line in lines))
        self._pipe.flush()
        return mark

    def mark(self) -> int:
        """The place behind the newest event."""
        return len(self.events)

    def wait(self, event: str, *, since: int = 0, timeout_s: float = WAIT_S, **members: object) -> Event:
        """The first such event from `since` on. A member given as a set: any of these values."""

        def fits(found: Event) -> bool:
            return found["event"] == event and all(
                found.get(name) in wanted if isinstance(wanted, set) else found.get(name) == wanted
                for name, wanted in members.items()
            )

        return self.wait_for(fits, since=since, timeout_s=timeout_s, what=f"{event} {members}")

    def wait_for(self, fits: Callable[[Event], bool], *, since: int, timeout_s: float = WAIT_S, what: str) -> Event:
        """The first event that fits, from `since` on. Raises ProgramFailed when none comes or the program ended."""
        deadline = time.monotonic() + timeout_s
        at = since
        with self._grown:
            while True:
                while at < len(self.events):
                    if fits(self.events[at]):
                        return self.events[at]
                    at += 1
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self.running:
                    last = self.events[max(since, len(self.events) - 12) :]
                    said = self.said()[-600:]
                    raise ProgramFailed(f"waited for {what}; last: {last}; running: {self.running}; {said}")
                self._grown.wait(min(remaining, 0.2))

    def ask(self, line: str) -> str:
        """Type something that is answered with a sentence."""
        return str(self.wait("said", since=self.type(line))["text"])

    @property
    def view(self) -> Event:
        """The newest picture."""
        return next(event for event in reversed(self.events) if event["event"] == "view")

    def _line(self, line: bytes) -> None:
        event = json.loads(line)
        self.on_event(event)
        with self._grown:
            self.events.append(event)
            self._grown.notify_all()
