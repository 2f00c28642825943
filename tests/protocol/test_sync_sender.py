"""Which entries are sent next, whatever the network does."""

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import Seq
from protocol.instants import MonoMs
from protocol.messages import BATCHES_IN_FLIGHT_MAX
from protocol.sync_sender import (
    RESEND_FIRST_MS,
    RESEND_LAST_MS,
    Acked,
    Appended,
    AskNewEpoch,
    BatchSent,
    Connected,
    Disconnected,
    Event,
    Phase,
    SendBatch,
    Sender,
    SendHello,
    Ticked,
    TipAnswered,
    Wanted,
    step,
)

NOW = MonoMs(1_000)


class Link:
    """A sender, a network that loses, doubles and reorders, and a server that keeps what continues its rows."""

    def __init__(self, tip: int, seed: int) -> None:
        self.sender = Sender(Seq(tip))
        self.chance = random.Random(seed)
        self.now = NOW
        self.up: deque[tuple[int, int] | None] = deque()
        self.down: deque[Event] = deque()
        self.held = 0

    def tell(self, event: Event) -> None:
        """One event, and everything the sender wants done about it."""
        self.sender, effects = step(self.sender, event)
        assert len(self.sender.batches) <= BATCHES_IN_FLIGHT_MAX
        assert self.sender.acked <= self.held <= self.sender.tip
        for effect in effects:
            match effect:
                case SendHello():
                    self.up.append(None)
                case SendBatch(first):
                    assert first == self.sender.sent + 1
                    last = min(first + self.chance.randrange(4), self.sender.tip)
                    self.up.append((first, last))
                    self.tell(BatchSent(Seq(last), self.now))
                case AskNewEpoch():
                    raise AssertionError("this server never diverges")

    def serve(self, message: tuple[int, int] | None) -> None:
        """The server's side of one message."""
        if message is None:
            self.down.append(TipAnswered(Seq(self.held), True, self.now))
        elif message[0] > self.held + 1:
            self.down.append(Wanted(Seq(self.held + 1), self.now))
        else:
            self.held = max(self.held, message[1])
            self.down.append(Acked(Seq(self.held), self.now))

    def disturb(self) -> None:
        """Something happens, likely or not."""
        self.now = MonoMs(self.now + self.chance.randrange(3_000))
        match self.chance.randrange(10):
            case 0:
                self.tell(Disconnected())
            case 1:
                self.tell(Connected(self.now))
            case 2 | 3:
                self.tell(Appended(Seq(self.sender.tip + 1), self.now))
            case 4 if self.up:
                self.up.rotate(self.chance.randrange(3))
            case 5 if self.up:
                self.up.popleft() if self.chance.random() < 0.5 else self.up.append(self.up[0])
            case 6 | 7 if self.up:
                self.serve(self.up.popleft())
            case 8 if self.down:
                self.tell(self.down.popleft())
            case _:
                self.tell(Ticked(self.now, self.chance.randrange(1_001)))

    def calm(self) -> None:
        """From here on nothing is lost: the rest must arrive."""
        self.tell(Connected(self.now))
        for _ in range(500):
            while self.up:
                self.serve(self.up.popleft())
            while self.down:
                self.tell(self.down.popleft())
            if self.sender.acked == self.sender.tip:
                return
            self.now = MonoMs(self.now + RESEND_LAST_MS)
            self.tell(Ticked(self.now))
        raise AssertionError(f"not everything arrived: {self.sender}")


@given(st.integers(0, 60), st.integers(0, 2**32), st.integers(0, 150))
def test_everything_arrives_once_the_network_is_back(tip: int, seed: int, events: int) -> None:
    link = Link(tip, seed)
    for _ in range(events):
        link.disturb()
    link.calm()
    assert link.held == link.sender.tip == link.sender.acked


