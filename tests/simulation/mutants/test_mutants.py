"""Five planted bugs with every change, and the runner that hunts them; `make mutants` hunts them all."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.mutants.catalogue import MUTANTS, Mutant
from tests.simulation.mutants.runner import ROOT, Control, PatchError, copy_sources, hunt, patched

pytestmark = pytest.mark.seeds

QUICK = [mutant for mutant in MUTANTS if mutant.quick]
TYPE = 'Cents = NewType("Cents", int)'
HARMLESS = Mutant("harmless", "none", "protocol/money.py", TYPE, f"{TYPE}\n")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Control:
    """The sources as they are."""
    copy = tmp_path_factory.mktemp("control").resolve()
    copy_sources(copy)
    return Control(copy)


@pytest.mark.parametrize("mutant", QUICK, ids=[mutant.name for mutant in QUICK])
def test_a_planted_bug_is_caught(mutant: Mutant, control: Control) -> None:
    verdict = hunt(mutant, control)
    assert verdict.caught, verdict.failed
    assert not control.failing


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_every_patch_fits_the_sources(mutant: Mutant) -> None:
    source = patched(mutant, ROOT)
    assert source != (ROOT / mutant.file).read_text()
    compile(source, mutant.file, "exec")


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25
    assert len(QUICK) >= 5


@pytest.mark.parametrize(
    ("mutant", "told"),
    [
        (replace(HARMLESS, text="Cents = Decimal"), "stands 0 times"),
        (replace(HARMLESS, text="Annotated[Cents, "), "stands 4 times"),
        (replace(HARMLESS, file="protocol/coins.py"), "there is no protocol/coins.py"),
    ],
)
def test_a_patch_that_does_not_fit_is_an_error(mutant: Mutant, told: str, control: Control) -> None:
    with pytest.raises(PatchError, match=told):
        hunt(mutant, control, 1)


def test_nothing_is_caught_where_nothing_is_planted(control: Control) -> None:
    verdict = hunt(HARMLESS, control, 2)
    assert verdict.failed is None and not verdict.caught


def test_a_copy_that_does_not_start_catches_nothing(control: Control) -> None:
    verdict = hunt(replace(HARMLESS, planted="import nothing_there"), control, 1)
    assert verdict.failed is not None and "nothing_there" in verdict.failed.failure and not verdict.caught


@pytest.mark.parametrize("error", ['AssertionError("an invariant")', 'TypeError("a slip")'])
def test_an_exception_of_the_shipping_code_catches_nothing(error: str, control: Control) -> None:
    text = "    lines: list[Line] = []"
    verdict = hunt(Mutant("crash", "none", "protocol/pricing.py", text, f"{text}\n    raise {error}"), control, 1)
    assert verdict.failed is not None and verdict.failed.raised_in == "protocol/pricing.py" and not verdict.caught


def test_a_seed_that_fails_without_a_bug_is_passed_over(control: Control) -> None:
    known = Control(control.copy, failing={0: "of itself"})
    verdict = hunt(QUICK[0], known)
    assert verdict.caught and verdict.failed is not None and verdict.failed.seed > 0


def test_the_control_notices_that_the_sources_themselves_are_broken(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    (tmp_path / QUICK[0].file).write_text(patched(QUICK[0], tmp_path))
    broken = Control(tmp_path.resolve())
    assert not broken.passes(0)
    assert list(broken.failing) == [0] and not broken.clean
