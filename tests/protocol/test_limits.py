"""What counts as spent, and which limits hold when."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.instants import BusinessDay, ClockSource, Month
from protocol.limits import NO_LIMITS, ClassLimits, LimitRules, Meal, OfflineStep, When, running, with_sale
from protocol.money import Cents
from protocol.policy import NotAList, encode_file, read_file
from protocol.purse import Spent

DAY, MONTH = BusinessDay(20_780), Month(682)
NOON = When(DAY, BusinessDay(DAY + 1), 720, ClockSource.SERVER)
BREAKFAST, LUNCH = Meal(1, 360, 540, 1), Meal(2, 660, 780, 2)
SPENT = Spent(DAY, Cents(500), MONTH, Cents(9_000), 2, 1)


def test_a_new_day_begins_with_nothing_spent() -> None:
    yesterday = dataclasses.replace(SPENT, day=BusinessDay(DAY - 1))
    assert running(yesterday, NOON, 2) == Spent(DAY, Cents(0), MONTH, Cents(9_000), 2, 0)
    last_month = dataclasses.replace(yesterday, month=Month(MONTH - 1))
    assert running(last_month, NOON, 2) == Spent(DAY, Cents(0), MONTH, Cents(0), 2, 0)


def test_another_meal_begins_with_nothing_counted() -> None:
    assert running(SPENT, NOON, 3) == dataclasses.replace(SPENT, meal=3, meal_count=0)
    assert running(SPENT, NOON, 2) == SPENT


def test_a_purchase_between_meals_makes_no_room_for_a_second_lunch() -> None:
    """Lunch at the canteen, a drink at a kiosk without meals, back to the canteen."""
    drink = with_sale(running(SPENT, NOON, 0), Cents(300), in_meal=False)
    assert (drink.meal, drink.meal_count, drink.day_cents) == (2, 1, 800)
    assert running(drink, NOON, 2).meal_count == 1


def test_a_card_from_the_near_future_keeps_its_counters() -> None:
    """One day ahead is another terminal's clock; further ahead is nonsense and counts as today."""
    tomorrow = dataclasses.replace(SPENT, day=BusinessDay(DAY + 1))
    assert running(tomorrow, NOON, 2) == tomorrow
    nonsense = dataclasses.replace(SPENT, day=BusinessDay(DAY + 2), month=Month(MONTH + 30))
    assert running(nonsense, NOON, 2) == SPENT


def test_a_clock_nobody_vouches_for_moves_a_card_one_day_at_most() -> None:
    """The clock chip says a month from now; what the server signed, and the time since, say today."""
    astray = dataclasses.replace(NOON, day=BusinessDay(DAY + 40), clock=ClockSource.RTC)
    moved = running(SPENT, astray, 2)
    assert moved == Spent(BusinessDay(DAY + 1), Cents(0), MONTH, Cents(9_000), 2, 0)
    again = with_sale(moved, Cents(700), in_meal=True)
    assert running(again, dataclasses.replace(astray, day=BusinessDay(DAY + 80)), 2) == again
    assert running(again, NOON, 2) == again


def test_a_card_that_a_better_clock_moved_is_not_moved_back() -> None:
    """What vouches for our own clock lags behind: the card's day counts as today."""
    lagging = dataclasses.replace(NOON, day_max=BusinessDay(DAY - 3), clock=ClockSource.RTC)
    assert running(SPENT, lagging, 2) == SPENT
    nonsense = dataclasses.replace(SPENT, day=BusinessDay(DAY + 1))
    assert running(nonsense, lagging, 2) == dataclasses.replace(SPENT, day=BusinessDay(DAY - 3))


def test_without_a_clock_nothing_is_reset() -> None:
    old = Spent(BusinessDay(1), Cents(5), Month(1), Cents(6), 1, 1)
    assert running(old, dataclasses.replace(NOON, clock=ClockSource.NONE), 2) == old


