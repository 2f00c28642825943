"""What `make help` promises is there, what is there is in it, and wrong figures are refused with a sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_help_names_every_target_and_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", makefile, re.MULTILINE))
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = {line.split()[0] for line in said.splitlines()}
    assert named == targets == set(phony[1].split())
    assert all(len(line.split()) > 1 for line in said.splitlines()), "each says what it does"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEMO_SECONDS", wrong) for wrong in ("nan", "-5", "inf", "0", "soon")]
    + [("DEMO_SEED", wrong) for wrong in ("abc", "-1", "1.5")]
    + [("DEMO_STUDENTS", wrong) for wrong in ("39", "401", "all")],
)
def test_the_demo_refuses_figures_that_are_none(name: str, value: str) -> None:
    program = [sys.executable, "-m", "tests.demo"]
    done = subprocess.run(
        program, cwd=ROOT, env={**os.environ, name: value}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(name) and repr(value) in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("seeds", ["0", "-3", "many", "1.5"])
def test_a_simulation_of_nothing_is_refused(seeds: str) -> None:
    program = [sys.executable, "-m", "tests.simulation", f"--seeds={seeds}"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"at least 1 is needed, not '{seeds}'" in done.stderr
