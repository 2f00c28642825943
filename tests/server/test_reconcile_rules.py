"""Every class of difference, planted once: its cents and its evidence (SPEC, "Reconciliation")."""

from dataclasses import replace

import pytest

from protocol.entries import Operation, Stage
from protocol.ids import ShiftNo, TerminalId
from protocol.instants import DAY_MS, UtcMs
from protocol.limits import ClassLimits, LimitRules
from protocol.money import Cents
from protocol.purse import SeenStep
from server.ingest.book import CardStatus, CaseClass, TerminalStatus
from server.ledger.accounts import Account, AccountKind
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import (
    Campus,
    CaseFact,
    Difference,
    HoleFact,
    MoveReason,
    Parked,
    ShiftFact,
    reason_of,
)
from server.reconcile.rules import prove_campus
from tests.server.reconcile_facts import CARD, DAY, NOON, OTHER, STATION, TILL, History, mark, prove_with, terminal


def two_sales(history: History, *, missing: int = 0, moved: int = 0, last: tuple[SeenStep, ...] = ()) -> None:
    """A card with 1000 on it: -100, then `missing` steps that moved `moved`, then -100."""
    history.opened_with(1_000)
    history.step(0, 1_000, -100)
    history.step(1 + missing, 900 + moved, -100, last=last)


def test_a_card_whose_steps_link_has_no_difference() -> None:
    history = History()
    two_sales(history)
    proof = history.prove()
    assert proof.findings == () and proof.difference_cents == 0


def test_a_card_without_steps_has_no_difference() -> None:
    history = History()
    history.opened_with(500)
    assert history.found() == []


def test_spent_at_a_till_that_is_silent() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.silent(OTHER)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.SILENT_TILL, -250, ("till-2",))
    assert finding.steps == (history.steps[0].id, history.steps[1].id) and finding.counter == 2


@pytest.mark.parametrize(
    ("sale", "day", "listed_at", "cls"),
    [
        (250, 0, 0, Difference.SILENT_TILL),
        (249, 0, 0, Difference.GAP),
        (0, 125, 0, Difference.SILENT_TILL),
        (0, 124, 0, Difference.GAP),
        (0, 0, 0, Difference.SILENT_TILL),
        (249, 0, NOON + 1, Difference.SILENT_TILL),
    ],
)
def test_a_silent_till_explains_no_more_than_its_limits_allowed(
    sale: int, day: int, listed_at: int, cls: Difference
) -> None:
    """So much a sale, so much on each day the card may have been there; a list that came later bounds nothing."""
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.silent(OTHER)
    rules = LimitRules((ClassLimits(1, Cents(sale), Cents(day)),))
    limits = ((UtcMs(listed_at), rules),)
    history.terminals = [
        replace(known, reported_at=UtcMs(0), limits=limits) if known.tno == OTHER else known
        for known in history.terminals
    ]
    assert history.only().cls is cls


def test_a_silent_till_explains_nothing_of_a_class_it_does_not_serve() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.silent(OTHER)
    limits = ((UtcMs(0), LimitRules((ClassLimits(2),))),)
    history.terminals = [replace(known, limits=limits) for known in history.terminals]
    assert history.only().cls is Difference.GAP


def test_a_till_that_reported_past_the_tap_is_not_silent() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    assert history.found() == [(Difference.GAP, -250, -250)]


def test_a_till_that_said_nothing_follows_is_not_silent() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.terminals = [terminal(1), terminal(2, reported=0, ended=True)]
    assert history.found() == [(Difference.GAP, -250, -250)]


def test_a_till_can_debit_only_within_its_range() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.terminals = [terminal(1), terminal(2, reported=0, tip=0, debit=200)]
    assert history.found() == [(Difference.GAP, -250, -250)]


def test_a_mark_is_matched_by_the_counter_too() -> None:
    """A second history can use the number of an older entry, even for the same card."""
    history = History()
    history.opened_with(1_000)
    older = history.step(0, 1_000, -100, tno=OTHER)
    history.step(2, 650, -100, last=(mark(OTHER, older[2], 2),))
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.CHAIN_BREAK, -250, ("till-2",))


def test_a_mark_names_the_silent_terminal() -> None:
    """Its clock may say what it will: the entry that the card names has not arrived."""
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(OTHER, 1_001, 2),))
    finding = history.only()
    assert (finding.cls, finding.terminals) == (Difference.SILENT_TILL, ("till-2",))


