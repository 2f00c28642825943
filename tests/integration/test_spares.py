"""A spare waits on the real broker, takes the place of a till that died, and sells; the dead one stays out."""

import pytest

from protocol.purse import Technology
from tests.integration.campus import MERCHANT, SITE, Campus, Till, wait_until

pytestmark = pytest.mark.integration
READERS = 3
START, PRICE = 5_000, 250


def runs(campus: Campus, tid: str) -> dict[str, int]:
    lists = campus.ask("GET", f"/terminals/{tid}/state")["lists"]
    return {known["name"]: known["applied"] for known in lists if known["applied"] == known["newest"]}


def test_a_spare_takes_the_place_of_a_till_that_died(campus: Campus, office: Till) -> None:
    till, spare = campus.add_till("till-1", 1), campus.add_till("spare-1", 2, spare=True)
    no, card = campus.issue(office, Technology.CLASSIC, START)

    # It waits, hears of new lists like every terminal, and sells nothing.
    campus.ask("PUT", f"/sites/{SITE}/config", {"config": {"repeat_ms": 1}})
    version = campus.ask("GET", f"/sites/{SITE}/lists/config")["version"]
    wait_until(lambda: runs(campus, "spare-1").get("config", 0) >= version, "current lists at the spare")
    for command in ("ring 2.50", "shift open wang 100.00", "pay"):
        assert "spare" in spare.program.ask(command)
    assert till.sell(card, PRICE)["title"] == "Paid"
    campus.wait_online(till)

    # The till dies; one step, and the spare sells in its place under its own number.
    till.program.kill()
    placed = campus.ask("POST", "/terminals/spare-1/place", {"instead_of": "till-1"})
    assert (placed["merchant"], placed["title"], placed["spare"]) == (MERCHANT, "till-1", False)
    wait_until(lambda: "spare" not in "".join(spare.program.view["lines"]), "its place on its screen")
    assert spare.sell(card, PRICE)["title"] == "Paid"
    wait_until(lambda: campus.card(no)["main_cents"] == START - 2 * PRICE, "both sales in the ledger")
    assert campus.money_on(card) == START - 2 * PRICE
    assert campus.ask("GET", "/terminals/spare-1/parked") == []
    (epoch,) = campus.ask("GET", "/terminals/spare-1")["epochs"]
    assert epoch["tno"] == spare.tno != till.tno

    # It keeps its place over a restart without a network.
    assert spare.program.stop() == 0
    campus.broker.stop()
    spare.program.start()
    assert spare.sell(card, PRICE)["title"] == "Paid"
    campus.broker.start()

    # The dead one comes to life again: its certificate is refused.
    till.program.start()
    wait_until(lambda: "this terminal was revoked or replaced" in till.program.ask("status"), "the refusal")
    wait_until(
        lambda: "This terminal was revoked or replaced." in "".join(till.program.view["lines"]),
        "the same on its screen",
    )
    assert campus.ask("GET", "/terminals/till-1")["replaced_by"] == "spare-1"
