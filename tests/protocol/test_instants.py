"""Business days, months and minutes, judged by Python's own calendar."""

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from protocol.instants import DAY_MS, BusinessDay, CampusTime, ClockSource, MonoMs, Now, UtcMs, month_of_day

instants = st.integers(0, 7_000_000_000_000).map(UtcMs)
campuses = st.builds(CampusTime, st.integers(-720, 840), st.integers(0, 1_439))


def civil(campus: CampusTime, at: UtcMs) -> datetime:
    zone = timezone(timedelta(minutes=campus.offset_min))
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone)


@given(campuses, instants)
def test_a_business_day_starts_when_the_campus_says(campus: CampusTime, at: UtcMs) -> None:
    day_of = (civil(campus, at) - timedelta(minutes=campus.day_starts_min)).date()
    assert campus.business_day(at) == (day_of - date(1970, 1, 1)).days
    assert campus.month(at) == (day_of.year - 1970) * 12 + day_of.month - 1


@given(campuses, instants)
def test_the_minute_is_that_of_the_clock_on_the_wall(campus: CampusTime, at: UtcMs) -> None:
    wall = civil(campus, at)
    assert campus.minute_of_day(at) == wall.hour * 60 + wall.minute


@given(campuses, instants)
def test_a_day_begins_at_its_first_instant(campus: CampusTime, at: UtcMs) -> None:
    day = campus.business_day(at)
    first = campus.day_starts_at(day)
    assert first <= at < first + DAY_MS
    assert campus.business_day(first) == day == campus.business_day(UtcMs(first - 1)) + 1
    assert campus.minute_of_day(first) == campus.day_starts_min


@given(st.integers(-700_000, 2_900_000))
def test_months_agree_with_the_gregorian_calendar(number: int) -> None:
    day = date(1970, 1, 1) + timedelta(days=number)
    assert month_of_day(BusinessDay(number)) == (day.year - 1970) * 12 + day.month - 1


def test_a_sale_after_midnight_belongs_to_the_evening_before() -> None:
    campus = CampusTime()
    one_at_night = UtcMs(int(datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=8))).timestamp()) * 1_000)
    assert campus.business_day(one_at_night) == (date(2026, 2, 28) - date(1970, 1, 1)).days
    assert campus.month(one_at_night) == (2026 - 1970) * 12 + 1
    assert campus.minute_of_day(one_at_night) == 60


def test_a_business_day_fits_a_card_until_2149() -> None:
    assert CampusTime().business_day(UtcMs((2**16 - 1) * DAY_MS)) < 2**16
    assert (date(1970, 1, 1) + timedelta(days=2**16 - 1)).year == 2149


def test_now_moves_both_clocks() -> None:
    assert Now(UtcMs(5), MonoMs(7), ClockSource.RTC).plus(3) == Now(UtcMs(8), MonoMs(10), ClockSource.RTC)
