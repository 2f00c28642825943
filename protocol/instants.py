"""Instants are UTC milliseconds; a campus turns them into its own business days, months and minutes.

A business day does not end at midnight: a night canteen's sale at 01:00 belongs to the evening before.
The campus' offset from UTC is a configured number of minutes, because a terminal must give the same
answer for years without a time zone database.
"""

import enum
from dataclasses import dataclass
from typing import Annotated, NewType

from msgspec import Meta

UtcMs = NewType("UtcMs", int)
MonoMs = NewType("MonoMs", int)
"""Milliseconds since the machine booted: only differences within one boot mean something."""
BusinessDay = NewType("BusinessDay", int)
"""Days since 1970-01-01 on the campus' own clock; fits the 16 bits a card has for it until the year 2149."""
Month = NewType("Month", int)
"""Months since January 1970."""

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000

DAY_MIN = 24 * 60

UtcField = Annotated[UtcMs, Meta(ge=0, le=2**53 - 1)]
MonoField = Annotated[MonoMs, Meta(ge=0, le=2**53 - 1)]
MinuteField = Annotated[int, Meta(ge=0, le=DAY_MIN - 1)]
"""Minutes after the campus' midnight."""
EndField = Annotated[int, Meta(ge=0, le=DAY_MIN)]
"""The end of a window of the day: people write midnight as 0:00 and as 24:00."""


def window_min(from_min: int, to_min: int) -> int:
    """How many minutes of a day a window holds, 1 to 1440 (SPEC, "Values"). Raises ValueError for an empty one."""
    if from_min == to_min != 0:
        raise ValueError("a window of the day must not be empty")
    return (to_min - from_min - 1) % DAY_MIN + 1


def in_window(minute: int, from_min: int, to_min: int) -> bool:
    """Whether a minute of the day lies in a window."""
    return (minute - from_min) % DAY_MIN < window_min(from_min, to_min)


class ClockSource(enum.StrEnum):
    """How much a terminal trusts its own clock, worst first."""

    NONE = "none"
    RTC = "rtc"
    NTP = "ntp"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Now:
    """The instant an event happened, as the terminal knows it."""

    utc_ms: UtcMs
    mono_ms: MonoMs
    clock: ClockSource = ClockSource.SERVER

    def plus(self, ms: int) -> "Now":
        """The same clock, some milliseconds later."""
        return Now(UtcMs(self.utc_ms + ms), MonoMs(self.mono_ms + ms), self.clock)


@dataclass(frozen=True, slots=True)
class CampusTime:
    """A campus' civil time: offset from UTC, and the minute after midnight at which its business day starts."""

    offset_min: int = 480
    day_starts_min: int = 240

    def business_day(self, at: UtcMs) -> BusinessDay:
        """The business day an instant belongs to."""
        return BusinessDay((at + (self.offset_min - self.day_starts_min) * MINUTE_MS) // DAY_MS)

    def month(self, at: UtcMs) -> Month:
        """The month of the business day an instant belongs to."""
        return month_of_day(self.business_day(at))

    def minute_of_day(self, at: UtcMs) -> int:
        """Minutes after local midnight, 0 to 1439: what a menu's times of day compare with."""
        return (at + self.offset_min * MINUTE_MS) % DAY_MS // MINUTE_MS

    def day_starts_at(self, day: BusinessDay) -> UtcMs:
        """The first instant of a business day."""
        return UtcMs(day * DAY_MS - (self.offset_min - self.day_starts_min) * MINUTE_MS)


def month_of_day(day: BusinessDay) -> Month:
    """The month of a day in the proleptic Gregorian calendar (civil-from-days, with the year starting in March)."""
    era_day = day + 719_468
    era, day_of_era = divmod(era_day, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month_index = march_month + 2 if march_month < 10 else march_month - 10
    year = year_of_era + era * 400 + (month_index <= 1)
    return Month((year - 1970) * 12 + month_index)
