"""The program around the sale machine: turns, commands, the card thread, start and end, a disk that fails."""

import asyncio
import io
import json
import os
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from hardware.ports import CardChannel, CardLeftField
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.authorise import Listed
from protocol.entries import CashSale, ClockChanged, Kind, PriceOverridden, SaleRefused
from protocol.ids import CardNo, Counter, Epoch, Generation, ProductId, Seq, SiteId, StaffId, TerminalId, Tno
from protocol.instants import HOUR_MS, ClockSource, MonoMs, Now, UtcMs
from protocol.limits import ClassLimits, LimitRules, OfflineStep
from protocol.messages import Grant, TipAnswer, sign
from protocol.money import Cents
from protocol.policy import CardBook, CardRow, CardsFile, FloorRow
from protocol.price_list import LaterPrices, PriceList, encode_prices
from protocol.purse import PURSES, CardClass, Technology
from protocol.signing import to_base64url
from protocol.site_files import ConfigFile, StaffFile, StaffRole, staff_row
from protocol.tampering import examine
from terminal.__main__ import _spoken, main
from terminal.app import run
from terminal.card_thread import CardThread
from terminal.clerk import Rights
from terminal.clock import LATE_MS, MachineClock, TerminalClock
from terminal.commands import Command, Mistake, OpenShift, read_command
from terminal.config import Config, ConfigWrong, May, _File, read_config
from terminal.console import Console
from terminal.derived import from_snapshot
from terminal.enrol import new_key
from terminal.identity import IdentityError, save_grant
from terminal.journal_copy import name_of
from terminal.journal_store import JournalStore
from terminal.languages import Spoken
from terminal.lists import Lists
from terminal.news import chip_stepped, hooks_of
from terminal.offline import Offline, OfflineCause
from terminal.policy_store import PolicyStore
from terminal.ports import Draft, JournalBroken, JournalInUse
from terminal.preferences import (
    PREFERENCES_FILE,
    Choices,
    Preferences,
    keep_preferences,
    painted,
    read_preferences,
)
from terminal.texts.en import SENTENCES
from terminal.theme import ScreenSettings, Theme
from terminal.timekeeper import Timebase
from tests.hardware.card_bench import KEYS, OFFICE, TILL, WHO, blank, issued
from tests.protocol.samples import GRANT, NOON, SERVER_KEY
from tests.terminal.counter import RICE, CounterBench, data_directory
from tests.terminal.journals import IDENTITY, TRUST, open_store
from tests.terminal.site_lists import first_lists


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[JournalStore]:
    store = await open_store(tmp_path)
    yield store
    await store.close()


@pytest.fixture
async def counter(journal: JournalStore) -> CounterBench:
    """A counter with every right."""
    bench = CounterBench(journal, OFFICE)
    await bench.shell.start()
    return bench


