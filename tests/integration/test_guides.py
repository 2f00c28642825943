"""Every command of a guide is run, as it stands there, by a shell that stops at the first that fails."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from server.broker.process import free_port
from tests.integration.programs import ROOT

pytestmark = pytest.mark.integration


def test_a_terminal_is_enrolled_by_hand_and_its_sale_is_proven(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "enrolment.md").read_text().replace("8080", str(free_port()))
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    script = "set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n" + "".join(blocks)
    told = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "till-1 is enrolled: epoch 1, number 1, site north-campus" in done.stdout
    assert "difference ¥0.00" in done.stdout and '"asked_for":0' in done.stdout
    assert re.search(r"^intact: \d+ entries hold", done.stdout, re.MULTILINE)
    assert "not checked" not in done.stdout
    assert (tmp_path / "campus" / "till-1" / "data" / "journal.key").stat().st_mode & 0o777 == 0o600
