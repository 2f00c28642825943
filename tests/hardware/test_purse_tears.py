"""Cards taken away at every boundary of every exchange: charged once or not at all, loaded once or not at all."""

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.ports import CardLeftField, CardRefused
from hardware.simulated.classic_card import ClassicState
from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.purse import Outcome, Technology, what_became_of
from protocol.purse_classic import SLOT_BLOCKS
from tests.hardware.card_bench import (
    KINDS,
    STATION,
    Bench,
    Kind,
    all_tears,
    issued,
    load,
    mark,
    refund,
    sale,
    settle,
    torn,
)

both = pytest.mark.parametrize("kind", KINDS)


@both
def test_a_card_torn_while_it_is_read_stays_as_it_was(kind: Kind) -> None:
    bench = issued(kind)
    before = bench.card.snapshot()
    for tear in all_tears(kind, bench.exchanges(bench.tap().read)):
        driver = bench.tap()
        bench.card.arm(tear)
        with pytest.raises(CardLeftField):
            driver.read()
    assert bench.card.snapshot() == before


@both
@pytest.mark.parametrize("first_seq", [1, 2], ids=["onto slot 1", "onto slot 0"])
def test_a_sale_torn_anywhere_is_charged_once_or_not_at_all(kind: Kind, first_seq: int) -> None:
    """Every boundary, and every way a block can tear; afterwards a retry or the next sale works as ever."""
    source = count()
    bench = issued(kind, lambda: next(source) * 0x5B)
    for seq in range(1, first_seq):
        driver = bench.tap()
        driver.write(sale(driver.read(), seq))
    start = bench.card.snapshot()
    driver = bench.tap()
    needed = bench.exchanges(lambda: driver.write(sale(driver.read(), first_seq))) - (
        10 if kind is not Kind.CLASSIC else 13
    )
    seen = set()
    for tear in all_tears(kind, needed):
        restore(bench, start)
        driver = bench.tap()
        before = driver.read()
        change = sale(before, first_seq)
        if not torn(bench, change, driver, tear):
            continue
        outcome, read = settle(bench, change)
        seen.add(outcome)
        assert read.purse == (change.after if outcome is Outcome.WRITTEN else before.purse), tear
        assert outcome is not Outcome.UNKNOWN
        for _ in range(3):
            assert bench.tap().read() == replace(read, last=bench.tap().read().last), "no later read says otherwise"
        driver = bench.tap()
        assert driver.write(sale(driver.read(), 9)).purse == bench.tap().read().purse
    assert seen == {Outcome.WRITTEN, Outcome.NOT_WRITTEN}


@pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])
def test_a_refund_torn_anywhere_is_given_back_once_or_not_at_all(kind: Kind) -> None:
    """Where it was not made it can be made; where it was, the card gives back no more."""
    bench = issued(kind)
    driver = bench.tap()
    driver.write(sale(driver.read(), 1))
    start = bench.card.snapshot()
    driver = bench.tap()
    before = driver.read()
    needed, seen = bench.exchanges(lambda: driver.write(refund(before, 2))), set[Outcome]()
    for tear in all_tears(kind, needed):
        restore(bench, start)
        driver = bench.tap()
        change = refund(driver.read(), 2)
        assert torn(bench, change, driver, tear)
        outcome, read = settle(bench, change)
        seen.add(outcome)
        assert read.purse == (change.after if outcome is Outcome.WRITTEN else change.purse_before), tear
        driver = bench.tap()
        again = refund(driver.read(), 3)
        if outcome is Outcome.WRITTEN:
            with pytest.raises(CardRefused, match="LimitedCredit"):
                driver.write(again)
        else:
            driver.write(again)
        read = bench.tap().read()
        assert read.purse is not None and read.purse.main_cents == 5000
    assert seen == {Outcome.WRITTEN, Outcome.NOT_WRITTEN}


def restore(bench: Bench, state: object) -> None:
    bench.card.restore(state)  # type: ignore[arg-type]


