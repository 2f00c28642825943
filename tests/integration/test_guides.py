"""Every command of a guide is run, as it stands there, by a shell that stops at the first that fails."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from server.broker.process import free_port
from tests.integration.programs import ROOT

pytestmark = pytest.mark.integration


def run_guide(name: str, home: Path) -> subprocess.CompletedProcess[str]:
    guide = (ROOT / "docs" / name).read_text().replace("8080", str(free_port()))
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks)
    told = {**os.environ, "HOME": str(home)}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_keys_are_signed_for_changed_and_withdrawn(tmp_path: Path) -> None:
    done = run_guide("keys.md", tmp_path)
    shown = [json.loads(text) for text in re.findall(r"^\{.*?^\}", done.stdout, re.MULTILINE | re.DOTALL)]
    assert [found["version"] for found in shown] == [1, 3]
    assert [len(shown[-1][purpose]) for purpose in ("grant", "ack", "list", "load")] == [1, 2, 1, 1]
    assert not list((tmp_path / "campus-keys").rglob("root.key"))
    assert (tmp_path / "vault" / "root" / "root.key").stat().st_mode & 0o777 == 0o600


def test_a_terminal_is_enrolled_by_hand_and_its_sale_is_proven(tmp_path: Path) -> None:
    done = run_guide("enrolment.md", tmp_path)
    assert "till-1 is enrolled: epoch 1, number 1, site north-campus" in done.stdout
    assert "difference ¥0.00" in done.stdout and '"asked_for":0' in done.stdout
    assert re.search(r"^intact: \d+ entries hold", done.stdout, re.MULTILINE)
    assert "not checked" not in done.stdout
    assert "This terminal is a spare" in done.stdout and '"placed_at":0' in done.stdout
    assert done.stdout.rstrip().endswith("spare-1"), "who stands in its place"
    assert (tmp_path / "campus" / "till-1" / "data" / "journal.key").stat().st_mode & 0o777 == 0o600


def test_a_server_is_watched_copied_and_made_again(tmp_path: Path) -> None:
    done = run_guide("operations.md", tmp_path)
    assert "fanka_server_epoch 1.0" in done.stdout
    assert "database.sealed: OK" in done.stdout and "restored: server epoch 2" in done.stdout
    assert done.stdout.rstrip().endswith("server_restored")
