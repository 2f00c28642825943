"""The harness itself: one customer's day on both technologies, and the same seed twice."""

import pytest

from hardware.simulated.tearing import Moment, Tear
from protocol.purse import PURSES, Technology
from server.ledger.accounts import merchant, purse
from tests.simulation.campus import Campus

both = pytest.mark.parametrize("technology", list(PURSES))


def owed(campus: Campus, account: object) -> int:
    """What the ledger says of an account."""
    return sum(
        leg.cents for posted in campus.server.book.posted.values() for leg in posted.postings if leg.account == account
    )


@both
def test_a_customer_pays_and_the_server_hears_of_it(technology: Technology) -> None:
    campus = Campus(1)
    card = campus.card(technology, 5000)
    till = campus.tills[0]
    assert till.sell(card, 1200) == "Done"
    campus.sync()
    held = card.holding()
    assert held is not None and held.cents == 3800
    assert owed(campus, purse(card.key)) == 3800 and owed(campus, merchant(till.merchant)) == 1200
    assert [goods.cents for goods in campus.truth.goods] == [5000, 1200]


@both
def test_a_card_torn_at_the_last_write_is_charged_once(technology: Technology) -> None:
    campus = Campus(2)
    card = campus.card(technology, 5000)
    till = campus.tills[0]
    till.ring(1200)
    till.pay()
    last = 4 if technology is Technology.DESFIRE else 7
    assert till.tap(card, write_tear=Tear(last, Moment.AFTER)) == "TapAgain"
    campus.pass_time(2_000)
    assert till.tap(card) == "Done"
    till.lift()
    campus.sync()
    assert owed(campus, purse(card.key)) == 3800


@both
def test_power_lost_after_the_card_was_written_is_no_second_charge(technology: Technology) -> None:
    campus = Campus(3)
    card = campus.card(technology, 5000)
    till = campus.tills[0]
    till.cut_power(at="before sale_settled")
    assert till.sell(card, 1200) == "off"
    till.boot()
    till.ring(1200)
    till.pay()
    assert till.tap(card) == "PaidEarlier"
    till.confirm()
    campus.sync()
    assert owed(campus, purse(card.key)) == 3800


def test_the_same_seed_gives_the_same_history() -> None:
    def history() -> str:
        campus = Campus(4)
        for technology in PURSES:
            card = campus.card(technology, 5000)
            campus.tills[0].sell(card, 700)
            campus.tills[1].sell(card, 300)
        campus.sync()
        return campus.history_hash

    assert history() == history()
