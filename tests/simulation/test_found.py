"""What the simulation found, each as the shortest story that shows it."""

import pytest

from hardware.simulated.tearing import Moment, Tear
from protocol.purse import PURSES, Technology
from tests.simulation.campus import Campus
from tests.simulation.disk import DiskFault

both = pytest.mark.parametrize("technology", list(PURSES))
HOUR_MS = 3_600_000


def test_a_refunded_card_left_on_the_reader_does_not_pay_for_the_next_customer() -> None:
    campus = Campus(1)
    card, till = campus.card(Technology.DESFIRE, 5000), campus.tills[0]
    till.sell(card, 700)
    receipt = till.receipt
    assert receipt is not None
    till.refund(receipt, 700)
    assert till.tap(card) == "Done"
    campus.pass_time(60_000)
    till.ring(300)
    till.pay()
    assert till.shows == "AwaitingCard"
    till.lift()
    campus.pass_time(1_000)
    assert till.tap(card) == "Done"


def test_a_card_whose_refund_did_not_reach_it_does_not_pay_for_the_next_customer_either() -> None:
    campus = Campus(6)
    card, till = campus.card(Technology.DESFIRE, 5000), campus.tills[0]
    till.sell(card, 700)
    receipt = till.receipt
    assert receipt is not None
    till.refund(receipt, 200)
    assert till.tap(card, write_tear=Tear(1, Moment.BEFORE)) == "TapAgain"
    campus.pass_time(2_000)
    assert till.tap(card) == "Done"
    campus.pass_time(60_000)
    till.ring(300)
    till.pay()
    assert till.shows == "AwaitingCard"


@both
def test_a_card_whose_goods_were_handed_over_late_does_not_pay_for_the_next_customer(technology: Technology) -> None:
    campus = Campus(2)
    card, till = campus.card(technology, 5000), campus.tills[0]
    till.cut_power(at="before hand over")
    assert till.sell(card, 700) == "off"
    till.boot()
    assert till.tap(card) == "PaidEarlier"
    till.confirm()
    campus.pass_time(60_000)
    till.ring(300)
    till.pay()
    assert till.shows == "AwaitingCard"


@both
def test_a_sale_before_a_restart_is_forgotten_after_ten_minutes(technology: Technology) -> None:
    """However long the machine had been running before it stopped."""
    campus = Campus(3)
    card, till = campus.card(technology, 5000), campus.tills[0]
    campus.pass_time(8 * HOUR_MS)
    till.sell(card, 700)
    till.restart()
    campus.pass_time(11 * 60_000)
    assert till.sell(card, 300) == "Done"


@both
def test_going_on_with_a_new_purchase_after_a_restart_asks_nothing_more(technology: Technology) -> None:
    campus = Campus(4)
    card, till = campus.card(technology, 5000), campus.tills[0]
    campus.pass_time(8 * HOUR_MS)
    till.sell(card, 700)
    till.restart()
    till.ring(300)
    till.pay()
    assert till.tap(card) == "PaidEarlier"
    till.cancel()
    till.lift()
    campus.pass_time(15_000)
    assert till.tap(card) == "Done"


@both
@pytest.mark.parametrize("fault", list(DiskFault))
def test_an_entry_that_a_failing_disk_kept_is_sent_like_any_other(technology: Technology, fault: DiskFault) -> None:
    campus = Campus(5)
    card, till = campus.card(technology, 5000), campus.tills[0]
    till.ring(300)
    till.pay()
    till.disk.fault = fault
    till.tap(card)
    till.lift()
    campus.pass_time(20_000)
    till.sell(card, 200)
    campus.sync()
    assert till.link.sender.tip == till.disk.tip.seq
