"""What can go wrong during lunch, one scene after the other, while everybody else goes on eating."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hardware.simulated.classic_card import VirtualClassic
from protocol.purse import Technology
from tests.demo.cable import Cable
from tests.demo.commentary import Commentary, counted, yuan
from tests.demo.counter import Counter, receipt_of
from tests.demo.crowd import Crowd, Student
from tests.demo.desk import Desk
from tests.demo.places import EVERYWHERE, MACHINE, NAME_OF, PRICE_OF, THE_SHOP, TILL_A, TILL_B, Place
from tests.integration.campus import Campus, wait_until
from tests.integration.fuse import COMMIT, Fuse, torn_off
from tests.integration.programs import Event, ProgramFailed

NEW_PRICE_CENTS = 300
CAST = {Technology.CLASSIC: 4, Technology.DESFIRE: 3, Technology.TOKEN: 1}
"""So many students have a part."""
_TIP = re.compile(r"confirmed: [0-9]+ of ([0-9]+)")


@dataclass
class Stage:
    """Everything that scenes share, and what they leave for the end."""

    campus: Campus
    desk: Desk
    crowd: Crowd
    say: Commentary
    pictures: Path
    counters: dict[Place, Counter] = field(default_factory=dict[Place, Counter])
    cables: dict[Place, Cable] = field(default_factory=dict[Place, Cable])
    cast: list[Student] = field(default_factory=list[Student])
    """Who has a part in the story."""
    parts: dict[int, str] = field(default_factory=dict[int, str])
    """Which, by number."""
    told: dict[str, str] = field(default_factory=dict[str, str])
    """What is to be said about an entry, by its name on the receipt."""
    planted: dict[str, int] = field(default_factory=dict[str, int])
    """Differences that the night must find, by class."""
    cloned: Student | None = None
    walked_away: Student | None = None
    _waiting: dict[Technology, list[Student]] = field(default_factory=dict[Technology, list[Student]])

    def choose_cast(self) -> None:
        """Whoever has a part keeps their money for it."""
        self._waiting = {technology: [self.crowd.take(technology) for _ in range(n)] for technology, n in CAST.items()}

    def enter(self, technology: Technology, part: str) -> Student:
        """The next of the cast gets a part."""
        student = self._waiting[technology].pop()
        self.cast.append(student)
        self.parts[student.no] = part
        return student

    def photograph(self, counter: Counter, name: str) -> None:
        """What the till shows now."""
        counter.till.program.photograph(self.pictures / f"{name}.png")


def expect(view: Event, *phases: str) -> Event:
    """A scene that goes another way than it must is no story. Raises ProgramFailed."""
    if view["phase"] not in phases:
        raise ProgramFailed(f"expected {' or '.join(phases)}, got {view}")
    return view


def blocked_card(stage: Stage) -> None:
    """Reported lost at the desk, refused at a till."""
    student, counter = stage.enter(Technology.DESFIRE, "reported the card lost"), stage.counters[THE_SHOP]
    balance = stage.campus.money_on(student.plastic)
    with counter.lock:
        knows_s = lists_after(counter, lambda: stage.desk.block(student.no))
        began = time.monotonic()
        view = expect(counter.sell(student, "bun"), "not_done")
        refused_s = knows_s + time.monotonic() - began
        stage.photograph(counter, "1-blocked-card")
        counter.cancel()
    stage.say.line(
        f"BLOCKED   {student} reports the card lost, with {yuan(balance)} on it; the desk blocks it",
        f"{THE_SHOP} knows it after {knows_s:.1f} s and refuses the card after {refused_s:.1f} s: {view['lines'][0]}",
        f"balance before {yuan(balance)}, after {yuan(stage.campus.money_on(student.plastic))}",
    )


def lists_after(counter: Counter, act: Callable[[], object]) -> float:
    """Do something at the server that changes lists; seconds until a till that is online works with them."""
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    act()
    return lists_since(counter, began_s, began_ms)


def lists_since(counter: Counter, began_s: float, began_ms: int) -> float:
    """Seconds from an instant until a till works with lists that were made after it."""
    wait_until(lambda: counter.lists_as_of >= began_ms, f"newer lists at {counter.place}")
    return counter.lists_at_s - began_s


def network_is_cut(stage: Stage) -> None:
    """Two terminals lose the broker, the others do not; all of them go on selling."""
    for cable in stage.cables.values():
        cable.pull()
    lost = [stage.counters[place] for place in stage.cables]
    for counter in lost:
        with counter.lock:
            wait_until(partial(_is_offline, counter), f"{counter.place} to be offline")
    names = " and ".join(map(str, stage.cables))
    told = [f"{counter.place}: {_asked(counter)}" for counter in stage.counters.values()]
    stage.say.line(f"CUT       {names} have lost the network, and go on selling. What each till says:", *told)


def _asked(counter: Counter) -> str:
    with counter.lock:
        return line_of(counter)


def _is_offline(counter: Counter) -> bool:
    return line_of(counter).startswith("offline")


def line_of(counter: Counter) -> str:
    """What a terminal's status says of its line to the server."""
    lines = counter.till.program.ask("status").splitlines()
    return next(line for line in lines if line.startswith(("online", "offline", "connected")))


