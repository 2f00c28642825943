"""An old system's cards: read strictly, taken over once, and the sums agree."""

import asyncio
import csv
import getpass
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from protocol.ids import ChannelId
from protocol.purse import CardClass
from server.app import open_house
from server.config import read_settings
from server.import_command import NOT_DONE, OK, main
from server.importing.rules import FileWrong, read_old_cards
from server.importing.service import Importing, sums_agree
from server.ledger.accounts import AccountKind
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk

HEAD = "card,person,name,class,balance\n"
GOOD = HEAD + '1001,s1,张三,student,52.60\n1002,s2,"Li, Si",staff,0\n1003,,,visitor,1,200\n'.replace("1,200", '"1,200"')


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


def why(row: str) -> str:
    """What is wrong with one line."""
    (bad,) = read_old_cards((HEAD + row + "\n").encode()).bad
    assert bad.line == 2
    return bad.why


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.encode("gb18030"),
        GOOD.replace("1001,s1", "１００１,ｓ１").replace("52.60", " ￥５２．６ ").encode(),
        GOOD.replace(HEAD, "卡号,学号,姓名,类别,余额\n").replace("student", "学生").encode("gb18030"),
        (GOOD + "\n,,,,\n").encode(),
    ],
    ids=["utf-8", "bom", "crlf", "gb18030", "full width", "chinese", "empty lines"],
)
def test_what_old_systems_write_is_read(raw: bytes) -> None:
    old = read_old_cards(raw)
    assert old.bad == () and old.cents == 125_260
    assert [(card.number, card.person, card.name, card.card_class, card.cents) for card in old.cards] == [
        ("1001", "s1", "张三", 1, 5_260),
        ("1002", "s2", "Li, Si", 2, 0),
        ("1003", "", "", 3, 120_000),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1001,s1,Wang,student", "4 fields and not 5"),
        ("1001,s1,Wang,student,1,50", "6 fields and not 5"),
        ("1001,s1,Wang,student,1.234", "no balance"),
        ("1001,s1,Wang,student,", "no balance"),
        ("1001,s1,Wang,student,1e3", "no balance"),
        ("1001,s1,Wang,student,-2.00", "settled in the old system first"),
        ("1001,s1,Wang,student,1000000.00", "the most that one card can be given"),
        ("1001,s1,Wang,teacher,1", "no class of card"),
        ("1001,s1,,student,1", "fill in what is missing"),
        ("1001,,Wang,student,1", "fill in what is missing"),
        ("1001,s1,=1+1,student,1", "a formula"),
        ("1001,s 1,Wang,student,1", "the person's id"),
        (",s1,Wang,student,1", "the card's number"),
        ("2.02E+11,s1,Wang,student,1", "a spreadsheet has shortened it"),
    ],
)
def test_a_bad_line_says_what_to_do(row: str, says: str) -> None:
    assert says in why(row)


def test_lines_that_contradict_each_other_are_named_by_the_line_they_begin_on() -> None:
    rows = '1001,s1,"Wang\nWu",student,1\n1002,s2,Li,student,1\n1001,s3,Zhao,staff,2\n1003,s2,Li,staff,2\n'
    found = {bad.line: bad.why for bad in read_old_cards((HEAD + rows).encode()).bad}
    assert sorted(found) == [2, 6] and "control characters" in found[2] and "line 4" in found[6]
    twice = read_old_cards((HEAD + "1001,,,visitor,1\n1001,,,visitor,1\n").encode()).bad
    assert [bad.line for bad in twice] == [3] and "stands on line 2 already" in twice[0].why


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "columns are missing"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (HEAD.encode() + b"1001,s1,\xff\xff,student,1\n", "neither UTF-8 nor GB18030"),
        (GOOD.replace(",", ";").encode(), "something else than commas"),
        (b"card,card,person,name,class,balance\n", "twice"),
        (b"card,person,name,class,balance,phone\n", "no column 'phone'"),
        (b"card,person,name,class\n", "columns are missing: balance"),
        ((HEAD + '1001,s1,"Wa"ng,student,1\n').encode(), "line 2"),
        ((HEAD + '1001,s1,"Wang,student,1\n').encode(), "line 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(raw: bytes, says: str) -> None:
    with pytest.raises(FileWrong, match=says):
        read_old_cards(raw)


async def test_cards_are_taken_over_once_and_the_sums_agree(desk: Desk) -> None:
    house = desk.house
    old = read_old_cards(GOOD.encode())
    importing = Importing(house.database, house.cards, house.people, house.clock, ChannelId("old-system"))
    assert await importing.objections(old.cards) == []
    first = await importing.run(old.cards, "desfire")
    assert (first.new, first.posted_cents, sums_agree(old.cards, first)) == (3, 125_260, True)
    again = await importing.run(old.cards, "desfire")
    assert (again.new, again.posted_cents, again.numbers) == (0, 125_260, first.numbers)
    held = await desk.get(f"/cards/{first.numbers['1001']}")
    assert (held["pending_cents"], held["plastics"][0]["person"], held["plastics"][0]["technology"]) == (
        5_260, "s1", "desfire"
    )  # fmt: skip
    assert (await desk.get("/people/s2"))["name"] == "Li, Si"
    assert {no for no, _ in await house.cards.sign_loads()} == {first.numbers["1001"], first.numbers["1003"]}
    trial = await desk.get("/ledger/trial-balance")
    assert (trial["cents_by_kind"][AccountKind.CLEARING], trial["total_cents"]) == (-125_260, 0)


async def test_a_run_that_was_cut_short_is_finished_by_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    house, old = desk.house, read_old_cards(GOOD.encode())
    importing = Importing(house.database, house.cards, house.people, house.clock, ChannelId("old-system"))
    load = house.cards.load

    async def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(house.cards, "load", power_cut)
    with pytest.raises(KeyboardInterrupt):
        await importing.run(old.cards, "")
    monkeypatch.setattr(house.cards, "load", load)
    done = await importing.run(old.cards, "")
    assert sums_agree(old.cards, done) and (await importing.run(old.cards, "")).posted_cents == 125_260


async def test_what_contradicts_the_books_is_named_before_anything_is_done(desk: Desk) -> None:
    house = desk.house
    importing = Importing(house.database, house.cards, house.people, house.clock, ChannelId("old-system"))
    await importing.run(read_old_cards(GOOD.encode()).cards, "")
    other = read_old_cards(GOOD.replace("52.60", "60.00").replace("Li, Si", "Li").encode())
    found = {bad.line: bad.why for bad in await importing.objections(other.cards)}
    assert "was imported with 52.60" in found[2] and "another name or class" in found[3] and sorted(found) == [2, 3]
    handed_on = GOOD.replace("1001,s1,张三", "1001,s7,王五").replace("1003,,,visitor", "1003,,,staff")
    found = {bad.line: bad.why for bad in await importing.objections(read_old_cards(handed_on.encode()).cards)}
    assert (
        "is s1's here" in found[2] and "is nobody's here, or of another class" in found[4] and sorted(found) == [2, 4]
    )


def test_a_command_line_that_cannot_be_right_is_answered_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "server.toml").write_text('data = "data"\n')
    config, warned = ["--config", str(tmp_path / "server.toml")], list[str]()
    assert main([str(tmp_path / "old.csv"), *config, "--dry-run"], print, warned.append) == NOT_DONE
    assert warned == [f"fanka server: {tmp_path / 'old.csv'}: No such file or directory"]
    with pytest.raises(SystemExit):
        main(["old.csv", *config, "--source", "Old System"], print, print)
    assert "'Old System' is no name of a system: write 1 to 16 of a-z" in capsys.readouterr().err


