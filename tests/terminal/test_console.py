"""The plain text face: commands in, views out; a line that cannot be read says what to do and changes nothing."""

import asyncio
import io
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import CardNo, Generation, ProductId, Seq, StaffId
from protocol.money import Cents
from protocol.purse import CardClass
from terminal.commands import (
    Clear,
    CloseShift,
    CollectLoad,
    EnterPin,
    Export,
    GiveBack,
    Mistake,
    OpenShift,
    Quit,
    Reprice,
    Ring,
    RingItem,
    TakeCash,
    TakeTopUp,
    Typed,
    mistake_text,
    read_command,
)
from terminal.console import Console, Lines, obey
from terminal.office_commands import Erase, Issue, IssueList, IssueRange, Rekey
from terminal.replace import IssueOrder
from terminal.texts import zh_hans
from terminal.texts.en import SENTENCES
from terminal.views import Choice, Tone, View

VIEW = View("awaiting_card", Tone.WAITING, "Tap a card", "Hold it there.", Cents(1_250), ("a line",), (Choice.CANCEL,))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("ring 12.50", Ring(Cents(1_250))),
        ("cash", TakeCash()),
        ("price rice 0 a  regular", Reprice(ProductId("rice"), Cents(0), "a regular")),
        ("export /media/stick/unsent", Export("/media/stick/unsent")),
        ("  RING   3 ", Ring(Cents(300))),
        ("item rice", RingItem(ProductId("rice"), 1)),
        ("item rice 3", RingItem(ProductId("rice"), 3)),
        ("clear", Clear()),
        ("pin 0042", EnterPin("0042")),
        ("refund 7-19 3.00", GiveBack(Seq(19), Cents(300))),
        ("refund 19 3.00", GiveBack(Seq(19), Cents(300))),
        ("load", CollectLoad()),
        ("topup 50", TakeTopUp(Cents(5_000))),
        ("shift open Wang 100.00", OpenShift(StaffId("Wang"), Cents(10_000))),
        ("shift close 0", CloseShift(Cents(0))),
        ("replace 17 2 Student", Issue(IssueOrder(CardNo(17), Generation(2), CardClass.STUDENT))),
        ("replace 17 1 staff 1234", Issue(IssueOrder(CardNo(17), Generation(1), CardClass.STAFF), "1234")),
        ("batch numbers.csv", IssueList("numbers.csv")),
        ("batch 17 ２０ Staff", IssueRange(CardNo(17), CardNo(20), CardClass.STAFF)),
        ("rekey", Rekey()),
        ("rekey 1234", Rekey("1234")),
        ("erase", Erase()),
        ("quit", Quit()),
        ("   ", None),
    ],
)
def test_commands_are_read(line: str, command: Typed | None) -> None:
    assert read_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "rign 12.50", "ring", "ring twelve", "ring 0", "ring 1.234", "ring -5", "ring 9999999999", "ring 1 2",
        "item", "item rice 0", "item rice 99999", "item a/b", "pin 12", "pin abcd", "refund x 3", "refund 7-0 3",
        "topup 0", "shift", "shift open", "shift open 王 5", "shift shut 4", "replace 1 1 pupil",
        "price rice 1", "cash 1", "export",
        "replace 0 1 student",
        "batch", "batch 1 2", "batch 1 2 pupil", "batch 0 2 staff",
        "replace 1 1 student 12", "rekey 12", "rekey 1234 5", "erase 7", "pay now", "x" * 501, "ring ١٢",
    ],
)  # fmt: skip
def test_a_line_that_is_no_command_gets_a_sentence(line: str) -> None:
    mistake = read_command(line)
    assert isinstance(mistake, Mistake)
    text = mistake_text(mistake, SENTENCES)
    assert text[-1] == "." and "{" not in text


@given(st.text(max_size=600))
def test_no_line_at_all_raises(line: str) -> None:
    read = read_command(line)
    if isinstance(read, Mistake):
        assert mistake_text(read, SENTENCES)


def test_a_pin_is_never_repeated() -> None:
    mistake = read_command("pin 123456789")
    assert isinstance(mistake, Mistake) and "123456789" not in mistake_text(mistake, SENTENCES)
    assert "1234" not in repr(read_command("pin 1234")) + repr(read_command("replace 1 1 student 1234"))
    assert "1234" not in repr(read_command("rekey 1234"))


def test_a_view_as_text() -> None:
    out = io.BytesIO()
    Console(SENTENCES, out).show(VIEW)
    assert out.getvalue().decode() == "== Tap a card   ¥12.50\n   a line\n   Hold it there.\n   [cancel]\n"


def test_an_answer_is_not_followed_by_an_old_picture() -> None:
    """Nobody shall take the "Paid" of the sale before for the outcome of what was refused just now."""
    paid, asking = replace(VIEW, tone=Tone.APPROVED), replace(VIEW, tone=Tone.TAP_AGAIN)
    for view, times in ((paid, 1), (asking, 2)):
        out = io.BytesIO()
        console = Console(SENTENCES, out)
        console.show(view)
        console.say("no")
        console.show(view)
        assert out.getvalue().decode().count(f"== {VIEW.title}") == times
        console.show(view)
        assert out.getvalue().decode().count(f"== {VIEW.title}") == times + 1, "asked for, it is shown"


def test_a_choice_is_typed_in_english_and_explained() -> None:
    out = io.BytesIO()
    Console(zh_hans.SENTENCES, out).show(replace(VIEW, choices=(Choice.PAY,)))
    assert out.getvalue().decode().endswith("[pay 刷卡]\n")


def test_a_view_as_data_is_one_line() -> None:
    out = io.BytesIO()
    console = Console(SENTENCES, out, as_json=True)
    console.show(VIEW)
    console.say("one\ntwo")
    console.note("entry", kind="sale_settled", seq=12)
    view, said, entry = (json.loads(line) for line in out.getvalue().splitlines())
    assert view == {
        "event": "view", "phase": "awaiting_card", "tone": "waiting", "title": "Tap a card", "advice": "Hold it there.",
        "amount": 1250, "lines": ["a line"], "choices": ["cancel"],
    }  # fmt: skip
    assert said == {"event": "said", "text": "one\ntwo"}
    assert entry == {"event": "entry", "kind": "sale_settled", "seq": 12}


def test_a_console_nobody_reads_stops_nothing() -> None:
    out = io.BytesIO()
    out.close()
    Console(SENTENCES, out).say("hello")


async def typed(text: bytes, *, ends: bool = True) -> tuple[list[Typed], str]:
    """What is done and said when this is typed."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    done: list[Typed] = []
    out = io.BytesIO()

    async def do(command: Typed) -> None:
        done.append(command)

    try:
        await asyncio.wait_for(obey(Lines(reading), Console(SENTENCES, out), SENTENCES, do, ends=ends), 5)
    finally:
        os.close(reading)
    return done, out.getvalue().decode()


async def test_bad_input_loses_nothing() -> None:
    done, said = await typed(b"ring 1\n\xff\xfe garbage\nring 2\nquit\nring 3\n")
    assert done == [Ring(Cents(100)), Ring(Cents(200))]
    assert "is not a command" in said


async def test_the_end_of_the_input_ends_where_a_person_sat_there() -> None:
    done, _ = await typed(b"clear")
    assert done == [Clear()]


async def test_without_a_keyboard_selling_goes_on() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(typed(b"clear\n", ends=False), 0.3)


async def test_a_line_without_end_is_cut() -> None:
    done, said = await typed(b"x" * 60_000 + b"\nclear\n")
    assert done == [Clear()] and "too long" in said
