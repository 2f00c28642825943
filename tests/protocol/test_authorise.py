"""May this card pay? Every refusal, in its order, and how an approved amount is taken."""

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from protocol.authorise import (
    Approved,
    House,
    Listed,
    Pin,
    Refusal,
    Refused,
    Standing,
    authorise,
    before_any_card,
    card_refusal,
    topup_refusal,
)
from protocol.ids import CardNo, Counter, Generation, LoadSeq
from protocol.instants import BusinessDay, ClockSource, Month
from protocol.limits import UNACKED_TOPUPS_CENTS, ClassLimits, LimitRules, Meal, OfflineStep, When
from protocol.money import Cents
from protocol.proofs import Proof, ProofKind
from protocol.purse import (
    PIN_TRIES_MAX,
    CardClass,
    CardRead,
    Identity,
    LoadRecord,
    Purse,
    SignedLoad,
    Spent,
    Technology,
)

DAY, MONTH = BusinessDay(20_780), Month(682)
WHEN = When(DAY, BusinessDay(DAY + 1), 720, ClockSource.SERVER)
STUDENT = ClassLimits(CardClass.STUDENT, Cents(3_000), Cents(5_000), Cents(9_000), Cents(1_000))
RULES = LimitRules(
    (STUDENT,),
    (Meal(2, 660, 780, 2),),
    1,
    (OfflineStep(1_000, Cents(500)),),
    6,
)
HOUSE = House(RULES, 0)
GOOD = Standing()
IDENTITY = Identity(CardNo(7), Generation(1), CardClass.STUDENT, bytes(range(8)))
PURSE = Purse(Counter(11), Cents(4_000), Cents(300), Spent(DAY, Cents(0), MONTH, Cents(0), 2, 0), 0, 6, LoadSeq(2))
DESFIRE = CardRead(Technology.DESFIRE, bytes(7), 0, IDENTITY, PURSE, ())
RECORD = LoadRecord(CardNo(7), Generation(1), LoadSeq(2), Cents(10_000), Cents(6_000), 6, Cents(300))


def classic(record: LoadRecord | None, purse: Purse = PURSE) -> CardRead:
    load = None if record is None else SignedLoad(record, bytes(64))
    return dataclasses.replace(DESFIRE, technology=Technology.CLASSIC, purse=purse, load=load)


def decided(
    read: CardRead | None = DESFIRE,
    amount: int = 900,
    *,
    standing: Standing = GOOD,
    house: House = HOUSE,
    when: When = WHEN,
    pin: Pin = Pin.NOT_ASKED,
) -> Approved | Refused:
    return authorise(read, Cents(amount), standing=standing, house=house, when=when, pin=pin)


def with_purse(**changes: Any) -> CardRead:
    return dataclasses.replace(DESFIRE, purse=dataclasses.replace(PURSE, **changes))


def with_rules(**changes: Any) -> House:
    return House(msgspec.structs.replace(RULES, **changes), 0)


def test_the_subsidy_is_taken_first() -> None:
    spent = Spent(DAY, Cents(900), MONTH, Cents(900), 2, 1)
    assert decided() == Approved(Cents(600), Cents(300), spent)
    assert decided(amount=200) == Approved(
        Cents(0), Cents(200), dataclasses.replace(spent, day_cents=Cents(200), month_cents=Cents(200))
    )


def test_a_subsidy_of_another_period_has_expired() -> None:
    assert decided(with_purse(period=5)) == Approved(
        Cents(900), Cents(0), Spent(DAY, Cents(900), MONTH, Cents(900), 2, 1)
    )
    assert decided(with_purse(period=5, main_cents=Cents(800))) == Refused(Refusal.BALANCE_TOO_LOW, 800)


def spent_of(**changes: Any) -> CardRead:
    return with_purse(spent=dataclasses.replace(PURSE.spent, **changes))


def shown(counter: int) -> CardRead:
    return dataclasses.replace(DESFIRE, proof=Proof(ProofKind.SUN, Counter(counter)))


