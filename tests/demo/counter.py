"""Who works at a terminal that sells: a cashier who rings lunches, or a machine at which somebody presses a product."""

import random
import re
import threading
import time

import httpx

from protocol.purse import Technology
from tests.demo.commentary import Commentary
from tests.demo.crowd import Crowd, Student
from tests.demo.places import Place
from tests.integration.campus import Campus, Till
from tests.integration.fuse import Card, Fuse
from tests.integration.programs import Event

CASH_EVERY = 9
"""Every so many customers at a counter is a visitor with cash."""
DRAWER_CENTS = 10_000
"""In the drawer when a shift begins."""
_RECEIPT = re.compile(r"\b([0-9]+-[0-9]+)$")


class Counter:
    """Serves one student after the other in a thread of its own; `lock` gives the till to a scene in between."""

    def __init__(self, place: Place, till: Till, campus: Campus, crowd: Crowd, say: Commentary, seed: int) -> None:
        self.place, self.till = place, till
        self._campus, self._crowd, self._say = campus, crowd, say
        self._dice = random.Random(seed)
        self.lock = threading.Lock()
        self.sold, self.sold_cents, self.cash_cents = 0, 0, 0
        self.lists_at_s = 0.0
        """When it took over lists from the server last, by `time.monotonic`."""
        self.lists_as_of = 0
        """When the server made those, UTC ms."""
        self.failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=till.tid, daemon=True)
        till.program.on_event = self._on_event

    def start(self) -> None:
        """Open the counter."""
        self._thread.start()

    def stop(self) -> None:
        """Close it after the student who is there."""
        self._stop.set()
        self._thread.join()

    @property
    def unsent(self) -> int:
        """How many entries of its journal the server has not confirmed."""
        newest = acked = 0
        for event in reversed(self.till.program.events):
            newest = newest or (event["seq"] if event["event"] == "entry" else 0)
            acked = acked or (event["seq"] if event["event"] == "acked" else 0)
            if newest and acked:
                break
        return max(0, newest - acked)

    # One customer -------------------------------------------------------------------------------------------------

    def ring(self, *products: str) -> None:
        """Ring these, and ask for the card."""
        program = self.till.program
        for product in products:
            program.type(f"item {product}")
        program.wait("view", since=program.type("pay"), phase="awaiting_card")

    def sell(self, student: Student, *products: str) -> Event:
        """A whole sale; what is shown at its end."""
        self.ring(*products)
        if student.technology is Technology.TOKEN:
            return self.show_code(student)
        view = self.tap(student.plastic)
        while view["phase"] == "tap_again":  # the machine was too busy for a moment: what a customer sees is the same
            view = self.tap(student.plastic)
        return view

    def tap(self, card: Card | Fuse) -> Event:
        """Hold a card to the reader for what is rung; every sale counts, whoever made it."""
        return self._counted(self.till.tap(card))

    def show_code(self, student: Student) -> Event:
        """The scanner reads a phone, which has just asked the server for a code."""
        answer = httpx.post(f"{self._campus.server.url}/pay-code", json={"secret": student.secret}, timeout=30)
        program, mark = self.till.program, self.till.program.type(answer.raise_for_status().json()["code"])
        return self._counted(program.wait("view", since=mark, phase={"done", "not_done", "repeat_asked"}))

    def recover(self, card: Card) -> Event:
        """The same card again after the till died in its sale: what was paid is handed over now."""
        program, mark = self.till.program, self.till.put_on(card)
        view = program.wait("view", since=mark, phase={"done", "paid_earlier", "not_done", "tap_again"})
        if view["phase"] == "paid_earlier":
            program.wait("handed_over", since=program.type("confirm"))
            view = {**view, "phase": "done"}
        self.till.away()
        return self._counted(view)

    def cancel(self) -> None:
        """The next customer."""
        self.till.program.wait("view", since=self.till.program.type("cancel"), phase="ringing")

    def _counted(self, view: Event) -> Event:
        if view["phase"] == "done":
            self.sold += 1
            self.sold_cents += view["amount"]
        return view

    # All the others -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                student = self._crowd.next()
                if student is None:
                    time.sleep(0.05)
                    continue
                with self.lock:
                    is_served = self._serve(student)
                if is_served:
                    self._crowd.back(student)
        except Exception as failure:  # noqa: BLE001  the director raises it where it can be seen
            self.failure = failure

    def _serve(self, student: Student) -> bool:
        view = self.sell(student, *self._choice())
        if view["phase"] == "done":
            if self.place.staff and self.sold % CASH_EVERY == 0:
                self._take_cash()
            return True
        self._say.line(f"{self.place}: {student} is not served: {' '.join(view['lines'])}")
        self.cancel()
        return False

    def _take_cash(self) -> None:
        program = self.till.program
        program.type(f"item {self._dice.choice(self.place.goods)}")
        view = self._counted(program.wait("view", since=program.type("cash"), phase="done"))
        self.cash_cents += view["amount"]

    def _choice(self) -> list[str]:
        return self._dice.sample(self.place.goods, self._dice.randint(1, self.place.items_max))

    def _on_event(self, event: Event) -> None:
        if event["event"] == "lists":
            self.lists_at_s, self.lists_as_of = time.monotonic(), event["as_of"]


def receipt_of(view: Event) -> str:
    """The number on the receipt of a sale that is shown, as TERMINAL-ENTRY."""
    found = [match[1] for line in view["lines"] if (match := _RECEIPT.search(line))]
    return found[-1] if found else ""
