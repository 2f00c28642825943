"""Every decoder that reads foreign bytes, fuzzed for a moment; what was found once; and faults that must be found."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any, Final

import pytest

from protocol import canonical, card_status, journal
from tests.fuzz import fuzzer
from tests.fuzz.fuzzer import Fuzzer, Tally, shrunk
from tests.fuzz.mutations import large_ones
from tests.fuzz.pieces import shared
from tests.fuzz.targets import all_targets

RUNS: Final = 40_000
"""Of all targets together: some five seconds on a core of its own."""
CONTROL_RUNS: Final = 20_000
LARGE_S_MAX: Final = 20
"""Processor time of an input of 1 MiB: a decoder whose time grows with its square takes minutes."""
FOUND: Final[dict[str, list[str]]] = json.loads((Path(__file__).parents[1] / "golden" / "fuzz.json").read_text())
PARTS: Final = {name: runs for name, _, runs in shared(list(all_targets()), RUNS, 0)}


def fuzzed(name: str, runs: int) -> Tally:
    return Fuzzer(all_targets()[name], 0).run(runs)


@pytest.mark.parametrize("name", all_targets())
def test_nothing_comes_out_of_a_decoder_that_it_does_not_declare(name: str) -> None:
    tally = fuzzed(name, PARTS[name])
    assert not tally.failures, "\n".join(f"{failure.text}\n{failure.command}" for failure in tally.failures)
    assert tally.lines, "its modules are another one's"


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_refused(name: str) -> None:
    for raw in FOUND[name]:
        all_targets()[name].check(bytes.fromhex(raw))


@pytest.mark.slow
@pytest.mark.parametrize("name", all_targets())
def test_a_large_input_takes_no_longer_than_it_is_large(name: str) -> None:
    target = all_targets()[name]
    for raw in large_ones(target.samples[0]):
        began = process_time()
        target.check(raw)
        assert process_time() - began < LARGE_S_MAX, raw[:40]


def takes_what_is_cut_off(raw: bytes, at: int) -> tuple[int, int]:
    """`card_status._take` without a look at where the bytes end."""
    value = 0
    for shift in range(0, 35, 7):
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    return value, at


def never_ends(raw: bytes, at: int) -> tuple[int, int]:
    while len(raw) != len(PLAIN_DELTA):
        pass
    return 0, at + 1


PLAIN_DELTA: Final = all_targets()["card-delta"].samples[0]
CONTROLS: Final[dict[str, tuple[str, Any, str, Callable[..., Any], str]]] = {
    "another spelling is taken": ("entry-payload", journal, "refuse_respelled", lambda raw, value: None, "Broken"),
    "an end is not looked for": ("card-delta", card_status, "_take", takes_what_is_cut_off, "IndexError"),
    "brackets nest": ("http-answer", canonical, "refuse_deep", lambda raw: None, "RecursionError"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_planted_fault_is_found_and_shrunk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, module, function, instead, what = CONTROLS[name]
    monkeypatch.setattr(module, function, instead)
    monkeypatch.setattr(fuzzer, "FAILURES_MAX", 1)
    failures = fuzzed(target, CONTROL_RUNS).failures
    found = [failure for failure in failures if failure.key.startswith(what)]
    assert found, failures
    assert fuzzer.failure_of(all_targets()[target], found[0].raw) == found[0].key


def test_a_decoder_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzer, "RUN_S_MAX", 0.2)
    monkeypatch.setattr(card_status, "_take", never_ends)
    assert any(failure.key.startswith("TooSlow") for failure in fuzzed("card-delta", 200).failures)


def test_what_is_shrunk_is_short_and_plain() -> None:
    assert shrunk(bytes(range(200)), lambda raw: b"\x40" in raw and b"\x90" in raw) == b"\x40\x90"
    assert shrunk(b"abc", lambda raw: len(raw) > 1) == b"00"


def test_the_same_seed_does_the_same() -> None:
    first, second = (Fuzzer(all_targets()["question"], 3).run(400) for _ in range(2))
    assert (first.taken, first.corpus) == (second.taken, second.corpus)


def test_the_command_tells_its_runs_and_shows_an_input_again() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--target", "amount"]
    run = subprocess.run([*command, "--runs", "200"], capture_output=True, text=True, timeout=300)
    told = json.loads(run.stdout.splitlines()[-1])
    assert run.returncode == 0 and told["runs"] == 200 and told["targets"]["amount"]["corpus"] > 0
    again = subprocess.run([*command, "--replay", b"12.3".hex()], capture_output=True, text=True, timeout=300)
    assert json.loads(again.stdout) == {"target": "amount", "told": "taken"}