def sending(tip: int = 9, held: int = 0) -> Sender:
    """A sender in the middle of a conversation, nothing in flight."""
    asking, effects = step(Sender(Seq(tip)), Connected(NOW))
    assert effects == (SendHello(),) and asking.phase is Phase.ASKING
    sender, _ = step(asking, TipAnswered(Seq(held), True, NOW))
    return sender


def test_nothing_is_sent_before_the_server_said_what_it_holds() -> None:
    offline = Sender(Seq(3))
    for event in (Appended(Seq(4), NOW), Ticked(MonoMs(10**9)), Acked(Seq(2), NOW), Wanted(Seq(1), NOW)):
        offline, effects = step(offline, event)
        assert effects == ()
    assert offline.acked == 2, "a signed ack counts whenever it comes"
    asking, _ = step(offline, Connected(NOW))
    assert step(asking, Appended(Seq(5), NOW))[1] == ()


def test_sending_starts_where_the_server_is() -> None:
    asking, _ = step(Sender(Seq(9), Seq(7)), Connected(NOW))
    sender, effects = step(asking, TipAnswered(Seq(4), True, NOW))
    assert effects == (SendBatch(Seq(5)),) and sender.phase is Phase.SENDING


def test_a_server_with_another_history_stops_the_sender() -> None:
    """It holds a row at that place which is not ours: only a new epoch helps."""
    asking, _ = step(Sender(Seq(9)), Connected(NOW))
    diverged, effects = step(asking, TipAnswered(Seq(4), False, NOW))
    assert effects == (AskNewEpoch(),) and diverged.phase is Phase.DIVERGED
    for event in (Appended(Seq(10), NOW), Ticked(MonoMs(10**9)), TipAnswered(Seq(4), True, NOW), Wanted(Seq(1), NOW)):
        diverged, effects = step(diverged, event)
        assert effects == () and diverged.phase is Phase.DIVERGED


def test_silence_means_sending_again_later_and_later() -> None:
    sender, _ = step(sending(2), BatchSent(Seq(2), NOW))
    waits: list[int] = []
    now = NOW
    for _ in range(9):
        waits.append(sender.deadline_ms - now)
        assert step(sender, Ticked(MonoMs(sender.deadline_ms - 1)))[1] == ()
        now = sender.deadline_ms
        sender, effects = step(sender, Ticked(now))
        assert effects == (SendBatch(Seq(1)),)
        sender, _ = step(sender, BatchSent(Seq(2), now))
    assert waits == [RESEND_FIRST_MS * 2**power for power in range(6)] + [RESEND_LAST_MS] * 3


@pytest.mark.parametrize(("jitter", "wait"), [(0, 10_000), (500, 15_000), (1_000, 20_000)])
def test_jitter_spreads_the_resends(jitter: int, wait: int) -> None:
    sender, _ = step(sending(2), BatchSent(Seq(2), NOW))
    late, _ = step(sender, Ticked(sender.deadline_ms, jitter))
    assert late.deadline_ms - sender.deadline_ms == wait


def test_an_ack_moves_the_window_on() -> None:
    sender = sending(9)
    for last in (2, 4, 6, 8):
        sender, effects = step(sender, BatchSent(Seq(last), NOW))
    assert effects == (), "four batches are in flight"
    sender, effects = step(sender, Acked(Seq(4), NOW))
    assert (sender.batches, sender.acked, effects) == ((Seq(6), Seq(8)), 4, (SendBatch(Seq(9)),))


def test_the_server_may_ask_for_entries_again() -> None:
    sender, _ = step(sending(9, 5), BatchSent(Seq(9), NOW))
    again, effects = step(sender, Wanted(Seq(2), NOW))
    assert effects == (SendBatch(Seq(2)),) and again.batches == ()
    assert step(sender, Wanted(Seq(10), NOW)) == (sender, ()), "there is no such entry"


def test_a_gap_in_the_journal_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        step(sending(9), Appended(Seq(11), NOW))
