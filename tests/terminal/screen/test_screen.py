"""A cashier at the panel: pygame's own events through the real loop, with a journal on disk and virtual cards."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import pygame
import pytest

from hardware.simulated.indicator import SimulatedIndicator
from protocol.entries import Kind
from protocol.ids import MerchantId, StaffId, TerminalId, Tno
from protocol.instants import CampusTime, UtcMs
from protocol.limits import LimitRules, OfflineStep
from protocol.money import Cents
from protocol.price_list import PriceList
from protocol.purse import Technology
from terminal import painter
from terminal.card_look import look
from terminal.clerk import Rights
from terminal.commands import (
    Cancel,
    Clear,
    GiveBack,
    LookAtCard,
    OpenShift,
    Pay,
    Remove,
    Ring,
    RingItem,
    TakeTopUp,
)
from terminal.face import Faces
from terminal.floor import Floor, Gate
from terminal.floor_commands import Pretend, Speak, Train, Trial
from terminal.glance import UNDO_MS, Glance
from terminal.languages import Spoken
from terminal.post import Post
from terminal.presses import Area, Begin, Beside, Do, Enter, FormName, Look, Open, Page, Press, Repeat, Type
from terminal.scene import Text
from terminal.screen import Screen
from terminal.texts.en import SENTENCES
from terminal.theme import ScreenSettings, Theme
from terminal.training import Practice, begin_practice
from terminal.window import ScreenUnusable
from tests.hardware.card_bench import OFFICE, SERVER, issued
from tests.terminal.counter import RICE, CounterBench, inline
from tests.terminal.journals import open_store


class Desk:
    """Somebody with a finger and a keyboard, and customers."""

    def __init__(self, bench: CounterBench, screen: Screen, floor: Floor, directory: Path) -> None:
        self.bench, self.screen, self.floor, self.directory = bench, screen, floor, directory
        self.painted: list[Theme] = []

    def practises(self) -> bool:
        """Whether this is training."""
        return self.floor.practice is not None

    async def until(self, fits: Callable[[], bool], what: str) -> None:
        for _ in range(1_000):
            if fits():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"waited for {what}: {self.bench.face.views[-1]}, {self.bench.face.said[-1:]}")

    async def shows(self, title: str) -> None:
        await self.until(lambda: self.bench.face.views[-1].title == title, title)

    async def touch(self, what: Press) -> None:
        """Press where the screen has this."""

        def boxes() -> list[tuple[int, int]]:
            touches = self.screen.scene.touches if self.screen.scene else ()
            return [(at.box.x + at.box.w // 2, at.box.y + at.box.h // 2) for at in touches if at.press == what]

        await self.until(lambda: len(boxes()) == 1, f"{what} on the screen")
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=boxes()[0], button=1))

    def keys(self, text: str) -> None:
        for sign in text:
            key = pygame.K_RETURN if sign == "\n" else 0
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=sign))


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Desk]:
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, OFFICE)
    spoken = Spoken("en")
    screen = Screen(ScreenSettings(), spoken, CampusTime(), language="en")
    faces = Faces(bench.face, screen)
    gate = Gate(faces)
    bench.till.face, bench.till.words = gate, spoken
    bench.till.clerk = replace(bench.till.clerk, face=gate, words=spoken)
    bench.till.read_out = partial(look, run=inline, keys=OFFICE, key_set_new=1, load_key=SERVER.public, words=spoken)
    await bench.shell.start()
    await bench.till.tick()
    post = Post(Tno(2), MerchantId("m1"), CampusTime(), SERVER.public, UtcMs(0), tid=TerminalId("till-07"))

    def practise() -> Awaitable[Practice]:
        clerk, sounds = bench.till.clerk, SimulatedIndicator()
        return begin_practice(post, bench.shell.lists, clerk, bench.gauges, faces, sounds, CampusTime())

    async def says(language: str) -> None:
        screen.speak(language)

    selling = Glance(bench.shell, Rights(load=True, topup=True), CampusTime(), bench.now)

    async def paints(theme: Theme) -> None:
        desk.painted.append(theme)

    floor = Floor(bench.till, selling, gate, faces, spoken, practise, says, paints)
    desk = Desk(bench, screen, floor, tmp_path)
    running = asyncio.create_task(screen.run(floor))
    yield desk
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    pygame.display.quit()
    await journal.close()


async def test_dishes_are_touched_one_is_taken_off_and_a_card_pays(at: Desk) -> None:
    for what in (Do(RingItem(RICE.id, 1)), Do(RingItem(RICE.id, 1))):
        await at.touch(what)
    await at.shows("2 rung")
    await at.touch(Do(Remove(0)))
    await at.shows("Ready")
    await at.touch(Do(RingItem(RICE.id, 1)))
    await at.touch(Do(Pay()))
    await at.shows("Tap a card")
    paid = await at.bench.taps(issued(Technology.DESFIRE).card)
    assert paid.title == "Paid" and at.bench.kinds()[-2:] == [Kind.SALE_PREPARED, Kind.SALE_SETTLED]


async def test_an_amount_is_typed_and_the_next_customer_takes_the_same(at: Desk) -> None:
    bench = issued(Technology.DESFIRE)
    at.keys("12.5\n")
    await at.shows("Tap a card")
    assert (await at.bench.taps(bench.card)).amount_cents == 1_250
    await at.bench.takes_off()
    at.bench.at_ms += 60_000
    await at.touch(Repeat())
    await at.shows("Tap a card")
    assert (await at.bench.taps(bench.card)).amount_cents == 1_250
    assert at.bench.handed_over == 2


async def test_a_sale_is_undone_with_one_touch_and_a_tap(at: Desk) -> None:
    bench = issued(Technology.DESFIRE)
    at.keys("3\n")
    await at.shows("Tap a card")
    paid = await at.bench.taps(bench.card)
    assert paid.title == "Paid"
    await at.bench.takes_off()
    newest = max(at.bench.shell.derived.sold)
    await at.touch(Do(GiveBack(newest, Cents(300))))
    await at.shows("Give back: tap the card that paid")
    assert (await at.bench.taps(bench.card)).title == "Given back"


async def test_after_half_a_minute_undo_is_gone(at: Desk) -> None:
    at.keys("3\n")
    await at.shows("Tap a card")
    await at.bench.taps(issued(Technology.DESFIRE).card)
    at.bench.at_ms += UNDO_MS
    await at.bench.till.tick()
    await at.touch(Do(Cancel()))
    await at.shows("Ready")
    assert not any(isinstance(getattr(one.press, "command", None), GiveBack) for one in at.screen.scene.touches)  # type: ignore[union-attr]


async def test_a_shift_is_opened_with_digits_on_the_glass(at: Desk) -> None:
    await at.touch(Open(Page.MENU))
    await at.touch(Begin(FormName.OPEN_SHIFT))
    for sign in "7":
        await at.touch(Type(sign))
    await at.touch(Enter())
    at.keys("200\n")
    await at.until(lambda: at.bench.shell.derived.shift.staff == "7", "the shift")
    assert at.bench.shell.derived.shift.drawer_cents == 20_000


async def test_a_card_is_looked_at_and_pays_nothing(at: Desk) -> None:
    await at.touch(Open(Page.MENU))
    await at.touch(Do(LookAtCard()))
    await at.until(lambda: at.bench.till.looks, "the reader to be asked")
    before = len(at.bench.entries)
    await at.bench.taps(issued(Technology.DESFIRE).card)
    assert "card 7" in at.bench.face.said[-1] and len(at.bench.entries) == before
    await at.bench.takes_off()
    at.keys("1\n")
    await at.shows("Tap a card")


async def test_a_second_enter_makes_no_sale_of_a_top_up(at: Desk) -> None:
    """Else the card that the customer gave cash for would pay what the one before has bought."""
    await at.bench.types("shift open wang 100")
    at.keys("12.5\n")
    await at.shows("Tap a card")
    bench = issued(Technology.DESFIRE)
    await at.bench.taps(bench.card)
    await at.bench.takes_off()
    at.bench.at_ms += 60_000
    await at.touch(Do(Cancel()))
    await at.touch(Open(Page.MENU))
    await at.touch(Begin(FormName.TOPUP))
    at.keys("50\n\n")
    await at.until(lambda: at.bench.face.views[-1].amount_cents == 5_000, "the top-up")
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_F5, unicode=""))
    await asyncio.sleep(0.1)
    assert at.bench.face.views[-1].amount_cents == 5_000


async def test_nothing_is_sold_again_under_other_prices_or_at_a_price_for_one_customer(at: Desk) -> None:
    """What is off the list would be left out, and what was made cheaper for one would be dear again."""
    bench, glance = issued(Technology.DESFIRE), Glance(at.bench.shell, Rights(), CampusTime(), at.bench.now)

    async def pays(*lines: str) -> None:
        await at.bench.types("cancel", "item rice", *lines)
        glance.follow()
        await at.bench.types("pay")
        glance.follow()
        await at.bench.taps(bench.card)
        await at.bench.takes_off()
        at.bench.at_ms += 60_000

    def last() -> int:
        return len(glance.counter(at.bench.face.views[-1], at.bench.gauges.status()).last)

    await pays()
    assert last() == 1
    await pays("price rice 1 scratched")
    assert last() == 0
    await pays()
    assert last() == 1
    lists = at.bench.shell.lists
    await at.bench.shell.apply_lists(replace(lists, prices=PriceList(2, "CNY", ())))
    assert last() == 0


@pytest.mark.parametrize("times", [2, 5])
async def test_the_same_again_pressed_twice_is_rung_once(at: Desk, times: int) -> None:
    """A key bounces, a finger taps twice, a scanner ends a line with two signs."""
    bench = issued(Technology.DESFIRE)
    at.keys("12.5\n")
    await at.shows("Tap a card")
    await at.bench.taps(bench.card)
    await at.bench.takes_off()
    at.bench.at_ms += 60_000
    at.keys("\n" * times)
    await at.shows("Tap a card")
    await asyncio.sleep(0.1)
    assert at.bench.face.views[-1].amount_cents == 1_250


async def test_what_cannot_be_drawn_stops_no_sale(at: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await at.until(lambda: at.screen.frames > 0, "a picture")
    at.screen.say("no font draws this: \0")
    await at.until(lambda: "cannot be drawn" in caplog.text, "the log")
    at.keys("12.5\n")
    await at.shows("Tap a card")
    await at.touch(Do(Cancel()))
    await at.shows("Ready")


async def test_behind_a_look_at_a_card_no_card_pays_what_was_refused_before(at: Desk) -> None:
    """The screen shows the card, and not that a sale still waits for one."""
    await at.bench.types("ring 999", "pay")
    poor, other = issued(Technology.DESFIRE), issued(Technology.DESFIRE)
    await at.bench.taps(poor.card)
    await at.bench.takes_off()
    await at.shows("Not sold")
    await at.bench.types("card")
    await at.bench.taps(poor.card)
    await at.bench.takes_off()
    assert (await at.bench.taps(other.card)).phase == "ringing"


async def test_no_frame_is_drawn_without_a_change(at: Desk) -> None:
    await at.touch(Beside(Area.PAD))
    await at.touch(Type("5"))
    await at.until(lambda: at.screen.frames >= 2, "two frames")
    await asyncio.sleep(0.1)
    before = at.screen.frames
    await asyncio.sleep(0.3)
    assert at.screen.frames == before


async def test_in_training_nothing_reaches_journal_card_or_server(at: Desk) -> None:
    """Sales, a refusal, a torn card, a refund, a shift and a top-up: neither a byte on the disk nor on a card."""
    bench = issued(Technology.DESFIRE)
    store, card = {path: path.read_bytes() for path in at.directory.iterdir()}, bench.card.snapshot()
    exchanges, entries, lamps = bench.card.field.exchange_count, len(at.bench.entries), len(at.bench.indicator.signals)
    await at.touch(Open(Page.MENU))
    await at.touch(Open(Page.TOOLS))
    await at.touch(Do(Train(on=True)))
    await at.until(lambda: at.floor.practice is not None, "training")
    practice = at.floor.practice
    assert practice is not None
    phases = [(Trial.PAYS, "Paid"), (Trial.POOR, "Not sold"), (Trial.BLOCKED, "Not sold")]
    for trial, title in [*phases, (Trial.TORN, "Tap the SAME card again"), (Trial.PAYS, "Paid")]:
        if at.bench.face.views[-1].phase != "tap_again":
            at.keys("12.5\n")
            await at.shows("Tap a card")
        await at.touch(Do(Pretend(trial)))
        await at.shows(title)
        assert "TRAINING: nothing here is real" in at.bench.face.views[-1].lines
        if title == "Not sold":
            await at.touch(Do(Cancel()))
            await at.shows("Ready")
    newest = max(practice.till.shell.derived.sold)
    await at.touch(Do(GiveBack(newest, Cents(1_250))))
    await at.shows("Give back: tap the card that paid")
    await at.touch(Do(Pretend(Trial.PAYS)))
    await at.shows("Given back")
    await at.floor.do(OpenShift(StaffId("7"), Cents(10_000)))
    await at.floor.do(TakeTopUp(Cents(5_000)))
    at.bench.reader.place(bench.card)
    channel = at.bench.reader.wait_for_card(0)
    assert channel is not None
    await at.floor.card_arrived(channel)
    await at.shows("Topped up")
    await at.floor.do(Train(on=False))
    assert at.practises(), "a card lies there"
    at.bench.reader.take_away()
    await at.floor.card_left()
    await at.floor.do(Ring(Cents(100)))
    await at.floor.do(Train(on=False))
    assert at.practises(), "something is rung"
    await at.floor.do(Clear())
    await at.floor.do(Train(on=False))
    assert not at.practises() and at.bench.face.said[-1].startswith("Training is over")
    assert at.bench.face.views[-1].title == "Ready" and not at.bench.face.views[-1].lines
    assert {path: path.read_bytes() for path in at.directory.iterdir()} == store
    assert bench.card.snapshot() == card and bench.card.field.exchange_count == exchanges
    assert len(at.bench.entries) == entries and at.bench.handed_over == 0 and not at.bench.shell.derived.shift.number
    assert len(at.bench.indicator.signals) == lamps, "not even the reader's lamps are told"
    assert all(note["event"] == "card" for note in at.bench.face.notes), "programs hear nothing of it"


async def test_training_begins_only_where_nothing_is_rung_and_no_card_lies(at: Desk) -> None:
    await at.floor.do(Ring(Cents(100)))
    await at.floor.do(Train(on=True))
    assert at.floor.practice is None and "First finish" in at.bench.face.said[-1]
    await at.floor.do(Clear())
    at.bench.reader.place(issued(Technology.DESFIRE).card)
    channel = at.bench.reader.wait_for_card(0)
    assert channel is not None
    await at.floor.card_arrived(channel)
    await at.floor.do(Train(on=True))
    assert at.floor.practice is None
    await at.floor.card_left()
    await at.floor.do(Pretend(Trial.PAYS))
    assert "for training only" in at.bench.face.said[-1]
    await at.floor.do(Train(on=True))
    assert at.floor.practice is not None


async def test_what_the_real_counter_shows_meanwhile_is_seen_after_training(at: Desk) -> None:
    await at.floor.do(Train(on=True))
    shown = len(at.bench.face.views)
    at.bench.shell.lists = replace(at.bench.shell.lists, rules=LimitRules(offline=(OfflineStep(1, Cents(0)),)))
    await at.floor.tick()
    assert len(at.bench.face.views) == shown
    await at.floor.do(Train(on=False))
    assert "nothing but for cash" in at.bench.face.views[-1].lines[0]


async def test_another_language_is_spoken_at_once_and_everywhere(at: Desk) -> None:
    await at.touch(Open(Page.MENU))
    await at.touch(Open(Page.LANGUAGE))
    await at.touch(Do(Speak("zh-Hans")))
    await at.shows("就绪")
    await at.until(lambda: "再来" not in words_on(at.screen) and "就绪" in words_on(at.screen), "Chinese on the screen")
    at.keys("999\n")
    await at.until(lambda: at.bench.face.views[-1].phase == "awaiting_card", "the sale goes on")
    await at.bench.taps(issued(Technology.DESFIRE).card)
    assert at.bench.face.views[-1].title == "未成交"
    await at.floor.do(Speak("klingon"))
    assert "zh-Hans" in at.bench.face.said[-1]


async def test_other_colours_are_told_to_whoever_keeps_them(at: Desk) -> None:
    await at.touch(Open(Page.MENU))
    await at.touch(Open(Page.TOOLS))
    for theme in (Theme.DARK, Theme.CONTRAST):
        await at.touch(Look(theme))
    await at.until(lambda: at.painted == [Theme.DARK, Theme.CONTRAST], "both")


def words_on(screen: Screen) -> str:
    return " ".join(one.text for one in (screen.scene.elements if screen.scene else ()) if isinstance(one, Text))


def test_without_its_fonts_it_says_what_brings_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(painter, "FONTS", tmp_path)
    with pytest.raises(ScreenUnusable, match="scripts/assets"):
        Screen(ScreenSettings(), SENTENCES, CampusTime(), language="en")
