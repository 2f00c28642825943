"""Two hundred students: most with a card, some with a phone, and the queue that they make."""

import random
import threading
import time
from dataclasses import dataclass, field

from protocol.purse import Technology
from tests.integration.fuse import Card

_FAMILY = (
    "Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu", "Xu", "Sun", "Ma", "Zhu", "Hu",
    "Guo", "He", "Lin", "Gao", "Luo", "Zheng", "Liang", "Xie", "Song", "Tang", "Deng", "Han", "Feng", "Cao", "Peng",
)  # fmt: skip
_GIVEN = (
    "Wei", "Na", "Min", "Yang", "Jing", "Lei", "Yan", "Tao", "Jie", "Xia", "Ming", "Li", "Chao", "Ping", "Bin", "Fang",
    "Qiang", "Yue", "Peng", "Dan", "Kai", "Hui", "Rui", "Jia", "Bo", "Lin", "Xue", "Hao", "Yu", "Fei",
)  # fmt: skip
KIND_OF = {Technology.CLASSIC: "MIFARE Classic", Technology.DESFIRE: "DESFire", Technology.TOKEN: "phone"}
SHARES = {Technology.CLASSIC: 45, Technology.DESFIRE: 45, Technology.TOKEN: 10}
"""Of a hundred students."""
PURSE_CENTS = 6_000
AGAIN_AFTER_S = 11.0
"""A till asks before it charges the same card twice within ten seconds."""


@dataclass
class Student:
    """Somebody with a number, money on it, and a card or a phone to pay with."""

    name: str
    person: str
    technology: Technology
    no: int = 0
    card: Card | None = None
    secret: str = ""
    """What the phone shows to the server to get pay codes."""
    is_free: bool = True
    served_at_s: float = -100.0

    @property
    def plastic(self) -> Card:
        """The card; whoever has a phone has none."""
        assert self.card is not None
        return self.card

    def __str__(self) -> str:
        return f"{self.name} ({KIND_OF[self.technology]} {self.no})"


def students(count: int, dice: random.Random) -> list[Student]:
    """So many, each with a name of their own."""
    names = dice.sample([f"{family} {given}" for family in _FAMILY for given in _GIVEN if family != given], count)
    phones, classics = (count * SHARES[one] // 100 for one in (Technology.TOKEN, Technology.CLASSIC))
    kinds = [Technology.TOKEN] * phones + [Technology.CLASSIC] * classics
    kinds += [Technology.DESFIRE] * (count - len(kinds))
    dice.shuffle(kinds)
    return [
        Student(name, f"s{number:03d}", kind) for number, (name, kind) in enumerate(zip(names, kinds, strict=True), 1)
    ]


@dataclass
class Crowd:
    """Who is hungry. Students join as they get something to pay with."""

    students: list[Student] = field(default_factory=list[Student])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, student: Student) -> None:
        """One more who can pay."""
        with self._lock:
            self.students.append(student)

    def next(self) -> Student | None:
        """Whoever was served longest ago, if anybody may be served now."""
        with self._lock:
            student = min(self._free(), key=lambda one: one.served_at_s, default=None)
            if student is not None:
                student.is_free = False
            return student

    def back(self, student: Student) -> None:
        """Served, for now."""
        with self._lock:
            student.served_at_s, student.is_free = time.monotonic(), True

    def take(self, technology: Technology) -> Student:
        """Somebody for a scene of the story, who has not eaten yet; never served by a cashier."""
        with self._lock:
            student = next(one for one in self._free() if one.technology is technology)
            student.is_free = False
            return student

    def _free(self) -> list[Student]:
        return [one for one in self.students if one.is_free and time.monotonic() - one.served_at_s > AGAIN_AFTER_S]
