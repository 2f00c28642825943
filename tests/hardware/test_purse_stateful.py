"""Cards of every kind at terminals that never meet, torn anywhere, beside a tree of what may have happened to them.

A node of the tree is a step, hung below the step that it was built on. A node is *certain* once a terminal says that it
was made, *dead* once one says that it was not. Whatever a card shows from then on is the certain node or one below it,
with no dead one on the way, and holds the sum of what lies between it and the root.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hardware.ports import CardLeftField, PurseCard
from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.ids import LoadSeq, Seq, Tno
from protocol.purse import CardRead, Mark, Outcome, PurseChange, Right, what_became_of
from protocol.purse_desfire import LOG_RECORDS
from tests.hardware.card_bench import KINDS, STATION, TILL, Kind, issued, signed_load
from tests.stateful import run, runs

MAIN, SUBSIDY, LOAD = 5_000, 100, 300
STATION_NO: Final = 3
"""The last one of the terminals 1 to 3 may load."""

terminals = st.integers(1, STATION_NO)
anywhere = st.builds(Tear, st.integers(1, 24), st.sampled_from([Moment.BEFORE, Moment.AFTER]))
torn_writes = st.builds(
    Tear,
    st.integers(14, 17),
    st.just(Moment.DURING),
    st.integers(0, 15),
    st.sampled_from([0x01, 0x10, 0x81, 0xFF]),
    st.sampled_from(Rest),
)
"""Where a sale on a Classic writes."""
weak_marks = st.builds(Tear, st.sampled_from([16, 17]), st.just(Moment.DURING), st.just(15), st.sampled_from([1, 0x81]))
"""The last byte of a sale's last write: the slot reads now so, now not."""
tears = st.none() | anywhere | torn_writes | weak_marks


@dataclass(eq=False)
class Node:
    """The model of a step: what it was built on, and what it moved."""

    parent: "Node | None"
    main: int = 0
    subsidy: int = 0
    loads: int = 0

    @property
    def path(self) -> "list[Node]":
        """From this node up to the root."""
        return [self, *(self.parent.path if self.parent else [])]

    @property
    def holds(self) -> tuple[int, int, int, int]:
        """Counter, both purses, and how often it was loaded."""
        path = self.path
        main, subsidy = sum(node.main for node in path), sum(node.subsidy for node in path)
        return len(path) - 1, main, subsidy, sum(node.loads for node in path)


@dataclass
class Open:
    """A step whose outcome its terminal does not know."""

    node: Node
    change: PurseChange
    is_alone: bool
    """It was built on a certain one, and nobody else has begun to write since."""
    is_remembered: bool = True
    """The program still knows what the card held, and not the mark alone."""