def test_a_mark_clears_every_other_silent_terminal() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(OTHER, 1_001, 2),))
    history.silent(TILL)
    assert history.only().terminals == ("till-2",)


def test_a_mark_of_an_entry_that_says_something_else_is_a_second_history() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(OTHER, 999, 2),))
    history.silent(TILL)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.CHAIN_BREAK, -250, ("till-2",))


def test_a_mark_of_a_number_nobody_was_granted_is_excused_by_nobody() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(99, 5, 2),))
    history.silent(TILL)
    assert history.found() == [(Difference.GAP, -250, -250)]


def test_value_from_a_silent_station() -> None:
    history = History(loaded_total=3_000)
    two_sales(history, missing=1, moved=2_000)
    history.silent(STATION)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.SILENT_LOADER, 2_000, ("till-3",))


def test_a_silent_station_brings_no_more_to_a_classic_card_than_was_waiting() -> None:
    history = History(loaded_total=1_500)
    two_sales(history, missing=1, moved=2_000)
    history.silent(STATION)
    assert history.found() == [(Difference.CARD_ABOVE_LEDGER, 2_000, 2_000)]


def test_what_was_collected_before_waits_no_longer() -> None:
    history = History(loaded_total=3_000)
    history.step(0, 0, 3_000, operation=Operation.LOAD, loaded_after=3_000, tno=STATION)
    history.step(2, 5_000, -100)
    history.silent(STATION)
    assert history.found() == [(Difference.CARD_ABOVE_LEDGER, 2_000, 2_000)]


def test_cash_at_a_silent_station_reaches_a_desfire_card() -> None:
    history = History(technology="desfire")
    two_sales(history, missing=1, moved=2_000)
    history.silent(STATION)
    assert history.found() == [(Difference.SILENT_LOADER, 2_000, 2_000)]


@pytest.mark.parametrize(
    ("topup", "listed_at", "cls"),
    [
        (2_000, 0, Difference.SILENT_LOADER),
        (1_999, 0, Difference.CARD_ABOVE_LEDGER),
        (0, 0, Difference.SILENT_LOADER),
        (1_999, NOON + 1, Difference.SILENT_LOADER),
    ],
)
def test_a_silent_station_explains_no_more_cash_than_its_limit_allowed(
    topup: int, listed_at: int, cls: Difference
) -> None:
    """Value out of nowhere hides behind no station; a list that came later bounds nothing."""
    history = History(technology="desfire")
    two_sales(history, missing=1, moved=2_000)
    history.silent(STATION)
    limits = ((UtcMs(listed_at), LimitRules(topup=Cents(topup))),)
    history.terminals = [
        replace(known, reported_at=UtcMs(0), limits=limits) if known.tno == STATION else known
        for known in history.terminals
    ]
    assert history.only().cls is cls


@pytest.mark.parametrize(
    ("topup", "unacked", "cls"),
    [
        (0, 1_999, Difference.CARD_ABOVE_LEDGER),
        (0, 2_000, Difference.SILENT_LOADER),
        (999, 9_999, Difference.SILENT_LOADER),
    ],
)
def test_a_silent_station_explains_no_more_cash_in_all_than_may_stand_unacknowledged(
    topup: int, unacked: int, cls: Difference
) -> None:
    history = History(technology="desfire")
    two_sales(history, missing=3, moved=2_000)
    history.silent(STATION)
    limits = ((UtcMs(NOON), LimitRules(topup=Cents(topup), unacked_topups=Cents(unacked))),)
    history.terminals = [
        replace(known, reported_at=UtcMs(0), limits=limits) if known.tno == STATION else known
        for known in history.terminals
    ]
    assert history.only().cls is cls


def test_a_silent_till_brings_nothing_but_its_own_last_sale_back() -> None:
    history = History(technology="desfire")
    two_sales(history, missing=1, moved=100)
    history.silent(OTHER)
    assert history.found() == [(Difference.CARD_ABOVE_LEDGER, 100, 100)]
    history.silent(TILL)
    assert history.found() == [(Difference.SILENT_LOADER, 100, 100)]


def test_silence_of_more_than_seven_days_is_listed() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.silent(OTHER)
    history.as_of = UtcMs(NOON + 8 * DAY_MS)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.OVERDUE, -250, ("till-2",))


