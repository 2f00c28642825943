"""The card office before lunch: numbers and money from the desk, plastic at its readers, phones bound to theirs."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from protocol.purse import PURSES, Technology
from tests.demo.cable import Cable
from tests.demo.commentary import Commentary, counted, yuan
from tests.demo.crowd import PURSE_CENTS, Crowd, Student
from tests.demo.places import OFFICE
from tests.integration.campus import PCSCD_LOOKS_S, SETTLED_PHASES, Campus, Till, blank
from tests.integration.fuse import Card
from tests.integration.programs import Event, ProgramFailed

READERS = 4
TOLD_EVERY = 60
"""So many cards from one line of progress to the next."""
TRIES = 5
"""So often a card is put on the reader before something must be wrong."""
MAY = ("refund", "load", "topup", "office")


@dataclass(frozen=True, slots=True)
class Reader:
    """A terminal that makes cards, on a PN532 of its own."""

    till: Till
    cable: Cable


def open_readers(campus: Campus, stack: ExitStack) -> list[Reader]:
    """All of them, enrolled and not yet with a network."""
    readers: list[Reader] = []
    for number in range(1, READERS + 1):
        cable, title = Cable(campus.broker.settings.port, stack), f"{OFFICE} {number}"
        till = campus.add_till(f"card-office-{number}", 0, may=MAY, pn532=True, title=title, broker_port=cable.port)
        cable.pull()
        readers.append(Reader(till, cable))
    return readers


class CardOffice:
    """Works in a thread of its own, so that the tills can be started meanwhile."""

    def __init__(
        self, campus: Campus, crowd: Crowd, students: Sequence[Student], readers: Sequence[Reader], say: Commentary
    ) -> None:
        """Begins at once."""
        self._campus, self._crowd, self._students, self._say = campus, crowd, students, say
        self._readers = readers
        self._cards = [student for student in students if student.technology in PURSES]
        self._made, self._lock = 0, threading.Lock()
        self.failures: list[Exception] = []
        """Raised by whoever directs the story, where they can be seen."""
        self._desk_is_done = threading.Event()
        self._thread = self._begin(self._work)

    def wait_for_desk(self) -> None:
        """Until every student has a number and money, or something went wrong."""
        while not self.failures and not self._desk_is_done.wait(0.1):
            pass

    def wait(self) -> None:
        """Until every student can pay, or something went wrong."""
        while not self.failures and self._thread.is_alive():
            time.sleep(0.1)

    def _begin(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as failure:  # noqa: BLE001  raised where it can be seen
                self.failures.append(failure)

        thread = threading.Thread(target=run, name="card office", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        """Plastic, which takes no network; then what was written arrives."""
        ready_ms = self._take_money()
        self._desk_is_done.set()
        for reader in self._readers:
            reader.cable.plug()
        for reader in self._readers:
            reader.till.program.wait_for(partial(_is_list_of, ready_ms), since=0, what="the loads at the card office")
            reader.cable.pull()
        self._say.line("the card office has its list, unplugs its network, and makes cards: they need no network")
        works = [
            self._begin(partial(self._make, reader.till, self._cards[number :: len(self._readers)]))
            for number, reader in enumerate(self._readers)
        ]
        for work in works:
            work.join()
        began = time.monotonic()
        for reader in self._readers:
            reader.cable.plug()
        for reader in self._readers:
            self._campus.wait_online(reader.till)
        told = f"its network is back; what it wrote is at the server {time.monotonic() - began:.1f} s later"
        self._say.line(told)

    def _take_money(self) -> int:
        """What the desk types: who it is, a number, cash taken in; phones may show pay codes. Done when, UTC ms."""
        ask = self._campus.ask
        for student in self._students:
            ask("PUT", f"/people/{student.person}", {"name": student.name, "card_class": 1})
            order = {"technology": str(student.technology), "person": student.person}
            (student.no,) = ask("POST", "/cards", order)["numbers"]
            load = {"id": f"desk-load-{student.no:06d}", "cents": PURSE_CENTS}
            ask("POST", f"/cards/{student.no}/loads", load)
            if student.technology is Technology.TOKEN:
                student.secret = ask("PUT", f"/phones/{student.no}")["secret"]
                self._crowd.join(student)
        people = counted(len(self._students), "student")
        self._say.line(f"the desk has taken {yuan(PURSE_CENTS)} in cash from each of {people}")
        return time.time_ns() // 1_000_000

    def _make(self, office: Till, students: Sequence[Student]) -> None:
        """Blank after blank becomes a card, and what was paid in goes onto it while it lies there."""
        for student in students:
            student.card = blank(student.technology)
            typed = office.program.type(f"replace {student.no} 1 student")
            office.program.wait("view", since=typed, phase="office")
            _until(office, student.card, office.put_on(student.card), "office_done")
            _until(office, student.card, office.program.type("load"), "done")
            office.away()
            self._crowd.join(student)
            with self._lock:
                self._made += 1
                made = self._made
            if made % TOLD_EVERY == 0 or made == len(self._cards):
                self._say.line(f"the card office has made {made} of {counted(len(self._cards), 'card')}")


def _is_list_of(at_ms: int, event: Event) -> bool:
    """Whether it tells of lists that are not older."""
    return event["event"] == "lists" and int(event["as_of"]) >= at_ms


def _until(office: Till, card: Card, mark: int, phase: str) -> None:
    """Until that is shown; a card that a busy machine has lost is put on the reader once more. Raises ProgramFailed."""
    view: Event = {}
    for _ in range(TRIES):
        view = office.program.wait("view", since=mark, phase={"office_done", "office_failed", *SETTLED_PHASES})
        if view["phase"] == phase:
            return
        office.away()
        time.sleep(PCSCD_LOOKS_S)
        mark = office.put_on(card)
    raise ProgramFailed(f"{office.tid} made no card: {view}")
