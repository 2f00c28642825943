"""The purse drivers through both reader stacks, with a tear at every APDU boundary of a sale, a load and a refund.

pcsc     pyscard, libpcsclite, a real pcscd, a virtual card in its virtual reader
pn532    nfcpy's driver, a pseudo-terminal, a virtual PN532 with a virtual card in its field
"""

from collections.abc import Callable, Iterator
from itertools import count, cycle
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, CardLeftField, CardReader, PurseCard
from hardware.readers.pcsc import PcscReader
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.tearing import Moment, Rest, Tear
from hardware.simulated.vpcd import VirtualSlot
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Outcome, Purse, PurseChange, what_became_of
from tests.hardware.card_bench import KINDS, OFFICE, STATION, TILL, WHO, Card, Kind, blank, load, refund, sale

pytestmark = pytest.mark.integration


class RealBench:
    """A virtual card in the field of a reader that is spoken to through a whole stack.

    Of two readers each has every other tap: one sees that its field is empty while the card is in the other's.
    """

    def __init__(self, *readers: tuple[VirtualSlot | FakePn532, CardReader]) -> None:
        self._readers, self._last = cycle(readers), readers[-1][0]
        self.card: Card

    def issue(self, kind: Kind) -> None:
        """A new card of ours with 50.00 on it."""
        self.card = blank(kind)
        personalise(self.channel(), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(5000))))

    def channel(self) -> CardChannel:
        """Take the card out if it is in, put it in again, wait for the reader to see it."""
        self._last.remove()
        self._last, reader = next(self._readers)
        assert reader.wait_until_absent(5)
        self.card.put_back()
        self._last.insert(self.card)
        channel = reader.wait_for_card(5)
        assert channel is not None
        return channel

    def tap(self, keys: CardKeys = TILL) -> PurseCard:
        """A new tap, opened."""
        return open_card(self.channel(), keys)


@pytest.fixture(params=["pcsc", "pn532"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealBench]:
    """Either stack, with nothing in the field."""
    if request.param == "pn532":
        with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
            yield RealBench((fake, reader))
    else:
        pcscd: PrivatePcscd = request.getfixturevalue("pcscd")
        with (
            VirtualSlot(pcscd.ports[0]) as slot,
            VirtualSlot(pcscd.ports[1]) as other_slot,
            PcscReader(pcscd.reader_names[0]) as reader,
            PcscReader(pcscd.reader_names[1]) as other,
        ):
            yield RealBench((slot, reader), (other_slot, other))


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_issued_loaded_charged_and_paid_back_through_the_real_stack(bench: RealBench, kind: Kind) -> None:
    bench.issue(kind)
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 300))
    till = bench.tap()
    sold = till.write(sale(till.read(), 2))
    assert bench.tap().read() == sold
    assert sold.purse is not None
    assert sold.purse.main_cents == 5280
    till = bench.tap()
    paid = till.read()
    assert paid.purse is not None
    back = till.write(refund(paid, 3))
    assert bench.tap().read() == back
    assert back.purse is not None
    assert back.purse.main_cents == 5300


def tears(kind: Kind) -> list[Tear]:
    """Every boundary of a sale: the answer lost, and each write of a Classic card cut in its middle."""
    last = 15 if kind is not Kind.CLASSIC else 20
    boundaries = [Tear(1, Moment.BEFORE), *(Tear(at, Moment.AFTER) for at in range(1, last + 1))]
    if kind is not Kind.CLASSIC:
        return [*boundaries, Tear(14, Moment.BEFORE)]
    return [*boundaries, *(Tear(at, Moment.DURING, 7, 0x3C, Rest.ZEROS) for at in range(14, last + 1))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tear_at_every_boundary_through_the_real_stack(bench: RealBench, kind: Kind) -> None:
    """Charged once or not at all, known at the next tap; that tap then makes the next, torn, sale."""
    bench.issue(kind)
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


CREDITS = [(kind, load) for kind in KINDS] + [(kind, refund) for kind in KINDS if kind is not Kind.CLASSIC]


@pytest.mark.parametrize(("kind", "credit"), CREDITS, ids=lambda one: str(getattr(one, "__name__", one)))
def test_a_credit_torn_at_every_boundary_through_the_real_stack(
    bench: RealBench, kind: Kind, credit: Callable[..., PurseChange]
) -> None:
    """Loaded or given back once or not at all. A Classic card's refund is a load."""
    bench.issue(kind)
    keys = STATION if credit is load else TILL
    driver, cents, outcomes = bench.tap(keys), 5000, list[Outcome]()
    for at in count(1):
        before = driver.read()
        if credit is load:
            assert before.purse is not None
            change = load(before, 2 * at, before.purse.load_seq + 1, 30)
        else:
            change, cents = refund(driver.write(sale(before, 2 * at - 1)), 2 * at), cents - 20
        bench.card.arm(Tear(at, Moment.AFTER))
        try:
            driver.write(change)
            break
        except CardLeftField:
            driver = bench.tap(keys)
            read = driver.make_definite(change.after.mark, change.after.counter)
        outcomes.append(what_became_of(change.after.mark, change.after.counter, read))
        cents += 0 if outcomes[-1] is not Outcome.WRITTEN else 30 if credit is load else 20
        assert read.purse is not None and read.purse.main_cents == cents, at
    assert set(outcomes) == {Outcome.NOT_WRITTEN, Outcome.WRITTEN} and len(outcomes) >= 4
