"""A failing seed is made small: to what its failure needs, and to a story that a person reads."""

from collections.abc import Sequence

import pytest

from protocol.entries import Kind
from tests.simulation.checks import Checks
from tests.simulation.planted import Broken
from tests.simulation.run import play
from tests.simulation.shrink import shrunk, smallest
from tests.simulation.truth import Goods


@pytest.mark.parametrize("needed", [{"3"}, {"0", "17"}, {"2", "3", "4", "19"}, set[str]()])
def test_what_is_not_needed_is_left_out(needed: set[str]) -> None:
    items = [str(number) for number in range(20)]
    assert smallest(items, lambda kept: needed <= set(kept), 1_000) == sorted(needed, key=int)


def test_tries_have_an_end() -> None:
    tried: list[int] = []

    def still(kept: Sequence[str]) -> bool:
        tried.append(len(kept))
        return False

    assert smallest(["a", "b", "c", "d"], still, 3) == ["a", "b", "c", "d"]
    assert len(tried) == 3


@pytest.mark.seeds
def test_a_failing_seed_comes_down_to_the_visits_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sale_above(checks: Checks, goods: Goods) -> None:
        if goods.kind == Kind.SALE_SETTLED and goods.cents > 1_000:
            raise Broken(f"a sale of {goods.cents}", goods.card)

    monkeypatch.setattr(Checks, "goods", no_sale_above)
    failed = play(1)
    assert "a sale of" in failed.failure
    small = shrunk(failed)
    assert len(small.kept) == 1 and "visit" in small.kept[0] and small.of > 100
    assert "a sale of" in small.failure and "says OK" in small.story
    assert len(small.story.splitlines()) < 150
