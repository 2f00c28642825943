"""Failing file calls: each one fails as it is told, and the programs among them keep what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.recording import ROOT
from tests.faults.cases import CHANGE, READ, How, cases, compiled
from tests.faults.planted import CONTROLS

ALL_OF_THEM = 1_000
"""At least so many faults there are in the stories of either."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("faults"))


def traced(library: Path, folder: Path, program: str, *armed: int) -> tuple[list[str], str]:
    """What a small program did below its folder, and what it printed; `armed` are the other arguments of fault_arm."""
    (folder / "below").mkdir()
    trace = os.open(folder / "trace", os.O_WRONLY | os.O_CREAT, 0o600)
    below, others = os.fsencode(folder / "below"), tuple(map(int, armed))
    arming = f"import ctypes, os; c = ctypes.CDLL(None); c.fault_arm({below!r}, {trace}, *{others})"
    done = subprocess.run(
        [sys.executable, "-c", f"{arming}; os.chdir('below')\n{program}"],
        cwd=folder,
        env={**os.environ, "LD_PRELOAD": str(library)},
        pass_fds=[trace],
        capture_output=True,
        text=True,
    )
    os.close(trace)
    assert not done.stderr, done.stderr
    return (folder / "trace").read_text().splitlines(), done.stdout


EVERYTHING = """
import sqlite3
f = os.open('a', os.O_RDWR | os.O_CREAT); os.write(f, b'12'); os.pwrite(f, b'3', 1); os.fsync(f); os.fdatasync(f)
os.posix_fallocate(f, 0, 9); os.ftruncate(f, 1); os.rename('a', 'b'); os.mkdir('c'); os.rmdir('c'); os.unlink('b')
open(os.path.dirname(os.getcwd()) + '/beside', 'wb').write(b'not counted')
d = sqlite3.connect('d'); d.execute('CREATE TABLE t (x)'); d.close()
"""


def test_every_call_is_counted(library: Path, tmp_path: Path) -> None:
    calls, _ = traced(library, tmp_path, EVERYTHING, CHANGE, 0, How.NONE, 0, 0)
    first = ["open /a", "write /a", "write /a", "sync /a", "sync /a", "allocate /a", "truncate /a", "rename /b"]
    assert calls[:11] == [*first, "mkdir /c", "unlink /c", "unlink /b"]
    of_sqlite = {"open /d", "open /d-journal", "write /d-journal", "sync /d-journal", "write /d", "sync /d"}
    assert of_sqlite < set(calls[11:]) and not any("beside" in call for call in calls)


TRY = """
f = os.open('a', os.O_RDWR | os.O_CREAT | os.O_EXCL)
for number in range(4):
    try: print(os.write(f, b'12345678'))
    except OSError as error: print(error.errno)
"""


@pytest.mark.parametrize(
    ("how", "stays", "printed"),
    [
        (How.FAIL, 0, [8, 28, 8, 8]),
        (How.FAIL, 1, [8, 28, 28, 28]),
        (How.SHORT, 0, [8, 4, 8, 8]),
        (How.SHORT, 1, [8, 4, 4, 4]),
    ],
)
def test_a_call_fails_once_or_for_good(library: Path, tmp_path: Path, how: How, stays: int, printed: list[int]) -> None:
    calls, out = traced(library, tmp_path, TRY, CHANGE, 3, how, 28, stays)
    assert [int(line) for line in out.split()] == printed
    assert [call.startswith("!") for call in calls] == [False, False, True, bool(stays), bool(stays)]


def test_reads_are_counted_apart(library: Path, tmp_path: Path) -> None:
    program = "open('a', 'w').write('a')\ntry: open('a').read()\nexcept OSError as error: print(error.errno)"
    assert traced(library, tmp_path, program, READ, 1, How.FAIL, 5, 0) == (["!read /a"], "5\n")


SYNCS = """
f = os.open('a', os.O_RDWR | os.O_CREAT); os.write(f, b'old old old'); os.fsync(f)
os.pwrite(f, b'new', 0); os.pwrite(f, b'new', 8)
try: os.fsync(f)
except OSError as error: print(error.errno)
{then}
os.fsync(f); os.pwrite(f, b'NEW', 4); c.fault_cut(); print(open('a').read())
"""


@pytest.mark.parametrize(
    ("how", "then", "printed"),
    [
        (How.LOST, "", "5\nold old old\n"),
        (How.LOST, "os.pwrite(f, b'new', 0)", "5\nnew old old\n"),
        (How.LOST, "os.ftruncate(f, 5)", "5\nold o\0\0\n"),
        (How.LIE, "", "old old old\n"),
        (How.FAIL, "", "5\nnew NEW new\n"),
    ],
    ids=["lost", "what is written again is kept", "what was cut off stays so", "nobody is told", "kept"],
)
def test_what_a_failed_sync_left_behind_is_gone(
    library: Path, tmp_path: Path, how: How, then: str, printed: str
) -> None:
    """Later syncs do not bring it back, as on Linux; nor is there what came after the last one."""
    assert traced(library, tmp_path, SYNCS.format(then=then), CHANGE, 6, how, 5, 0)[1] == printed


def test_all_calls_are_in_the_plan() -> None:
    calls = [("open", "a"), *[("write", "a")] * 9, ("sync", "a")]
    everything = list(cases("s", calls, everything=True))
    assert len(everything) == len(set(everything)) == 2 * (3 + 2 * 4 + 3) + 7
    assert {case.nth for case in everything} == set(range(1, 12))
    assert [case.nth for case in cases("s", calls, everything=False)] == [1, 2, 10, 11], "of a row its ends"


def faults(*options: str) -> dict[str, Any]:
    """The command; the figures that it prints last."""
    command = [sys.executable, "-m", "tests.faults", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.mark.integration
@pytest.mark.parametrize("target", list(CONTROLS))
def test_nothing_is_said_that_is_not_kept_and_the_controls_are_caught(target: str) -> None:
    found = faults("--target", target, "--controls")[target]
    assert found["broken"] == found["unreached"] == 0
    assert found["cases"] > 80 and found["promises"] and found["went_on"] and found["ended_cleanly"]
    assert {name: control["caught"] for name, control in found["controls"].items()} == dict.fromkeys(
        CONTROLS[target], True
    )


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("target", list(CONTROLS))
def test_every_call_with_every_error(target: str) -> None:
    found = faults("--target", target, "--all")[target]
    assert found["broken"] == found["unreached"] == 0 and found["cases"] > ALL_OF_THEM