CASES: dict[Refusal, list[tuple[dict[str, Any], int]]] = {
    Refusal.TERMINAL_REVOKED: [({"house": dataclasses.replace(HOUSE, revoked=True)}, 0)],
    Refusal.JOURNAL_LOW: [({"house": dataclasses.replace(HOUSE, journal_low=True)}, 0)],
    Refusal.CARD_NOT_OURS: [({"read": None}, 0)],
    Refusal.NOT_GENUINE: [({"read": dataclasses.replace(DESFIRE, genuine=False)}, 0)],
    Refusal.PURSE_UNREADABLE: [({"read": dataclasses.replace(DESFIRE, purse=None)}, 0)],
    Refusal.CARD_BLOCKED: [({"standing": Standing(Listed.BLOCKED)}, 0)],
    Refusal.CARD_CLOSED: [({"standing": Standing(Listed.CLOSED)}, 0)],
    Refusal.BELOW_FLOOR: [
        ({"standing": Standing(counter_floor=Counter(12))}, 0),
        ({"standing": Standing(load_floor=LoadSeq(3))}, 0),
    ],
    Refusal.REPLAYED: [
        ({"read": shown(11), "standing": Standing(proof_floor=Counter(11))}, 0),
        ({"read": shown(10), "standing": Standing(proof_floor=Counter(11))}, 0),
    ],
    Refusal.CLOCK_UNSURE: [({"standing": Standing(proof_refusal=Refusal.CLOCK_UNSURE)}, 0)],
    Refusal.CODE_EXPIRED: [({"standing": Standing(proof_refusal=Refusal.CODE_EXPIRED)}, 0)],
    Refusal.VALUE_NOT_COVERED: [
        ({"read": classic(None)}, 0),
        ({"read": classic(dataclasses.replace(RECORD, spent_known_cents=Cents(6_001)))}, 0),
        ({"read": classic(dataclasses.replace(RECORD, subsidy_total_cents=Cents(299)))}, 0),
        ({"read": classic(dataclasses.replace(RECORD, period=5))}, 0),
        ({"read": classic(dataclasses.replace(RECORD, load_seq=LoadSeq(1)))}, 0),
        ({"read": classic(dataclasses.replace(RECORD, card=CardNo(8)))}, 0),
        ({"read": classic(dataclasses.replace(RECORD, generation=Generation(2)))}, 0),
    ],
    Refusal.CLASS_NOT_SERVED: [
        ({"read": dataclasses.replace(DESFIRE, identity=dataclasses.replace(IDENTITY, card_class=CardClass.STAFF))}, 0)
    ],
    Refusal.OUTSIDE_WINDOW: [({"when": dataclasses.replace(WHEN, minute=800)}, 0)],
    Refusal.SALE_LIMIT: [({"amount": 3_001}, 3_000)],
    Refusal.MEAL_LIMIT: [
        ({"read": spent_of(meal_count=2)}, 2),
        ({"read": spent_of(meal_count=1), "house": with_rules(classes=(structs.replace(STUDENT, meal=1),))}, 1),
    ],
    Refusal.DAY_LIMIT: [({"read": spent_of(day_cents=Cents(4_101))}, 5_000)],
    Refusal.MONTH_LIMIT: [({"read": spent_of(month_cents=Cents(8_101))}, 9_000)],
    Refusal.OFFLINE_LIMIT: [
        ({"house": dataclasses.replace(HOUSE, list_age_ms=1_000)}, 1_000),
        ({"when": dataclasses.replace(WHEN, clock=ClockSource.NONE)}, 0),
    ],
    Refusal.BALANCE_TOO_LOW: [
        ({"read": with_purse(main_cents=Cents(599))}, 899),
        ({"read": with_purse(main_cents=Cents(-5), subsidy_cents=Cents(0))}, -5),
    ],
    Refusal.PIN_BLOCKED: [
        ({"amount": 1_001, "pin": Pin.WRONG, "read": with_purse(pin_tries=PIN_TRIES_MAX)}, 0),
        ({"amount": 1_001, "read": with_purse(pin_tries=PIN_TRIES_MAX)}, 0),
    ],
    Refusal.PIN_NOT_HERE: [({"amount": 1_001, "house": dataclasses.replace(HOUSE, compares_pins=False)}, 0)],
    Refusal.PIN_NEEDED: [({"amount": 1_001}, PIN_TRIES_MAX)],
    Refusal.PIN_WRONG: [({"amount": 1_001, "pin": Pin.WRONG, "read": with_purse(pin_tries=1)}, PIN_TRIES_MAX - 1)],
}