def price_changes(stage: Stage) -> tuple[float, int]:
    """Whoever is online has it at once; whoever is not sells at the old price, rightly. Returns when it was changed."""
    name, old = NAME_OF[EVERYWHERE], PRICE_OF[EVERYWHERE]
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    stage.desk.change_price(EVERYWHERE, NEW_PRICE_CENTS)
    told = [
        f"{place} has it {lists_since(counter, began_s, began_ms):.1f} s later"
        for place, counter in stage.counters.items()
        if place not in stage.cables
    ]
    away = " and ".join(map(str, stage.cables))
    stage.say.line(
        f"PRICE     the desk says that {name} costs {yuan(NEW_PRICE_CENTS)}, and no longer {yuan(old)}",
        f"{', '.join(told)}; {away} cannot know it yet",
    )
    for place, cents in ((TILL_A, NEW_PRICE_CENTS), (TILL_B, old)):
        price = "the new price" if cents == NEW_PRICE_CENTS else "the old price"
        student, counter = stage.enter(Technology.CLASSIC, f"bought {name} at {price}"), stage.counters[place]
        with counter.lock:
            view = expect(counter.sell(student, EVERYWHERE), "done")
        if view["amount"] != cents:
            raise ProgramFailed(f"{name} cost {view['amount']} at {place}")
        after = stage.campus.money_on(student.plastic)
        stage.told[receipt_of(view)] = price
        stage.say.line(
            f"          {student} pays {price}, {yuan(cents)}, at {place}; "
            f"balance before {yuan(after + cents)}, after {yuan(after)}"
        )
    return began_s, began_ms


def phone_pays_offline(stage: Stage) -> None:
    """A pay code that the server has just signed is worth something where the server cannot be asked."""
    student, counter = stage.enter(Technology.TOKEN, "paid with a phone, offline"), stage.counters[TILL_B]
    before = int(stage.campus.card(student.no)["main_cents"])
    with counter.lock:
        view = expect(counter.sell(student, "dumplings"), "done")
        stage.photograph(counter, "3-offline-phone")
    stage.told[receipt_of(view)] = "offline"
    stage.say.line(
        f"PHONE     {student} shows a pay code at {TILL_B}, offline: the server has just signed it, so it is taken",
        f"{yuan(view['amount'])} paid; balance before {yuan(before)}, after {yuan(before - view['amount'])}",
    )


def torn_and_tapped_again(stage: Stage) -> None:
    """A card leaves in the middle of the write, and comes back."""
    student, counter = stage.enter(Technology.CLASSIC, "tore the card away and tapped again"), stage.counters[THE_SHOP]
    before = stage.campus.money_on(student.plastic)
    with counter.lock:
        counter.ring("notebook")
        expect(counter.tap(torn_off(student.plastic)), "tap_again")
        stage.photograph(counter, "2-torn-card")
        view = expect(counter.tap(student.plastic), "done")
    after = stage.campus.money_on(student.plastic)
    if before - after != view["amount"]:
        raise ProgramFailed(f"charged {before - after} instead of {view['amount']}")
    stage.told[receipt_of(view)] = "torn, charged once"
    stage.say.line(
        f"TORN      {student} pulls the card off {THE_SHOP}'s reader in mid-write; it asks for the same card",
        f"tapped again: {yuan(view['amount'])} charged once; balance before {yuan(before)}, after {yuan(after)}",
    )