@pytest.fixture
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where exports go."""
    return tmp_path_factory.mktemp("stick")


# Commands ---------------------------------------------------------------------------------------------------------


async def test_a_sale_from_the_keyboard_to_the_tick(counter: CounterBench) -> None:
    bench = issued(Technology.DESFIRE)
    assert (await counter.types("ring 12.50", "item rice 2", "pay")).phase == "awaiting_card"
    paid = await counter.taps(bench.card)
    assert (paid.phase, paid.amount_cents, counter.handed_over) == ("done", 1_550, 1)
    assert counter.kinds()[-2:] == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]
    await counter.takes_off()
    assert (await counter.types("ring 1")).title == "1 rung", "the next customer begins with nothing"


async def test_a_top_up_that_waits_for_the_card_is_said_with_its_sale(counter: CounterBench) -> None:
    card, said = issued(Technology.DESFIRE).card, SENTENCES["line.load_waits"]
    await counter.types("ring 1", "pay")
    assert said not in (await counter.taps(card)).lines
    await counter.takes_off()
    counter.at_ms += 60_000
    waits = replace(counter.shell.lists, book=CardBook(CardsFile(waiting=(WHO.card,))))
    await counter.till.turn(lambda shell: shell.apply_lists(waits))
    await counter.types("ring 1", "pay")
    assert said in (await counter.taps(card)).lines


async def test_notes_and_coins_pay_for_what_is_rung(counter: CounterBench) -> None:
    assert "Ring an amount first" in await counter.answer("cash")
    await counter.answer("shift open Wang 100")
    paid = await counter.types("ring 12.50", "item rice 2", "pay", "cash")
    assert (paid.title, paid.amount_cents, counter.handed_over) == ("Paid in cash", 1_550, 1)
    body = counter.entries[-1].entry.body
    assert isinstance(body, CashSale)
    assert (body.amount, [line.product for line in body.lines]) == (1_550, ["free", "rice"])
    assert "expected ¥115.50" in await counter.answer("shift close 115.50")
    await counter.answer("shift open Wang 115.50")
    counter.shell.revoked = True
    assert (await counter.types("ring 1", "cash")).lines == ("This terminal may not sell any more.",)


async def test_a_yes_to_nothing_shows_no_sale_once_more(counter: CounterBench) -> None:
    """At a console the same "Paid" again would look like another one."""
    out = io.BytesIO()
    console = Console(SENTENCES, out)
    counter.till.face = console
    counter.till.clerk = replace(counter.till.clerk, face=console)
    await counter.till.do(OpenShift(StaffId("wang"), Cents(0)))
    for line in ("ring 12.50", "cash"):
        await counter.till.do(command_of(line))
    sold, entries = len(out.getvalue()), len(counter.entries)
    await counter.till.do(command_of("confirm"))
    assert out.getvalue()[sold:].decode() == "  Nothing is asked, so nothing was done.\n"
    assert len(counter.entries) == entries


def command_of(line: str) -> Command:
    command = read_command(line)
    assert isinstance(command, Command)
    return command


async def test_no_cash_goes_where_nobody_counts_it(counter: CounterBench) -> None:
    await counter.types("ring １２。５０")
    assert "Open one first" in await counter.answer("cash")
    assert counter.face.views[-1].amount_cents == 1_250, "what was rung stays"
    await counter.types("clear")
    assert "Open one first" in await counter.answer("topup 5")
    await counter.answer("shift open Wang 1")
    await counter.types("ring 3")
    assert "Something is rung" in await counter.answer("shift close 1")
    await counter.types("cash")
    assert "Shift 1 is closed" in await counter.answer("shift close 4")


@pytest.mark.parametrize("refused", [False, True], ids=["asked for", "refused once"])
async def test_no_shift_is_closed_over_cash_that_waits_for_a_card(counter: CounterBench, *, refused: bool) -> None:
    """Closed before the tap, the drawer would be counted without what lies in it."""
    bench = issued(Technology.DESFIRE)
    await counter.answer("shift open Wang 100")
    await counter.types("topup 50")
    if refused:
        counter.shell.revoked = True
        assert (await counter.taps(bench.card)).phase == "not_done"
        await counter.takes_off()
        counter.shell.revoked = False
    assert "waits for a card" in await counter.answer("shift close 100")
    assert (await counter.taps(bench.card)).title == "Topped up"
    assert counter.entries[-1].entry.shift == 1
    assert "expected ¥150.00" in await counter.answer("shift close 150")


async def test_a_price_changed_by_hand_says_who_and_why(counter: CounterBench) -> None:
    assert "not rung" in await counter.answer("price rice 1 burnt")
    assert (await counter.types("item rice 2", "price rice 1.00 burnt a bit")).amount_cents == 200
    assert counter.entries[-1].entry.body == PriceOverridden(ProductId("rice"), Cents(150), Cents(100), "burnt a bit")
    assert (await counter.types("item rice")).amount_cents == 350, "only what was rung before"


async def test_what_the_server_has_not_got_goes_into_a_file(counter: CounterBench, stick: Path) -> None:
    await counter.answer("shift open Wang 1")
    counter.shell.acked(Seq(1), "")
    assert "Unsent: entries 2 to 2 are in" in await counter.answer(f"export {stick}/unsent")
    assert (stick / "unsent").read_bytes() == counter.entries[1].jws + b"\n"
    counter.shell.acked(Seq(2), "")
    assert "Nothing is unsent" in await counter.answer(f"export {stick}/nothing")
    assert (stick / "nothing").read_bytes() == b""
    assert "could not be written" in await counter.answer(f"export {stick}/no/unsent")


async def test_an_export_takes_no_other_file_s_place(
    tmp_path: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(data_directory(tmp_path))
    counter = CounterBench(store, OFFICE)
    await counter.shell.start()
    settings, ours, link = tmp_path / "terminal.toml", tmp_path / "data" / "fresh", stick / "link"
    settings.write_text("kept")
    link.symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    journal = tmp_path / "data" / "journal.db"
    for path in (
        journal,
        "data/journal.db",
        settings,
        ours,
        "data/../data/fresh",
        link / "fresh",
        ".",
        "/",
        "..",
        "data",
    ):
        assert "It was left alone" in await counter.answer(f"export {path} all"), path
    for path in ("data\0", "x" * 300, "nowhere/.."):
        assert "could not be written" in await counter.answer(f"export {path}"), path
    assert settings.read_text() == "kept" and not ours.exists()
    await counter.types("shift open Wang 1", "ring 1", "cash")
    await store.close()
    again = await open_store(tmp_path / "data")
    assert again.tip.seq == len(counter.entries), "sales go where they went before"
    await again.close()


async def test_the_whole_journal_goes_into_a_file_that_verifies(counter: CounterBench, stick: Path) -> None:
    await counter.answer("shift open Wang 1")
    counter.shell.acked(Seq(2), "")
    path = stick / "all"
    assert "All: entries 1 to 2, the whole journal" in await counter.answer(f"export {path} all")
    report = examine(path.read_bytes().splitlines(), IDENTITY.start, IDENTITY.key.public, head=counter.journal.tip)
    assert (report.entries, report.findings) == (2, ())
    assert read_command("export x some") == Mistake("mistake.usage", {}, "export")


async def test_a_refund_goes_onto_the_card_that_paid(counter: CounterBench) -> None:
    bench = issued(Technology.DESFIRE)
    await counter.types("ring 12.50", "pay")
    paid = await counter.taps(bench.card)
    await counter.takes_off()
    number = paid.lines[-1].removeprefix("receipt ")
    assert "has ¥12.50 left" in await counter.answer(f"refund {number} 12.51")
    assert "999 is no card sale" in await counter.answer("refund 999 1")
    assert (await counter.types(f"refund {number} 2.50")).title.startswith("Give back")
    assert (await counter.taps(bench.card)).title == "Given back"


async def test_nothing_that_was_rung_is_lost_by_another_wish(counter: CounterBench) -> None:
    await counter.types("ring 3")
    for line in ("load", "topup 5", "replace 9 1 student", "rekey", "refund 1 1"):
        assert "Not now" in await counter.answer(line)
    assert counter.face.views[-1].amount_cents == 300
    assert (await counter.types("ring 2")).amount_cents == 500


async def test_every_other_command_has_an_answer(counter: CounterBench) -> None:
    assert "Ring an amount first" in await counter.answer("pay")
    assert "Nobody asked for a PIN" in await counter.answer("pin 1234")
    assert "No item soup" in await counter.answer("item soup"), "another merchant's"
    assert "ring 12.50" in await counter.answer("help")
    await counter.types("item rice 9999")
    assert "too many" in await counter.answer("item rice")
    await counter.types("clear")
    assert "Shift 1 is open: Wang" in await counter.answer("shift open Wang 100")
    assert "Close it first" in await counter.answer("shift open Li 1")
    assert "difference -¥0.50" in await counter.answer("shift close 99.50")
    await counter.types("shift open Wang 100")
    assert "difference +¥1.00" in await counter.answer("shift close 101")
    assert "No shift is open" in await counter.answer("shift close 1")
    assert "disk" in await counter.answer("status")


async def test_a_till_has_no_rights_of_a_station(journal: JournalStore) -> None:
    till = CounterBench(journal, TILL, Rights())
    shown = await till.answer("help")
    assert not [word for word in ("load", "topup", "price", "replace", "erase") if f"\n{word}" in shown]
    assert "\nrefund" in shown and "\npay" in shown
    await till.shell.start()
    for line in ("load", "topup 5", "replace 9 1 student", "rekey"):
        assert "no right" in await till.answer(line)


async def test_a_topup_and_its_refusals(counter: CounterBench) -> None:
    bench = issued(Technology.DESFIRE)
    await counter.answer("shift open Wang 100")
    await counter.types("topup 50")
    done = await counter.taps(bench.card)
    assert (done.title, done.lines[0]) == ("Topped up", "balance ¥100.00")
    assert (await counter.types("load")).lines == ("Nothing is waiting for this card.",), "the card still lies there"
    assert (await counter.types("cancel")).phase == "ringing"


async def test_a_station_takes_in_only_so_much_before_the_server_knows_of_it(counter: CounterBench) -> None:
    """Told before a card is asked for; counted from the journal, so a failing disk or a start changes nothing."""
    card = issued(Technology.DESFIRE).card
    rules = LimitRules(unacked_topups=Cents(6_000))
    await counter.shell.apply_lists(replace(counter.shell.lists, rules=rules))
    await counter.answer("shift open Wang 100")
    await counter.types("topup 50")
    await counter.taps(card)
    await counter.takes_off()
    shown = await counter.types("topup 10.01")
    assert (shown.phase, shown.lines) == (
        *("not_done", ("This station takes in only ¥10.00 more before the server has heard of the rest.",)),
    )
    assert shown.advice.startswith("Connect this station")
    await counter.types("cancel")
    await counter.shell.recover("the disk failed")
    assert (await counter.types("topup 10.01")).phase == "not_done"
    await counter.types("cancel")
    counter.shell.acked(counter.shell.derived.seq, "")
    await counter.types("topup 60")
    assert (await counter.taps(card)).title == "Topped up"


async def test_a_pin_is_asked_for_compared_and_forgotten(counter: CounterBench) -> None:
    await counter.types("replace 17 1 student 4711")
    card = blank(Technology.DESFIRE)
    await counter.taps(card)
    await counter.answer("shift open Wang 100")
    await counter.types("topup 50")
    await counter.takes_off()
    rules = LimitRules(classes=(ClassLimits(CardClass.STUDENT, pin_above=Cents(1_000)),))
    await counter.shell.apply_lists(replace(counter.shell.lists, rules=rules))
    await counter.types("ring 20", "pay")
    assert (await counter.taps(card)).phase == "pin_entry"
    refused = await counter.types("pin 1111")
    assert refused.lines == ("That was not the card's PIN. Tries left: 2.",)
    await counter.takes_off()
    assert (await counter.taps(card)).phase == "pin_entry"
    assert (await counter.types("pin 4711")).title == "Paid"
    assert counter.kinds().count(Kind.PIN_TRIED) == 2
    written = b"".join(sealed.jws for sealed in counter.entries).decode() + repr(counter.face.__dict__)
    assert "4711" not in written and "1111" not in written


async def test_a_revoked_terminal_asks_for_no_card(counter: CounterBench) -> None:
    counter.shell.revoked = True
    assert (await counter.types("ring 12.50", "pay")).lines == ("This terminal may not sell any more.",)


async def test_a_terminal_whose_certificate_was_withdrawn_says_so_on_its_screen(counter: CounterBench) -> None:
    """It sells on, as without a network; whoever stands before it must know."""
    counter.till.gauges.no_link = Offline(OfflineCause.REFUSED, "certificate expired")
    assert not any("revoked" in line for line in (await counter.types("ring 12.50")).lines)
    counter.till.gauges.no_link = Offline(OfflineCause.REVOKED)
    assert any("revoked" in line for line in (await counter.types("ring 1.00")).lines)


# The card office --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("technology", list(PURSES))
async def test_a_blank_becomes_a_card(counter: CounterBench, technology: Technology) -> None:
    assert (await counter.types("replace 17 2 staff 4711")).phase == "office"
    made = blank(technology)
    assert (await counter.taps(made)).phase == "office_done"
    body = counter.entries[-1].entry.body
    assert counter.kinds()[-1] is Kind.CARD_ISSUED
    assert getattr(body, "replaces", None) == 1
    assert "nothing" in (await counter.types("load")).lines[0].lower(), "it may collect its money at once"


async def test_a_card_with_somebody_s_money_is_no_blank(counter: CounterBench) -> None:
    bench = issued(Technology.DESFIRE)
    await counter.types("replace 17 1 student")
    failed = await counter.taps(bench.card)
    assert failed.phase == "office_failed" and "card 7 with money" in failed.lines[1]
    await counter.takes_off()
    assert (await counter.taps(blank(Technology.DESFIRE))).phase == "office_done", "another blank is taken"


async def test_the_office_makes_no_plastic_that_its_list_or_journal_knows_better(counter: CounterBench) -> None:
    """What no list names it cannot know, and says so."""
    rows = (CardRow(CardNo(77), Generation(1), Listed.CLOSED),)
    floors = (FloorRow(CardNo(78), Generation(1), Counter(3)),)
    book = CardBook(CardsFile(rows, (), floors))
    await counter.till.turn(lambda shell: shell.apply_lists(Lists(shell.lists.prices, book=book)))
    assert "Card 77, generation 1, is blocked or closed" in await counter.answer("replace 77 1 student")
    assert "Card 78, generation 1, was made already" in await counter.answer("replace 78 1 student")
    assert counter.face.views[-1].phase == "ringing", "no blank was asked for"
    assert "cannot know whether the server gave out that number" in await counter.answer("replace 77 2 student")
    assert counter.face.views[-1].phase == "office"
    await counter.types("cancel", "ring 1", "pay")
    await counter.taps(issued(Technology.DESFIRE).card)
    await counter.takes_off()
    assert "was made already" in await counter.answer(f"replace {WHO.card} {WHO.generation} student")
    await counter.types("replace 17 1 student")
    assert (await counter.taps(blank(Technology.CLASSIC))).phase == "office_done"
    await counter.takes_off()
    assert "was made already" in await counter.answer("replace 17 1 student"), "two plastics of one generation"


async def test_a_blank_that_is_torn_away_is_made_again(counter: CounterBench) -> None:
    await counter.types("replace 17 1 student")
    made = blank(Technology.CLASSIC)
    made.arm(Tear(9, Moment.AFTER))
    assert (await counter.taps(made)).phase == "office_failed"
    await counter.takes_off()
    assert (await counter.taps(made)).phase == "office_done"
    assert counter.kinds().count(Kind.CARD_ISSUED) == 1


# A disk that fails ------------------------------------------------------------------------------------------------


class BadDisk:
    """Makes the next appends of a journal fail, and so many attempts to recover."""

    def __init__(self, journal: JournalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails, self.stays_broken, self._good = 0, 0, 0
        append, recover = journal.append, journal.recover

        async def failing_append(draft: Draft, snapshot: bytes | None = None) -> Any:
            self._good -= 1
            if self.fails and self._good < 0:
                self.fails -= 1
                raise JournalBroken("input/output error")
            return await append(draft, snapshot)

        async def failing_recover() -> Any:
            if self.stays_broken:
                self.stays_broken -= 1
                raise JournalBroken("still failing")
            return await recover()

        monkeypatch.setattr(journal, "append", failing_append)
        monkeypatch.setattr(journal, "recover", failing_recover)

    def fails_after(self, good: int) -> None:
        """So many entries are written before one is not."""
        self._good, self.fails = good, 1


async def test_a_disk_that_fails_once_costs_one_tap(
    counter: CounterBench, journal: JournalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, bench = BadDisk(journal, monkeypatch), issued(Technology.DESFIRE)
    await counter.types("ring 1", "pay")
    disk.fails = 1
    assert (await counter.taps(bench.card)).phase == "ringing", "nothing was charged; the counter starts anew"
    assert counter.face.said == [SENTENCES["said.not_stored"]]
    await counter.takes_off()
    await counter.types("ring 1", "pay")
    assert (await counter.taps(bench.card)).title == "Paid"


async def test_while_the_disk_fails_nothing_is_sold_and_then_it_goes_on(
    counter: CounterBench, journal: JournalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, bench = BadDisk(journal, monkeypatch), issued(Technology.DESFIRE)
    await counter.types("ring 1", "pay")
    disk.fails, disk.stays_broken = 1, 4
    assert (await counter.taps(bench.card)).phase == "disk"
    await counter.takes_off()
    assert (await counter.types("ring 5")).phase == "disk"
    for _ in range(3):
        await counter.till.tick()
    assert counter.face.views[-1].phase == "ringing"
    await counter.types("ring 1", "pay")
    assert (await counter.taps(bench.card)).title == "Paid"
    assert [note for note in counter.face.notes if note["event"] == "disk"]
    assert counter.kinds().count(Kind.FAULT) == 1, "the next technician reads it in the journal"


@pytest.mark.parametrize(
    ("lines", "good", "said"),
    [
        (("ring 1", "cash"), 0, "said.not_stored"),
        (("ring 1", "pay"), 1, "said.disk_again"),
        (("shift open Wu 2",), 0, "said.disk_again"),
    ],
    ids=["cash", "a card that was written", "a shift"],
)
@pytest.mark.parametrize("stays_broken", [0, 2])
async def test_who_stood_there_when_the_disk_failed_is_told_what_became_of_it(
    counter: CounterBench,
    journal: JournalStore,
    monkeypatch: pytest.MonkeyPatch,
    lines: tuple[str, ...],
    good: int,
    said: str,
    stays_broken: int,
) -> None:
    """At once, or when it is back."""
    disk, bench = BadDisk(journal, monkeypatch), issued(Technology.DESFIRE)
    await counter.types("shift open Wang 1", *(["shift close 0"] if lines[0].startswith("shift") else []))
    counter.face.said.clear()
    disk.fails_after(good)
    disk.stays_broken = stays_broken
    await counter.types(*lines)
    if lines[-1] == "pay":
        await counter.taps(bench.card)
    assert counter.handed_over == 0
    assert counter.face.said == ([] if stays_broken else [SENTENCES[said]])
    while counter.face.views[-1].phase == "disk":
        await counter.till.tick()
    assert counter.face.said == [SENTENCES[said]]
    assert any("tap it again" in line for line in counter.face.views[-1].lines) == (good == 1)


async def test_a_checkpoint_comes_after_so_many_entries(counter: CounterBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal.till.CHECKPOINT_ENTRIES", 4)
    for number in range(3):
        await counter.answer(f"shift open Wang {number + 1}")
        await counter.answer("shift close 0")
        await counter.till.tick()
    assert counter.kinds().count(Kind.CHECKPOINT) == 1
    await counter.till.close()
    assert counter.kinds()[-1] is Kind.CHECKPOINT


@pytest.mark.parametrize("ends", ["in order", "a checkpoint, then the plug", "in order, with a question left"])
async def test_only_an_interrupted_cashier_is_asked_about_the_last_sale(journal: JournalStore, ends: str) -> None:
    """Who ends the program has seen what was paid; whom the power left may not have."""
    first = CounterBench(journal, OFFICE)
    await first.shell.start()
    await first.types("ring 12.50", "pay")
    await first.taps(issued(Technology.DESFIRE).card)
    await first.takes_off()
    if ends == "in order":
        await first.till.close()
    else:
        await first.shell.checkpoint()
    if ends == "in order, with a question left":
        await started_again(first)
        assert first.shell.desk.unconfirmed is not None
        await first.till.close()
    await started_again(first)
    assert (first.shell.desk.unconfirmed is None) == (ends == "in order")


async def test_another_history_at_the_server_stops_a_till_for_good(counter: CounterBench) -> None:
    """Also after a restart without a network: what it sold then would belong to a history that is over."""
    clock = TerminalClock(MachineClock(), Timebase(NOON, MonoMs(0), ClockSource.SERVER))
    hooks = hooks_of(counter.till, clock, counter.face)
    tip = TipAnswer(1, GRANT.tid, GRANT.epoch, Seq(1), to_base64url(bytes(32)), NOON)
    await hooks.diverged(tip)
    await hooks.diverged(tip)
    assert counter.kinds().count(Kind.FAULT) == 1, "one story in the journal"
    await counter.till.close()
    await started_again(counter)
    counter.shell.revoked = False
    assert (await counter.types("ring 1", "pay")).lines == ("This terminal may not sell any more.",)
    assert "THE SERVER HOLDS ANOTHER HISTORY" in await counter.answer("status")


async def started_again(counter: CounterBench) -> None:
    """The counter after a stop, from the journal's newest snapshot."""
    await counter.journal.recover()
    assert counter.journal.snapshot is not None
    await counter.shell.start(from_snapshot(counter.journal.snapshot.state))