spents = st.builds(
    Spent,
    st.integers(DAY - 3, DAY + 3).map(BusinessDay),
    st.integers(0, 999).map(Cents),
    st.integers(MONTH - 1, MONTH + 1).map(Month),
    st.integers(0, 999).map(Cents),
    st.integers(0, 3),
    st.integers(0, 255),
)


@given(spents, st.integers(0, 3), st.integers(0, 999), st.booleans())
def test_a_sale_counts_in_day_and_month(spent: Spent, meal: int, amount: int, in_meal: bool) -> None:
    before = running(spent, NOON, meal)
    after = with_sale(before, Cents(amount), in_meal=in_meal)
    assert (after.day_cents - before.day_cents, after.month_cents - before.month_cents) == (amount, amount)
    assert after.meal_count == min(255, before.meal_count + in_meal)
    assert before.day in (DAY, DAY + 1) and before == running(before, NOON, meal)


def test_a_class_that_is_not_named_is_not_served() -> None:
    rules = LimitRules((ClassLimits(1, Cents(5_000)),))
    assert rules.for_class(1) == ClassLimits(1, Cents(5_000))
    assert rules.for_class(2) is None
    assert NO_LIMITS.for_class(2) == ClassLimits(2)


@pytest.mark.parametrize(
    ("minute", "meal"), [(359, None), (360, BREAKFAST), (539, BREAKFAST), (540, None), (779, LUNCH), (780, None)]
)
def test_a_meal_window_ends_before_its_last_minute(minute: int, meal: Meal | None) -> None:
    assert LimitRules(meals=(BREAKFAST, LUNCH)).meal_at(minute) == meal


def test_a_meal_may_span_midnight_and_of_two_the_first_holds() -> None:
    night, all_day = Meal(3, 1_320, 120, 1), Meal(4, 0, 0)
    rules = LimitRules(meals=(night, all_day))
    assert [rules.meal_at(minute) for minute in (1_319, 1_320, 1_439, 0, 119, 120)] == [
        *(all_day, night, night, night, night, all_day)
    ]
    assert LimitRules(meals=(all_day, night)).meal_at(1_380) == all_day
    with pytest.raises(ValueError, match="empty"):
        Meal(1, 600, 600)
    for raw in (
        b'{"meals":[{"number":1,"from_min":5,"to_min":5}]}',
        b'{"meals":[{"number":1,"from_min":0,"to_min":1441}]}',
        b'{"meals":[{"number":1,"from_min":1440,"to_min":60}]}',
    ):
        with pytest.raises(NotAList):
            read_file(raw, LimitRules)


@pytest.mark.parametrize("from_min", [0, 1, 1_320, 1_439])
def test_a_meal_may_end_at_24_00(from_min: int) -> None:
    raw = b'{"meals":[{"number":1,"from_min":%d,"to_min":1440}]}' % from_min
    (meal,) = (rules := read_file(raw, LimitRules)).meals
    assert encode_file(rules) == raw, "both spellings of midnight stay as they are"
    assert [minute for minute in range(1_440) if rules.meal_at(minute) == meal] == list(range(from_min, 1_440))


def test_of_two_steps_at_one_age_the_first_holds() -> None:
    rules = LimitRules(offline=(OfflineStep(10, Cents(7)), OfflineStep(10, Cents(5)), OfflineStep(3, Cents(1))))
    assert rules.offline_sale_max(10, ClockSource.RTC) == 7


@pytest.mark.parametrize(("age_ms", "most"), [(0, None), (9, None), (10, 5_000), (99, 5_000), (100, 0), (10**9, 0)])
def test_the_older_the_lists_the_less_one_sale_may_be(age_ms: int, most: int | None) -> None:
    rules = LimitRules(offline=(OfflineStep(10, Cents(5_000)), OfflineStep(100, Cents(0))))
    assert rules.offline_sale_max(age_ms, ClockSource.RTC) == most
    assert rules.offline_sale_max(age_ms, ClockSource.NONE) == 0
    assert NO_LIMITS.offline_sale_max(age_ms, ClockSource.NONE) is None
