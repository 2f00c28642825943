"""The command as a test runs it."""

import json
import subprocess
import sys
from typing import Any

from tests.integration.programs import ROOT


def fire(*arguments: str) -> dict[str, Any]:
    """What `python -m tests.fire` says at its end, which must be a good one."""
    done = subprocess.run([sys.executable, "-m", "tests.fire", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8_000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