def walks_away(stage: Stage) -> None:
    """A card leaves after the debit and before the machine could see it, and its owner does not wait."""
    student, counter = stage.enter(Technology.DESFIRE, "tore the card away and walked off"), stage.counters[MACHINE]
    before = stage.campus.money_on(student.plastic)
    with counter.lock:
        counter.ring("water")
        mark = counter.till.program.mark()
        expect(counter.tap(torn_off(student.plastic)), "tap_again")
        prepared = counter.till.program.wait("entry", since=mark, kind="sale_prepared")
        counter.cancel()
    stage.told[f"{counter.till.tno}-{prepared['seq']}"] = "torn, nothing handed out"
    stage.walked_away = student
    stage.planted["debited_not_delivered"] = 1
    stage.say.line(
        f"WALKS OFF {student} presses {NAME_OF['water']} at {MACHINE}, pulls the card away, and runs to class",
        f"nothing was handed out; balance before {yuan(before)}, after {yuan(stage.campus.money_on(student.plastic))}, "
        "which the machine cannot know yet",
    )


def copy_pays(stage: Stage) -> None:
    """CRYPTO1 is broken: a MIFARE Classic card can be copied. The original pays, and then the copy elsewhere."""
    student = stage.enter(Technology.CLASSIC, "does not know that a thief has copied the card")
    assert isinstance(student.card, VirtualClassic)
    before, copy = stage.campus.money_on(student.card), VirtualClassic(student.card.snapshot())
    shop, machine = stage.counters[THE_SHOP], stage.counters[MACHINE]
    with shop.lock:
        view = expect(shop.sell(student, "bun"), "done")
    stage.campus.wait_online(shop.till)
    with machine.lock:
        machine.ring("peanuts")
        copied = expect(machine.tap(copy), "done")
    stage.told[receipt_of(view)], stage.told[receipt_of(copied)] = "the card itself", "THE COPY"
    stage.cloned = student
    stage.planted["fork"] = 1
    stage.say.line(
        f"COPIED    a thief has copied the card of {student}: its cipher, CRYPTO1, is broken",
        f"the card itself pays {yuan(view['amount'])} at {THE_SHOP}: balance before {yuan(before)}, "
        f"after {yuan(stage.campus.money_on(student.card))}",
        f"its copy pays {yuan(copied['amount'])} at {MACHINE}, which can ask nobody: balance before "
        f"{yuan(before)}, after {yuan(stage.campus.money_on(copy))}",
    )


def till_is_killed(stage: Stage) -> None:
    """kill -9 right after the card was debited, before that is on the disk; then it is started again."""
    student, counter = stage.enter(Technology.DESFIRE, "was paying when the till was killed"), stage.counters[TILL_A]
    program, before = counter.till.program, stage.campus.money_on(student.plastic)
    with counter.lock:
        counter.ring("noodles")
        counter.till.put_on(Fuse(student.plastic, 1, program.kill, after=True, only=COMMIT))
        wait_until(lambda: not program.running, f"the end of {TILL_A}")
        killed_s, written = time.monotonic(), max(one["seq"] for one in program.events if one["event"] == "entry")
        counter.till.comes_back()
        back_s = time.monotonic() - killed_s
        stage.photograph(counter, "4-killed-and-back")
        found = _TIP.search(line_of(counter))
        if found is None or int(found[1]) < written:
            raise ProgramFailed(f"{written} entries before the kill: {found}")
        view = counter.recover(student.plastic)
    after = stage.campus.money_on(student.plastic)
    if before - after != view["amount"]:
        raise ProgramFailed(f"charged {before - after} instead of {view['amount']}")
    stage.told[receipt_of(view)] = "till killed, charged once"
    stage.say.line(
        f"KILLED    {TILL_A} is killed (SIGKILL) while {student} pays: the card is debited, and nothing says so",
        f"it took {back_s:.1f} s to come back with all {counted(written, 'entry', 'entries')} of its journal, "
        "and asks for the same card",
        f"tapped again: {yuan(view['amount'])} charged once; balance before {yuan(before)}, after {yuan(after)}",
    )


def network_returns(stage: Stage, changed: tuple[float, int]) -> None:
    """The backlog drains, and what was said meanwhile arrives."""
    waiting = {place: stage.counters[place].unsent for place in stage.cables}
    began = time.monotonic()
    for cable in stage.cables.values():
        cable.plug()
    told: list[str] = []
    for place, before in waiting.items():
        counter = stage.counters[place]
        stage.campus.wait_online(counter.till)
        drained_s = time.monotonic() - began
        price_s = lists_since(counter, *changed)
        told.append(
            f"{place}: {counted(before, 'entry', 'entries')} had not been sent; {drained_s:.1f} s later all of them "
            f"were. It has the new price {price_s:.0f} s after the desk changed it"
        )
    stage.say.line("BACK      The network is there again", *told)
