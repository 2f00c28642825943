"""Spending rules: how much, how often, when and for whom. Terminal and server use the same ones.

What a card has spent travels on the card, so that a day limit holds across terminals that never meet.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.ids import U8, U16, U53
from protocol.instants import BusinessDay, ClockSource, EndField, MinuteField, in_window, month_of_day, window_min
from protocol.money import SALE_CENTS_MAX, Amount, Cents
from protocol.purse import Spent

UNACKED_TOPUPS_CENTS = Cents(10_000_000)
"""Where a list says nothing: more than a station takes in within days, and a bound on what a stolen one can make."""
assert UNACKED_TOPUPS_CENTS <= SALE_CENTS_MAX


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Strict both ways, like an entry."""


class ClassLimits(_Rule, frozen=True):
    """What cards of one class may spend; 0 means "no such limit", for a meal "as the meal says"."""

    card_class: U8
    sale: Amount = Cents(0)
    day: Amount = Cents(0)
    month: Amount = Cents(0)
    pin_above: Amount = Cents(0)
    meal: U8 = 0
    """How many purchases a card of this class may make in one meal, in place of the meal's own `count`."""

    def meal_count_max(self, meal: "Meal") -> int:
        """The most purchases in this meal; 0: any number."""
        return self.meal or meal.count


class Meal(_Rule, frozen=True):
    """A meal's window of the day, and how many purchases one card may make in it (0: any)."""

    number: Annotated[int, Meta(ge=1, le=255)]
    from_min: MinuteField
    to_min: EndField
    count: U8 = 0

    def __post_init__(self) -> None:
        window_min(self.from_min, self.to_min)


class OfflineStep(_Rule, frozen=True):
    """From this age of the card list on, one sale is at most this much. A limit of 0 refuses: a configured choice."""

    age_ms: U53
    sale: Amount = Cents(0)


class LimitRules(_Rule, frozen=True):
    """The signed `limits` list of a site. `classes` empty: every class is served without limits."""

    classes: tuple[ClassLimits, ...] = ()
    meals: tuple[Meal, ...] = ()
    only_in_meals: Annotated[int, Meta(ge=0, le=1)] = 0
    offline: tuple[OfflineStep, ...] = ()
    subsidy_period: U8 = 0
    subsidy_until: U16 = 0
    """The last business day (days since 1970-01-01) on which that period's subsidy pays (0: no end is set)."""
    topup: Amount = Cents(0)
    """The most that one top-up puts onto a card at once (0: any); what is above waits for the server's load."""
    stand_in: Amount = Cents(0)
    """The most that a terminal sells to one token in a business day without the server's answer (0: nothing)."""
    unacked_topups: Amount = UNACKED_TOPUPS_CENTS
    """The most that a terminal takes in for top-ups before the server has acknowledged them (0: nothing)."""

    def for_class(self, card_class: int) -> ClassLimits | None:
        """The limits of a class; None where this site does not serve it."""
        if not self.classes:
            return ClassLimits(card_class)
        return next((limits for limits in self.classes if limits.card_class == card_class), None)

    def meal_at(self, minute: int) -> Meal | None:
        """The meal window that an instant lies in; of several the first."""
        return next((meal for meal in self.meals if in_window(minute, meal.from_min, meal.to_min)), None)

    def is_running(self, period: int, day: BusinessDay) -> bool:
        """Whether a subsidy of this period still pays on that day."""
        return period == self.subsidy_period and not 0 < self.subsidy_until < day

    def offline_sale_max(self, list_age_ms: int, clock: ClockSource) -> Cents | None:
        """The most one sale may take at this age of the lists; None: no limit. Without a clock the strictest step."""
        reached = [step for step in self.offline if clock is ClockSource.NONE or list_age_ms >= step.age_ms]
        return max(reached, key=lambda step: step.age_ms).sale if reached else None


NO_LIMITS = LimitRules()


@dataclass(frozen=True, slots=True)
class When:
    """An instant as limits see it."""

    day: BusinessDay
    day_max: BusinessDay
    """No card's day is moved beyond this: one day past what signed time and the time elapsed since vouch for."""
    minute: int
    clock: ClockSource


def running(spent: Spent, when: When, meal: int) -> Spent:
    """What counts as spent at this instant, with counters reset where a new day, month or meal has begun.

    A card's day only moves forward, and no clock moves it further than `day_max`. A day up to there is another
    terminal's clock; further ahead is nonsense and counts as today. Outside every meal (0) the last meal keeps its
    count: a drink at the kiosk does not make room for a second lunch. Without a clock nothing is reset (SPEC, "Time").
    """
    if when.clock is ClockSource.NONE:
        return spent
    today = min(when.day, when.day_max)
    month = month_of_day(today)
    is_nonsense = spent.day > max(when.day, when.day_max)
    if spent.day < today:
        spent = replace(spent, day=today, day_cents=Cents(0), meal=0, meal_count=0)
    elif is_nonsense:
        spent = replace(spent, day=today)
    if spent.month < month:
        spent = replace(spent, month=month, month_cents=Cents(0))
    elif is_nonsense:
        spent = replace(spent, month=month)
    return spent if meal in (0, spent.meal) else replace(spent, meal=meal, meal_count=0)


def day_at_least(spent: Spent, when: When) -> BusinessDay:
    """The day it is at the very least: by the card, as other terminals left it or we run it on, and by signed time."""
    return BusinessDay(max(spent.day, when.day_max - 1))


def with_sale(spent: Spent, amount_cents: Cents, *, in_meal: bool) -> Spent:
    """The counters after one more purchase; only one inside a meal window counts for the meal."""
    return replace(
        spent,
        day_cents=Cents(spent.day_cents + amount_cents),
        month_cents=Cents(spent.month_cents + amount_cents),
        meal_count=min(255, spent.meal_count + in_meal),
    )
