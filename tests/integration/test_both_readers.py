"""Everything a customer does with a purse, by real programs through either reader stack: pay, pay torn, get back, load.

At the end card, journal and ledger say the same, and the proof of the night finds nothing.
"""

from collections.abc import Iterator

import pytest

from hardware.simulated.desfire_state import Chip
from hardware.simulated.tearing import Moment, Tear
from protocol.purse import Technology
from tests.integration.campus import SETTLED_PHASES, Campus, Till, wait_until
from tests.integration.fuse import Card
from tests.integration.programs import Event

pytestmark = pytest.mark.integration

START, LUNCH, TEA, BACK, CASH = 5_000, 1_250, 150, 250, 2_000


@pytest.fixture(params=["pcsc", "pn532"])
def station(campus: Campus, request: pytest.FixtureRequest) -> Iterator[Till]:
    """A till with every right at the counter, on the second reader or on one behind nfcpy."""
    stack, may = str(request.param), ("refund", "load", "topup")
    station = campus.add_till(f"{stack}-{len(campus.tills)}", 1, may=may, pn532=stack == "pn532")
    yield station
    station.slot.remove()
    station.program.stop()


@pytest.mark.parametrize("chip", [None, *Chip], ids=["classic", *Chip])
def test_a_customer_s_day_through_either_reader(campus: Campus, office: Till, station: Till, chip: Chip | None) -> None:
    technology = Technology.DESFIRE if chip else Technology.CLASSIC
    no, card = campus.issue(office, technology, START, chip)
    station.program.ask("shift open Wang 100.00")
    assert station.sell(card, LUNCH)["title"] == "Paid"
    _, exchanges = pay_again(station, card, TEA)
    for at in (exchanges - 1, exchanges):
        shown, _ = pay_again(station, card, TEA, Tear(at, Moment.AFTER))
        assert shown["phase"] == "tap_again"
        if station.hold(card)["phase"] == "repeat_asked":  # the tear was before the debit, so it is asked once more
            station.program.wait("view", since=station.program.type("confirm"), phase="done")
        assert station.program.view["title"] == "Paid"
        station.away()
    paid = START - LUNCH - 3 * TEA
    assert campus.money_on(card) == paid

    receipt = next(event["seq"] for event in station.program.events if event["event"] == "handed_over")
    for wish in (f"refund {receipt} {BACK / 100:.2f}", f"topup {CASH / 100:.2f}"):
        view = station.program.wait("view", since=station.program.type(wish), phase={"awaiting_card", "done"})
        if view["phase"] == "awaiting_card":  # or it is credit at once, and comes as a load: a Classic card's refund
            assert station.tap(card)["phase"] == "done"
    _collect_until(campus, station, card, paid + BACK + CASH)
    campus.wait_online(station)
    due = paid + BACK + CASH
    wait_until(lambda: campus.card(no)["main_cents"] == due, f"{due} in the ledger, not {campus.card(no)}")
    assert campus.ledger()["total_cents"] == 0
    assert "difference ¥0.00" in station.program.ask(f"shift close {(10_000 + CASH) / 100:.2f}")


def pay_again(station: Till, card: Card, cents: int, tear: Tear | None = None) -> tuple[Event, int]:
    """A sale to a card that has just paid, and is charged once more only when that is meant.

    What is shown at its end, and how many exchanges with the card there were since it was meant. A tear counts these.
    """
    station.ring(cents)
    assert station.hold(card)["phase"] == "repeat_asked"
    card.arm(tear)
    before = card.field.exchange_count
    view = station.program.wait("view", since=station.program.type("confirm"), phase=SETTLED_PHASES)
    card.arm(None)
    station.away()
    return view, card.field.exchange_count - before


def _collect_until(campus: Campus, station: Till, card: Card, cents: int) -> None:
    """What a Classic card gets back or is topped up with comes as a load, when the server has granted it."""

    def is_there() -> bool:
        if campus.money_on(card) != cents:
            station.program.wait("view", since=station.program.type("load"), phase="awaiting_card")
            while station.tap(card)["phase"] == "tap_again":  # a busy machine answers later than a card may
                pass
        return campus.money_on(card) == cents

    wait_until(is_there, f"{cents} on the card, not {campus.money_on(card)}")