# The card thread --------------------------------------------------------------------------------------------------


class Seen:
    """Who is told about cards; reads each one that comes."""

    def __init__(self, thread: CardThread) -> None:
        self._thread = thread
        self.told: list[str] = []
        self.apdu = b"\xff\xca\x00\x00\x00"

    async def card_arrived(self, channel: CardChannel) -> None:
        self.told.append("arrived")
        try:
            await self._thread.run(lambda: channel.transmit(self.apdu))
        except CardLeftField:
            self.told.append("lost")

    async def card_left(self) -> None:
        self.told.append("left")

    async def several_cards(self, *, there: bool) -> None:
        self.told.append("several" if there else "not several")

    async def reader_changed(self, fault: str) -> None:
        self.told.append(fault or "reader is back")

    async def until(self, *told: str) -> None:
        async with asyncio.timeout(5):
            while self.told != list(told):  # noqa: ASYNC110  the test only looks
                await asyncio.sleep(0.01)


@pytest.fixture
async def watched() -> AsyncIterator[tuple[SimulatedReader, Seen]]:
    reader = SimulatedReader()
    thread = CardThread(reader)
    seen = Seen(thread)
    watch = asyncio.create_task(thread.watch(seen))
    yield reader, seen
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    thread.close()


async def test_cards_come_and_go(watched: tuple[SimulatedReader, Seen]) -> None:
    reader, seen = watched
    reader.place(blank(Technology.DESFIRE))
    await seen.until("arrived")
    reader.take_away()
    await seen.until("arrived", "left")