async def test_beside_a_server_that_runs_it_says_so_and_leaves_it_alone(tmp_path: Path) -> None:
    """On SQLite; on PostgreSQL they may run side by side."""
    config, file, warned = tmp_path / "server.toml", tmp_path / "old.csv", list[str]()
    config.write_text(f'data = "{tmp_path}/data"\n')
    file.write_text(GOOD, "utf-8")
    async with open_house(read_settings(config)) as house:
        arguments = [str(file), "--config", str(config), "--dry-run"]
        assert await asyncio.to_thread(main, arguments, lambda _: None, warned.append) == NOT_DONE
        assert "another server works in" in warned[0] and "Stop it" in warned[0]
        assert await house.cards.issue(1, CardClass.STUDENT, "", None) == [1]


def test_the_command_needs_the_sum_that_a_second_person_read(tmp_path: Path) -> None:
    config, file, numbers = tmp_path / "server.toml", tmp_path / "old.csv", tmp_path / "numbers.csv"
    config.write_text(f'data = "{tmp_path}/data"\ndatabase = "sqlite+aiosqlite:///{tmp_path}/data/fanka.db"\n')
    file.write_text(GOOD, "utf-8")
    said: list[str] = []
    warned: list[str] = []

    def does(*more: str) -> int:
        return main([str(file), "--config", str(config), *more], said.append, warned.append)

    assert does("--dry-run") == OK and "--sum 1252.60" in said[-1]
    assert does() == NOT_DONE and does("--sum", "1252.61") == NOT_DONE
    assert does("--sum", "1252.60", "--numbers", str(numbers)) == OK
    assert said[-2:] == ["3 cards were taken over now, 0 were there before", "file 1252.60, ledger 1252.60: equal"]
    rows = list(csv.reader(numbers.read_text("utf-8-sig").splitlines()))
    assert rows[:2] == [["old", "card", "person", "name", "class"], ["1001", "1", "s1", "张三", "student"]]
    assert does("--sum", "1252.60", "--numbers", str(numbers)) == NOT_DONE and "exists" in warned[-1]
    assert does("--sum", "1252.60") == OK and said[-2].startswith("0 cards were taken over now, 3")
    with closing(sqlite3.connect(tmp_path / "data" / "fanka.db")) as database:
        told = database.execute("SELECT operator, roles, action, subject, digest, outcome FROM trail").fetchall()
    who, digest = (getpass.getuser(), "machine", "import_cards", "import/old-system"), sha256(file.read_bytes())
    assert told == [(*who, digest.hexdigest(), "done"), (*who, digest.hexdigest(), "repeated")]
    file.write_text(GOOD + "1004,s9,Wu,student,x\n", "utf-8")
    assert does("--sum", "1252.60") == NOT_DONE
    assert warned[-2].startswith("line 5: 'x' is no balance") and warned[-1] == "nothing was imported: 1 bad lines"