@both
def test_a_load_torn_anywhere_is_collected_once_or_not_at_all(kind: Kind) -> None:
    source = count()
    bench = issued(kind, lambda: next(source) * 0x5B)
    driver = bench.tap(STATION)
    driver.write(load(driver.read(), 1, 1, 300))
    start = bench.card.snapshot()
    driver = bench.tap(STATION)
    before = driver.read()
    needed = bench.exchanges(lambda: driver.write(load(before, 2, 2, 500)))
    for tear in all_tears(kind, needed):
        restore(bench, start)
        driver = bench.tap(STATION)
        before = driver.read()
        change = load(before, 2, 2, 500)
        if not torn(bench, change, driver, tear):
            continue
        outcome, read = settle(bench, change, STATION)
        assert read.purse == (change.after if outcome is Outcome.WRITTEN else before.purse), tear
        assert read.loaded is not None and read.purse is not None
        assert read.loaded.loaded_total_cents == read.purse.main_cents, "the record in force is the purse's own"
        assert bench.tap().read().loaded == read.loaded


def test_making_definite_may_itself_be_torn_anywhere() -> None:
    """The step stays open until one run goes through; whatever that run says is what the card says for ever."""
    source = count()
    bench = issued(Technology.CLASSIC, lambda: next(source) * 0x5B)
    for first in (Tear(3, Moment.DURING, 9, 0x55), Tear(4, Moment.AFTER), Tear(1, Moment.AFTER)):
        for tear in all_tears(Technology.CLASSIC, 41):
            restore(bench, issued(Technology.CLASSIC).card.snapshot())
            driver = bench.tap()
            change = sale(driver.read(), 1)
            assert torn(bench, change, driver, first)
            driver = bench.tap()
            bench.card.arm(tear)
            with suppress(CardLeftField):
                driver.make_definite(change.after.mark, change.after.counter)
            bench.card.arm(None)
            outcome, read = settle(bench, change)
            assert outcome is not Outcome.UNKNOWN
            assert read.purse == (change.after if outcome is Outcome.WRITTEN else change.purse_before)
            assert settle(bench, change)[0] is outcome


def test_a_card_that_moved_on_elsewhere_is_left_as_it_is() -> None:
    bench = issued(Technology.CLASSIC)
    driver = bench.tap()
    before = driver.read()
    mine = sale(before, 1)
    other = replace(mine, after=replace(mine.after, mark=mark(99)))
    driver.write(other)
    snapshot = bench.card.snapshot()
    outcome, read = settle(bench, mine)
    assert outcome is Outcome.NOT_WRITTEN
    assert read.purse == other.after
    assert bench.card.snapshot() == snapshot


@given(
    steps=st.lists(
        st.tuples(st.integers(-50, 0), st.integers(-3, 0), st.integers(1, 7), st.sampled_from(list(Moment))), max_size=8
    ),
    cut=st.integers(0, 15),
    weak=st.binary(min_size=64, max_size=64),
    rest=st.sampled_from(list(Rest)),
)
@settings(max_examples=60, deadline=None)
def test_the_balance_is_the_sum_of_what_was_written(
    steps: list[tuple[int, int, int, Moment]], cut: int, weak: bytes, rest: Rest
) -> None:
    """Random sales, each torn somewhere or not; the card shows exactly the steps said to be written."""
    for kind in KINDS:
        source = count()
        bench = issued(kind, lambda: weak[next(source) % 64])  # noqa: B023
        main, subsidy, counter = 5000, 100, 0
        for seq, (main_cents, subsidy_cents, at, moment) in enumerate(steps, start=1):
            if kind is not Kind.CLASSIC and moment is Moment.DURING:
                moment = Moment.AFTER
            driver = bench.tap()
            change = sale(driver.read(), seq, main_cents, subsidy_cents)
            if torn(bench, change, driver, Tear(at, moment, cut, weak[0], rest)):
                written = settle(bench, change)[0] is Outcome.WRITTEN
            else:
                written = True
            if written:
                main, subsidy, counter = main + main_cents, subsidy + subsidy_cents, counter + 1
            purse = bench.tap().read().purse
            assert purse is not None
            assert (purse.main_cents, purse.subsidy_cents, purse.counter) == (main, subsidy, counter)


