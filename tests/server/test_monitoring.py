"""The ready-made alert rules and the dashboard: every figure in them is one that a real server shows.

`promtool check rules docs/monitoring/alerts.json` says whether Prometheus takes the rules; where it is installed, it is
asked too. Without it the expressions are read here as far as they go: brackets, names, labels and their values.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.alarms.rules import AlarmKind
from server.ingest.book import CaseClass
from server.meter import BatchReply
from tests.server.office import open_desk
from tests.server.test_cards import enrol
from tests.server.test_metrics import ask
from tests.server.world import SITE, Till

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
WORDS = {"and", "or", "unless", "by", "ignoring", "on"}
FUNCTIONS = {"absent", "changes", "histogram_quantile", "increase", "max", "rate", "sum", "time"}
VALUES: dict[str, set[str]] = {
    "kind": {kind.value for kind in AlarmKind},
    "cls": {cls.value for cls in CaseClass},
    "reply": {reply.value for reply in BatchReply},
    "state": {"online", "offline"},
}
"""What the labels with a closed list of values may be."""


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """An alerting rule as Prometheus reads it; JSON is YAML, too."""

    alert: str
    expr: str
    wait: str = msgspec.field(name="for")
    labels: dict[str, str]
    annotations: dict[str, str]


class Group(msgspec.Struct, forbid_unknown_fields=True):
    """Rules that are looked at together."""

    name: str
    rules: list[Rule]


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """A rule file."""

    groups: list[Group]


def rules() -> list[Rule]:
    """Every rule of the file."""
    file = msgspec.json.decode((FOLDER / "alerts.json").read_bytes(), type=Rules)
    return [rule for group in file.groups for rule in group.rules]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    found: list[dict[str, Any]] = msgspec.json.decode((FOLDER / "dashboard.json").read_bytes())["panels"]
    return found


def expressions() -> list[str]:
    """What is asked of Prometheus, by rules and panels."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule.expr for rule in rules()), *asked]


async def shown(tmp_path: Path) -> dict[str, set[str]]:
    """The figures of a real answer, and the labels of each."""
    async with open_desk(tmp_path) as desk:
        await enrol(desk, Till(1))
        await desk.put(f"/sites/{SITE}/prices", {"products": []})
        desk.house.app.state.metrics._is_broker_up = lambda: True  # as where the process talks to the broker
        answer = (await ask(desk)).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(answer):
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    found["fanka_open_cases"].add("cls")  # there is none yet
    return found


async def test_every_figure_and_label_is_one_that_a_server_shows(tmp_path: Path) -> None:
    known = await shown(tmp_path)
    used = {name for expr in expressions() for name in re.findall(r"fanka_\w+", expr)}
    assert used - known.keys() == set() and len(used) > 12
    for expr in expressions():
        names = set(re.findall(r"fanka_\w+", expr))
        labels = {label for inside in re.findall(r"by \(([^)]*)\)", expr) for label in inside.split(", ")}
        labels |= set(re.findall(r"[{,]\s*(\w+)\s*[=!]", expr))
        assert labels <= {label for name in names for label in known[name]}, expr


@pytest.mark.parametrize("expr", expressions())
def test_an_expression_names_nothing_that_there_is_not(expr: str) -> None:
    for label, value in re.findall(r'(\w+)\s*[=!]~?"([^"]*)"', expr):
        assert set(value.split("|")) <= VALUES[label], f"{label} is never {value}"
    bare = re.sub(r"\{[^}]*\}|by \([^)]*\)|\[\d+[smhd]\]", "", expr)
    for opening, closing in ("()", "[]", "{}"):
        assert expr.count(opening) == expr.count(closing)
    for name, bracket in re.findall(r"\b([a-z_]\w*)\b( by)?", bare):
        assert name in FUNCTIONS | WORDS or name.startswith("fanka_"), f"{name}{bracket}"


def test_rules_say_who_must_look_and_what_to_do() -> None:
    found = rules()
    assert len({rule.alert for rule in found}) == len(found) > 10
    for rule in found:
        assert rule.labels.keys() == {"severity"} and rule.labels["severity"] in ("critical", "warning")
        assert rule.annotations.keys() == {"summary", "description"}
        assert re.fullmatch(r"\d+[smhd]", rule.wait)


def test_every_alarm_of_ours_reaches_somebody() -> None:
    """One rule takes the kinds that are an attack or look like one, another one all the rest."""
    chosen = [re.findall(r'fanka_open_alarms\{kind(=~|!~)"([^"]*)"\}', rule.expr) for rule in rules()]
    (these, others) = [found[0] for found in chosen if found]
    assert (these[0], others[0]) == ("=~", "!~") and these[1] == others[1]


def test_panels_lie_side_by_side_and_ask_the_chosen_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${source}"} for source in sources)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_prometheus_itself_takes_the_rules_and_the_panels_expressions(tmp_path: Path) -> None:
    """Where its tool is not installed, the tests above are all that is known; this one then looks at JSON alone."""
    recorded = [{"record": f"panel_{number}", "expr": expr} for number, expr in enumerate(expressions())]
    every = tmp_path / "expressions.json"
    every.write_bytes(msgspec.json.encode({"groups": [{"name": "all", "rules": recorded}]}))
    assert len(recorded) > 25
    tool = shutil.which("promtool")
    for path in (FOLDER / "alerts.json", every):
        if tool is not None:
            subprocess.run([tool, "check", "rules", str(path)], check=True, capture_output=True)
