"""House rules that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocol", "hardware", "terminal", "server")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
STEPS = ROOT / "server" / "migrations" / "versions"
"""Schemas as they once were: written down whole, and never changed for looks."""
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if not path.is_relative_to(STEPS))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_about_one_thing_and_says_which(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the module does not say what it is for"
    assert text.count("\n") <= FILE_LINES_MAX
    if path.name == "__init__.py":
        assert len(tree.body) == 1, "__init__.py holds a docstring only"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "server")], ids=name_of)
def test_sql_is_reached_through_the_feature_s_own_service(path: Path) -> None:
    own = ".".join(path.parent.relative_to(ROOT).parts)
    for module in imported_modules(path):
        if module.startswith("server.") and module.split(".")[2:3] == ["store"]:
            assert path.name == "service.py" and module.startswith(f"{own}."), f"{name_of(path)} imports {module}"
