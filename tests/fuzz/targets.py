"""Every decoder that reads foreign bytes."""

from functools import cache
from typing import Final

from tests.fuzz import card_targets, file_targets, wire_targets
from tests.fuzz.target import Target

_GROUPS: Final = (wire_targets, file_targets, card_targets)


@cache
def all_targets() -> dict[str, Target]:
    """By name."""
    found = [target for group in _GROUPS for target in group.targets()]
    assert len({target.name for target in found}) == len(found)
    return {target.name: target for target in found}
