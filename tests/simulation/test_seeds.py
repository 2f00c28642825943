"""A hundred seeds with every change: each one a test, so that the workers share them; the last one counts them all."""

from pathlib import Path

import msgspec
import pytest

from tests.simulation.run import Played, Sum, play

SEEDS = 100


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Path:
    """Where all workers of this run leave what they counted."""
    directory = tmp_path_factory.getbasetemp().parent / f"seeds-{testrun_uid}"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed_lives_as_it_must(seed: int, results: Path) -> None:
    played = play(seed)
    assert not played.failure, f"{played.story}\nseed {seed}: {played.failure}"
    written = results / f"{seed}.tmp"
    written.write_bytes(msgspec.json.encode(played))
    written.rename(results / f"{seed}.json")
    everybody = list(results.glob("*.json"))
    if len(everybody) == SEEDS:
        total = Sum()
        for path in everybody:
            total.add(msgspec.json.decode(path.read_bytes(), type=Played))
        assert (total.seeds, total.too_few(), total.not_found()) == (SEEDS, [], [])


@pytest.mark.seeds
def test_the_same_seed_lives_the_same_life() -> None:
    first, second = play(7), play(7)
    assert first.history_hash == second.history_hash
    assert first == second
