"""Calls that may hang have an end for those who wait, and nothing is asked out of turn: calls hang at will."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from hardware.ports import DeviceError, ReaderUnplugged, SamFailed
from hardware.readers import patience
from hardware.readers.patience import DeviceThread, Patience

SHORT_S = 0.3


class Daemon:
    """Answers with what it was asked; hangs from `hang` to `go_on`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._goes_on = threading.Event()
        self._goes_on.set()

    def hang(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    def __call__(self, what: str, takes_s: float = 0.0) -> str:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.asked.append(what)
        time.sleep(takes_s)
        assert self._goes_on.wait(20)
        self._at_once -= 1
        return what

    def until_asked(self, what: str) -> None:
        while what not in self.asked:
            time.sleep(0.001)


class Waiter:
    """Waits for a job, and looks only when told to."""

    def __init__(self, thread: DeviceThread, work: Callable[[], object]) -> None:
        self.came: list[object] = []
        self.job = thread.submit(work, lambda result, error: self.came.append(error or result))

    def failed_with(self, failure: type[DeviceError]) -> bool:
        return len(self.came) == 1 and type(self.came[0]) is failure and "does not answer" in str(self.came[0])


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(patience, "ANSWER_S", SHORT_S)
    asked = Daemon()
    yield asked
    asked.go_on()
    assert asked.most_at_once == 1


@pytest.fixture
def cards() -> Iterator[DeviceThread]:
    thread = DeviceThread("cards")
    yield thread
    thread.close()


def when_it_answers(thread: DeviceThread, calls: Patience, daemon: Daemon, what: str) -> None:
    """Try until it is answered, as who waits for a reader does."""
    while True:
        with suppress(DeviceError):
            assert thread.do(partial(calls.ask, daemon, what)) == what
            return
        time.sleep(0.001)


def test_a_call_that_hangs_fails_all_who_wait_and_ends_its_job_when_it_comes_back(
    daemon: Daemon, cards: DeviceThread
) -> None:
    reader = Patience(ReaderUnplugged)
    went_on: list[str] = []

    def job() -> None:
        reader.ask(daemon, "one")
        went_on.append("after the call")

    daemon.hang()
    waiters = [Waiter(cards, job), Waiter(cards, partial(reader.ask, daemon, "two"))]
    daemon.until_asked("one")
    while not waiters[0].came:
        time.sleep(cards.look() or 0)
    waiters.append(Waiter(cards, partial(reader.ask, daemon, "three")))
    assert all(waiter.failed_with(ReaderUnplugged) for waiter in waiters)
    daemon.go_on()
    when_it_answers(cards, reader, daemon, "four")
    assert daemon.asked == ["one", "four"] and not went_on
    assert [len(waiter.came) for waiter in waiters] == [1, 1, 1], "nobody is told twice"


def test_a_job_that_shrugs_at_failures_asks_no_more_either(daemon: Daemon, cards: DeviceThread) -> None:
    reader, chip = Patience(ReaderUnplugged), Patience(SamFailed)
    failures: list[str] = []

    def job() -> None:
        for what, calls in (("one", reader), ("two", reader), ("three", chip)):
            try:
                calls.ask(daemon, what)
            except DeviceError as error:
                failures.append(type(error).__name__)

    daemon.hang()
    with pytest.raises(ReaderUnplugged):
        cards.do(job)
    daemon.go_on()
    when_it_answers(cards, chip, daemon, "four")
    assert daemon.asked == ["one", "four"] and failures == ["ReaderUnplugged"] * 3


def test_what_is_let_go_of_meanwhile_is_given_back_before_anything_new(daemon: Daemon, cards: DeviceThread) -> None:
    """By the job itself when its call comes back, and by whoever was told that it failed."""
    reader = Patience(ReaderUnplugged)

    def job() -> None:
        try:
            reader.ask(daemon, "one")
        finally:
            reader.let_go(daemon, "given back by the job")

    daemon.hang()
    with pytest.raises(ReaderUnplugged):
        cards.do(job)
    reader.let_go(daemon, "given back at once")
    assert daemon.asked == ["one"]
    daemon.go_on()
    when_it_answers(cards, reader, daemon, "two")
    assert sorted(daemon.asked[1:3]) == ["given back at once", "given back by the job"] and daemon.asked[3:] == ["two"]


def test_giving_back_may_hang_too(daemon: Daemon, cards: DeviceThread) -> None:
    reader = Patience(ReaderUnplugged)

    def job() -> None:
        reader.ask(daemon, "one")
        daemon.hang()
        reader.let_go(daemon, "two")
        reader.ask(daemon, "three")

    with pytest.raises(ReaderUnplugged):
        cards.do(job)
    daemon.go_on()
    when_it_answers(cards, reader, daemon, "four")
    assert daemon.asked == ["one", "two", "four"]


def test_what_takes_long_in_many_calls_or_was_told_to_wait_is_not_given_up(daemon: Daemon, cards: DeviceThread) -> None:
    reader = Patience(ReaderUnplugged)

    def job() -> str:
        for number in range(6):
            reader.ask(daemon, str(number), SHORT_S / 4)
        time.sleep(2 * SHORT_S)
        return str(reader.ask(daemon, "waits", 3 * SHORT_S, wait_s=3 * SHORT_S))

    assert cards.do(job) == "waits"


def test_a_hanging_call_that_nobody_waits_for_is_found_by_the_next_who_does(
    daemon: Daemon, cards: DeviceThread
) -> None:
    chip = Patience(SamFailed)
    daemon.hang()
    Waiter(cards, partial(chip.ask, daemon, "lamps"))
    daemon.until_asked("lamps")
    time.sleep(2 * SHORT_S)
    began_s = time.monotonic()
    with pytest.raises(SamFailed):
        cards.do(partial(Patience(ReaderUnplugged).ask, daemon, "one"))
    assert time.monotonic() - began_s < 5 and daemon.asked == ["lamps"]


def test_calls_outside_of_such_a_thread_have_an_end_and_none_is_made_beside_a_hanging_one(
    daemon: Daemon, cards: DeviceThread
) -> None:
    reader = Patience(ReaderUnplugged)
    assert reader.ask(daemon, "one") == "one"
    daemon.hang()
    with pytest.raises(ReaderUnplugged):
        reader.ask(daemon, "two")
    for where in (lambda ask: ask(), cards.do):
        with pytest.raises(ReaderUnplugged):
            where(partial(reader.ask, daemon, "three"))
    daemon.go_on()
    when_it_answers(cards, reader, daemon, "four")
    assert reader.ask(daemon, "five") == "five"
    assert daemon.asked == ["one", "two", "four", "five"]


def test_what_is_cancelled_is_not_begun_and_nobody_is_told(daemon: Daemon, cards: DeviceThread) -> None:
    reader = Patience(ReaderUnplugged)
    running = Waiter(cards, partial(reader.ask, daemon, "one", SHORT_S / 2))
    waiting = Waiter(cards, partial(reader.ask, daemon, "two"))
    daemon.until_asked("one")
    for waiter in (running, waiting):
        cards.cancel(waiter.job)
    assert cards.do(partial(reader.ask, daemon, "three")) == "three"
    assert daemon.asked == ["one", "three"] and not running.came and not waiting.came


def test_a_closed_thread_is_over_and_still_gives_back(daemon: Daemon) -> None:
    cards, reader = DeviceThread("closed"), Patience(ReaderUnplugged)
    running = Waiter(cards, partial(reader.ask, daemon, "one", SHORT_S / 2))
    cards.close()
    assert running.came == ["one"]
    reader.let_go(daemon, "given back")
    assert daemon.asked == ["one", "given back"]
    cards.close()
    while any(thread.name == "closed" for thread in threading.enumerate()):
        time.sleep(0.001)


def test_a_thread_whose_call_hangs_is_closed_all_the_same(daemon: Daemon, cards: DeviceThread) -> None:
    daemon.hang()
    running = Waiter(cards, partial(Patience(ReaderUnplugged).ask, daemon, "one"))
    daemon.until_asked("one")
    cards.close()
    assert running.failed_with(ReaderUnplugged)


def test_a_call_that_hangs_for_ever_keeps_no_program_from_ending() -> None:
    script = """
import threading
from hardware.ports import ReaderUnplugged
from hardware.readers import patience

patience.ANSWER_S = 0.1
cards, reader = patience.DeviceThread("cards"), patience.Patience(ReaderUnplugged)
try:
    cards.do(lambda: reader.ask(threading.Event().wait))
except ReaderUnplugged as error:
    print(error)
cards.close()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert "does not answer" in ended.stdout and not ended.stderr
