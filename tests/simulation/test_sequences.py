"""Every money rule as a story with its outcome, to the cent (`sequences/`), on each card technology it is about."""

import pytest

from protocol.purse import Technology
from tests.simulation.campus import Campus
from tests.simulation.sequences.catalogue import SEQUENCES
from tests.simulation.sequences.format import Sequence
from tests.simulation.sequences.play import plant

CASES = [(sequence, technology) for sequence in SEQUENCES for technology in sorted(sequence.on)]


@pytest.mark.parametrize(
    ("sequence", "technology"), CASES, ids=[f"{sequence.name} ({technology})" for sequence, technology in CASES]
)
def test_a_sequence_ends_as_the_specification_says(sequence: Sequence, technology: Technology) -> None:
    plant(sequence, Campus(1, tills=3, stations=2), technology)
