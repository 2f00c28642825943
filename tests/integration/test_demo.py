"""`make demo` shows what it claims, ends by itself, and leaves nothing behind, also when it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.programs import ROOT

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    """Shorter than `tmp_path`, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory:
        yield Path(directory)


def start(directory: Path, seconds: str) -> subprocess.Popen[str]:
    """The demo as a user starts it, but for the directory of temporary files."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        env={**os.environ, "DEMO_SECONDS": seconds, "TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left_behind(directory: Path) -> list[str]:
    """Command lines of programs that still use the directory."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command:
            found.append(command)
    return found


def test_the_demo_proves_what_it_shows(directory: Path) -> None:
    demo = start(directory, "10")
    out, err = demo.communicate(timeout=180)
    assert demo.returncode == 0, out + err
    summary = json.loads(out.splitlines()[-1])
    assert summary["planted"] == summary["found"] == {"fork": 1, "open": 1, "shift_difference": 1}
    assert (summary["lost"], summary["doubled"], summary["unexplained_cents"]) == (0, 0, 0)
    assert f"lunch is over: {summary['sales']} sales, " in out, "the story and the books count the same"
    assert "28 of 30 cards show what the ledger says" in out
    assert summary["sales"] > 10 and summary["entries"] > 2 * summary["sales"]
    assert list(directory.iterdir()) == [] and left_behind(directory) == []


def test_the_demo_can_be_interrupted(directory: Path) -> None:
    demo = start(directory, "30")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "signed on" in line:
            break
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    deadline = time.monotonic() + 10
    while left_behind(directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(directory.iterdir()) == [] and left_behind(directory) == []
