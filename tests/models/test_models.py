"""The models of sync and of torn cards hold in every state, and without any one of their rules they do not."""

from pathlib import Path

import pytest

from tests.models.checker import MODELS, rules_of, search

pytestmark = pytest.mark.integration

RULES = [(model, rule) for model in MODELS for rule in rules_of(model)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_a_model_holds_in_every_state(model: Path, tmp_path: Path) -> None:
    found = search(model, tmp_path)
    assert not found.broken, found.story
    assert found.states > 100_000


@pytest.mark.parametrize(("model", "rule"), RULES, ids=[f"{model.stem}-{rule}" for model, rule in RULES])
def test_without_a_rule_it_is_found_wrong(model: Path, rule: str, tmp_path: Path) -> None:
    assert search(model, tmp_path, rule).broken.startswith("assertion violated")


def test_each_model_lists_its_rules() -> None:
    assert [len(rules_of(model)) for model in MODELS] == [5, 6]
