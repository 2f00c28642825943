"""`python -m terminal cards`: what a desk sees of a card, in words and as data; nothing is ever written."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardware.cards.read_out import Belongs, read_out
from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.plain_card import VirtualFelica, VirtualPlain, VirtualTypeB
from hardware.simulated.reader import SimulatedReader, VirtualCard
from hardware.simulated.tearing import Moment, Tear
from hardware.simulated.vpcd import VirtualSlot
from protocol.instants import BusinessDay, Month
from protocol.money import Cents
from protocol.purse import PurseChange, Spent, Technology
from protocol.signing import SigningKey, to_base64url
from terminal.card_checks import Finding, findings
from terminal.cards_command import NO_CARD, NO_READER, OK, WRONG_CONFIG, main, terminal_for
from terminal.texts.en import SENTENCES
from tests.hardware.card_bench import (
    KEYS,
    NEXT_KEYS,
    SERVER,
    STATION,
    TECHNOLOGIES,
    TILL,
    Bench,
    blank,
    issued,
    load,
    mark,
    sale,
    torn,
)
from tests.hardware.tag_bench import tag, ultralight

CLONED = replace(NEXT_KEYS, key_set=1)
"""Another's keys under a number of ours."""


class Desk:
    """A till's configuration, a reader, and what the command said."""

    def __init__(self, tmp_path: Path, reader_name: str = "") -> None:
        self.config = tmp_path / "terminal.toml"
        keys = f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n'
        reader = f'[reader]\nname = "{reader_name}"\n'
        self.config.write_text(f'directory = "data"\nmerchant = "m1"\nlanguage = "en"\n{reader}{keys}')
        self.config.chmod(0o600)
        self.said: list[str] = []
        self.warned: list[str] = []

    def does(self, what: str, bench: Bench | None, *more: str) -> int:
        self.said, self.warned = [], []
        if bench is not None:
            bench.reader.place(bench.card)
        reader = bench.reader if bench else SimulatedReader()
        return main(
            [what, "--config", str(self.config), "--wait", "0", *more], self.said.append, self.warned.append, reader
        )

    def reads(self, bench: Bench) -> dict[str, Any]:
        assert self.does("read", bench, "--json") == OK
        (line,) = self.said
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("card", "says_nothing"),
    [
        (VirtualFelica(bytes.fromhex("012e4cd4544d451a")), False),
        (VirtualTypeB(bytes.fromhex("1a2b3c4d")), False),
        (VirtualTypeB(*(bytes((1, 2, 3, count)) for count in range(9))), True),
        (VirtualPlain(bytes.fromhex("08a1b2c3")), True),
    ],
    ids=["FeliCa", "type B", "a changing PUPI", "a phone"],
)
def test_a_desk_is_told_which_uid_it_may_bind(desk: Desk, card: VirtualPlain, says_nothing: bool) -> None:
    reader, uid = SimulatedReader(), card.uid.hex().upper()
    reader.place(card)
    asked = ["detect", "--config", str(desk.config), "--wait", "0"]
    assert main(asked, desk.said.append, desk.warned.append, reader) == OK
    assert (SENTENCES["cards.uid_says_nothing"] in desk.said) is says_nothing
    assert says_nothing or uid in desk.said[0]


@pytest.mark.parametrize("made", [tag, ultralight])
@pytest.mark.parametrize("what", ["detect", "read"])
def test_a_tag_says_whose_it_is_and_a_clone_that_it_cannot_prove_it(
    desk: Desk, made: Callable[..., VirtualCard], what: str
) -> None:
    for card, words in ((made(), "card 7, generation 1, student; key set 1"), (made(keys=CLONED), "cannot prove it")):
        reader = SimulatedReader()
        reader.place(card)
        asked = [what, "--config", str(desk.config), "--wait", "0"]
        assert main(asked, desk.said.append, desk.warned.append, reader) == OK
        assert desk.said[-2] == f"{SENTENCES['technology.tag']}, UID 04A1B2C3D4E5F6" and words in desk.said[-1]