def test_a_class_has_its_own_count_of_purchases_in_a_meal() -> None:
    """More than the meal allows to others, or less; outside every meal nothing is counted."""
    guests = with_rules(classes=(structs.replace(STUDENT, meal=3),))
    assert isinstance(decided(spent_of(meal_count=2), house=guests), Approved)
    assert decided(spent_of(meal_count=3), house=guests) == Refused(Refusal.MEAL_LIMIT, 3)
    one = with_rules(classes=(structs.replace(STUDENT, meal=1),), only_in_meals=0)
    between = dataclasses.replace(WHEN, minute=800)
    assert isinstance(decided(spent_of(meal_count=2), house=one, when=between), Approved)


def test_a_subsidy_pays_through_the_last_day_of_its_period() -> None:
    def subsidy(until: int, when: When = WHEN, day: int = DAY) -> int:
        answer = decided(spent_of(day=BusinessDay(day)), 200, house=with_rules(subsidy_until=until), when=when)
        assert isinstance(answer, Approved) and answer.main_cents + answer.subsidy_cents == 200
        return answer.subsidy_cents

    assert subsidy(0) == subsidy(DAY) == 200
    assert subsidy(DAY - 1) == 0, "the day after, at a till that has heard of nothing new"
    behind = dataclasses.replace(WHEN, day=BusinessDay(DAY - 5))
    assert subsidy(DAY - 1, behind, DAY - 5) == 0, "signed time, and what has passed since, says how late it is"
    unsure = dataclasses.replace(behind, day_max=BusinessDay(DAY - 4))
    assert subsidy(DAY - 1, unsure, DAY - 5) == 200
    assert subsidy(DAY - 5, dataclasses.replace(unsure, day_max=BusinessDay(DAY - 3)), DAY - 4) == 0, "the card knows"
    timeless = dataclasses.replace(unsure, clock=ClockSource.NONE)
    assert (subsidy(DAY - 1, timeless), subsidy(DAY, timeless)) == (0, 200), "another till has moved the card's day"


def test_what_is_new_or_cannot_be_shown_again_is_no_replay() -> None:
    floor = Standing(proof_floor=Counter(11))
    assert isinstance(decided(shown(12), standing=floor), Approved)
    made_anew = dataclasses.replace(DESFIRE, proof=Proof(ProofKind.AES))
    assert isinstance(decided(made_anew, standing=floor), Approved)


@pytest.mark.parametrize(
    "payload", ['{"kind":"sun"}', '{"kind":"sun","counter":16777216}', '{"kind":"aes","counter":1}']
)
def test_a_proof_has_a_counter_that_its_tag_can_have(payload: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="the counter of a proof"):
        msgspec.json.decode(payload, type=Proof)


def test_all_but_the_server_s_silence_is_decided_from_the_card() -> None:
    elsewhere = (Refusal.SERVER_SILENT, Refusal.UID_SAYS_NOTHING, Refusal.TOPUPS_UNACKED)
    assert list(CASES) == [reason for reason in Refusal if reason not in elsewhere]


@pytest.mark.parametrize(
    ("most", "so_far", "cents", "left"),
    [
        (5_000, 0, 5_000, None),
        (5_000, 3_000, 2_000, None),
        (5_000, 3_000, 2_001, 2_000),
        (5_000, 9_000, 1, 0),
        (0, 0, 1, 0),
    ],
)
def test_what_is_taken_in_for_topups_is_bounded_until_the_server_knows(
    most: int, so_far: int, cents: int, left: int | None
) -> None:
    """A list may have been made stricter meanwhile: then nothing is left, never less than nothing."""
    house = House(LimitRules(unacked_topups=Cents(most)), 0, unacked_topups_cents=Cents(so_far))
    expected = None if left is None else Refused(Refusal.TOPUPS_UNACKED, left)
    assert topup_refusal(Cents(cents), house) == expected


def test_a_list_that_says_nothing_of_topups_bounds_them_too() -> None:
    assert topup_refusal(UNACKED_TOPUPS_CENTS, House(LimitRules(), 0)) is None
    assert topup_refusal(Cents(UNACKED_TOPUPS_CENTS + 1), House(LimitRules(), 0)) is not None


@pytest.mark.parametrize("reason", CASES)
def test_every_refusal_has_its_reason_and_figure(reason: Refusal) -> None:
    for arguments, figure in CASES[reason]:
        assert decided(**arguments) == Refused(reason, figure)


