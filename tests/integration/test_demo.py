"""`make demo` shows what it claims, ends by itself, and leaves nothing behind, also when it is interrupted."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.programs import ROOT

pytestmark = pytest.mark.integration

STUDENTS = 40


@pytest.fixture
def directory() -> Iterator[Path]:
    """Shorter than `tmp_path`, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory:
        yield Path(directory)


def start(directory: Path, seconds: str, output: Path) -> subprocess.Popen[str]:
    """The demo as a user starts it, but for the directories, fewer students, and no window."""
    shown = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        env={
            **shown,
            "DEMO_SECONDS": seconds,
            "DEMO_STUDENTS": str(STUDENTS),
            "DEMO_DIRECTORY": str(output),
            "TMPDIR": str(directory),
        },
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
    """From what it prints alone: who was charged what, which card was cloned, what became of the torn sale."""
    temporary, output = directory / "tmp", directory / "out"
    temporary.mkdir()
    demo = start(temporary, "10", output)
    out, err = demo.communicate(timeout=240)
    assert demo.returncode == 0, out + err
    summary = json.loads(out.splitlines()[-1])
    planted = {"debited_not_delivered": 1, "fork": 1, "shift_difference": 1}
    assert summary["planted"] == summary["found"] == planted
    assert not any(summary[name] for name in ("lost", "doubled", "unexplained_cents", "missing_cents"))
    assert f"lunch is over: {summary['sales'] - 1} sales, " in out, "the story and the books count the same"
    assert f"{STUDENTS} of {STUDENTS} cards and phones hold what the ledger says" in out
    assert summary["sales"] > 20 and summary["entries"] > 2 * summary["sales"]
    assert "No cent is missing in the books: ¥" in out
    told = " ".join(out.split())
    assert f"Cloned card: {summary['cloned_card']}, of " in told and "the card is blocked now" in told
    assert re.search(r"Torn for good: ¥2.00 left card \d+, .* nothing was handed out; ¥2.00 went back", told)
    assert list(temporary.iterdir()) == [] and left_behind(directory) == []
    _tells_the_same_in_files(output, summary, told)


def _tells_the_same_in_files(output: Path, summary: dict[str, Any], told: str) -> None:
    with (output / "charges.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    sales = [row for row in rows if row["what"] in ("sale", "cash")]
    assert len(sales) == summary["sales"]
    assert sum(round(float(row["amount"]) * 100) for row in sales) == summary["sold_cents"]
    assert {row["pays with"] for row in sales} == {"MIFARE Classic", "DESFire", "phone", "cash"}
    cloned = [row for row in sales if row["number"] == str(summary["cloned_card"])]
    assert {row["where"] for row in cloned} == {"Shop", "Vending machine"}
    assert all(f"{row['where']} (¥{row['amount']} for" in told and f"entry {row['entry']})" in told for row in cloned)
    pictures = {path.name for path in (output / "pictures").iterdir()}
    assert len([name for name in pictures if name.startswith("till-")]) == 4, pictures
    assert all((output / "pictures" / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_the_demo_can_be_interrupted(directory: Path) -> None:
    demo = start(directory, "30", directory / "out")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "signed on" in line:
            break
    shutil.rmtree(directory / "out")
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    deadline = time.monotonic() + 10
    while left_behind(directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(directory.iterdir()) == [] and left_behind(directory) == []