def used(technology: Technology) -> Bench:
    """A card that was loaded once, has paid twice and says what it spent."""
    bench = issued(technology)
    station = bench.tap(STATION)
    station.write(load(station.read(), 1, 1, 300))
    for seq in (2, 3):
        till = bench.tap()
        change = sale(till.read(), seq)
        spent = Spent(BusinessDay(20_783), Cents(40), Month(682), Cents(140), 2, 1)
        till.write(PurseChange(change.before, replace(change.after, spent=spent)))
    return bench


def test_all_of_a_desfire_card_is_shown_and_its_whole_log(desk: Desk) -> None:
    bench = used(Technology.DESFIRE)
    shown = desk.reads(bench)
    assert {"belongs": "ours", "card": 7, "generation": 1, "key_set": 1, "has_pin": True}.items() <= shown.items()
    assert {"counter": 3, "main": 5_260, "day": "2026-11-26", "month": "2026-11"}.items() <= shown["purse"].items()
    assert [step["amount"] for step in shown["last"]] == [-20, -20, 300, 0]
    assert (shown["loaded"]["total"], shown["findings"], shown["step_may_be_cut"]) == (5_300, [], False)
    assert desk.does("read", bench) == OK
    text = "\n".join(desk.said)
    for words in ("MIFARE DESFire, UID 04A1B2C3D4E5F6", "card 7, generation 1, student", "main ¥52.60", "entry 3-2"):
        assert words in text
    assert desk.said[-1].startswith("The card is consistent") and desk.warned == [
        "Put a card on the reader and leave it there."
    ]


def test_a_classic_card_shows_both_slots_and_its_record(desk: Desk) -> None:
    bench = used(Technology.CLASSIC)
    shown = desk.reads(bench)
    assert [step["main"] for step in shown["last"]] in ([5_260, 5_280], [5_280, 5_260])
    assert shown["loaded"] == {
        "load_seq": 1, "total": 5_300, "spent_known": 0, "period": 0, "subsidy_total": 0, "signed": True
    }  # fmt: skip
    assert "value_not_covered" in shown["findings"], "this bench's card holds a subsidy that no record names"
    assert "load_unchecked" in shown["findings"], "the machine is not enrolled"
    assert desk.does("read", bench) == OK
    assert sum("IN FORCE" in line for line in desk.said) == 1


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_nothing_is_written(desk: Desk, technology: Technology) -> None:
    bench = used(technology)
    before = bench.card.snapshot()
    for what in ("detect", "read"):
        assert desk.does(what, bench) == OK
    assert bench.card.snapshot() == before


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_a_blank_card_and_a_stranger_s_are_told_apart(desk: Desk, technology: Technology) -> None:
    new = Bench(blank(technology), SimulatedReader())
    assert desk.reads(new) == {
        "uid": "04a1b2c3d4e5f6", "technology": technology, "belongs": "blank", "why": desk.reads(new)["why"]
    }  # fmt: skip
    bench = issued(technology)
    bench.reader.place(bench.card)
    other = type(TILL)([NEXT_KEYS.for_a_till()])
    assert read_out(bench.channel(), other).belongs is Belongs.FOREIGN


def test_a_card_of_no_purse_is_a_stranger_s(desk: Desk) -> None:
    reader = SimulatedReader()
    reader.place(VirtualPlain(bytes.fromhex("04112233445566")))
    assert (
        main(["detect", "--config", str(desk.config), "--json", "--wait", "0"], desk.said.append, print, reader) == OK
    )
    shown = json.loads(desk.said[0])
    assert (shown["technology"], shown["belongs"]) == (None, "foreign")


def test_a_torn_step_of_a_classic_card_shows(desk: Desk) -> None:
    bench = used(Technology.CLASSIC)
    till = bench.tap()
    change = sale(till.read(), 4)
    assert torn(bench, change, till, Tear(bench.exchanges(lambda: None) + 3, Moment.DURING, 3, 0xFF))
    shown = desk.reads(bench)
    assert shown["step_may_be_cut"] and "slot_invalid" in shown["findings"]
    assert shown["purse"]["main"] == 5_260, "the step before is in force"


