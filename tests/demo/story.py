"""A lunch hour on a small campus: what happens, in order. Only cards, readers and people are not the real thing."""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware.simulated.classic_card import VirtualClassic
from protocol.instants import CampusTime, UtcMs
from protocol.purse import PURSES, Technology
from tests.demo.audit import Books, books_of, cash_in_drawers, found_classes, money_differences
from tests.demo.commentary import Commentary, yuan
from tests.demo.crowd import NAMES, PURSE_CENTS, Cashier, Crowd, Student, open_menu
from tests.integration.campus import SITE, Campus, Till, wait_until
from tests.integration.fuse import Card, Fuse, torn_off
from tests.integration.programs import Program, ProgramFailed

SHORT_CENTS = 500
"""Missing in a drawer when its shift is closed."""
PRICE = "6.00"
NAME_OF = {Technology.CLASSIC: "MIFARE Classic", Technology.DESFIRE: "DESFire"}


@dataclass
class Demo:
    """One run. `selling_s` bounds the time in which the cashiers serve the crowd."""

    directory: Path
    selling_s: float
    say: Commentary
    seed: int
    planted: dict[str, int] = field(default_factory=dict[str, int])
    crowd: Crowd = field(default_factory=Crowd)
    set_apart: set[int] = field(default_factory=set[int])
    """Cards whose balance is a class of its own: cloned, or torn and not tapped again."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Of the card desks, which work in threads of their own."""

    def run(self, stack: ExitStack) -> dict[str, Any]:
        """From the first program's start to the summary. `stack` ends whatever was started."""
        self._open(stack)
        self._lunch()
        self._close()
        return self._night()

    @property
    def programs(self) -> list[Program]:
        """The server and the terminals, as far as they were started."""
        campus = getattr(self, "campus", None)
        return [campus.server, *(till.program for till in campus.tills.values())] if campus else []

    # Before lunch -------------------------------------------------------------------------------------------------

    def _open(self, stack: ExitStack) -> None:
        say = self.say
        say.title("A campus in a box: real broker, server, PC/SC daemon, terminals; cards and readers are virtual")
        self.campus = stack.enter_context(Campus(self.directory, 4))
        say.line(f"Mosquitto, the server ({self.campus.server.url}) and pcscd with four readers are up")
        rights = ("refund", "load", "topup", "office")
        self.offices = [self.campus.add_till(f"office-{number + 1}", number, may=rights) for number in range(2)]
        tills = [self.campus.add_till("till-1", 2), self.campus.add_till("till-2", 3)]
        open_menu(self.campus, SITE)
        for till in tills:
            till.program.ask(f"shift open {till.tid} 100.00")
        self._wait_for_menu(tills)
        say.line("two card office desks and two tills have signed on and hold today's prices, signed by the server")
        self.cashiers = [Cashier(till, self.crowd, say, self.seed + number) for number, till in enumerate(tills)]
        halves = [list(enumerate(NAMES, 1))[number::2] for number in range(2)]
        self.card_desks = [
            threading.Thread(target=self._issue_cards, args=(office, half), name=office.tid, daemon=True)
            for office, half in zip(self.offices, halves, strict=True)
        ]
        for desk in self.card_desks:
            desk.start()

    def _wait_for_menu(self, tills: list[Till]) -> None:
        for till in tills:

            def knows_rice(till: Till = till) -> bool:
                view = till.program.wait("view", since=till.program.type("item rice"))
                return bool(view["lines"])

            wait_until(knows_rice, f"the prices at {till.tid}")
            till.program.wait("view", since=till.program.type("clear"), phase="ringing")

    def _issue_cards(self, office: Till, students: list[tuple[int, str]]) -> None:
        """One student after the other: a number and cash at the desk, the plastic and the money on it right here."""
        try:
            for number, name in students:
                person, technology = f"s{number:03d}", list(PURSES)[number // 2 % 2]
                self.campus.ask("PUT", f"/people/{person}", {"name": name, "card_class": 1})
                no, card = self.campus.issue(office, technology, PURSE_CENTS)
                self.campus.ask("PUT", f"/cards/{no}/holder", {"person": person})
                self.crowd.join(Student(name, no, card, technology))
        except Exception as failure:  # noqa: BLE001  raised where it can be seen
            self.failures.append(failure)

    # Lunch --------------------------------------------------------------------------------------------------------

    def _lunch(self) -> None:
        say = self.say
        say.title(f"Lunch: {len(NAMES)} students get a card with {yuan(PURSE_CENTS)} each, and queue at two tills")
        ends_s = say.seconds + self.selling_s
        for cashier in self.cashiers:
            cashier.start()
        self._serve_until(say.seconds + 0.3 * self.selling_s)
        for desk in self.card_desks:
            desk.join()
        self._check()
        say.line(f"the card office is done: {len(self.crowd.students)} cards, half MIFARE Classic, half DESFire")
        self._blocked_card()
        self._cut()
        self._serve_until(say.seconds + 0.1 * self.selling_s)
        self._torn_cards()
        self._clone()
        self._walk_away()
        self._serve_until(ends_s - 0.15 * self.selling_s)
        self._mend()
        self._serve_until(ends_s)
        for cashier in self.cashiers:
            cashier.stop()
        self._check()
        say.line(f"lunch is over: {self._sold()}")

    def _serve_until(self, at_s: float) -> None:
        """Let the cashiers work, and say now and then how far they are."""
        while self.say.seconds < at_s:
            time.sleep(min(5.0, max(0.0, at_s - self.say.seconds)))
            self._check()
            self.say.line(f"{self._sold()}; not sent yet: {', '.join(self._unsent())}")

    def _sold(self) -> str:
        return f"{sum(one.sold for one in self.cashiers)} sales, {yuan(sum(one.sold_cents for one in self.cashiers))}"

    def _unsent(self) -> list[str]:
        texts: list[str] = []
        for cashier in self.cashiers:
            events = cashier.till.program.events
            newest = max((event["seq"] for event in events if event["event"] == "entry"), default=0)
            acked = max((event["seq"] for event in events if event["event"] == "acked"), default=0)
            texts.append(f"{cashier.till.tid} {newest - acked}")
        return texts

    def _check(self) -> None:
        for failure in (*self.failures, *(cashier.failure for cashier in self.cashiers)):
            if failure is not None:
                raise failure

    # What can go wrong --------------------------------------------------------------------------------------------

    def _blocked_card(self) -> None:
        student = self.crowd.take(Technology.DESFIRE)
        self.say.line(f"{student.name} reports card {student.no} lost; the desk blocks it")
        cashier = self.cashiers[0]
        with cashier.lock:
            mark = cashier.till.program.mark()
            self.campus.ask("POST", f"/cards/{student.no}/block")
            cashier.till.program.wait("lists", since=mark)
            view = self._pay_with(cashier, student.card)
            self._expect(view, "not_done")
        self.say.line(f"somebody tries it at {cashier.till.tid}: {view['lines'][0]} {view['advice']}")

    def _cut(self) -> None:
        self.campus.broker.stop()
        self.say.line("THE NETWORK IS CUT: the broker is stopped; the tills go on selling from the cards")

    def _mend(self) -> None:
        self.campus.broker.start()
        self.say.line("the broker is back")
        for cashier in self.cashiers:
            before = self._unsent()
            self.campus.wait_online(cashier.till)
            self.say.line(f"{cashier.till.tid}: the backlog is at the server ({', '.join(before)} entries before)")

    def _torn_cards(self) -> None:
        for technology in PURSES:
            student, cashier = self.crowd.take(technology), self.cashiers[technology is Technology.DESFIRE]
            with cashier.lock:
                before = self.campus.money_on(student.card)
                self._expect(self._pay_with(cashier, torn_off(student.card)), "tap_again")
                self.say.line(
                    f"{student.name} pulls a {NAME_OF[technology]} card away in the middle of the write: tap it again"
                )
                view = cashier.till.tap(student.card)
                cashier.count(view)
                if view["phase"] != "done":
                    raise ProgramFailed(f"the second tap did not end the sale: {view}")
            taken = before - self.campus.money_on(student.card)
            self.say.line(
                f"the same card again: {view['title']} {yuan(view['amount'])}; the card has {yuan(taken)} less"
            )
            if taken != view["amount"]:
                raise ProgramFailed(f"charged {taken} instead of {view['amount']}")

    def _clone(self) -> None:
        """CRYPTO1 is broken: a MIFARE Classic card can be copied. Both copies pay, each at a till that is offline."""
        student = self.crowd.take(Technology.CLASSIC)
        assert isinstance(student.card, VirtualClassic)
        copy = VirtualClassic(student.card.snapshot())
        for cashier, one in zip(self.cashiers, (student.card, copy), strict=True):
            with cashier.lock:
                self._expect(self._pay_with(cashier, one), "done")
        self.say.line(f"card {student.no} was copied: original and copy both pay, at tills that cannot ask anybody")
        self._plant("fork", student)

    def _walk_away(self) -> None:
        student, cashier = self.crowd.take(Technology.DESFIRE), self.cashiers[1]
        with cashier.lock:
            self._expect(self._pay_with(cashier, torn_off(student.card)), "tap_again")
            cashier.till.program.wait("view", since=cashier.till.program.type("cancel"), phase="ringing")
        self.say.line(f"{student.name} pulls card {student.no} away, too, and runs to class: that sale stays open")
        self._plant("open", student)

    def _pay_with(self, cashier: Cashier, card: Card | Fuse) -> dict[str, Any]:
        program = cashier.till.program
        program.type(f"ring {PRICE}")
        program.wait("view", since=program.type("pay"), phase="awaiting_card")
        view = cashier.till.tap(card)
        cashier.count(view)
        return view

    def _expect(self, view: dict[str, Any], phase: str) -> None:
        if view["phase"] != phase:
            raise ProgramFailed(f"expected {phase}, got {view}")

    def _plant(self, cls: str, student: Student | None = None) -> None:
        self.planted[cls] = self.planted.get(cls, 0) + 1
        if student is not None:
            self.set_apart.add(student.no)

    # After lunch --------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        say = self.say
        say.title("After lunch")
        first = self.cashiers[0].till
        counted = f"{(10_000 - SHORT_CENTS) / 100:.2f}"
        say.line(f"till-1: {first.program.ask(f'shift close {counted}')}")
        self._plant("shift_difference")
        say.line(f"till-2: {self.cashiers[1].till.program.ask('shift close 100.00')}")
        self.tills = [*self.offices, *(cashier.till for cashier in self.cashiers)]
        for till in self.tills:
            self.campus.wait_online(till)
            till.program.stop()
            self._carry_the_rest(till)
        say.line("all terminals are switched off; what they wrote last went to the server as a file")

    def _carry_the_rest(self, till: Till) -> None:
        """The checkpoint of the clean end was written after the line was closed: it travels on a stick."""
        held = self.campus.tip(till)
        lines = b"\n".join(sealed.jws for sealed in till.entries() if sealed.seq > held)
        if lines:
            self.campus.send_text(f"/terminals/{till.tid}/journal", lines)

    def _night(self) -> dict[str, Any]:
        say = self.say
        say.title("Night: the server proves every cent")
        today = CampusTime().business_day(UtcMs(time.time_ns() // 1_000_000))
        counted = len(self.crowd.students) * PURSE_CENTS + cash_in_drawers(self.tills)
        self.campus.ask("PUT", f"/days/{today}/documents/vault", {"cents": counted, "document": "vault count"})
        till, drawer = self.cashiers[1].till, {"cents": 10_000, "document": "count of the drawer that waits for a card"}
        self.campus.ask("PUT", f"/days/{today}/documents/drawer?owner={till.tid}/{till.tno}/1", drawer)
        proof = self.campus.ask("POST", f"/days/{today}/proof")
        for row in proof["findings"]:
            whose = f"card {row['card']}, " if row["card"] else ""
            say.line(f"{row['cls']}: {whose}{row['text']} ({yuan(row['amount'])})")
        books = books_of(self.tills, self.directory / "server" / "data" / "server.db")
        agreeing = {one.no: one.card for one in self.crowd.students if one.no not in self.set_apart}
        differences = money_differences(self.campus, agreeing, books)
        for what, cents in differences.items():
            say.line(f"UNEXPLAINED: {what}: {yuan(cents)}")
        say.line(f"{books.entries} entries compared byte for byte: {books.lost} lost, {books.doubled} doubled")
        apart = " and ".join(map(str, sorted(self.set_apart)))
        say.line(
            f"{len(agreeing) - sum(what.startswith('card') for what in differences)} of {len(self.crowd.students)} "
            f"cards show what the ledger says; cards {apart} are among the findings above"
        )
        return self._summary(books, proof, differences)

    def _summary(self, books: Books, proof: dict[str, Any], differences: dict[str, int]) -> dict[str, Any]:
        classes = found_classes(proof)
        return {
            "sales": books.sales,
            "entries": books.entries,
            "lost": books.lost,
            "doubled": books.doubled,
            "unexplained_cents": abs(proof["unexplained_cents"]) + sum(map(abs, differences.values())),
            "classes": classes,
            "seconds": round(self.say.seconds, 1),
            "planted": dict(sorted(self.planted.items())),
            "found": {cls: count for cls, count in sorted(classes.items()) if count},
        }
