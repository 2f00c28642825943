"""What a card holds, how one step changes it, and what it proves afterwards."""

import dataclasses

import pytest

from protocol.ids import CardNo, Counter, Generation, Seq, Tno
from protocol.money import Cents
from protocol.purse import (
    CardClass,
    CardId,
    CardRead,
    Mark,
    Outcome,
    Purse,
    PurseChange,
    Right,
    SeenStep,
    Technology,
    what_became_of,
)
from tests.protocol.samples import IDENTITY, PURSE

OURS = Mark(Tno(41), Seq(9))
THEIRS = Mark(Tno(50), Seq(3))


def read_of(purse: Purse | None, *last: SeenStep) -> CardRead:
    return CardRead(Technology.DESFIRE, bytes(7), 3, IDENTITY, purse, last)


def seen(mark: Mark, counter: int) -> SeenStep:
    return SeenStep(1, mark.tno, mark.seq, Counter(counter))


def test_a_card_is_named_by_number_and_generation() -> None:
    read = read_of(PURSE)
    assert read.id == CardId(CardNo(1_001), Generation(1), Technology.DESFIRE, CardClass.STUDENT)
    assert read.id.key == IDENTITY.key == (1_001, 1)


def test_a_step_raises_the_counter_and_moves_both_purses() -> None:
    after = PURSE.stepped(OURS, main_cents=-900, subsidy_cents=-300)
    assert after == dataclasses.replace(
        PURSE, counter=Counter(12), main_cents=Cents(4_100), subsidy_cents=Cents(0), mark=OURS
    )
    assert PurseChange(read_of(PURSE), after).amount_cents == -1_200


@pytest.mark.parametrize(
    "after",
    [
        dataclasses.replace(PURSE, mark=OURS),
        dataclasses.replace(PURSE, counter=Counter(13), mark=OURS),
        PURSE.stepped(OURS, main_cents=1),
        PURSE.stepped(OURS, main_cents=-5, subsidy_cents=1),
    ],
)
def test_a_debit_that_breaks_a_rule_of_the_card_is_a_mistake(after: Purse) -> None:
    with pytest.raises(AssertionError):
        PurseChange(read_of(PURSE), after)


def test_a_second_history_may_write_the_same_mark_again() -> None:
    """A till started from an older image reaches the same place in its chain; the counter tells the steps apart."""
    again = PURSE.stepped(PURSE.mark, main_cents=-5)
    assert PurseChange(read_of(PURSE), again).after.counter == PURSE.counter + 1


def test_a_credit_needs_another_right() -> None:
    change = PurseChange(read_of(PURSE), PURSE.stepped(OURS, main_cents=500), Right.CREDIT)
    assert change.amount_cents == 500


def test_a_card_without_a_valid_purse_makes_no_step() -> None:
    with pytest.raises(AssertionError):
        PurseChange(read_of(None), PURSE)


@pytest.mark.parametrize(
    ("counter", "last", "outcome"),
    [
        (10, (), Outcome.UNKNOWN),
        (11, (), Outcome.NOT_WRITTEN),
        (11, (seen(OURS, 11),), Outcome.NOT_WRITTEN),
        (12, (seen(OURS, 12),), Outcome.WRITTEN),
        (12, (seen(THEIRS, 12),), Outcome.NOT_WRITTEN),
        (12, (SeenStep(0, OURS.tno, OURS.seq, Counter(12)),), Outcome.UNKNOWN),
        (13, (seen(THEIRS, 13), seen(OURS, 12)), Outcome.WRITTEN),
        (13, (seen(THEIRS, 13), seen(THEIRS, 12)), Outcome.NOT_WRITTEN),
        (14, (seen(THEIRS, 14), seen(THEIRS, 13)), Outcome.UNKNOWN),
        (14, (seen(OURS, 14), seen(OURS, 13)), Outcome.UNKNOWN),
    ],
)
def test_only_decisive_signs_decide(counter: int, last: tuple[SeenStep, ...], outcome: Outcome) -> None:
    """The intended step leads from 11 to 12. Silence of a card that moved on proves nothing."""
    read = read_of(dataclasses.replace(PURSE, counter=Counter(counter)), *last)
    assert what_became_of(OURS, Counter(12), read) is outcome


def test_an_unreadable_purse_proves_nothing() -> None:
    assert what_became_of(OURS, Counter(12), read_of(None, seen(OURS, 12))) is Outcome.UNKNOWN
