"""Every rule about tokens as a story with its outcome, to the cent; and the float adds up after all of them."""

import pytest

from protocol.purse import Technology
from server.ledger.accounts import AccountKind
from tests.simulation.campus import Campus
from tests.simulation.sequences import format as told
from tests.simulation.sequences.play import plant
from tests.simulation.sequences.tokens import TOKEN_SEQUENCES


@pytest.mark.parametrize("sequence", TOKEN_SEQUENCES, ids=[sequence.name for sequence in TOKEN_SEQUENCES])
def test_a_sequence_ends_as_the_specification_says(sequence: told.Sequence) -> None:
    plant(sequence, Campus(1, tills=2, stations=1), Technology.TOKEN)


def test_one_campus_lives_through_all_of_them() -> None:
    """One after the other: what each held back, and what its cards lack, is in nobody else's way."""
    campus = Campus(1, tills=2, stations=1)
    for sequence in TOKEN_SEQUENCES:
        plant(sequence, campus, Technology.TOKEN)
    campus.sync()
    legs = [leg for posted in campus.server.book.posted.values() for leg in posted.postings]
    assert sum(leg.cents for leg in legs) == 0
    held = sum(leg.cents for leg in legs if leg.account.kind is AccountKind.SUSPENSE)
    assert held == 0, "nothing of a token's sale waits for an outcome"
