"""What a terminal knows because of its journal: the same from entry 1 and from any snapshot in between."""

import pytest

from protocol.instants import CampusTime
from protocol.journal import Sealed
from terminal.derived import Derived, from_snapshot, snapshot_of
from tests.protocol.samples import STORY, chain_of

CAMPUS = CampusTime()


def folded(entries: list[Sealed], start: Derived | None = None) -> Derived:
    derived = start or Derived()
    for sealed in entries:
        derived.apply(sealed, CAMPUS)
    return derived


@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_a_snapshot_stands_for_all_entries_before_it(cut: int) -> None:
    entries = chain_of()
    kept = from_snapshot(snapshot_of(folded(entries[:cut])))
    assert kept is not None
    assert snapshot_of(folded(entries[cut:], kept)) == snapshot_of(folded(entries))


def test_bytes_that_are_no_snapshot_are_folded_anew() -> None:
    assert from_snapshot(b"{") is None
