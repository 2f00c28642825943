"""The sender's and the receiver's rules against each other, over a line that does whatever a line can do."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.ids import Seq
from protocol.instants import MonoMs
from protocol.journal import Tip, Unread
from protocol.messages import BATCHES_IN_FLIGHT_MAX
from protocol.signing import sha256_of
from protocol.sync_receiver import Branch, Continues, Forks, Gap, Held, Known, Link, judge
from protocol.sync_sender import (
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
from tests.stateful import run, runs

GRANT: Final = Tip(Seq(0), bytes(32))
CALM_ROUNDS: Final = 60

Row = tuple[int, bytes]
"""Seq and hash of an entry: all that the model knows it by."""


@dataclass
class Server:
    """What a server has committed. A branch is all its rows from the grant on, whatever the rules say of parents."""

    branches: tuple[Branch, ...] = (Branch(0, GRANT),)
    hashes: dict[tuple[int, Seq], bytes] = field(default_factory=dict[tuple[int, Seq], bytes])
    histories: tuple[tuple[bytes, ...], ...] = ((),)
    """The model: for each branch the hashes of its entries, the first one first."""

    def copy(self) -> "Server":
        """What a backup keeps."""
        return replace(self, hashes=dict(self.hashes))

    def take(self, batch: list[Unread]) -> tuple[str, Tip]:
        """One batch, one transaction: the word to be said, and of which row."""
        verdict = judge(batch, Held(GRANT, self.branches, self.hashes))
        match verdict:
            case Known():
                return "ack", tip_of(batch[-1])
            case Gap(want):
                assert want <= batch[0].seq, "what came need not come again unless something before it is missing"
                return "want", Tip(want, b"")
            case Continues(branch, new, skipped):
                assert list(new) == batch[skipped:] and new
                known = self.histories[branch.number]
            case Forks(parent, after, new):
                assert new and list(new) == batch[-len(new) :]
                known = self.histories[parent.number][:after]
                branch = Branch(len(self.branches), Tip(after, b""), parent.number, after)
        grown = replace(branch, tip=tip_of(new[-1]))
        self.branches = (*self.branches[: branch.number], grown, *self.branches[branch.number + 1 :])
        self.hashes |= {(branch.number, link.seq): link.hash for link in new}
        rows = (*known, *(link.hash for link in new))
        self.histories = (*self.histories[: branch.number], rows, *self.histories[branch.number + 1 :])
        return "ack", grown.tip


class Conversation(RuleBasedStateMachine):
    """A terminal, a server, and what is under way between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.written, self.batch_max = MonoMs(1_000), 0, 3
        self.begin()

    def begin(self) -> None:
        """A chain of which nobody knows anything yet."""
        self.chain: list[Unread] = []
        self.sender = Sender(Seq(0))
        self.server, self.backups = Server(), [Server()]
        self.up: list[Any] = []
        self.down: list[tuple[str, Tip]] = []
        self.sent: set[Row] = set()
        self.acked_ever: set[Row] = set()
        self.was_put_back = self.was_restored = False

    # The terminal
    @rule(count=st.integers(1, 8))
    def sell(self, count: int) -> None:
        for _ in range(count):
            self.written += 1
            last = self.chain[-1] if self.chain else None
            tip = tip_of(last) if last else GRANT
            told = f"{tip.prev}{self.written}".encode()
            self.chain.append(Unread(Seq(tip.seq + 1), tip.prev, told, sha256_of(told), ""))
            self.tell(Appended(self.chain[-1].seq, self.now))

    def connect(self) -> None:
        """A second history stays one."""
        if self.sender.phase is not Phase.DIVERGED:
            self.tell(Connected(self.now))

    @rule(ack_is_kept=st.booleans())
    def restart_the_terminal(self, ack_is_kept: bool) -> None:
        """The ack is written along with a later entry, so the newest ones are forgotten."""
        acked = self.sender.acked if ack_is_kept else Seq(0)
        self.sender = Sender(Seq(len(self.chain)), acked)

    @rule(passed=st.sampled_from([1, 5_000, 10_000, RESEND_LAST_MS, 2 * RESEND_LAST_MS]), jitter=st.integers(0, 1_000))
    def time_passes(self, passed: int, jitter: int) -> None:
        self.now = MonoMs(self.now + passed)
        self.tell(Ticked(self.now, jitter))

    @rule(count=st.integers(1, 4))
    def fit_more_or_less_into_a_batch(self, count: int) -> None:
        self.batch_max = count

    def tell(self, event: Event) -> None:
        """One event, and everything the sender wants done about it."""
        self.sender, effects = step(self.sender, event)
        for effect in effects:
            match effect:
                case SendHello():
                    self.up.append(self.sender.acked)
                case SendBatch(first):
                    batch = self.chain[first - 1 :][: self.batch_max]
                    self.up.append(batch)
                    self.sent |= {(link.seq, link.hash) for link in batch}
                    self.tell(BatchSent(batch[-1].seq, self.now))
                case AskNewEpoch():
                    assert self.was_put_back, "who was never put back has only one history"

    def hear(self, word: str, row: Tip) -> None:
        """The server's word, as far as a terminal believes it."""
        is_own = row.seq == 0 or (row.seq <= len(self.chain) and self.chain[row.seq - 1].hash == row.hash)
        match word:
            case "tip":
                self.tell(TipAnswered(row.seq, is_own, self.now))
            case "ack" if is_own:
                self.tell(Acked(row.seq, self.now))
            case "want":
                self.tell(Wanted(row.seq, self.now))
            case _:
                pass

    # The server
    def serve(self, message: Any) -> None:
        """Its side of one message."""
        if isinstance(message, list):
            self.say(*self.server.take(message))
            return
        tip = self.server.branches[0].tip
        self.say("tip", tip)
        if message < tip.seq:
            self.say("ack", tip)

    def say(self, word: str, row: Tip) -> None:
        """Put an answer on its way."""
        self.down.append((word, row))
        if word == "ack":
            assert row.seq == 0 or row.hash in {h[row.seq - 1] for h in self.server.histories if row.seq <= len(h)}
            self.acked_ever.add((row.seq, row.hash))

    @rule()
    def back_up(self) -> None:
        self.backups.append(self.server.copy())

    @rule(which=st.integers(0, 9))
    def restore_the_server(self, which: int) -> None:
        """To an earlier state, or to what it had: a restart. Its retained state shows another instance."""
        if which < len(self.backups):
            self.backups = self.backups[: which + 1]
            self.server, self.was_restored = self.backups[which].copy(), True
        if self.sender.phase in (Phase.ASKING, Phase.SENDING):
            self.connect()

    # The line
    @precondition(lambda self: self.up)
    @rule(which=st.integers(0, 5) | st.just(0))
    def deliver_up(self, which: int) -> None:
        self.serve(self.up.pop(which % len(self.up)))

    @precondition(lambda self: self.down)
    @rule(which=st.integers(0, 5) | st.just(0))
    def deliver_down(self, which: int) -> None:
        self.hear(*self.down.pop(which % len(self.down)))

    @rule(data=st.data(), double=st.booleans())
    def lose_or_double(self, data: st.DataObject, double: bool) -> None:
        for way in (self.up, self.down):
            if way:
                at = data.draw(st.integers(0, len(way) - 1))
                way.append(way[at]) if double else way.pop(at)

    @rule(is_lost=st.booleans(), comes_back=st.booleans())
    def tear(self, is_lost: bool, comes_back: bool) -> None:
        """What is under way is lost with the connection, or comes late."""
        if is_lost:
            self.up.clear()
            self.down.clear()
        if self.sender.phase is not Phase.DIVERGED:
            self.tell(Disconnected())
        if comes_back:
            self.connect()

    @rule()
    def become_calm(self) -> None:
        """From here on nothing is lost: everything arrives by itself, or the terminal knows of its second history.

        After a restore an ack from before it may have come last, which only the next handshake finds out.
        """
        while self.up or self.down:
            self.deliver_all()
        if self.was_restored or self.was_put_back or self.sender.phase is Phase.OFFLINE:
            self.connect()
        for _ in range(CALM_ROUNDS):
            self.deliver_all()
            if self.sender.phase is Phase.DIVERGED or self.sender.held == len(self.chain):
                break
            self.time_passes(2 * RESEND_LAST_MS, 0)
        if self.sender.phase is Phase.DIVERGED:
            self.send_as_a_branch()
        mine = tuple(link.hash for link in self.chain)
        assert mine in {history[: len(mine)] for history in self.server.histories}, "everything is there"
        assert self.was_put_back or self.server.histories == (mine,)
        assert self.was_put_back or self.was_restored or self.sender.acked == len(mine)

    def send_as_a_branch(self) -> None:
        """What a terminal does that has two histories: everything after the newest ack, until it is acknowledged."""
        first = self.sender.acked + 1
        for _ in range(CALM_ROUNDS):
            if first > len(self.chain):
                return
            batch = self.chain[first - 1 :][: self.batch_max]
            self.sent |= {(link.seq, link.hash) for link in batch}
            word, row = self.server.take(batch)
            first = row.seq if word == "want" else row.seq + 1
        raise AssertionError("a branch was not taken")

    @initialize()
    def say_hello(self) -> None:
        self.connect()
        self.deliver_all()

    @rule()
    def deliver_all(self) -> None:
        """What is under way now, in order."""
        while self.up:
            self.serve(self.up.pop(0))
        while self.down:
            self.hear(*self.down.pop(0))

    # What always holds
    @invariant()
    def the_server_holds_what_was_sent_and_nothing_twice(self) -> None:
        for branch, history in zip(self.server.branches, self.server.histories, strict=True):
            assert branch.tip.seq == len(history) and set(enumerate(history, 1)) <= self.sent
        known = Held(GRANT, self.server.branches, self.server.hashes)
        for branch, history in zip(self.server.branches, self.server.histories, strict=True):
            assert [known.hash_at(branch, Seq(seq)) for seq in range(1, len(history) + 2)] == [*history, None]
        assert len(set(self.server.hashes.values())) == len(self.server.hashes), "no entry is held twice"
        assert self.was_put_back or len(self.server.branches) == 1, "what was never put back has one history"

    @invariant()
    def only_the_server_s_word_moves_anything(self) -> None:
        acked = self.sender.acked
        assert acked == 0 or (acked, self.chain[acked - 1].hash) in self.acked_ever
        assert self.sender.tip == len(self.chain) and self.sender.held <= self.sender.sent <= self.sender.tip

    @invariant()
    def no_more_is_in_flight_than_may_be(self) -> None:
        batches = (self.sender.held, *self.sender.batches)
        assert len(batches) - 1 <= BATCHES_IN_FLIGHT_MAX
        assert all(before < after for before, after in pairwise(batches)) and batches[-1] <= self.sender.sent


class SecondHistories(Conversation):
    """The same, and the terminal may be put back to what it was, and go on differently."""

    @precondition(lambda self: self.chain)
    @rule(lost=st.integers(1, 6))
    def put_the_terminal_back_to_an_older_image(self, lost: int) -> None:
        self.chain = self.chain[: max(0, len(self.chain) - lost)]
        self.was_put_back = True
        self.sender = Sender(Seq(len(self.chain)))

    @precondition(lambda self: self.sender.phase is Phase.DIVERGED)
    @rule()
    def get_a_new_epoch(self) -> None:
        self.begin()


def tip_of(link: Link) -> Tip:
    """An entry as the next one knows it."""
    return Tip(link.seq, link.hash)


@runs(120)
def test_a_server_holds_once_what_was_sent_whatever_the_line_does(examples: int) -> None:
    run(Conversation, examples, 50)


@runs(80)
def test_a_second_history_is_held_beside_the_first_one(examples: int) -> None:
    run(SecondHistories, examples, 50)
