"""One sale through everything that is real: card, pyscard, pcscd, terminal, SQLite, Mosquitto, server, ledger, ack.

And the same sale with either program killed at every step: charged exactly once or not at all, nothing lost.
"""

import itertools
import signal
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from protocol.entries import Checkpoint, Kind, SaleStep
from protocol.journal import Break, verify_chain
from protocol.messages import Ack, read_signed
from protocol.purse import PURSES, Technology
from protocol.signing import to_base64url
from server.broker.process import free_port
from terminal.identity import load_identity
from tests.integration.campus import Campus, Till, wait_until
from tests.integration.dying_server import STEPS
from tests.integration.fuse import Card, Fuse
from tests.integration.programs import Event, ProgramFailed

pytestmark = pytest.mark.integration

TECHNOLOGIES = list(PURSES)
START, PRICE = 5_000, 150
PCSC, PN532 = "pcsc", "pn532"

both_stacks = pytest.mark.parametrize("till", [PCSC, PN532], indirect=True)


@pytest.fixture
def till(campus: Campus, request: pytest.FixtureRequest) -> Iterator[Till]:
    """A till of its own for every test, on the second reader; or on a reader behind nfcpy, for who asks for it."""
    till = campus.add_till(f"till-{len(campus.tills)}", 1, pn532=getattr(request, "param", PCSC) == PN532)
    yield till
    till.slot.remove()
    till.program.stop()


def check_chain(till: Till) -> None:
    """The journal on the disk is one unbroken chain of genuine entries."""
    identity = load_identity(till.directory / "data")
    lines = [sealed.jws for sealed in till.entries()]
    found = list(verify_chain(lines, identity.start, identity.key.public))
    assert not [item for item in found if isinstance(item, Break)]


def agree(campus: Campus, till: Till, no: int, card: Card) -> int:
    """Wait for the last ack; then card and ledger must show the same balance. Returns it."""
    campus.wait_online(till)
    on_card = campus.money_on(card)
    wait_until(lambda: campus.card(no)["main_cents"] == on_card, f"{on_card} in the ledger, not {campus.card(no)}")
    ledger = campus.ledger()
    assert ledger["total_cents"] == 0 and ledger["owed_cents"] == ledger["held_cents"]
    return on_card


@both_stacks
@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_one_true_sale(campus: Campus, office: Till, till: Till, technology: Technology) -> None:
    """Balance on the card == in the journal == in the ledger, and the server's signed word for it comes back."""
    no, card = campus.issue(office, technology, START)
    shown = till.sell(card, 1_250)
    assert (shown["phase"], shown["title"], shown["amount"]) == ("done", "Paid", 1_250)
    assert agree(campus, till, no, card) == 3_750
    till.program.stop()
    prepared, settled = [sealed for sealed in till.entries() if isinstance(sealed.entry.body, SaleStep)]
    assert [prepared.entry.kind, settled.entry.kind] == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]
    body = settled.entry.body
    assert isinstance(body, SaleStep)
    assert (body.prepared, body.main, body.main_after, body.card.no) == (prepared.seq, START, 3_750, no)
    check_chain(till)
    with closing(sqlite3.connect(till.directory / "data" / "journal.db")) as db:
        ack = read_signed(db.execute("SELECT jws FROM newest_ack").fetchone()[0])
    assert isinstance(ack, Ack) and ack.seq >= settled.seq
    assert ack.hash == to_base64url(next(s for s in till.entries() if s.seq == ack.seq).hash)
    last = till.entries()[-1].entry.body
    assert isinstance(last, Checkpoint) and last.acked == ack.seq


