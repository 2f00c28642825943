"""Our top-level names are plain words; PyPI has strangers under some of them."""

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["protocol", "hardware", "terminal", "server"])
def test_our_names_come_from_us_alone(name: str) -> None:
    """An editable install records no files, so an absent name is ours too; any other distribution's is not."""
    assert set(packages_distributions().get(name, ["fanka"])) == {"fanka"}
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin) == ROOT / name / "__init__.py"
