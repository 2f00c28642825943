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


BEGINS_IN_A_CHECKOUT = "begins in a checkout"


def run_guides(home: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run guides one after the other in one shell."""
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    for name in names:
        guide = (ROOT / "docs" / name).read_text()
        script += f"cd {ROOT}\n" if BEGINS_IN_A_CHECKOUT in " ".join(guide.split()) else ""
        script += "".join(re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL))
    for port in ("8080", "8088"):
        script = script.replace(port, str(free_port()))
    told = {**os.environ, "HOME": str(home)}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=told, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_keys_are_signed_for_changed_and_withdrawn(tmp_path: Path) -> None:
    done = run_guides(tmp_path, "keys.md")
    shown = [json.loads(text) for text in re.findall(r"^\{.*?^\}", done.stdout, re.MULTILINE | re.DOTALL)]
    assert [found["version"] for found in shown] == [1, 3]
    assert [len(shown[-1][purpose]) for purpose in ("grant", "ack", "list", "load")] == [1, 2, 1, 1]
    assert not list((tmp_path / "campus-keys").rglob("root.key"))
    assert (tmp_path / "vault" / "root" / "root.key").stat().st_mode & 0o777 == 0o600


def test_card_keys_are_made_parted_joined_and_withdrawn(tmp_path: Path) -> None:
    done = run_guides(tmp_path, "card-keys.md")
    made, *_ = sets = re.findall(r"^(set \d) (\w+): (.*)$", done.stdout, re.MULTILINE)
    assert [(name, state) for name, state, _ in sets if name == "set 1"][-2:] == [("set 1", "withdrawn")] * 2
    assert {values for name, _, values in sets if name == "set 1"} == {made[2]}, "the same keys all along"
    assert sets[-1][:2] == ("set 2", "present")
    parts = [path.read_text() for path in (tmp_path / "stick-1").iterdir()]
    components = [group for part in parts for group in re.findall("(?: [0-9a-f]{4}){8}", part)]
    assert len(components) == 6 and not any(group.strip() in done.stdout + done.stderr for group in components)


def test_a_server_is_watched_copied_and_made_again_works_for_a_day_and_bears_another_beside_it(tmp_path: Path) -> None:
    done = run_guides(tmp_path, "operations.md", "daily-work.md", "enrolment.md")
    watched, rest = done.stdout.split("restored: server epoch 2")
    assert "fanka_server_epoch 1.0" in watched and "database.sealed: OK" in watched
    assert re.search(r'"is_finished": true,\n.*\n.*\n  "unexplained_cents": 0,', watched), "the proof of a night"
    worked, enrolled = rest.split("till-1 is enrolled: epoch 1, number 1, site north-campus")
    assert re.search("^server_restored$", worked, re.MULTILINE)
    check_a_day(worked)
    check_an_enrolment(enrolled, done.stderr, tmp_path / "campus")


def test_a_server_is_audited_and_its_report_and_a_root_are_verified_by_hand(tmp_path: Path) -> None:
    done = run_guides(tmp_path, "audit.md")
    assert done.stdout.count("everything agrees") == 2
    assert done.stdout.count("Signature Verified Successfully") == 2, "the report, and the root"
    assert '"agrees": true,\n  "count": 0' in done.stdout and re.search("^true$", done.stdout, re.MULTILINE)


def check_a_day(said: str) -> None:
    """What the answers of daily work must have shown to somebody who reads along."""
    drawers = re.findall(r'"kind":"drawer","owner":"till-1/\d+/1","cents":(-?\d+)', said)
    assert drawers == ["-11250"], "the drawer that the guide speaks of"
    assert re.findall(r'"kind":"operator_loss","owner":"till-1/\d+/1","cents":(-?\d+)', said) == ["-50"]
    assert re.search(r'"proposed":"book","subject":"correction:found-0001","by":"wu"', said)
    assert re.search(
        r'^\{"by":"wu","asked":\{"cents":50,.*"reason":"50 cents lay under the drawer"', said, re.MULTILINE
    )
    assert '{"cause":"correction:found-0001"}' in said and '{"cause":"reversal:movement:slip-0001"}' in said
    assert '"why":"quarantined: ' in said and re.search(r'^\{"count":[1-9]\d*,"says":"', said, re.MULTILINE)
    assert '"closed_at":0' in said and '"is_finished":true' in said and '"unexplained_cents":0' in said
    assert '"cls":"shift_difference","count":2' in said
    assert '"name":"prices","applied":0' in said and '"behind":true' in said


def check_an_enrolment(said: str, told: str, campus: Path) -> None:
    """A sale is in the books and proven, the spare stands in the till's place, and words were compared."""
    assert "difference ¥0.00" in said
    assert re.search(r"^intact: \d+ entries hold", said, re.MULTILINE)
    assert "not checked" not in said
    assert "This terminal is a spare" in said and '"placed_at":0' in said
    assert re.search("^spare-1$", said, re.MULTILINE), "who stands in its place"
    assert said.count('"asked_for":0') == 2, "exported, and rescued"
    words = re.findall(r"^[a-z]{5}(?: [a-z]{5}){3}$", told, re.MULTILINE)
    assert re.findall(r"(\S+), epoch 1, till: sets 1; its screen says: (.*)", told) == [
        ("till-1", words[0]),
        ("spare-1", words[1]),
    ]
    assert (campus / "till-1" / "data" / "journal.key").stat().st_mode & 0o777 == 0o600