def test_it_boots_signs_on_and_sells_without_a_network(campus: Campus, office: Till) -> None:
    """No broker has ever answered: no lists, no clock from a server, and the student still gets lunch."""
    no, card = campus.issue(office, Technology.DESFIRE, START)
    campus.wait_online(office)
    alone = campus.add_till("till-alone", 1, broker_port=free_port())
    assert "Shift 1 is open" in alone.program.ask("shift open Wang 100.00")
    assert alone.sell(card, PRICE)["title"] == "Paid"
    assert "offline (no answer from" in alone.program.ask("status")
    assert "difference +¥0.50" in alone.program.ask("shift close 100.50")
    assert alone.program.stop() == 0
    check_chain(alone)
    assert campus.money_on(card) == START - PRICE and campus.card(no)["main_cents"] == START


def test_a_second_process_refuses(till: Till) -> None:
    second = type(till.program)(till.directory, till.directory / "terminal.toml", None)
    with pytest.raises(ProgramFailed, match="another terminal program"):
        second.start()
    assert second.stop() == 4
    assert "till" in till.program.ask("status")


class Victim:
    """A till that is killed and comes back, and cards that must be charged once or not at all each time.

    Each sale takes the next card, but not the one that paid last: that would be asked about, not charged.
    """

    def __init__(self, campus: Campus, office: Till, till: Till, technology: Technology) -> None:
        self.campus, self.till = campus, till
        self.cards = deque(campus.issue(office, technology, START) for _ in range(4))
        self.charged = 0
        self._paid_last: Card | None = None

    @property
    def card(self) -> Card:
        """The card of the present sale."""
        return self.cards[0][1]

    def exchanges(self) -> int:
        """Sell once, and count the exchanges with the card."""
        self.cards.rotate()
        counting = Fuse(self.card, 0, lambda: None)
        self.till.ring(PRICE)
        mark = self.till.program.mark()
        self.card.field.put_back()
        self.till.slot.insert(counting)
        self.till.program.wait("view", since=mark, phase="done")
        self.till.away()
        self.charged, self._paid_last = 1, self.card
        return counting.exchanges

    def settle(self) -> None:
        """In the end all cards and the ledger agree, and the chain holds."""
        left = sum(agree(self.campus, self.till, no, card) for no, card in self.cards)
        assert left == START * len(self.cards) - PRICE * self.charged
        self.till.program.stop()
        check_chain(self.till)

    def dies(self, kill: Callable[[], None]) -> None:
        """A sale in which the program dies somewhere, its return, and what is found out then.

        The sale settled last before a stop is shown again, so the receipt tells whether it is this one.
        """
        self.cards.rotate(2 if self.cards[-1][1] is self._paid_last else 1)
        before, balance = self._receipts(), self.campus.money_on(self.card)
        kill()
        self.till.comes_back()
        mark = self.till.put_on(self.card)
        self.till.program.wait("card", since=mark, state="arrived")
        self.till.program.ask("status")  # answered when the tap is over
        if self.till.program.view["phase"] == "paid_earlier":
            self.till.program.wait("handed_over", since=self.till.program.type("confirm"))
        self.till.away()
        taken, paid = balance - self.campus.money_on(self.card), self._receipts() - before
        assert (taken, len(paid)) in ((0, 0), (PRICE, 1)), "who has paid gets the goods, who has not does not"
        self.charged += len(paid)
        self._paid_last = self.card if paid else self._paid_last

    def _receipts(self) -> set[int]:
        return {event["seq"] for event in self.till.program.events if event["event"] == "handed_over"}

    def dies_at_exchange(self, at: int, *, after: bool) -> None:
        """Killed while the card is spoken to."""

        def kill() -> None:
            fuse = Fuse(self.card, at, self.till.program.kill, after=after)
            self.till.ring(PRICE)
            self.card.field.put_back()
            self.till.slot.insert(fuse)

        self.dies(kill)

    def dies_at_event(self, fits: Callable[[Event], bool]) -> None:
        """Killed as soon as it says something."""

        def on_event(event: Event) -> None:
            if fits(event):
                self.till.program.on_event = lambda _: None
                self.till.program.kill()

        def kill() -> None:
            self.till.ring(PRICE)
            self.till.program.on_event = on_event
            self.till.put_on(self.card)

        self.dies(kill)


