"""Thirty students with cards, and two cashiers who serve whoever comes next."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from protocol.purse import Technology
from tests.demo.commentary import Commentary
from tests.integration.campus import Campus, Till
from tests.integration.fuse import Card

NAMES = (
    "Wang Wei", "Li Na", "Zhang Min", "Liu Yang", "Chen Jing", "Yang Lei", "Zhao Yan", "Huang Tao", "Zhou Jie",
    "Wu Xia", "Xu Ming", "Sun Li", "Ma Chao", "Zhu Ping", "Hu Bin", "Guo Fang", "He Qiang", "Lin Yue", "Gao Peng",
    "Luo Dan", "Zheng Kai", "Liang Hui", "Xie Rui", "Song Jia", "Tang Bo", "Deng Lin", "Han Xue", "Feng Hao",
    "Cao Yu", "Peng Fei",
)  # fmt: skip
MENU = (
    ("rice", "Rice", "米饭", "米飯", 100),
    ("mapo-tofu", "Mapo tofu", "麻婆豆腐", "麻婆豆腐", 600),
    ("noodles", "Beef noodles", "牛肉面", "牛肉麵", 1_200),
    ("greens", "Greens", "青菜", "青菜", 300),
    ("soy-milk", "Soy milk", "豆浆", "豆漿", 250),
)
PURSE_CENTS = 6_000
AGAIN_AFTER_S = 11.0
"""A till asks before it charges the same card twice within ten seconds."""


@dataclass
class Student:
    """Somebody with a card."""

    name: str
    no: int
    card: Card
    technology: Technology
    is_free: bool = True
    served_at_s: float = -100.0
    has_paid: bool = False


@dataclass
class Crowd:
    """Who is hungry. Students join as they get their cards."""

    students: list[Student] = field(default_factory=list[Student])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, student: Student) -> None:
        """One more with a card."""
        with self._lock:
            self.students.append(student)

    def next(self) -> Student | None:
        """Whoever was served longest ago, if anybody may be served now."""
        with self._lock:
            free = [one for one in self.students if one.is_free and time.monotonic() - one.served_at_s > AGAIN_AFTER_S]
            student = min(free, key=lambda one: one.served_at_s, default=None)
            if student is not None:
                student.is_free = False
            return student

    def back(self, student: Student) -> None:
        """Served, for now."""
        with self._lock:
            student.served_at_s, student.is_free = time.monotonic(), True

    def take(self, technology: Technology) -> Student:
        """Somebody who has paid before, for a scene; never served by a cashier again."""
        while True:
            with self._lock:
                for student in self.students:
                    fits = student.is_free and student.technology is technology and student.has_paid
                    if fits and time.monotonic() - student.served_at_s > AGAIN_AFTER_S:
                        student.is_free = False
                        return student
            time.sleep(0.1)


class Cashier:
    """Serves one student after the other in a thread of its own; `lock` gives the till to a scene in between."""

    def __init__(self, till: Till, crowd: Crowd, say: Commentary, seed: int) -> None:
        self.till, self._crowd, self._say = till, crowd, say
        self._dice = random.Random(seed)
        self.lock = threading.Lock()
        self.sold, self.sold_cents = 0, 0
        self.failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=till.tid, daemon=True)

    def start(self) -> None:
        """Open the counter."""
        self._thread.start()

    def stop(self) -> None:
        """Close it after the student who is there."""
        self._stop.set()
        self._thread.join()

    def count(self, view: dict[str, Any]) -> None:
        """Take what a tap ended with into the till's sums: every sale counts, in a scene as well."""
        if view["phase"] == "done":
            self.sold += 1
            self.sold_cents += view["amount"]

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                student = self._crowd.next()
                if student is None:
                    time.sleep(0.05)
                    continue
                with self.lock:
                    self.serve(student)
                self._crowd.back(student)
        except Exception as failure:  # noqa: BLE001  the director raises it where it can be seen
            self.failure = failure

    def serve(self, student: Student) -> None:
        """Ring a lunch, take the card."""
        program = self.till.program
        for product, *_ in self._dice.sample(MENU, self._dice.randint(1, 3)):
            program.type(f"item {product}")
        program.wait("view", since=program.type("pay"), phase="awaiting_card")
        view = self.till.tap(student.card)
        self.count(view)
        if view["phase"] == "done":
            student.has_paid = True
            return
        self._say.line(f"{self.till.tid}: {student.name} is not served: {' '.join(view['lines'])}")
        student.has_paid, student.served_at_s = False, float("inf")
        program.wait("view", since=program.type("cancel"), phase="ringing")


def open_menu(campus: Campus, site: str) -> None:
    """The canteen's prices, signed by the server and pushed to every till."""
    products = [
        {"id": one, "names": {"en": english, "zh-Hans": simple, "zh-Hant": full}, "price": cents}
        for one, english, simple, full, cents in MENU
    ]
    campus.ask("PUT", f"/sites/{site}/prices", {"products": products})