def test_what_a_lost_terminal_did_is_a_hole() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.terminals = [terminal(1), terminal(2, reported=0, tip=0, status=TerminalStatus.LOST)]
    assert history.found() == [(Difference.HOLE, -250, -250)]


def test_a_card_above_the_ledger_alarms() -> None:
    history = History()
    two_sales(history, missing=1, moved=250)
    assert history.found() == [(Difference.CARD_ABOVE_LEDGER, 250, 250)]


def test_another_balance_at_the_same_counter_is_a_contradiction_whoever_is_silent() -> None:
    history = History()
    two_sales(history, moved=-250)
    history.silent(OTHER)
    assert history.found() == [(Difference.BALANCE_CONTRADICTION, -250, -250)]


def test_an_open_sale_that_no_tap_shows_moves_nothing() -> None:
    history = History()
    two_sales(history)
    number = history.step(2, 800, -300, stage=Stage.PREPARED)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.amount, finding.steps) == (Difference.OPEN, 0, -300, (number,))


def test_an_open_sale_that_a_later_tap_shows() -> None:
    history = History()
    history.opened_with(1_000)
    number = history.step(0, 1_000, -300, stage=Stage.PREPARED)
    history.step(1, 700, -100, tno=OTHER)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.steps) == (Difference.OPEN, -300, (number,))


def test_an_open_sale_that_the_card_passed_by() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.PREPARED)
    history.step(0, 1_000, -100, tno=OTHER)
    assert history.found() == [(Difference.OPEN, 0, -300)]


def test_outside_the_interval_of_an_open_sale_is_a_difference() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.PREPARED)
    history.step(1, 650, -100, tno=OTHER)
    assert history.found() == [
        (Difference.BALANCE_CONTRADICTION, -50, -50),
        (Difference.OPEN, -300, -300),
    ]


def test_inside_the_interval_of_an_open_sale_is_none() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.PREPARED)
    history.step(1, 800, -100, tno=OTHER)
    assert history.found() == [(Difference.OPEN, -200, -300)]


@pytest.mark.parametrize(("sign", "operation"), [(-1, Operation.SALE), (1, Operation.TOPUP)])
def test_a_torn_step_may_be_on_the_card_or_not(sign: int, operation: Operation) -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, sign * 300, stage=Stage.TORN, operation=operation)
    assert history.found() == [(Difference.TORN, 0, sign * 300)]
    history.step(1, 1_000 + sign * 300, -100, tno=OTHER)
    assert history.found() == [(Difference.TORN, sign * 300, sign * 300)]


def test_of_two_open_sales_the_mark_says_which_was_made() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.PREPARED)
    made = history.step(0, 1_000, -300, stage=Stage.PREPARED, tno=OTHER)
    history.step(1, 700, -100, last=(mark(OTHER, made[2], 1),))
    shares = {finding.steps[0]: finding.cents for finding in history.prove().findings}
    assert shares == {history.steps[0].id: 0, made: -300}


def test_open_steps_and_a_silent_till_share_one_link() -> None:
    history = History()
    history.opened_with(1_000)
    opened = history.step(0, 1_000, -300, stage=Stage.PREPARED, tno=TILL)
    history.step(2, 500, -100, last=(mark(OTHER, 2_000, 2),))
    history.silent(OTHER)
    found = {finding.cls: (finding.cents, finding.terminals) for finding in history.prove().findings}
    assert found == {Difference.SILENT_TILL: (-200, ("till-2",)), Difference.OPEN: (-300, ("till-1",))}
    assert opened == history.steps[0].id


def test_a_pin_try_fills_a_counter_or_does_not() -> None:
    """Its outcome is never journaled."""
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, 0, stage=Stage.PREPARED)
    history.step(1, 1_000, -100)
    assert history.found() == []
    history.step(2, 900, 0, stage=Stage.PREPARED)
    history.step(2, 900, -100)
    assert history.found() == []


def test_what_pin_tries_saw_is_followed_down_the_card() -> None:
    """The newest mark names the second try, and what that saw names the first: nobody silent was there between."""
    history = History()
    history.opened_with(1_000)
    sold = history.step(0, 1_000, -100)
    first = history.step(1, 700, 0, stage=Stage.PREPARED, last=(mark(TILL, sold[2], 1),))
    second = history.step(2, 700, 0, stage=Stage.PREPARED, last=(mark(TILL, first[2], 2),))
    history.step(3, 700, -100, last=(mark(TILL, second[2], 3),))
    history.silent(OTHER)
    assert history.found() == [(Difference.BALANCE_CONTRADICTION, -200, -200)]


