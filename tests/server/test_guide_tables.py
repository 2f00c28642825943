"""What guides name is there: every path that they ask for, and every alarm, case and movement in their tables."""

import re
from pathlib import Path

import pytest

from server.alarms.rules import LASTING, AlarmKind
from server.booking.rules import MOVEMENTS
from server.ingest.book import CaseClass
from server.reconcile.facts import Difference
from server.reconcile.refusals import TRICKS
from tests.server.office import open_desk

ROOT = Path(__file__).parents[2]
GUIDES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
NAMED = re.compile(r"\b(GET|POST|PUT|DELETE) (/[a-z][^\s`?]*)")
"""`POST /cards/{no}/close`"""
ASKED = re.compile(r"^as \w+ [\"']?(/[^\s\"'?]*)", re.MULTILINE)
"""as li /cards/$no/close"""


def rows(guide: str, heading: str) -> list[str]:
    """The first cells of the table below a heading, and nothing else of it."""
    text = (ROOT / "docs" / guide).read_text()
    section = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[1:]


def shape(path: str) -> str:
    """A path with each of its changing members as a star: {no}, $no, TID, $((no + 1)), and so are examples."""
    return re.sub(r"\{[^}/]*\}|\$\(\([^)]*\)\)|\$\w+|\b[A-Z]+\b", "*", path)


@pytest.fixture
async def paths(tmp_path: Path) -> list[str]:
    async with open_desk(tmp_path) as desk:
        return [path.removeprefix("/api/1") for path in desk.house.app.openapi()["paths"]]


def is_served(path: str, known: list[str]) -> bool:
    """Whether some path of the API takes this one, with or without its beginning."""
    path = path.removeprefix("/api/1")
    patterns = [re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(one)) for one in known]
    return any(re.fullmatch(pattern, shape(path)) for pattern in patterns)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_every_path_of_a_guide_is_served(guide: Path, paths: list[str]) -> None:
    text = guide.read_text()
    named = {path for _, path in NAMED.findall(text)} | set(ASKED.findall(text))
    assert {path for path in named if not is_served(path, paths)} == set()


def test_guides_are_read_at_all(paths: list[str]) -> None:
    text = (ROOT / "docs" / "daily-work.md").read_text()
    assert len(set(ASKED.findall(text))) > 30 and not is_served("/cards/7/nothing", paths)


def test_every_alarm_has_its_answer() -> None:
    answered = [kind for cell in rows("operations.md", "Watch it") for kind in re.findall("`([a-z_]+)`", cell)]
    assert sorted(answered) == sorted(AlarmKind)


def test_every_alarm_that_lasts_says_until_when() -> None:
    text = (ROOT / "docs" / "daily-work.md").read_text().partition("| Lasts until |")[2].partition("\n\n")[0]
    kinds = [kind for line in text.splitlines() for kind in re.findall("`(.*?)`", line.split("|")[-2])]
    assert sorted(kinds) == sorted(LASTING)


def test_every_class_of_case_says_what_to_do() -> None:
    assert sorted(cell.strip("`") for cell in rows("daily-work.md", "Cases")) == sorted(CaseClass)


def test_every_class_of_a_proof_says_what_to_do() -> None:
    text = (ROOT / "docs" / "operations.md").read_text().partition("| Class |")[2].partition("\n\n")[0]
    kinds = [kind for line in text.splitlines() for kind in re.findall("`([a-z_]+)`", line.split("|")[1])]
    assert sorted(kinds) == sorted(Difference)


def test_every_reason_of_a_refused_trick_is_explained() -> None:
    text = (ROOT / "docs" / "operations.md").read_text().partition("The reasons of `refused`:")[2].partition(". The")[0]
    assert re.findall("`([a-z_]+)`", text) == list(TRICKS)


def test_every_movement_is_named() -> None:
    text = (ROOT / "docs" / "daily-work.md").read_text().partition("books what has a name:")[2].partition(".")[0]
    assert re.findall("`(.*?)`", text) == list(MOVEMENTS)
