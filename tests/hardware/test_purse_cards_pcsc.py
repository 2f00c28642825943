"""The purse drivers through pyscard, libpcsclite and a real pcscd, with a tear at every APDU boundary of a sale."""

from collections.abc import Iterator

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, CardLeftField, PurseCard
from hardware.readers.pcsc import PcscReader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.tearing import Moment, Rest, Tear
from hardware.simulated.vpcd import VirtualSlot
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Outcome, Purse, what_became_of
from tests.hardware.card_bench import KINDS, OFFICE, STATION, TILL, WHO, Card, Kind, blank, load, sale

pytestmark = pytest.mark.integration


class RealBench:
    """A virtual card in a virtual reader of a real PC/SC daemon."""

    def __init__(self, slot: VirtualSlot, reader: PcscReader, card: Card) -> None:
        self._slot, self._reader, self.card = slot, reader, card

    def channel(self) -> CardChannel:
        """Take the card out if it is in, put it in again, wait for the reader to see it."""
        self._slot.remove()
        assert self._reader.wait_until_absent(5)
        self.card.put_back()
        self._slot.insert(self.card)
        channel = self._reader.wait_for_card(5)
        assert channel is not None
        return channel

    def tap(self, keys: CardKeys = TILL) -> PurseCard:
        """A new tap, opened."""
        return open_card(self.channel(), keys)


@pytest.fixture
def slot(pcscd: PrivatePcscd) -> Iterator[VirtualSlot]:
    """The field of the first virtual reader."""
    with VirtualSlot(pcscd.ports[0]) as slot:
        yield slot


@pytest.fixture
def reader(pcscd: PrivatePcscd) -> Iterator[PcscReader]:
    """The first virtual reader."""
    with PcscReader(pcscd.reader_names[0]) as reader:
        yield reader


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_issued_loaded_and_charged_through_the_real_stack(
    slot: VirtualSlot, reader: PcscReader, kind: Kind
) -> None:
    bench = RealBench(slot, reader, blank(kind))
    personalise(bench.channel(), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(5000))))
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 300))
    till = bench.tap()
    sold = till.write(sale(till.read(), 2))
    assert bench.tap().read() == sold
    assert sold.purse is not None
    assert sold.purse.main_cents == 5280


def tears(kind: Kind) -> list[Tear]:
    """Every boundary of a sale: the answer lost, and each write of a Classic card cut in its middle."""
    last = 15 if kind is not Kind.CLASSIC else 20
    boundaries = [Tear(1, Moment.BEFORE), *(Tear(at, Moment.AFTER) for at in range(1, last + 1))]
    if kind is not Kind.CLASSIC:
        return [*boundaries, Tear(14, Moment.BEFORE)]
    return [*boundaries, *(Tear(at, Moment.DURING, 7, 0x3C, Rest.ZEROS) for at in range(14, last + 1))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tear_at_every_boundary_through_the_real_stack(slot: VirtualSlot, reader: PcscReader, kind: Kind) -> None:
    """Charged once or not at all, known at the next tap; that tap then makes the next, torn, sale."""
    bench = RealBench(slot, reader, blank(kind))
    personalise(bench.channel(), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(5000))))
    driver, charged, torn = bench.tap(), 0, 0
    for seq, tear in enumerate(tears(kind), start=1):
        change = sale(driver.read(), seq)
        bench.card.arm(tear)
        try:
            driver.write(sale(driver.read(), seq))
            outcome = Outcome.WRITTEN
        except CardLeftField:
            torn += 1
            driver = bench.tap()
            read = driver.make_definite(change.after.mark, change.after.counter)
            outcome = what_became_of(change.after.mark, change.after.counter, read)
        bench.card.arm(None)
        assert outcome is not Outcome.UNKNOWN
        charged += outcome is Outcome.WRITTEN
        purse = driver.read().purse
        assert purse is not None
        assert (purse.main_cents, purse.counter) == (5000 - 20 * charged, charged), tear
    assert 0 < charged < torn