MOMENTS: dict[str, Callable[[Event], bool]] = {
    "card seen": lambda event: event["event"] == "card" and event["state"] == "arrived",
    "prepared": lambda event: event["event"] == "entry" and event["kind"] == "sale_prepared",
    "settled": lambda event: event["event"] == "entry" and event["kind"] == "sale_settled",
    "handed over": lambda event: event["event"] == "handed_over",
    "acked": lambda event: event["event"] == "acked",
}


@both_stacks
@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_the_terminal_is_killed_at_every_step_of_a_sale(
    campus: Campus, office: Till, till: Till, technology: Technology
) -> None:
    """Before and after the prepared entry, around the writes of the card, after the settled one, after the ack."""
    killed = Victim(campus, office, till, technology)
    exchanges = killed.exchanges()
    for fits in MOMENTS.values():
        killed.dies_at_event(fits)
    for at in (1, exchanges - 3, exchanges - 2, exchanges - 1, exchanges):
        killed.dies_at_exchange(at, after=at % 2 == 0)
    killed.dies_at_exchange(exchanges, after=True)
    assert 3 <= killed.charged < len(MOMENTS) + 7
    killed.settle()


@pytest.mark.slow
@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_the_terminal_is_killed_at_every_exchange_with_the_card(
    campus: Campus, office: Till, till: Till, technology: Technology
) -> None:
    killed = Victim(campus, office, till, technology)
    exchanges = killed.exchanges()
    for at in range(1, exchanges + 1):
        killed.dies_at_exchange(at, after=False)
        killed.dies_at_exchange(at, after=True)
    assert 0 < killed.charged < 2 * exchanges
    killed.settle()


def test_the_server_is_killed_at_every_step_of_a_batch(campus: Campus, office: Till, till: Till) -> None:
    """Whatever it had done by then: the sale is in the books once, and its ack comes after the commit."""
    with campus.server.mortal() as die_at:
        for step, technology in zip(STEPS, itertools.cycle(TECHNOLOGIES), strict=False):
            no, card = campus.issue(office, technology, START)
            campus.wait_online(till)
            till.ring(PRICE)
            die_at(step)
            assert till.tap(card)["title"] == "Paid"
            wait_until(lambda: not campus.server.running, f"the end of the server: {step}")
            assert campus.server.kill() == -signal.SIGKILL, "it killed itself"
            campus.server.start()
            assert agree(campus, till, no, card) == START - PRICE
    held = campus.tip(till)
    till.program.stop()
    check_chain(till)
    on_the_way = {sealed.entry.kind for sealed in till.entries()[held:]}
    assert on_the_way <= {Kind.CHECKPOINT}, "all but the last checkpoints have arrived"
    till.program.start()


def test_without_a_clock_a_stop_tears_the_sale_and_the_server_finds_out(campus: Campus, office: Till) -> None:
    """Nobody can say how long the power was away: no goods. The next tap proves the debit, and it is paid back."""
    campus.clock_chip = False
    try:
        till = campus.add_till("till-no-clock", 1)
    finally:
        campus.clock_chip = True
    campus.wait_online(till)
    killed = Victim(campus, office, till, Technology.DESFIRE)
    exchanges = killed.exchanges()
    killed.cards.rotate()
    no, card = killed.cards[0]
    till.ring(PRICE)
    card.field.put_back()
    till.slot.insert(Fuse(card, exchanges, till.program.kill, after=True))
    mark = till.program.mark()
    till.comes_back()
    till.program.wait("entry", since=mark, kind="sale_torn")
    assert till.sell(card, PRICE)["title"] == "Paid"
    assert agree(campus, till, no, card) == START - 2 * PRICE
    wait_until(lambda: campus.ask("GET", f"/cards/{no}")["pending_cents"] == PRICE, "the money back as credit")
