"""May this card pay this amount here, now, offline? The answer is `Approved` or `Refused`, never an exception.

The list of refusals is closed and its order is the order of precedence: of several reasons the first is told.
"""

import enum
from dataclasses import dataclass
from typing import Final

from protocol.ids import U32_MAX, Counter, LoadSeq
from protocol.instants import BusinessDay
from protocol.limits import LimitRules, Meal, When, day_at_least, running, with_sale
from protocol.money import Cents
from protocol.purse import PIN_TRIES_MAX, SPENT_CENTS_MAX, CardRead, Purse, Spent, Technology


class Refusal(enum.StrEnum):
    """Every reason not to sell, in order of precedence."""

    TERMINAL_REVOKED = "terminal_revoked"
    JOURNAL_LOW = "journal_low"
    TOPUPS_UNACKED = "topups_unacked"
    SERVER_SILENT = "server_silent"
    UID_SAYS_NOTHING = "uid_says_nothing"
    CARD_NOT_OURS = "card_not_ours"
    NOT_GENUINE = "not_genuine"
    PURSE_UNREADABLE = "purse_unreadable"
    CARD_BLOCKED = "card_blocked"
    CARD_CLOSED = "card_closed"
    BELOW_FLOOR = "below_floor"
    REPLAYED = "replayed"
    CLOCK_UNSURE = "clock_unsure"
    CODE_EXPIRED = "code_expired"
    VALUE_NOT_COVERED = "value_not_covered"
    CLASS_NOT_SERVED = "class_not_served"
    OUTSIDE_WINDOW = "outside_window"
    SALE_LIMIT = "sale_limit"
    MEAL_LIMIT = "meal_limit"
    DAY_LIMIT = "day_limit"
    MONTH_LIMIT = "month_limit"
    OFFLINE_LIMIT = "offline_limit"
    BALANCE_TOO_LOW = "balance_too_low"
    PIN_BLOCKED = "pin_blocked"
    PIN_NOT_HERE = "pin_not_here"
    PIN_NEEDED = "pin_needed"
    PIN_WRONG = "pin_wrong"


OTHER_CARD: Final = "other_card"
"""A card is shown where another one is to be tapped again."""
SEVERAL_CARDS: Final = "several_cards"
"""More than one card is shown at once. Both are reasons that no card is refused for by itself."""


class Listed(enum.StrEnum):
    """What the `cards` list says of a card."""

    GOOD = "good"
    BLOCKED = "blocked"
    CLOSED = "closed"
    EXCHANGE = "exchange"
    """Still good for paying; the screen asks its owner to the card office."""


class Pin(enum.StrEnum):
    """What is known of the PIN at this point of the tap."""

    NOT_ASKED = "not_asked"
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the terminal's lists and journal know of one card."""

    listed: Listed = Listed.GOOD
    counter_floor: Counter = Counter(0)
    load_floor: LoadSeq = LoadSeq(0)
    topup_waiting: bool = False
    proof_floor: Counter = Counter(0)
    """The highest counter that a token has shown here in a proof of the kind at hand."""
    proof_refusal: Refusal | None = None
    """Why what a token shows is worth nothing at this hour."""


@dataclass(frozen=True, slots=True)
class House:
    """What holds for every card at this terminal now."""

    rules: LimitRules
    list_age_ms: int
    revoked: bool = False
    journal_low: bool = False
    unacked_topups_cents: Cents = Cents(0)
    """What was taken in here for top-ups and the server has not acknowledged."""
    compares_pins: bool = True
    """False: the card keys lie in a SAM, which does not tell the one that a PIN's verifier is made with."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal with the figure a person needs to understand it: the limit, what is left, or the lists' age in ms."""

    reason: Refusal
    figure: int = 0


@dataclass(frozen=True, slots=True)
class Approved:
    """How the amount is taken: subsidy first, then main; and what the card has spent afterwards."""

    main_cents: Cents
    subsidy_cents: Cents
    spent: Spent


def before_any_card(house: House) -> Refused | None:
    """The refusals that are told before a card is asked for."""
    if house.revoked:
        return Refused(Refusal.TERMINAL_REVOKED)
    return Refused(Refusal.JOURNAL_LOW) if house.journal_low else None


def topup_refusal(amount_cents: Cents, house: House) -> Refused | None:
    """Whether so much more may be taken in for a top-up before the server has acknowledged the rest (SPEC, "Loads")."""
    left_cents = max(0, house.rules.unacked_topups - house.unacked_topups_cents)
    return Refused(Refusal.TOPUPS_UNACKED, left_cents) if amount_cents > left_cents else None


def card_refusal(read: CardRead | None, standing: Standing) -> Refused | None:
    """Why this card may not take part in anything here, whatever the amount. `None` for read: not a card of ours."""
    if read is None:
        return Refused(Refusal.CARD_NOT_OURS)
    if not read.genuine:
        return Refused(Refusal.NOT_GENUINE)
    if read.purse is None or read.purse.counter >= U32_MAX - 1:
        return Refused(Refusal.PURSE_UNREADABLE)
    if standing.listed is Listed.BLOCKED:
        return Refused(Refusal.CARD_BLOCKED)
    if standing.listed is Listed.CLOSED:
        return Refused(Refusal.CARD_CLOSED)
    if read.purse.counter < standing.counter_floor or read.purse.load_seq < standing.load_floor:
        return Refused(Refusal.BELOW_FLOOR)
    if read.proof is not None and read.proof.is_spent(standing.proof_floor):
        return Refused(Refusal.REPLAYED)
    if standing.proof_refusal is not None:
        return Refused(standing.proof_refusal)
    return None if _covered(read, read.purse) else Refused(Refusal.VALUE_NOT_COVERED)


