"""A short day of cards that are torn away at every second tap."""

import pytest

from tests.simulation.taps import tap

TAPS = 400


@pytest.mark.seeds
def test_cards_torn_at_every_second_tap_pay_once() -> None:
    tapped = tap(0, TAPS)
    assert not tapped.failures, tapped.failures[0]
    assert tapped.counts["taps"] >= TAPS and 2 * tapped.counts["torn card"] >= TAPS
    assert tapped.counts["steps classic"] and tapped.counts["steps desfire"]