async def test_a_card_lost_in_a_command_is_looked_for_again(watched: tuple[SimulatedReader, Seen]) -> None:
    """A card that flickers in the field never shows as absent; it must come as a new one all the same."""
    reader, seen = watched
    card = blank(Technology.DESFIRE)
    seen.apdu = bytes.fromhex("9060000000")
    card.arm(Tear(1, Moment.BEFORE))
    reader.place(card)
    await seen.until("arrived", "lost", "left")
    reader.place(card)
    await seen.until("arrived", "lost", "left", "arrived")


async def test_a_reader_that_is_unplugged_is_waited_for(
    watched: tuple[SimulatedReader, Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminal.card_thread.READER_RETRY_S", 0.05)
    reader, seen = watched
    reader.unplug()
    await seen.until("the simulated reader is unplugged")
    reader.plug_in()
    reader.place(blank(Technology.DESFIRE))
    await seen.until("the simulated reader is unplugged", "reader is back", "arrived")


async def test_a_clock_chip_that_is_stepped_is_told_in_the_journal(counter: CounterBench) -> None:
    await chip_stepped(counter.till, UtcMs(NOON - 5_000))
    assert counter.kinds()[-1] is Kind.CLOCK_CHANGED
    assert counter.entries[-1].entry.body == ClockChanged(UtcMs(NOON - 5_000), ClockSource.RTC)


@pytest.mark.parametrize(("clock_hours", "age_hours"), [(1, 5), (9, 9)])
async def test_lists_are_as_old_as_the_clock_or_the_server_s_word_says(
    counter: CounterBench, clock_hours: int, age_hours: int
) -> None:
    """A clock chip that lags makes no list younger."""
    counter.shell.lists = replace(counter.shell.lists, as_of=NOON)
    later = Now(UtcMs(NOON + clock_hours * HOUR_MS), MonoMs(5 * HOUR_MS), ClockSource.RTC)
    assert counter.shell.lists_age_ms(later) == age_hours * HOUR_MS


async def test_the_cashier_sees_which_limit_old_lists_set(counter: CounterBench) -> None:
    steps = (OfflineStep(HOUR_MS, Cents(2_000)), OfflineStep(2 * HOUR_MS, Cents(500)), OfflineStep(9 * HOUR_MS))

    async def shown(age_ms: int) -> str:
        lists = replace(
            counter.shell.lists, as_of=UtcMs(counter.now().utc_ms - age_ms), rules=LimitRules(offline=steps)
        )
        await counter.till.turn(lambda shell: shell.apply_lists(lists))
        return "".join(counter.face.views[-1].lines)

    assert "Lists of" not in await shown(HOUR_MS - 1_000)
    assert "at most ¥20.00 a sale" in await shown(HOUR_MS)
    assert "at most ¥5.00 a sale" in await shown(3 * HOUR_MS)
    assert "nothing but for cash until newer ones come" in await shown(9 * HOUR_MS)
    await counter.till.turn(lambda shell: shell.apply_lists(replace(shell.lists, as_of=UtcMs(0))))
    assert "Lists of unknown age" in "".join(counter.face.views[-1].lines)
    await counter.till.turn(lambda shell: shell.apply_lists(replace(shell.lists, rules=LimitRules())))
    assert "Lists of" not in "".join(counter.face.views[-1].lines), "without steps age changes nothing"


async def test_a_till_that_does_not_know_the_time_sells_for_cash_alone_by_the_last_step(counter: CounterBench) -> None:
    """Switched on without a line and without a clock chip, it takes fresh lists for as old as can be."""
    steps = (OfflineStep(HOUR_MS, Cents(2_000)), OfflineStep(9 * HOUR_MS))
    lists = replace(counter.shell.lists, as_of=NOON, rules=LimitRules(offline=steps))
    await counter.till.turn(lambda shell: shell.apply_lists(lists))
    for source, most in ((ClockSource.RTC, None), (ClockSource.NONE, 0)):
        assert counter.shell.offline_sale_max(Now(NOON, MonoMs(0), source)) == most
    await counter.till.turn(lambda shell: shell.apply_lists(replace(lists, as_of=UtcMs(0))))
    await counter.answer("shift open Wang 100")
    await counter.types("ring 3", "pay")
    assert "unknown age" in "".join((await counter.taps(issued(Technology.DESFIRE).card)).lines)
    await counter.takes_off()
    assert (await counter.types("cancel", "ring 3", "cash")).title == "Paid in cash"


async def test_a_loose_plug_is_one_story_in_the_journal(counter: CounterBench) -> None:
    counter.at_ms = 1_000
    for fault in ("does not answer", "", "does not answer", ""):
        await counter.till.reader_changed(fault)
    assert counter.kinds().count(Kind.FAULT) == 1 and "back" in counter.face.said[-1]


# The clock --------------------------------------------------------------------------------------------------------


def test_a_late_answer_does_not_turn_the_clock_back() -> None:
    class Machine:
        def utc_ms(self) -> UtcMs:
            return UtcMs(0)

        def mono_ms(self) -> MonoMs:
            return MonoMs(500)

    clock = TerminalClock(Machine(), Timebase(UtcMs(1_000), MonoMs(0), ClockSource.NONE))
    assert clock.server_said(NOON) == 1_500, "a step is worth an entry"
    assert clock.server_said(UtcMs(NOON - LATE_MS)) is None
    assert clock.now().utc_ms == NOON
    assert clock.server_said(UtcMs(NOON - LATE_MS - 1)) == NOON, "but a server that went back is believed"
    assert clock.server_said(UtcMs(NOON - LATE_MS)) is None, "a second of drift is none"


# The program ------------------------------------------------------------------------------------------------------


def enrolled(directory: Path) -> Path:
    """Journal and identity files as enrolment leaves them."""
    public = new_key(directory)
    grant = Grant(SiteId("north-campus"), TerminalId("till-07"), Epoch(1), Tno(41), to_base64url(public.raw), NOON)
    save_grant(directory, sign(grant, SERVER_KEY), TRUST)
    return directory


def written(tmp_path: Path) -> Path:
    """A configuration without a broker."""
    path = tmp_path / "terminal.toml"
    debit = to_base64url(KEYS.debit)
    head = 'directory = "data"\nmerchant = "m1"\n'
    path.write_text(f'{head}[reader]\nname = ""\n[[card_keys]]\nkey_set = 1\ndebit = "{debit}"\n')
    path.chmod(0o600)
    return path


async def work(config: Config, *lines: str) -> list[dict[str, Any]]:
    """Run the program with something typed; what it printed."""
    reading, writing = os.pipe()
    os.write(writing, "".join(f"{line}\n" for line in lines).encode())
    out = io.BytesIO()
    try:
        console = Console(SENTENCES, out, as_json=True)
        await asyncio.wait_for(run(config, Spoken("en"), console, reading, SimulatedReader()), 10)
    finally:
        os.close(writing)
        os.close(reading)
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_it_starts_ends_and_starts_again_without_a_network(tmp_path: Path) -> None:
    enrolled(data_directory(tmp_path))
    config = read_config(written(tmp_path))
    first = await work(config, "shift open Wang 100", "quit")
    assert [event["kind"] for event in first if event["event"] == "entry"] == ["booted", "shift_opened", "checkpoint"]
    second = await work(config, "status", "quit")
    assert [event["seq"] for event in second if event["event"] == "entry"] == [4, 5]
    status, bye = (event["text"] for event in second if event["event"] == "said")
    assert "operator Wang, shift 1" in status and "no broker is configured" in status
    assert "not confirmed by the server: 4" in bye


async def test_prices_change_at_their_time_without_a_network(tmp_path: Path) -> None:
    data = enrolled(data_directory(tmp_path))
    path, lists = written(tmp_path), first_lists()
    path.write_text("clock_chip = true\n" + path.read_text())
    at = UtcMs(MachineClock().utc_ms() - 1_000)
    lists.put("prices", encode_prices(PriceList(14, "CNY", (), LaterPrices(15, at, (RICE,)))), 14)
    store = PolicyStore(data / "lists", SiteId("north-campus"), TRUST, takes_loads=False)
    store.offer_manifest(lists.publish(server_time=at - 1_000))
    for part in store.needs():
        store.offer_part(part, lists.parts[part])
    told = await work(read_config(path), f"item {RICE.id}", "quit")
    kinds = [event["kind"] for event in told if event["event"] == "entry"]
    assert "lists_applied" in kinds and [event["lines"] for event in told if event["event"] == "view"][-1]


async def test_where_staff_is_listed_only_these_open_a_shift_with_their_pin(counter: CounterBench) -> None:
    row = staff_row(StaffId("wang"), "Wang", StaffRole.CASHIER, "90210", bytes(16))
    lists = replace(counter.shell.lists, staff=StaffFile((row,)), config=ConfigFile(repeat_ms=1))
    await counter.till.turn(lambda shell: shell.apply_lists(lists))
    for line, said in (
        ("shift open li 100", "li is not on the list of staff"),
        ("shift open wang 100", "Type the PIN of wang behind the amount"),
        ("shift open wang 100 90211", "not the PIN of wang"),
        ("shift open wang 100 90210", "wang"),
    ):
        command = read_command(line)
        assert isinstance(command, OpenShift) and "9021" not in repr(command)
        await counter.till.do(command)
        assert said in counter.face.said[-1]
    assert counter.shell.derived.shift.staff == "wang"
    refused = [sealed.entry.body for sealed in counter.entries if sealed.entry.kind is Kind.SALE_REFUSED]
    assert refused == [SaleRefused("staff_pin_wrong")], "where none was typed, none was wrong"
    assert counter.shell.desk.repeat_ms == 1


async def test_wrong_pins_of_staff_are_counted_and_make_everybody_wait(counter: CounterBench) -> None:
    """From the journal, so a start does not shorten it; whosever the PINs were, and the right one must wait too."""
    people = tuple(
        staff_row(StaffId(name), name, StaffRole.CASHIER, pin, bytes(16))
        for name, pin in (("wang", "90210"), ("li", "7777"))
    )
    await counter.shell.apply_lists(replace(counter.shell.lists, staff=StaffFile(people)))
    for number in range(5):
        assert "not the PIN" in await counter.answer(f"shift open {('wang', 'li')[number % 2]} 1 0000")
    assert [sealed.entry.staff for sealed in counter.entries[-2:]] == ["li", "wang"]
    told = [sealed.entry.body for sealed in counter.entries if sealed.entry.kind is Kind.SALE_REFUSED]
    assert told == [SaleRefused("staff_pin_wrong")] * 5
    counter.at_ms += 240_000
    assert "none is tried for 1 min" in await counter.answer("shift open wang 1 90210")
    await counter.shell.start(counter.shell.derived)
    assert "none is tried for 5 min" in await counter.answer("shift open wang 1 90210")
    counter.at_ms += 300_000
    assert "not the PIN" in await counter.answer("shift open wang 1 0000"), "one more"
    assert "none is tried for 5 min" in await counter.answer("shift open wang 1 90210")
    assert "Close it" not in await counter.answer("shift close 1"), "nothing was opened"
    counter.at_ms += 300_000
    assert "is open: wang" in await counter.answer("shift open wang 1 90210")
    assert counter.shell.derived.staff_tries == 0


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


async def test_a_stick_gets_every_entry_once_more(tmp_path: Path) -> None:
    enrolled(data_directory(tmp_path))
    path = written(tmp_path)
    path.write_text('second_medium = "stick"\n' + path.read_text())
    (tmp_path / "stick").mkdir()
    copy = tmp_path / "stick" / f"{name_of(GRANT)}.jws"
    reading, writing = os.pipe()
    program = asyncio.create_task(
        run(read_config(path), Spoken("en"), Console(SENTENCES, io.BytesIO()), reading, SimulatedReader())
    )
    os.write(writing, b"shift open Wang 100\n")
    async with asyncio.timeout(5):
        while lines_in(copy) < 2:  # noqa: ASYNC110  the test only looks
            await asyncio.sleep(0.05)
    os.write(writing, b"quit\n")
    await program
    os.close(writing)
    os.close(reading)


async def test_one_journal_has_one_program(tmp_path: Path) -> None:
    enrolled(data_directory(tmp_path))
    config = read_config(written(tmp_path))
    reading, writing = os.pipe()
    first = asyncio.create_task(run(config, Spoken("en"), Console(SENTENCES, io.BytesIO()), reading, SimulatedReader()))
    await asyncio.sleep(0.5)
    with pytest.raises(JournalInUse, match="Stop it first"):
        await work(config, "quit")
    os.write(writing, b"quit\n")
    await first
    os.close(writing)
    os.close(reading)


async def test_without_enrolment_it_says_what_to_do(tmp_path: Path) -> None:
    data_directory(tmp_path)
    with pytest.raises(IdentityError, match="Enrol the terminal"):
        await work(read_config(written(tmp_path)))


def test_the_program_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_directory(tmp_path)
    monkeypatch.setattr(sys, "argv", ["terminal", "--config", str(written(tmp_path))])
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main() == 3
        monkeypatch.setattr(sys, "argv", ["terminal", "--config", str(tmp_path / "nothing.toml")])
        assert main() == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(line.startswith("fanka terminal: ") for line in said)


# The configuration ------------------------------------------------------------------------------------------------


def test_a_till_takes_no_key_into_memory_that_it_may_not_use(tmp_path: Path) -> None:
    credit = f'credit = "{to_base64url(bytes(16))}"\n'
    path = written(tmp_path)
    path.write_text(path.read_text() + credit)
    config = read_config(path)
    assert config.may == {May.REFUND} and not holds_credit(config.card_keys)
    path.write_text('may = ["load"]\n' + path.read_text())
    assert holds_credit(read_config(path).card_keys)


def holds_credit(keys: CardKeys) -> bool:
    of_card = keys.of_card(b"\x04" * 7, 1)
    assert of_card is not None
    try:
        return bool(of_card.aes(Role.DESFIRE_CREDIT))
    except KeyNotHeld:
        return False


def bend(old: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(path.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (bend("merchant", "merchent"), r"terminal\.toml: there is no key 'merchent' here, only directory, merchant, "),
        (bend("merchant", "#"), r"the key 'merchant' is missing: text in quotes: 1 to 32 of"),
        (bend('"m1"', '"m 1"'), r"merchant: expected text in quotes: 1 to 32 of"),
        (
            bend('name = ""', 'kind = "magic"'),
            r"reader\.kind: expected one of 'pcsc', 'pn532', 'simulated', not 'magic'",
        ),
        (bend('name = ""', 'kind = "pn532"'), r"reader\.path: say where the PN532 is"),
        (bend('name = ""', 'path = "/dev/ttyS0"'), r"reader\.path: a PC/SC reader has a name and no path"),
        (bend('name = ""', 'kind = "pn532"\npath = "/dev/ttyS0"\nname = "x"'), r"reader\.name: a PN532 has a path"),
        (bend('name = ""', 'kind = "pn532"\npath = "/dev/tty;x"'), r"reader\.path: .*the path of a serial line"),
        (bend('name = ""', 'kind = "pn532"\npath = "ttyS0"'), r"reader\.path: .*the path of a serial line"),
        (bend('name = ""', 'kind = "simulated"'), r"reader\.kind: .* no card could ever be put on it"),
        (bend("key_set = 1", "key_set = 0"), r"card_keys 1\.key_set: expected a whole number from 1 to 127"),
        (bend("key_set = 1", 'key_set = "1"'), r"key_set: expected a whole number from 1 to 127, not text"),
        (bend("[[card_keys]]", "[[card_key]]"), "card_key"),
        (bend("[reader]", 'may = ["topup"]\n[reader]'), "the credit key is missing, and `may` has topup"),
        (bend("[reader]", '[broker]\nhost = "b"\ncert = "x"\n[reader]'), "cert and key belong together"),
        (bend("[reader]", '[broker]\nhost = "b:1"\n[reader]'), "broker.host: .*: a host name or an address, without"),
        (bend("[reader]", '[broker]\nhost = "a..b"\n[reader]'), "broker.host: .*: a host name or an address"),
        (bend("[reader]", '[server]\nurl = "ftp://fanka"\n[reader]'), "server.url: 'ftp://fanka' is no address such"),
        (bend("[reader]", '[server]\nurl = "http://[fanka"\n[reader]'), "is no address such as https://"),
        (bend("[reader]", '[server]\nurl = "http://fanka:80x"\n[reader]'), "is no address such as https://"),
        (bend("[reader]", '[server]\nurl = "http://fanka campus"\n[reader]'), "is no address such as https://"),
        (bend("[reader]", '[server]\nurl = "https://"\n[reader]'), "is no address such as https://"),
        (bend("[reader]", "[broker]\nport = 1\n[reader]"), r"broker: the key 'host' is missing: text in quotes"),
        (bend("[reader]", "broker = 1\n[reader]"), r"broker: expected a table with host, port, .*, not a number"),
        (bend("[reader]", 'may = ["fly"]\n[reader]'), r"may 1: expected one of .*'refund'.*, not 'fly'"),
        (lambda path: path.write_bytes(b"\xff"), "this is not UTF-8 text"),
        (bend("debit = ", 'debit = "short"\n#'), "16 bytes in base64url"),
        (bend("debit = ", 'debit = "short"\n#'), r"/terminal\.toml: card_keys of set 1"),
        (bend("[reader]", 'second_medium = "data/stick"\n[reader]'), "data/stick is on the medium of the journal"),
        (bend("[reader]", 'second_medium = "data/../data"\n[reader]'), "is on the medium of the journal; name another"),
        (bend('directory = "data"', 'directory = ""'), r"directory: expected text in quotes"),
        (bend("[reader]", "[reader"), r"terminal\.toml: this is not TOML: .*line 3"),
        (lambda path: path.chmod(0o644), "chmod 600"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_wrong_configuration_says_where_and_what(
    tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    path = written(tmp_path)
    change(path)
    with pytest.raises(ConfigWrong, match=sentence) as wrong:
        read_config(path)
    assert to_base64url(KEYS.debit) not in str(wrong.value)


EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "terminal.toml"


def test_the_example_of_a_settings_file_is_one_and_complete(tmp_path: Path) -> None:
    """As it stands, and with every key that it only mentions; what is commented out is the default."""
    path = tmp_path / "terminal.toml"
    path.write_text(EXAMPLE.read_text())
    path.chmod(0o600)
    config = read_config(path)
    assert (str(config.merchant), config.language, set(config.may)) == ("canteen-1", "en", {May.REFUND})
    tables = tomllib.loads(re.sub(r"(?m)^# (?=[a-z_]+ = |\[)", "", EXAMPLE.read_text()))
    schema = msgspec.json.schema(_File)["$defs"]
    shown = {"_File": tables, "KeySetTable": tables["card_keys"][0], "SamTable": tables["sam"]}
    shown |= {f"_{name.title()}": tables[name] for name in ("reader", "broker", "server", "campus")}
    for name, table in shown.items():
        known = schema[name]["properties"]
        assert set(table) == set(known), name
        assert name == "_File" or all(table[key] == known[key].get("default", table[key]) for key in table), name


def test_keys_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    head, _, tables = path.read_text().partition("[[card_keys]]")
    (tmp_path / "keys.toml").write_text("[[card_keys]]" + tables)
    path.write_text('card_keys_file = "keys.toml"\n' + head)
    with pytest.raises(ConfigWrong, match="chmod 600"):
        read_config(path)
    (tmp_path / "keys.toml").chmod(0o600)
    assert read_config(path).card_keys.key_sets == (1,)
    (tmp_path / "keys.toml").write_text("")
    with pytest.raises(ConfigWrong, match="card_keys"):
        read_config(path)


async def test_a_language_that_was_chosen_is_spoken_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = data_directory(tmp_path)
    enrolled(data)
    config = read_config(written(tmp_path))
    await work(config, "language klingon", "language zh-Hant", "quit")
    assert read_preferences(data) == Preferences("zh-Hant")
    assert _spoken(tmp_path, config).language == "zh-Hant" and config.language == "en"
    (data / PREFERENCES_FILE).write_bytes(b"{")
    assert _spoken(tmp_path, config).language == "en" and "cannot be read" in caplog.text
    keep_preferences(data, Preferences("klingon"))
    assert _spoken(tmp_path, config).language == "en", "of a newer program, perhaps"
    keep_preferences(tmp_path / "nowhere", Preferences("en"))
    assert "cannot be kept" in caplog.text


async def test_colours_that_were_chosen_are_there_after_a_restart(tmp_path: Path) -> None:
    """And neither they nor the language take the other's place, even where both are chosen at once."""
    choices, said = Choices(tmp_path), ScreenSettings((480, 320), theme=Theme.CONTRAST)
    assert painted(said, tmp_path) == said
    await asyncio.gather(choices.paint(Theme.DARK), choices.speak("zh-Hant"), choices.paint(Theme.LIGHT))
    assert read_preferences(tmp_path) == Preferences("zh-Hant", Theme.LIGHT)
    assert painted(said, tmp_path) == replace(said, theme=Theme.LIGHT)
    await Choices(tmp_path).speak("en")
    assert painted(said, tmp_path).theme is Theme.LIGHT