def authorise(
    read: CardRead | None,
    amount_cents: Cents,
    *,
    standing: Standing,
    house: House,
    when: When,
    pin: Pin = Pin.NOT_ASKED,
) -> Approved | Refused:
    """Decide one sale. Raises nothing: whatever is wrong is a `Refused` with the first reason that applies."""
    refused = before_any_card(house) or card_refusal(read, standing)
    if refused is not None:
        return refused
    assert read is not None and read.purse is not None
    meal = house.rules.meal_at(when.minute)
    spent = running(read.purse.spent, when, meal.number if meal else 0)
    refused = _limit_refusal(read, amount_cents, house, when, meal, spent)
    if refused is not None:
        return refused
    subsidy_cents = _usable_subsidy(read.purse, house.rules, amount_cents, day_at_least(spent, when))
    main_cents = Cents(amount_cents - subsidy_cents)
    if main_cents > max(0, read.purse.main_cents):
        return Refused(Refusal.BALANCE_TOO_LOW, read.purse.main_cents + subsidy_cents)
    refused = _pin_refusal(read, read.purse, amount_cents, house, pin)
    return refused or Approved(main_cents, subsidy_cents, with_sale(spent, amount_cents, in_meal=meal is not None))


def _limit_refusal(
    read: CardRead, amount_cents: Cents, house: House, when: When, meal: Meal | None, spent: Spent
) -> Refused | None:
    limits = house.rules.for_class(read.identity.card_class)
    if limits is None:
        return Refused(Refusal.CLASS_NOT_SERVED)
    if house.rules.only_in_meals and meal is None:
        return Refused(Refusal.OUTSIDE_WINDOW)
    if limits.sale and amount_cents > limits.sale:
        return Refused(Refusal.SALE_LIMIT, limits.sale)
    count_max = limits.meal_count_max(meal) if meal else 0
    if count_max and spent.meal_count >= count_max:
        return Refused(Refusal.MEAL_LIMIT, count_max)
    day_max, month_max = _countable(limits.day), _countable(limits.month)
    if spent.day_cents + amount_cents > day_max:
        return Refused(Refusal.DAY_LIMIT, day_max)
    if spent.month_cents + amount_cents > month_max:
        return Refused(Refusal.MONTH_LIMIT, month_max)
    offline_max = house.rules.offline_sale_max(house.list_age_ms, when.clock)
    if offline_max is not None and amount_cents > offline_max:
        return Refused(Refusal.OFFLINE_LIMIT, house.list_age_ms)
    return None


def _countable(limit_cents: Cents) -> int:
    """A card counts with 24 bits: no limit, and a limit above that, end there."""
    return min(limit_cents or SPENT_CENTS_MAX, SPENT_CENTS_MAX)


def _usable_subsidy(purse: Purse, rules: LimitRules, amount_cents: Cents, day: BusinessDay) -> Cents:
    """A subsidy whose period is over pays nothing; main pays alone."""
    in_period = rules.is_running(purse.period, day)
    return Cents(max(0, min(amount_cents, purse.subsidy_cents))) if in_period else Cents(0)


def _pin_refusal(read: CardRead, purse: Purse, amount_cents: Cents, house: House, pin: Pin) -> Refused | None:
    limits = house.rules.for_class(read.identity.card_class)
    threshold = limits.pin_above if limits else Cents(0)
    if not threshold or amount_cents <= threshold or not read.identity.pin_verifier or pin is Pin.RIGHT:
        return None
    if purse.pin_tries >= PIN_TRIES_MAX:
        return Refused(Refusal.PIN_BLOCKED)
    if not house.compares_pins:
        return Refused(Refusal.PIN_NOT_HERE)
    return Refused(Refusal.PIN_WRONG if pin is Pin.WRONG else Refusal.PIN_NEEDED, PIN_TRIES_MAX - purse.pin_tries)


def _covered(read: CardRead, purse: Purse) -> bool:
    """Classic: the purse holds no more than the server's signed record ever put on it (SPEC, "Loads").

    The CRYPTO1 cipher is broken, so a forged balance must fail on a signature that no card key can make.
    """
    if read.technology is not Technology.CLASSIC:
        return True
    if read.load is None:
        return purse.load_seq == 0 and purse.main_cents <= 0 and purse.subsidy_cents <= 0
    record = read.load.record
    names_us = (record.card, record.generation, record.load_seq) == (*read.identity.key, purse.load_seq)
    main_ok = purse.main_cents <= record.loaded_total_cents - record.spent_known_cents
    subsidy_ok = purse.subsidy_cents <= (record.subsidy_total_cents if record.period == purse.period else 0)
    return names_us and main_ok and subsidy_ok
