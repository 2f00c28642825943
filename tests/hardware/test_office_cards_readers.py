"""Cards that come back to the card office, through both reader stacks: emptied and erased, torn at what is written.

Each single exchange is torn without a reader, in test_erase.py and tests/terminal; here every one that changes a card.
"""

from collections.abc import Callable

import pytest

from hardware.cards.blank import is_blank
from hardware.cards.erase import erase
from hardware.cards.issue import NewCard, personalise
from hardware.ports import CardChannel, CardLeftField
from hardware.simulated.tearing import Moment, Tear
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import CardRead, Outcome, Purse, PurseChange, what_became_of
from tests.hardware.card_bench import OFFICE, mark
from tests.hardware.test_erase import EMPTY, MAKES, Make, as_of_factory, restore
from tests.hardware.test_purse_cards_readers import RealBench
from tests.hardware.test_purse_cards_readers import bench as bench

pytestmark = pytest.mark.integration
MOMENTS = (Moment.BEFORE, Moment.AFTER)
FULL = NewCard(1, EMPTY.identity, Purse(Counter(0), Cents(5_000), Cents(100)))
KEY = (EMPTY.identity.card, EMPTY.identity.generation)
NAMES = ("ev1", "ev2", "1k, 7")
three = pytest.mark.parametrize("make", [MAKES[name] for name in NAMES], ids=NAMES)
_CHANGES = (b"\x90\xfc", b"\x90\x54", b"\x90\xc4", b"\xff\xd6")
"""FormatPICC, ChangeKeySettings, ChangeKey; UPDATE BINARY."""


class Noted:
    """A channel that notes which exchanges with the card, from 1, change it."""

    def __init__(self, channel: CardChannel, count: Callable[[], int]) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._count, self._before = channel, count, count()
        self.changes: list[int] = []

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        if apdu.startswith(_CHANGES):
            self.changes.append(self._count() - self._before + 1)
        return self._channel.transmit(apdu)


@three
def test_a_card_is_erased_wherever_it_is_torn_and_is_a_blank_for_the_next(bench: RealBench, make: Make) -> None:
    bench.card = make()
    personalise(bench.channel(), OFFICE, EMPTY)
    start = bench.card.snapshot()
    noted = Noted(bench.channel(), lambda: bench.card.field.exchange_count)
    erase(noted, OFFICE, KEY)
    assert bench.card.snapshot() == as_of_factory(bench.card) and len(noted.changes) in (3, 27)
    first, *_, last = noted.changes
    tears = [Tear(at, Moment.AFTER) for at in noted.changes] + [Tear(at, Moment.BEFORE) for at in (first, last)]
    for tear in tears:
        restore(bench.card, start)
        channel = bench.channel()
        bench.card.arm(tear)
        with pytest.raises(CardLeftField):
            erase(channel, OFFICE, KEY)
        bench.card.arm(None)
        erase(bench.channel(), OFFICE, KEY)
        assert bench.card.snapshot() == as_of_factory(bench.card), tear
    assert is_blank(bench.channel(), OFFICE)
    assert personalise(bench.channel(), OFFICE, EMPTY).purse == EMPTY.purse


@pytest.mark.parametrize("make", [MAKES[name] for name in ("1k, 4", "4k, 7", "4k, 4", "ev3")])
def test_every_other_size_is_erased_too(bench: RealBench, make: Make) -> None:
    bench.card = make()
    personalise(bench.channel(), OFFICE, EMPTY)
    erase(bench.channel(), OFFICE, KEY)
    assert bench.card.snapshot() == as_of_factory(bench.card)
    assert is_blank(bench.channel(), OFFICE)


@three
def test_a_card_that_is_handed_in_is_emptied_once_wherever_it_is_torn(bench: RealBench, make: Make) -> None:
    """Both purses in one step, at each exchange from its first write on; then the empty card is erased."""
    bench.card = make()
    personalise(bench.channel(), OFFICE, FULL)
    start, written, voided = bench.card.snapshot(), 0, 0
    writes = 6 if make is MAKES["1k, 7"] else 5
    for tear in (Tear(at, moment) for at in range(1, writes + 1) for moment in MOMENTS):
        restore(bench.card, start)
        driver = bench.tap(OFFICE)
        change = emptied(driver.read())
        bench.card.arm(tear)
        with pytest.raises(CardLeftField):
            driver.write(change)
        bench.card.arm(None)
        driver = bench.tap(OFFICE)
        read = driver.make_definite(change.after.mark, change.after.counter, change)
        outcome = what_became_of(change.after.mark, change.after.counter, read)
        assert outcome is not Outcome.UNKNOWN, tear
        if outcome is not Outcome.WRITTEN:
            voided += 1
            driver.write(emptied(read))
        written += outcome is Outcome.WRITTEN
        purse = driver.read().purse
        assert purse is not None
        assert (purse.main_cents, purse.subsidy_cents, purse.counter) == (0, 0, 1), tear
    assert written and voided
    erase(bench.channel(), OFFICE, KEY)
    assert bench.card.snapshot() == as_of_factory(bench.card)


def emptied(read: CardRead) -> PurseChange:
    """Everything off the card, in one step."""
    assert read.purse is not None
    main, subsidy = read.purse.main_cents, read.purse.subsidy_cents
    return PurseChange(read, read.purse.stepped(mark(1), main_cents=-main, subsidy_cents=-subsidy))