def test_a_card_without_a_valid_slot_is_still_named(desk: Desk) -> None:
    bench = used(Technology.CLASSIC)
    assert isinstance(bench.card, VirtualClassic)
    state = bench.card.snapshot()
    for block in (10, 14):
        state.blocks[block] = bytes(16)
    bench.card.restore(state)
    shown = desk.reads(bench)
    assert (shown["card"], shown["purse"]) == (7, None) and "purse_unreadable" in shown["findings"]
    assert desk.does("read", bench) == OK and "LOOK: it holds no valid purse" in "\n".join(desk.said)


def test_what_is_wrong_on_a_card_is_named() -> None:
    bench = used(Technology.DESFIRE)
    read = bench.tap().read()
    assert read.purse is not None
    newest, key = read.last[0], SERVER.public
    assert findings(read, 1, key) == ()
    assert findings(read, 2, key) == (Finding.OLD_KEYS,)
    assert findings(replace(read, purse=replace(read.purse, pin_tries=3)), 1, key) == (Finding.PIN_BLOCKED,)
    assert findings(replace(read, purse=replace(read.purse, mark=mark(99))), 1, key) == (Finding.LAST_DIFFERS,)
    gap = (newest, type(newest)(1, 3, 1, newest.counter.__class__(newest.counter - 2)))
    assert findings(replace(read, last=gap), 1, key) == (Finding.STEP_MISSING,)
    classic = used(Technology.CLASSIC).tap().read()
    assert classic.purse is not None
    covered = replace(classic, purse=replace(classic.purse, subsidy_cents=Cents(0)))
    assert findings(covered, 1, key) == ()
    assert findings(covered, 1, None) == (Finding.LOAD_UNCHECKED,)
    assert findings(covered, 1, SigningKey(bytes(31) + b"\x01").public) == (Finding.LOAD_FORGED,)


def test_it_says_why_it_shows_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.does("read", None) == NO_CARD and "No card came within 0 s." in desk.warned
    bench = used(Technology.DESFIRE)
    bench.card.arm(Tear(5, Moment.BEFORE))
    assert desk.does("read", bench) == NO_CARD and "went away" in desk.warned[-1]
    bench.reader.unplug()
    assert desk.does("read", bench) == NO_READER
    desk.config.write_text("directory = 1")
    assert desk.does("read", bench) == WRONG_CONFIG
    for wrong in ("-1", "soon", "3601", "9" * 5_000):
        with pytest.raises(SystemExit):
            main(["read", "--config", str(desk.config), "--wait", wrong], print, print)
        assert f"{wrong!r} is no time to wait: write whole seconds, 0 to 3600" in capsys.readouterr().err


def test_its_help_names_each_verb_in_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], print, print)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("detect ", "read "))] == ["detect", "read"]


@pytest.mark.integration
@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_it_reads_through_a_real_daemon(tmp_path: Path, pcscd: PrivatePcscd, technology: Technology) -> None:
    bench, desk = used(technology), Desk(tmp_path, pcscd.reader_names[0])
    with VirtualSlot(pcscd.ports[0]) as slot:
        bench.card.put_back()
        slot.insert(bench.card)
        assert main(["read", "--config", str(desk.config), "--json"], desk.said.append, desk.warned.append) == OK
        slot.remove()
    assert json.loads(desk.said[0])["purse"]["main"] == 5_260


def test_work_with_cards_is_a_terminal_with_its_first_command(capsys: pytest.CaptureFixture[str]) -> None:
    batch = ["cards", "batch", "1", "9", "staff", "--config", "t.toml", "--json"]
    assert terminal_for(batch) == (["--config", "t.toml", "--json"], "batch 1 9 staff")
    for others in ([], ["cards"], ["cards", "read", "--config", "t.toml"], ["--config", "t.toml"], ["labels", "load"]):
        assert terminal_for(others) == (others, "")
    for wrong in (["cards", "erase"], ["cards", "rekey", "1234", "--config", "t.toml"]):
        with pytest.raises(SystemExit):
            terminal_for(wrong)
    assert "a PIN is typed at the terminal" in capsys.readouterr().err
