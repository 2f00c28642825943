"""New, known, ahead of a gap, or another history: where a batch belongs."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import EpochEnded, Kind, Reason
from protocol.ids import Seq
from protocol.journal import Sealed, Tip
from protocol.sync_receiver import Branch, Continues, Forks, Gap, Held, Known, Verdict, judge
from tests.protocol.samples import START, chain_of


def story(names: str) -> list[Sealed]:
    """A chain whose entries are told apart by letters."""
    return chain_of([(Kind.DRAWER_OPENED, Reason(name)) for name in names])


MAIN = story("abcdefgh")
FORK = story("abcxyz")
"""Goes on differently after entry 3."""
SECOND = story("abcxyuvw")
"""Goes on differently from the fork after its entry 5."""


def tip_of(chain: Sequence[Sealed]) -> Tip:
    return Tip(chain[-1].seq, chain[-1].hash) if chain else START


def held(main: Sequence[Sealed], fork: Sequence[Sealed] = ()) -> Held:
    """What a server holds: the main history up to here, and perhaps a fork of it after entry 3."""
    branches = [Branch(0, tip_of(main))]
    hashes = {(0, sealed.seq): sealed.hash for sealed in main}
    if fork:
        branches.append(Branch(1, tip_of(fork), 0, Seq(3)))
        hashes |= {(1, sealed.seq): sealed.hash for sealed in fork[3:]}
    return Held(START, tuple(branches), hashes)


NOTHING = held(())
FIVE = held(MAIN[:5])
FORKED = held(MAIN[:5], FORK[:5])


@pytest.mark.parametrize(
    ("batch", "known", "verdict"),
    [
        (MAIN, NOTHING, Continues(NOTHING.branches[0], MAIN, 0)),
        (MAIN[5:], FIVE, Continues(FIVE.branches[0], MAIN[5:], 0)),
        (MAIN[2:7], FIVE, Continues(FIVE.branches[0], MAIN[5:7], 3)),
        (MAIN[:5], FIVE, Known(FIVE.branches[0])),
        (MAIN[1:3], FIVE, Known(FIVE.branches[0])),
        (FORK, FIVE, Forks(FIVE.branches[0], Seq(3), FORK[3:])),
        (FORK[3:], FIVE, Forks(FIVE.branches[0], Seq(3), FORK[3:])),
        (story("z"), FIVE, Forks(FIVE.branches[0], Seq(0), story("z"))),
        (FORK[2:], FORKED, Continues(FORKED.branches[1], FORK[5:], 3)),
        (FORK[:5], FORKED, Known(FORKED.branches[1])),
        (MAIN[5:], FORKED, Continues(FORKED.branches[0], MAIN[5:], 0)),
        (SECOND[3:], FORKED, Continues(FORKED.branches[1], SECOND[5:], 2)),
        (story("abcxtt")[4:], FORKED, Forks(FORKED.branches[1], Seq(4), story("abcxtt")[4:])),
        (MAIN[6:], FIVE, Gap(Seq(6))),
        (FORK[4:], FIVE, Gap(Seq(1))),
        (MAIN[1:], NOTHING, Gap(Seq(1))),
    ],
)
def test_a_batch_belongs_where_it_joins(batch: Sequence[Sealed], known: Held, verdict: Verdict) -> None:
    assert judge(batch, known) == verdict


def test_a_batch_that_hangs_in_the_air_is_asked_for_from_further_back() -> None:
    """Its first entry has a place here but another past: the history parted before it."""
    far = Held(START, (Branch(0, Tip(Seq(1_000), bytes(32))),), {})
    (late,) = chain_of([(Kind.EPOCH_ENDED, EpochEnded("x"))], start=Tip(Seq(600), bytes(32)))
    assert judge([late], far) == Gap(Seq(601 - 256))


@given(st.integers(0, 8), st.integers(0, 7), st.integers(1, 8))
def test_a_batch_of_the_same_history_never_forks(have: int, first: int, count: int) -> None:
    known = held(MAIN[:have])
    batch = MAIN[first : first + count]
    match judge(batch, known):
        case Known():
            assert first + len(batch) <= have
        case Continues(_, new, skipped):
            assert list(new) == MAIN[have : first + len(batch)] and skipped == have - first >= 0
        case Gap(want):
            assert first > have and want == have + 1
        case Forks():
            raise AssertionError("one history has no forks")