@pytest.mark.parametrize("remembers", [True, False], ids=["remembered", "after a restart"])
@pytest.mark.parametrize("base", [1, 0], ids=["built on slot 1", "built on slot 0"])
def test_a_card_torn_at_two_tills_is_whole_again_where_it_was_torn_last(base: int, remembers: bool) -> None:
    """The first till's mark has weak bits: it read as written when the second till built on it, and later not.

    And whole it stays: a step after that, torn as well, finds a slot to fall back to.
    """
    reads_as = [0]
    bench = issued(Technology.CLASSIC, lambda: reads_as[0])
    driver = bench.tap()
    first = driver.write(sale(driver.read(), 1))
    if base == 0:
        first = driver.write(sale(driver.read(), 1))
    assert first.slot == base
    start = bench.card.snapshot()
    assert isinstance(start, ClassicState)
    mark_block = SLOT_BLOCKS[first.slot][2]
    start.weak[mark_block] = bytes(9) + b"\xff" + bytes(6)
    right = start.blocks[mark_block][9]
    healed, lost = 0, 0
    for tear in all_tears(Technology.CLASSIC, 7):
        restore(bench, start)
        reads_as[0] = right
        driver = bench.tap()
        change = sale(driver.read(), 2)
        assert change.purse_before == first.purse
        if not torn(bench, change, driver, tear):
            continue
        reads_as[0] = right ^ 0xFF
        mark, counter = change.after.mark, change.after.counter
        read = bench.tap().make_definite(mark, counter, change if remembers else None)
        outcome = what_became_of(mark, counter, read)
        if outcome is Outcome.UNKNOWN:
            lost += 1
            continue
        healed += 1
        for reads_as[0] in (right, right ^ 0xFF):
            assert bench.tap().read().purse == (change.after if outcome is Outcome.WRITTEN else first.purse)
        reads_as[0] = right
        driver = bench.tap()
        assert torn(bench, sale(driver.read(), 3), driver, Tear(3, Moment.BEFORE))
        reads_as[0] = right ^ 0xFF
        assert bench.tap().read().purse == read.purse
    assert healed and bool(lost) is not remembers


def test_a_slot_that_holds_the_same_purse_of_another_step_is_not_taken_for_the_one_it_was_built_on() -> None:
    """A till voids a sale and is torn when it tries the same again; another till had built on the first try."""
    reads_as = [0]
    bench = issued(Technology.CLASSIC, lambda: reads_as[0])
    first_try = sale(bench.tap().read(), 1)
    bench.tap().write(first_try)
    start = bench.card.snapshot()
    assert isinstance(start, ClassicState)
    mark_block = SLOT_BLOCKS[1][2]
    start.weak[mark_block] = bytes(9) + b"\xff" + bytes(6)
    right = start.blocks[mark_block][9]
    torn_again = 0
    for tear in all_tears(Technology.CLASSIC, 7):
        restore(bench, start)
        reads_as[0] = right
        built_on_it = sale(bench.tap().read(), 50)
        assert built_on_it.purse_before == first_try.after, (
            "the torn mark reads as valid, and the card leaves unwritten"
        )
        reads_as[0] = right ^ 0xFF
        assert settle(bench, first_try)[0] is Outcome.NOT_WRITTEN
        driver = bench.tap()
        second_try = sale(driver.read(), 2)
        if not torn(bench, second_try, driver, tear):
            continue
        torn_again += 1
        outcome, _ = settle(bench, built_on_it)
        assert outcome is not Outcome.WRITTEN
        for reads_as[0] in (right, right ^ 0xFF):
            purse = bench.tap().read().purse
            assert purse is not None and purse.mark != first_try.after.mark, "a sale that was voided stays void"
        outcome, read = settle(bench, second_try)
        assert read.purse == (second_try.after if outcome is Outcome.WRITTEN else second_try.purse_before)
    assert torn_again