def test_a_debit_proven_without_goods() -> None:
    history = History()
    history.opened_with(1_000)
    number = history.step(0, 1_000, -300, stage=Stage.TORN, resolved=Resolution.ON_CARD)
    history.step(1, 700, -100)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.amount) == (Difference.DEBITED_NOT_DELIVERED, 0, -300)
    assert finding.steps == (number,)


def test_decided_by_time_and_the_card_had_paid() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.TORN, resolved=Resolution.STUDENT)
    history.step(1, 700, -100)
    assert history.found() == [(Difference.TORN, 0, -300)]


def test_decided_by_time_and_the_card_had_not_paid() -> None:
    """The holder has it twice: what two people write off is the share of the torn step."""
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.TORN, resolved=Resolution.STUDENT)
    history.step(0, 1_000, -100, tno=OTHER)
    assert history.found() == [(Difference.TORN, 300, -300)]


def test_a_torn_step_proven_not_made_is_nothing() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, stage=Stage.TORN, resolved=Resolution.NOT_ON_CARD)
    history.step(0, 1_000, -100, tno=OTHER)
    assert history.found() == []


def test_a_card_that_forgot_a_step_is_excused() -> None:
    history = History()
    history.opened_with(1_000)
    forgotten = history.step(0, 1_000, -300, use=Use.FORGOTTEN)
    made = history.step(0, 1_000, -100, use=Use.FALLBACK, tno=OTHER)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.amount) == (Difference.FALLBACK, 0, -300)
    assert finding.steps == (forgotten, made)


def test_a_second_use_of_a_counter_is_a_fork() -> None:
    history = History()
    history.opened_with(1_000)
    first = history.step(0, 1_000, -300)
    second = history.step(0, 1_000, -100, use=Use.FORK, tno=OTHER)
    history.silent(OTHER)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.amount) == (Difference.FORK, 0, -100)
    assert finding.steps == (second, first)


def test_a_balance_that_builds_on_a_fork_is_the_fork_s() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300)
    history.step(0, 1_000, -100, use=Use.FORK, tno=OTHER)
    history.step(1, 900, -50)
    assert history.found() == [(Difference.FORK, 200, 200), (Difference.FORK, 0, -100)]


def test_a_written_step_that_its_terminal_denies() -> None:
    history = History()
    history.opened_with(1_000)
    denied = history.step(0, 1_000, -300, stage=Stage.VOIDED)
    history.step(1, 700, -100, last=(mark(TILL, denied[2], 1),))
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.BALANCE_CONTRADICTION, -300, ("till-1",))


def test_an_unconfirmed_sale_of_a_second_history() -> None:
    history = History()
    history.opened_with(1_000)
    history.step(0, 1_000, -300, use=Use.BRANCH, branch=1)
    assert history.found() == [(Difference.CHAIN_BREAK, 0, -300)]
    history.steps[0] = replace(history.steps[0], claimed=True)
    assert history.found() == []


def test_a_late_debit_of_a_card_that_was_paid_out() -> None:
    history = History(status=CardStatus.RELEASED)
    history.opened_with(1_000)
    history.step(0, 1_000, -300)
    history.move("release:7/1", -700)
    history.step(1, 700, -200, use=Use.RELEASED)
    assert history.found() == [(Difference.OVERDUE, -200, -200)]


def test_what_the_card_office_took_over_is_no_difference() -> None:
    history = History(status=CardStatus.CLOSED)
    two_sales(history)
    history.move("close:7/1", -800)
    assert history.found() == []


def test_a_provisional_posting_stands_for_a_missing_step() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(OTHER, 5, 2),))
    history.move("hole:7/1@2", -250, counter=2)
    finding = history.only()
    assert (finding.cls, finding.cents, finding.amount) == (Difference.HOLE, 0, -250)
    assert finding.causes == ("hole:7/1@2",)


def test_a_provisional_posting_that_was_taken_back_is_gone() -> None:
    history = History()
    two_sales(history)
    history.move("hole:7/1@2", -250, counter=2)
    history.move("found:hole:7/1@2", 250)
    assert history.found() == []