class Card(RuleBasedStateMachine):
    """One card, two tills and a station."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = 0
        self.open: dict[int, Open] = {}

    @initialize(kind=st.sampled_from([*KINDS, Kind.CLASSIC]), seed=st.integers(0, 2**32))
    def issue(self, kind: Kind, seed: int) -> None:
        chance = random.Random(seed)
        self.kind, self.bench = kind, issued(kind, lambda: chance.getrandbits(8))
        self.certain = Node(None, MAIN, SUBSIDY)
        self.nodes, self.dead = {Mark(Tno(0), Seq(0)): self.certain}, set[Node]()
        self.open.clear()
        self.has_doubt = False
        """A step was torn that was built on a torn one: of a Classic card no slot need be whole then."""

    # What terminals do
    @rule(who=terminals, main=st.integers(0, 60), subsidy=st.integers(0, 3), tear=tears)
    def pay(self, who: int, main: int, subsidy: int, tear: Tear | None) -> None:
        def sale(read: CardRead, mark: Mark) -> PurseChange:
            assert read.purse is not None
            taken = min(subsidy, read.purse.subsidy_cents)
            return PurseChange(read, read.purse.stepped(mark, main_cents=-main, subsidy_cents=-taken))

        self.tap(who, tear, sale)

    @rule(tear=tears)
    def collect(self, tear: Tear | None) -> None:
        """The server's records are cumulative, so the one that follows is the same for whoever brings it."""

        def load(read: CardRead, mark: Mark) -> PurseChange:
            assert read.purse is not None
            after, loads = read.purse.stepped(mark, main_cents=LOAD), LoadSeq(read.purse.load_seq + 1)
            copy = 1 - read.purse.load_copy if self.kind is Kind.CLASSIC else 0
            after = replace(after, load_seq=loads, load_copy=copy)
            return PurseChange(read, after, Right.CREDIT, signed_load(loads, MAIN + LOAD * loads))

        self.tap(STATION_NO, tear, load)

    @rule(who=terminals)
    def only_look(self, who: int) -> None:
        for _ in range(3):
            self.show(self.put_on(who).read())

    @precondition(lambda self: self.open)
    @rule(who=terminals)
    def start_again(self, who: int) -> None:
        if who in self.open:
            self.open[who].is_remembered = False

    @precondition(lambda self: self.open)
    @rule(who=terminals)
    def give_up(self, who: int) -> None:
        """The ten minutes are over: the step may be on the card or not, and its terminal asks no more."""
        self.open.pop(who, None)

    def put_on(self, who: int) -> PurseCard:
        """The card on a terminal's reader."""
        return self.bench.tap(STATION if who == STATION_NO else TILL)

    def tap(self, who: int, tear: Tear | None, step: Callable[[CardRead, Mark], PurseChange]) -> None:
        """One tap: it tells what became of an open step, or makes one (SPEC, "Open, torn, recovered", 6)."""
        driver = self.put_on(who)
        if tear is not None and tear.moment is Moment.DURING and self.kind is not Kind.CLASSIC:
            tear = replace(tear, moment=Moment.AFTER)
        self.bench.card.arm(tear)
        try:
            if who in self.open:
                self.resolve(who, driver)
            else:
                self.make(who, driver, step)
        except CardLeftField:
            assert tear is not None
        finally:
            self.bench.card.arm(None)

    def make(self, who: int, driver: PurseCard, step: Callable[[CardRead, Mark], PurseChange]) -> None:
        """Read, decide, write; what is torn while it is written is open."""
        read = driver.read()
        base = self.show(read)
        if base is None:
            self.issue(self.kind, self.seq)  # by the card office
            return
        self.seq += 1
        mark = Mark(Tno(who), Seq(self.seq))
        change = step(read, mark)
        before, after = change.purse_before, change.after
        main, subsidy = after.main_cents - before.main_cents, after.subsidy_cents - before.subsidy_cents
        node = self.nodes[mark] = Node(base, main, subsidy, after.load_seq - before.load_seq)
        for other in self.open.values():
            other.is_alone = False
        try:
            shown = driver.write(change)
        except CardLeftField:
            self.open[who] = Open(node, change, is_alone=base is self.certain)
            self.has_doubt |= base is not self.certain
            raise
        assert self.show(shown) is node
        self.become_certain(node)
        self.has_doubt = False

    def resolve(self, who: int, driver: PurseCard) -> None:
        """Make definite: from here on no read says otherwise."""
        step = self.open[who]
        mark, counter = step.change.after.mark, step.change.after.counter
        read = driver.make_definite(mark, counter, step.change if step.is_remembered else None)
        del self.open[who]
        outcome = what_became_of(mark, counter, read)
        shown = self.show(read)
        match outcome:
            case Outcome.WRITTEN:
                self.become_certain(step.node)
            case Outcome.NOT_WRITTEN:
                assert step.node not in self.certain.path, "what is settled stays on the card"
                self.dead.add(step.node)
                if read.purse is not None and read.purse.counter == counter - 1 and shown is not None:
                    self.become_certain(shown)
            case Outcome.UNKNOWN:
                remembers = self.kind is not Kind.CLASSIC and self.certain.holds[0] < counter + LOG_RECORDS - 1
                assert not step.is_alone and not remembers, "nothing is unresolved after the next whole tap"

    # The tree
    def become_certain(self, node: Node) -> None:
        """Nobody ever says otherwise of it."""
        assert not self.dead.intersection(node.path), "what is void stays void"
        assert self.certain in node.path or node in self.certain.path, "what is settled stays on the card"
        self.certain = max(self.certain, node, key=lambda one: len(one.path))

    def show(self, read: CardRead) -> Node | None:
        """The node that a card shows; None where no slot is whole."""
        purse = read.purse
        if purse is None:
            assert self.kind is Kind.CLASSIC and self.has_doubt, "one tear leaves a whole slot"
            return None
        node = self.nodes[purse.mark]
        assert self.certain in node.path and not self.dead.intersection(node.path)
        assert (purse.counter, purse.main_cents, purse.subsidy_cents, purse.load_seq) == node.holds
        loaded = read.loaded.loaded_total_cents if read.loaded else 0
        assert loaded == (MAIN + LOAD * purse.load_seq if purse.load_seq else 0)
        return node

    def teardown(self) -> None:
        """Everybody who waits comes back once."""
        for who in list(self.open):
            self.resolve(who, self.put_on(who))
            self.only_look(who)


@runs(150)
def test_a_card_holds_the_sum_of_what_was_made(examples: int) -> None:
    run(Card, examples, 40)
