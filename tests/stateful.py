"""Machines of rules drawn at random, each against a small model; the long tests draw more of the same."""

from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_LONG: Final = 20


def runs(few: int) -> pytest.MarkDecorator:
    """Gives a test its `examples`: so many with every change, and twenty times as many in `make test-long`."""
    return pytest.mark.parametrize("examples", [few, pytest.param(_LONG * few, marks=pytest.mark.slow)])


def run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Let a machine live so many lives of at most so many steps. Raises what it raises, with the shortest such life."""
    drawn = settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine, settings=drawn)