def test_a_mark_in_a_hole() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250, last=(mark(OTHER, 5, 2),))
    history.holes = [HoleFact(OTHER, TerminalId("till-2"), 4, 6, DAY)]
    finding = history.only()
    assert (finding.cls, finding.cents, finding.terminals) == (Difference.HOLE, -250, ("till-2",))


def test_a_quarantined_entry_explains_and_is_not_booked() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    held = (OTHER, 0, 5)
    history.parked = [Parked(held, TerminalId("till-2"), "quarantined: the terminal was revoked", 2, -250, DAY)]
    finding = history.only()
    assert (finding.cls, finding.cents, finding.steps) == (Difference.HOLE, -250, (held,))


def test_a_second_outcome_is_for_the_audit_only() -> None:
    history = History()
    two_sales(history)
    why = "an outcome of a step that was decided before"
    history.parked = [Parked((TILL, 0, 10), TerminalId("till-1"), why, 1, -100, DAY)]
    assert history.found() == [(Difference.DUPLICATE, 0, -100)]


@pytest.mark.parametrize(
    ("case", "cls"),
    [
        (CaseClass.CONTRADICTION, Difference.BALANCE_CONTRADICTION),
        (CaseClass.LOAD_UNMATCHED, Difference.LOAD_UNMATCHED),
        (CaseClass.OVER_REFUND, Difference.DUPLICATE),
    ],
)
def test_what_ingest_noticed(case: CaseClass, cls: Difference) -> None:
    history = History()
    two_sales(history)
    history.cases = [CaseFact(case, (TILL, 0, 10), 70, "noticed", CARD, DAY)]
    assert history.found() == [(cls, 0, 70)]


def test_an_unreadable_purse_is_about_all_that_the_ledger_has() -> None:
    history = History()
    two_sales(history)
    history.cases = [CaseFact(CaseClass.PURSE_UNREADABLE, (TILL, 0, n), 0, "no slot", CARD, DAY) for n in (50, 60)]
    assert history.found() == [(Difference.PURSE_UNREADABLE, 0, 800)]
    history.status = CardStatus.CLOSED
    assert history.found() == []


def test_a_correction_of_two_people_settles_a_gap() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    history.move("correct:1", -200)
    assert history.found() == [(Difference.GAP, -50, -250)]
    history.move("correct:2", -50)
    assert history.found() == [(Difference.GAP, 0, -250)]
    history.move("correct:3", -10)
    assert history.found() == [(Difference.GAP, 0, -250), (Difference.CARD_ABOVE_LEDGER, 10, 10)]


def test_a_ledger_that_its_own_causes_do_not_explain_is_said_aloud() -> None:
    history = History()
    two_sales(history)
    broken = replace(history.facts, ledger_cents=799)
    assert prove_with(broken, (terminal(1),)).unexplained_cents == 1


def test_shift_and_chain_differences() -> None:
    shift = ShiftFact(
        TerminalId("till-1"), ShiftNo(3), DAY, -50, ("entry:1.0.9",), Account(AccountKind.DRAWER, "till-1/1/3")
    )
    campus = Campus(
        (),
        (shift, replace(shift, cents=0)),
        (HoleFact(OTHER, TerminalId("till-2"), 4, 6, DAY),),
        (CaseFact(CaseClass.CHAIN_FORK, (TILL, 1, 4), 0, "the chain goes on twice"),),
    )
    assert [(finding.cls, finding.amount) for finding in prove_campus(campus)] == [
        (Difference.SHIFT_DIFFERENCE, -50),
        (Difference.HOLE, 0),
        (Difference.CHAIN_BREAK, 0),
    ]


def test_a_finding_has_the_same_key_in_every_run() -> None:
    history = History()
    two_sales(history, missing=1, moved=-250)
    assert history.only().key == history.only().key
    assert history.only().key == "gap|7/1|2|1.0.10,1.0.20"


def test_every_cause_has_its_reason() -> None:
    assert reason_of("entry:1.0.5") is None and reason_of("lost:1.0.5") is None
    assert reason_of("import:7/1") is MoveReason.OPENING
    assert reason_of("found:hole:7/1@2") is MoveReason.HOLE
    assert reason_of("replace:7/1") is MoveReason.OFF_CARD
    assert reason_of("whatever:1") is MoveReason.CORRECTION
