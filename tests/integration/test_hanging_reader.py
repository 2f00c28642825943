"""pcscd stops answering in the middle of business: real programs, the daemon halted by a signal."""

import pytest

from protocol.purse import PURSES, Technology
from tests.integration.campus import Campus, Till

pytestmark = pytest.mark.integration

START, LUNCH, CASH = 5_000, 1_250, 300


@pytest.mark.parametrize("technology", list(PURSES))
def test_cash_goes_on_while_pcscd_hangs_and_cards_afterwards(
    campus: Campus, office: Till, technology: Technology
) -> None:
    _, card = campus.issue(office, technology, START)
    till = campus.add_till(f"hang-{technology}", 1)
    try:
        till.program.ask("shift open Wang 100.00")
        since = till.program.type("status")
        campus.pcscd.pause()
        try:
            till.program.wait("reader", since=since)
            till.ring(CASH)
            assert till.program.wait("view", since=till.program.type("cash"), phase="done")["title"]
        finally:
            campus.pcscd.resume()
        till.program.wait("reader", since=since, fault="")
        assert till.sell(card, LUNCH)["title"] == "Paid"
        assert campus.money_on(card) == START - LUNCH
    finally:
        till.program.stop()
