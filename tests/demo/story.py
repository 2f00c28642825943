"""A lunch hour on a small campus: what happens, in order. Only cards, readers and people are not the real thing."""

import os
import random
import select
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.demo import night, scenes
from tests.demo.account import open_account
from tests.demo.cable import Cable
from tests.demo.card_office import CardOffice, open_readers
from tests.demo.commentary import Commentary, counted, yuan
from tests.demo.counter import DRAWER_CENTS, Counter
from tests.demo.crowd import PURSE_CENTS, Crowd, students
from tests.demo.desk import Desk
from tests.demo.places import EVERYWHERE, MACHINE, OFFICE, PLACES, THE_SHOP, TILL_A
from tests.demo.scenes import Stage, expect
from tests.demo.tables import progress
from tests.integration.campus import Campus, Till, wait_until
from tests.integration.programs import Program

SHORT_CENTS = 500
"""Missing in a drawer when its shift is closed."""
TOLD_EVERY_S, LOOK_S = 8.0, 1.0


@dataclass
class Demo:
    """One run. `selling_s` bounds the time in which the tills sell; `output` gets what remains of it."""

    directory: Path
    output: Path
    selling_s: float
    say: Commentary
    seed: int
    student_count: int
    stage: Stage = field(init=False)
    offices: list[Till] = field(default_factory=list[Till])
    _told_s: float = 0.0
    """When it was said last how far lunch is."""

    def run(self, stack: ExitStack) -> dict[str, Any]:
        """From the first program's start to the summary. `stack` ends whatever was started."""
        (self.output / "pictures").mkdir(parents=True, exist_ok=True)
        for old in (self.output / "pictures").glob("*.png"):
            old.unlink()
        self._morning(stack)
        self._lunch()
        self._after_lunch()
        return night.prove(self.stage, self.offices, self.output)

    @property
    def programs(self) -> list[Program]:
        """The server and the terminals, as far as they were started."""
        campus = getattr(self, "campus", None)
        return [campus.server, *(till.program for till in campus.tills.values())] if campus else []

    def stay(self) -> None:
        """The tills are switched on once more, and everything is there until somebody presses Enter."""
        for counter in self.stage.counters.values():
            counter.till.program.start()
        account = self.stage.desk.account
        self.say.plain("The server and the tills stay up. The operator's pages:", *account.lines())
        self.say.plain("Press Enter to end it all.")
        while not select.select([sys.stdin], [], [], LOOK_S)[0]:
            print(f"\rthe code now: {account.code()} ", end="", flush=True)
        sys.stdin.readline()

    # Before lunch -------------------------------------------------------------------------------------------------

    def _morning(self, stack: ExitStack) -> None:
        say = self.say
        say.title("Morning: the programs start, and the card office makes cards")
        self.campus = stack.enter_context(Campus(self.directory, len(PLACES), lists_ms=500))
        say.line(
            f"Mosquitto (mutual TLS), the server ({self.campus.server.url}) and pcscd with {len(PLACES)} readers are up"
        )
        with ThreadPoolExecutor(1) as beside:
            opening = beside.submit(open_account, self.campus)
            readers = open_readers(self.campus, stack)
            account = opening.result()
        self.offices = [reader.till for reader in readers]
        say.line(f"the card office is open, with {counted(len(readers), 'reader')}")
        say.line("whoever wants to look on in a browser signs in here:", *account.lines())
        everybody = students(self.student_count, random.Random(self.seed))
        self.stage = Stage(self.campus, Desk(self.campus, account), Crowd(), say, self.output / "pictures")
        self.card_office = CardOffice(self.campus, self.stage.crowd, everybody, readers, say)
        self.card_office.wait_for_desk()
        for number, place in enumerate(PLACES):
            self._open(stack, number)
            self._check()
            say.line(f"{place.title} has signed on" + (f"; {place.staff} works there" if place.staff else ""))
        self.stage.desk.open_menu()
        for counter in self.stage.counters.values():
            self._wait_for_menu(counter)
        say.line("all of them hold today's prices, signed by the server")
        self.card_office.wait()
        self._check()
        say.line(f"{counted(len(everybody), 'student')} can pay, each with {yuan(PURSE_CENTS)}")

    def _open(self, stack: ExitStack, number: int) -> None:
        """A terminal on a reader of pcscd, with a screen; in a window where there is somewhere to show one."""
        place, port = PLACES[number], 0
        if place.behind_the_switch:
            cable = self.stage.cables[place] = Cable(self.campus.broker.settings.port, stack)
            port = cable.port
        self.campus.clock_chip = place.clock_chip
        is_window = place is TILL_A and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        till = self.campus.add_till(
            place.tid,
            number,
            title=place.title,
            merchant=place.merchant,
            broker_port=port,
            screen={} if is_window else {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"},
        )
        self.stage.counters[place] = Counter(
            place, till, self.campus, self.stage.crowd, self.say, self.seed * len(PLACES) + number
        )
        if place.staff:
            till.program.ask(f"shift open {place.staff} {DRAWER_CENTS / 100:.2f}")

    def _wait_for_menu(self, counter: Counter) -> None:
        program = counter.till.program

        def knows_price() -> bool:
            return bool(program.wait("view", since=program.type(f"item {EVERYWHERE}"))["lines"])

        wait_until(knows_price, f"the prices at {counter.place}")
        program.wait("view", since=program.type("clear"), phase="ringing")

    # Lunch --------------------------------------------------------------------------------------------------------

    def _lunch(self) -> None:
        say, stage = self.say, self.stage
        say.title(f"Lunch: {counted(len(stage.crowd.students), 'student')} at {len(PLACES)} places")
        self._told_s = say.seconds
        ends_s = self._told_s + self.selling_s
        stage.choose_cast()
        for counter in stage.counters.values():
            counter.start()

        def eat(share: float) -> None:
            self._serve_until(min(ends_s, say.seconds + share * self.selling_s))

        eat(0.1)
        scenes.blocked_card(stage)
        eat(0.05)
        scenes.torn_and_tapped_again(stage)
        eat(0.05)
        scenes.network_is_cut(stage)
        scenes.phone_pays_offline(stage)
        eat(0.05)
        changed = scenes.price_changes(stage)
        scenes.copy_pays(stage)
        scenes.walks_away(stage)
        eat(0.1)
        scenes.till_is_killed(stage)
        self._serve_until(ends_s - 0.1 * self.selling_s)
        scenes.network_returns(stage, changed)
        self._serve_until(ends_s)
        for counter in stage.counters.values():
            counter.stop()
        self._check()
        say.line(f"lunch is over: {self._sold()}")

    def _serve_until(self, at_s: float) -> None:
        """Let everybody work, and say now and then how far they are."""
        self._check()
        while self.say.seconds < at_s:
            time.sleep(min(0.5, max(0.0, at_s - self.say.seconds)))
            self._check()
            if self.say.seconds > self._told_s + TOLD_EVERY_S:
                self._told_s = self.say.seconds
                self.say.line(self._sold())

    def _sold(self) -> str:
        counters = self.stage.counters.values()
        sold = {counter.place.title: counter.sold for counter in counters}
        unsent = {counter.place.title: counter.unsent for counter in counters}
        return progress(sold, sum(counter.sold_cents for counter in counters), unsent)

    def _check(self) -> None:
        for failure in (*self.card_office.failures, *(one.failure for one in self.stage.counters.values())):
            if failure is not None:
                raise failure

    # After lunch --------------------------------------------------------------------------------------------------

    def _after_lunch(self) -> None:
        self.say.title("After lunch: what is still open, and the drawers")
        self._torn_sale_ends()
        for number, (place, counter) in enumerate(self.stage.counters.items(), 1):
            self.stage.photograph(counter, f"till-{number}-{place.tid}")
        self.say.line(f"each drawer began with {yuan(DRAWER_CENTS)} of change, which is counted with it")
        for place, counter in self.stage.counters.items():
            if place.staff:
                short = SHORT_CENTS if place is THE_SHOP else 0
                in_drawer = (DRAWER_CENTS + counter.cash_cents - short) / 100
                said = counter.till.program.ask(f"shift close {in_drawer:.2f}")
                self.say.line(f"{place.title}, {place.staff}: {said.partition(' Not sent')[0]}")
        self.stage.planted["shift_difference"] = 1
        for till in self.campus.tills.values():
            self.campus.wait_online(till)
            till.program.stop()
            self._carry_the_rest(till)
        self.say.line("all terminals are switched off; what they wrote last went to the server as a file")

    def _torn_sale_ends(self) -> None:
        """The machine gives up, the card's next tap proves the debit, and the money goes back onto the card."""
        stage, student = self.stage, self.stage.walked_away
        machine, canteen = stage.counters[MACHINE].till, stage.counters[TILL_A]
        assert student is not None
        mark = machine.program.mark()
        machine.program.stop()
        machine.program.start()
        torn = machine.program.wait("entry", since=mark, kind="sale_torn")
        self.campus.wait_online(machine)
        view = expect(canteen.sell(student, "greens"), "done")
        self.campus.wait_online(canteen.till)
        back = int(torn["amount"])
        wait_until(
            lambda: self.campus.ask("GET", f"/cards/{student.no}")["pending_cents"] == back, "the credit at the server"
        )
        before = self.campus.money_on(student.plastic)
        self.offices[0].put_on(student.plastic)
        self.campus.collect(self.offices[0])
        self.offices[0].away()
        self.say.line(
            f"TORN SALE {MACHINE} is switched off and on; it cannot tell how long that took, and gives the sale up",
            f"{student} pays {yuan(view['amount'])} at {TILL_A}: that tap proves that {yuan(back)} had left the card",
            f"the server owes it back, and the {OFFICE.lower()} puts it onto the card: balance before {yuan(before)}, "
            f"after {yuan(self.campus.money_on(student.plastic))}",
        )

    def _carry_the_rest(self, till: Till) -> None:
        """The checkpoint of the clean end was written after the line was closed: it travels on a stick."""
        held = self.campus.tip(till)
        lines = b"\n".join(sealed.jws for sealed in till.entries() if sealed.seq > held)
        if lines:
            self.campus.send_text(f"/terminals/{till.tid}/journal", lines)
