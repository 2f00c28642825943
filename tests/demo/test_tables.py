"""The tables at the end of the demo say what happened, in columns, and whether a cent is missing."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.instants import UtcMs
from protocol.purse import Technology
from tests.demo.charges import Charge, write_csv
from tests.demo.commentary import counted, yuan
from tests.demo.crowd import Student
from tests.demo.tables import Money, charged, evidence, night, sentence, table, totals

WANG = Student("Wang Wei", "s001", Technology.CLASSIC, 7)
LI = Student("Li Na", "s002", Technology.TOKEN, 8)
SUN = Student("Sun Li", "s003", Technology.DESFIRE, 9)
PEOPLE = {7: WANG, 8: LI}
LUNCH = Charge(UtcMs(1_796_011_200_000), "Shop", "5-31", "sale", "Pork bun", 250, 7, 6_000, 5_750)
COPY = replace(LUNCH, place="Vending machine", entry="6-12", items="Peanuts", cents=400, after=5_600)
LOAD = replace(LUNCH, place="Card office", entry="1-9", what="load", items="", cents=200, before=5_750, after=5_950)
PHONE = replace(LUNCH, entry="5-40", items="Pen + 2 x Pork bun", cents=720, card=8)
CASH = Charge(UtcMs(0), "Shop", "5-50", "cash", "Pen", 220)
FORK: dict[str, Any] = {
    "cls": "fork", "card": 7, "cents": 0, "amount": -400, "text": "a second use", "causes": [],
    "steps": [[6, 0, 12], [5, 0, 31]],
}  # fmt: skip
SHORT: dict[str, Any] = {
    "cls": "shift_difference", "card": None, "cents": 0, "amount": -500, "text": "counted", "steps": [],
    "causes": ["entry:5.0.60", "drawer:shop/5/1"],
}  # fmt: skip


def test_columns_stand_under_each_other_and_figures_end_together() -> None:
    lines = table(("Name", "Money"), [("王伟", "¥6.00"), ("Li Na", "¥12.00")], {1})
    assert lines == ["  Name    Money", "  -----  ------", "  王伟    ¥6.00", "  Li Na  ¥12.00"]


def test_who_was_charged_what_with_what_there_is_to_say() -> None:
    told, parts = {"6-12": "THE COPY"}, {7: "was copied", 9: "was blocked"}
    lines = charged([LUNCH, COPY, LOAD, PHONE, CASH], [WANG, SUN], parts, told)
    wang, lunch, copy, load, sun, nothing = [line.strip() for line in lines[2:]]
    assert wang == "Wang Wei (MIFARE Classic 7): was copied"
    assert re.split("  +", lunch) == ["Shop", "Pork bun", "-¥2.50", "¥60.00", "¥57.50", "5-31"]
    assert copy.endswith("6-12  THE COPY") and "+¥2.00" in load and "money back" in load
    assert (sun, nothing) == ("Sun Li (DESFire 9): was blocked", "nothing was charged")


def test_each_place_s_sums_come_to_the_sum_of_all() -> None:
    places = ["Shop", "Vending machine"]
    *_, shop, machine, together = totals([LUNCH, COPY, LOAD, PHONE, CASH], PEOPLE, places)
    assert shop.split() == ["Shop", "¥2.50", "¥0.00", "¥7.20", "¥2.20", "3", "¥11.90"]
    assert machine.split()[2:] == ["¥4.00", "¥0.00", "¥0.00", "¥0.00", "1", "¥4.00"]
    assert together.split() == ["Together", "¥6.50", "¥0.00", "¥7.20", "¥2.20", "4", "¥15.90"]


def test_a_difference_names_its_cents_its_card_and_its_entries() -> None:
    assert evidence(FORK) == [(6, 12), (5, 31)] and evidence(SHORT) == [(5, 60)]
    fork, short = night([FORK, SHORT], PEOPLE, {5: "Shop", 6: "Vending machine"})[2:4]
    assert "-¥4.00" in fork and "Wang Wei, 7" in fork and "Vending machine 6-12, Shop 5-31" in fork
    assert "-¥5.00" in short and "Shop 5-60" in short


def test_no_cent_is_missing_where_the_sums_say_so() -> None:
    of = {"purse": 5_000, "merchant": 1_400, "fraud_loss": -400, "operator_loss": -500, "vault": -5_500}
    money = Money(of, paid_at_desk=5_780, paid_at_tills=220)
    assert (money.paid_in, money.missing) == (6_000, 0)
    said = sentence(money)
    assert said.startswith(
        "No cent is missing in the books: ¥50.00 on cards and phones + ¥14.00 at merchants - ¥4.00 spent by"
    )
    assert "= ¥60.00 paid in (¥57.80 at the card office, ¥2.20 in cash at the tills)" in said
    assert "¥55.00 was counted in the vault, and ¥5.00 is missing in a drawer, by its count" in said


@pytest.mark.parametrize("kind", ["purse", "merchant", "fraud_loss"])
def test_a_cent_that_is_missing_is_said(kind: str) -> None:
    of = {"purse": 5_000, "merchant": 1_400, "fraud_loss": -400, "vault": -6_000}
    short = Money(of | {kind: of[kind] - 1}, paid_at_desk=6_000, paid_at_tills=0)
    assert short.missing == 1 and sentence(short).startswith("¥0.01 IS MISSING")


def test_all_charges_are_a_file_for_a_spreadsheet(tmp_path: Path) -> None:
    write_csv(tmp_path / "charges.csv", [LUNCH, PHONE, CASH], PEOPLE)
    with (tmp_path / "charges.csv").open(encoding="utf-8-sig", newline="") as file:
        lunch, phone, cash = csv.DictReader(file)
    assert (lunch["student"], lunch["number"], lunch["amount"], lunch["after"]) == ("Wang Wei", "7", "2.50", "57.50")
    assert (phone["pays with"], phone["items"], phone["entry"]) == ("phone", "Pen + 2 x Pork bun", "5-40")
    assert (cash["student"], cash["number"], cash["amount"], cash["before"]) == ("a visitor", "", "2.20", "")


def test_one_is_one_and_signs_stand_before_the_currency() -> None:
    assert [counted(n, "sale") for n in (0, 1, 1_200)] == ["0 sales", "1 sale", "1,200 sales"]
    assert counted(1, "entry", "entries") == "1 entry" and yuan(-250) == "-¥2.50"
