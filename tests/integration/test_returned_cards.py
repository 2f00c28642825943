"""A stack of returned cards at a card office of real programs, on either reader: closed, erased, and made again.

Each is torn away once at the close and once while it is erased. At the end cards, journal and server say the same.
"""

import time
from collections.abc import Iterator

import pytest

from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.tearing import Moment, Tear
from protocol.purse import PURSES, Technology
from tests.integration.campus import PCSCD_LOOKS_S, Campus, Till, wait_until
from tests.integration.fuse import UPDATE_BINARY, Card, Fuse, torn_off
from tests.integration.programs import Event

pytestmark = pytest.mark.integration

MONEY, DRAWER = 1_250, 10_000
FORMAT = b"\x90\xfc"


@pytest.fixture(params=["pcsc", "pn532"])
def desk(campus: Campus, request: pytest.FixtureRequest) -> Iterator[Till]:
    """A card office with a shift, on the second reader or on one behind nfcpy."""
    stack, may = str(request.param), ("load", "topup", "office")
    desk = campus.add_till(f"desk-{stack}-{len(campus.tills)}", 1, may=may, pn532=stack == "pn532")
    desk.program.ask(f"shift open Wang {DRAWER / 100:.2f}")
    yield desk
    desk.slot.remove()
    desk.program.stop()


def laid_down(desk: Till, card: Card | Fuse, *phases: str) -> Event:
    """Put a card on the reader, which has seen the one before leave; the first of these pictures."""
    time.sleep(PCSCD_LOOKS_S)
    return desk.program.wait("view", since=desk.put_on(card), phase=set(phases))


def typed(desk: Till, line: str, *phases: str) -> Event:
    """Type a command; the first of these pictures."""
    return desk.program.wait("view", since=desk.program.type(line), phase=set(phases))


@pytest.mark.parametrize("technology", list(PURSES))
def test_a_returned_card_is_paid_out_erased_and_somebody_else_s_next(
    campus: Campus, desk: Till, technology: Technology
) -> None:
    no, card = campus.issue(desk, technology, MONEY)
    _close(desk, card)
    assert campus.money_on(card) == 0
    campus.wait_online(desk)
    over = ("closed", "released")  # the second, once nobody who is silent can have sold to it
    wait_until(lambda: campus.card(no)["status"] in over, "the close at the server")
    _erase(desk, card)
    campus.wait_online(desk)
    wait_until(lambda: _told(campus, no) == ["done", "failed", "begun"], f"the end of it, not {_told(campus, no)}")
    in_cash = technology is Technology.DESFIRE
    assert campus.ask("GET", f"/cards/{no}")["pending_cents"] == (0 if in_cash else MONEY)
    assert campus.ledger()["total_cents"] == 0

    next_no = int(campus.ask("POST", "/cards", {"technology": str(technology)})["numbers"][0])
    desk.program.wait("view", since=desk.program.start_for(f"batch {next_no} {next_no} staff"), phase={"batch"})
    assert laid_down(desk, card, "batch_done", "batch_skipped")["phase"] == "batch_done"
    desk.away()
    typed(desk, "cancel", "ringing")
    assert campus.show(card).identity.card == next_no
    counted = DRAWER - (MONEY if in_cash else 0)
    assert "difference ¥0.00" in desk.program.ask(f"shift close {counted / 100:.2f}")


def _close(desk: Till, card: Card) -> None:
    """Torn as late as it hurts: the same card again, and it is as if nothing had happened."""
    typed(desk, "close", "awaiting_card")
    laid_down(desk, torn_off(card), "close_asked")
    assert typed(desk, "confirm", "done", "tap_again")["phase"] == "tap_again"
    desk.away()
    card.arm(None)
    view = laid_down(desk, card, "done", "close_asked")
    if view["phase"] == "close_asked":  # nothing had been taken off it
        view = typed(desk, "confirm", "done", "tap_again")
    assert (view["phase"], view["amount"]) == ("done", MONEY)
    desk.away()
    typed(desk, "cancel", "ringing")


def _erase(desk: Till, card: Card) -> None:
    """Torn when a DESFire has lost its application, and a Classic some of its content; put back it is finished."""
    typed(desk, "erase", "erase")
    at, only = (10, UPDATE_BINARY) if isinstance(card, VirtualClassic) else (1, FORMAT)
    laid_down(desk, Fuse(card, at, lambda: card.arm(Tear(1, Moment.AFTER)), only=only), "erase_asked")
    assert typed(desk, "confirm", "erase_done", "erase_failed")["phase"] == "erase_failed"
    desk.away()
    card.arm(None)
    assert laid_down(desk, card, "erase_done", "erase_failed", "erase_asked")["phase"] == "erase_done"
    desk.away()
    typed(desk, "cancel", "ringing")


def _told(campus: Campus, no: int) -> list[str]:
    """How erasing the card went, newest first."""
    events = campus.ask("GET", f"/cards/{no}/events")
    return [event["outcome"] for event in events if event["kind"] == "card_erased"]