@pytest.mark.parametrize("reason", list(CASES)[:-4])
def test_of_several_reasons_the_first_is_told(reason: Refusal) -> None:
    """Each reason together with the weakest card there is: no money, PIN blocked."""
    assert list(Refusal)[-4] is Refusal.PIN_BLOCKED
    for arguments, _ in CASES[reason]:
        read = arguments.get("read", DESFIRE)
        if read is not None and read.purse is not None and reason is not Refusal.BALANCE_TOO_LOW:
            poor = dataclasses.replace(read.purse, pin_tries=PIN_TRIES_MAX)
            poor = poor if read.technology is Technology.CLASSIC else dataclasses.replace(poor, main_cents=Cents(0))
            read = dataclasses.replace(read, purse=poor)
        answer = decided(**{"amount": 1_001, **arguments, "read": read})
        assert isinstance(answer, Refused) and answer.reason is reason


def test_revocation_and_a_full_journal_are_told_before_a_card_is_asked_for() -> None:
    assert before_any_card(HOUSE) is None
    assert before_any_card(House(RULES, 0, revoked=True, journal_low=True)) == Refused(Refusal.TERMINAL_REVOKED)


def test_a_card_to_be_exchanged_still_pays() -> None:
    assert isinstance(
        decided(standing=Standing(Listed.EXCHANGE, Counter(11), LoadSeq(2), topup_waiting=True)), Approved
    )


def test_a_classic_card_is_covered_by_the_server_s_signed_record() -> None:
    """CRYPTO1 is broken: a balance above what was ever loaded minus what is known spent is forged."""
    assert card_refusal(classic(RECORD), Standing()) is None
    never = dataclasses.replace(PURSE, main_cents=Cents(0), subsidy_cents=Cents(0), load_seq=LoadSeq(0))
    assert card_refusal(classic(None, never), Standing()) is None
    assert card_refusal(classic(None, dataclasses.replace(never, main_cents=Cents(1))), Standing()) is not None


def test_a_right_pin_opens_the_larger_amount() -> None:
    assert isinstance(decided(amount=1_001, pin=Pin.RIGHT), Approved)
    assert isinstance(decided(amount=1_000), Approved)
    no_pin = dataclasses.replace(DESFIRE, identity=dataclasses.replace(IDENTITY, pin_verifier=b""))
    assert isinstance(decided(no_pin, 1_001), Approved)


def test_no_sale_overflows_what_a_card_can_count() -> None:
    house = with_rules(classes=(), meals=(), only_in_meals=0)
    rich = with_purse(main_cents=Cents(2**31 - 1), spent=Spent(DAY, Cents(2**24 - 10), MONTH, Cents(0)))
    assert decided(rich, 400, house=house) == Refused(Refusal.DAY_LIMIT, 2**24 - 1)
    generous = ClassLimits(CardClass.STUDENT, day=Cents(2**25), month=Cents(2**25))
    house = with_rules(classes=(generous,), meals=(), only_in_meals=0)
    assert decided(rich, 400, house=house) == Refused(Refusal.DAY_LIMIT, 2**24 - 1)


@given(
    st.integers(0, 99_999_999),
    st.integers(-1_000, 10_000),
    st.integers(0, 1_000),
    st.integers(0, 6_000),
    st.sampled_from(Pin),
)
def test_an_approval_never_takes_more_than_there_is(amount: int, main: int, subsidy: int, day: int, pin: Pin) -> None:
    read = with_purse(
        main_cents=Cents(main),
        subsidy_cents=Cents(subsidy),
        spent=Spent(DAY, Cents(day), MONTH, Cents(day), 2, 0),
    )
    answer = decided(read, amount, pin=pin)
    if isinstance(answer, Approved):
        assert answer.main_cents + answer.subsidy_cents == amount
        assert 0 <= answer.main_cents <= max(main, 0) and 0 <= answer.subsidy_cents <= subsidy
        assert answer.spent.day_cents == day + amount <= 5_000


@pytest.mark.parametrize("counter", [2**32 - 1, 2**32 - 2])
def test_a_purse_whose_next_steps_no_counter_can_tell_goes_to_the_card_office(counter: int) -> None:
    """A sale and the refund of it must both fit."""
    purse = dataclasses.replace(PURSE, counter=Counter(counter))
    assert card_refusal(dataclasses.replace(DESFIRE, purse=purse), GOOD) == Refused(Refusal.PURSE_UNREADABLE)
