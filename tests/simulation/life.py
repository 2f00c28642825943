"""Three business days of one seed: who comes when, what goes wrong, and how it all ends.

    issue cards -> day 1, 2, 3: customers, faults, a night's proof after each -> everything mended, all entries in,
    every card tapped once more -> the last proof

`Life(seed).run()` raises `AssertionError` at the first broken promise.
"""

import random
from collections.abc import Callable
from functools import partial

from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.limits import ClassLimits, LimitRules
from protocol.money import Cents
from protocol.purse import Technology
from server.reconcile.facts import Difference
from tests.simulation.campus import Campus
from tests.simulation.checks import Checks
from tests.simulation.disk import Disk, DiskFault
from tests.simulation.faults import Fault, swarm, weather
from tests.simulation.network import FAIR
from tests.simulation.office import Kept
from tests.simulation.people import People, Walk
from tests.simulation.planted import Forged
from tests.simulation.plastic import CardState, Plastic
from tests.simulation.sequences.format import Sequence
from tests.simulation.stage import DAYS, Stage
from tests.simulation.till import Till
from tests.simulation.token_people import STAND_IN_CENTS, TokenPeople

CARDS, VISITS_PER_DAY = 20, 110
FIRST_CENTS, CASH_CENTS = 12_000, 270
PIN_ABOVE_CENTS = 2_000
_RUSHES = ((HOUR_MS // 2, HOUR_MS), (3 * HOUR_MS, 5 * HOUR_MS // 2), (9 * HOUR_MS, 2 * HOUR_MS))
"""Start after opening, and length, of breakfast, lunch and dinner."""


_FORGERIES = (
    (500, True, Difference.CARD_ABOVE_LEDGER),
    (-300, True, Difference.GAP),
    (700, False, Difference.BALANCE_CONTRADICTION),
    (-200, False, Difference.BALANCE_CONTRADICTION),
)
"""Cents, whether a step is counted for them, and the class that the proof must give them."""


class Life:
    """One seed from its first card to its last proof."""

    def __init__(
        self,
        seed: int,
        faults: frozenset[Fault] | None = None,
        sequences: tuple[Sequence, ...] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        """`sequences`: the money sequences to play in it; None: those whose turn it is with this seed.

        `only`: kinds of fault, sequences and planned things, by name, that happen; None: all of them.
        """
        self.seed, self.sequences, self._only = seed, sequences, only
        self.rng = random.Random(seed)
        chosen = swarm(self.rng) if faults is None else faults
        self.faults = frozenset(fault for fault in chosen if self.happens(fault))
        self.planned: list[str] = sorted(chosen)
        """Everything that may be left out, by name; what was left out is among it."""
        self.campus = Campus(seed, tills=self.rng.randint(3, 4), stations=self.rng.randint(1, 2))
        self.checks = Checks(self)
        self.campus.moment_passed = self._moment_passed  # type: ignore[method-assign]
        self.campus.check_goods = self.checks.goods  # type: ignore[method-assign]
        self.campus.check_answer = self.checks.tokens.answered  # type: ignore[method-assign]
        classes = ClassLimits(1), ClassLimits(2, pin_above=Cents(PIN_ABOVE_CENTS))
        self.limits = LimitRules(classes, stand_in=Cents(STAND_IN_CENTS))
        self.campus.server.rules = self.limits
        self.people, self.token_people = People(self), TokenPeople(self)
        self.cards: list[Plastic] = []
        """Those that are in somebody's pocket: replaced ones leave, clones join."""
        self.handed_in: list[Plastic] = []
        """Those that their holders gave back."""
        self.silent: list[Till] = []
        self.backups: list[Kept] = []
        self.images: dict[str, Disk] = {}
        self.tills, self.stations = list(self.campus.tills), list(self.campus.stations)
        """Those that its own customers go to, and its faults strike."""
        self.stage = Stage(self)
        self.restored = False
        """Whether the server has lost its memory since: it may not even know terminals and loads of its own."""
        self._repairs: set[str] = set()
        self.mended = False

    def run(self) -> None:
        """Live, mend, prove."""
        self.issue()
        for day in range(DAYS):
            self._plan_day(day)
            self.stage.pass_day(day)
            self.campus.server.nightly()
            self.checks.night()
            self.campus.pass_time(-(self.campus.timeline.since_start_ms - self._opened_ms) % DAY_MS)
        self.mend()
        self.checks.end()

    # Days --------------------------------------------------------------------------------------------------------

    def issue(self) -> None:
        """Make cards and load them."""
        for number in range(CARDS):
            technology = Technology.CLASSIC if number % 2 else Technology.DESFIRE
            staff = number % 5 == 4
            card_class, pin = (2, "1357") if staff else (1, "")
            self.cards.append(self.campus.card(technology, FIRST_CENTS, card_class=card_class, pin=pin))
        self.token_people.issue()
        self.campus.sync()
        self.backups.append(self.campus.server.backup())

    def _plan_day(self, day: int) -> None:
        self._opened_ms = self.campus.timeline.since_start_ms
        for number in range(VISITS_PER_DAY):
            start, length = _RUSHES[number % len(_RUSHES)]
            self.plan(f"visit {number} of day {day}", length, self.somebody_comes, after_ms=start)
        self.token_people.plan_day(day, 11 * HOUR_MS)
        self.later(0, self._open_shifts)
        self.later(DAY_MS - 13 * HOUR_MS + HOUR_MS // 2, self._close_shifts)
        for fault in sorted(self.faults):
            times, act = self._strikes(fault, day)
            for number in range(times):
                self.plan(f"{fault} {number} of day {day}", 11 * HOUR_MS, act)
        if self.faults & {Fault.MESSAGE_LOSS, Fault.MESSAGE_DUPLICATION, Fault.MESSAGE_REORDER, Fault.LOST_ACK}:
            for till in (*self.tills, *self.stations):
                self.plan(f"weather at {till.name} on day {day}", 10 * HOUR_MS, partial(self._change_weather, till))

    def plan(self, name: str, within_ms: int, act: Callable[[], None], *, after_ms: int = 0) -> None:
        """Plan something of this run at some instant of a span.

        It draws from a source of its own, named like it: whatever is left out, everything else does as before.
        """
        self.planned.append(name)
        if self.happens(name):
            source = random.Random(f"{self.seed} {name}")
            self._at(after_ms + source.randrange(within_ms), act, source)

    def happens(self, name: str) -> bool:
        """Whether something of the plan is not left out."""
        return self._only is None or name in self._only

    def later(self, ms: int, act: Callable[[], None]) -> None:
        """Plan how something goes on."""
        self._at(ms, act, self.rng)

    def _at(self, ms: int, act: Callable[[], None], source: random.Random) -> None:
        def happen() -> None:
            before, self.rng = self.rng, source
            act()
            self.rng = before

        self.campus.timeline.after(ms, happen)

    def walk(self, walk: Walk) -> None:
        """Go on with what somebody does until they wait for something."""
        wait = next(walk, None)
        if wait is not None:
            self.later(wait, lambda: self.walk(walk))

    def somebody_comes(self) -> None:
        """A customer with one of the cards, for one thing or another."""
        rng, card = self.rng, self.rng.choice(self.cards)
        if rng.random() < 0.85:
            self.walk(self.people.buy(rng.choice(self.tills), card, self.price()))
            return
        station = rng.choice(self.stations)
        match rng.randrange(3):
            case 0 if len(self.cards) > CARDS // 2 and rng.random() < 0.1:
                self.walk(self.people.hand_in(station, card))
            case 0:
                self.campus.server.load(card, rng.randrange(100, 3_000))
                self.walk(self.people.load(station, card))
            case 1:
                self.walk(self.people.load(station, card))
            case _:
                self.walk(self.people.top_up(station, card, rng.randrange(100, 2_000)))

    def price(self) -> int:
        """What somebody buys."""
        return self.rng.choice((1, 250, 300, self.rng.randrange(100, 1_500), self.rng.randrange(1_500, 3_500)))

    # Faults ------------------------------------------------------------------------------------------------------

    def _strikes(self, fault: Fault, day: int) -> tuple[int, Callable[[], None]]:
        """How often a fault strikes on a day, and what it does."""
        strikes: dict[Fault, tuple[int, Callable[[], None]]] = {
            Fault.PARTITION: (3, self._part),
            Fault.BROKER_RESTART: (2, self._restart_broker),
            Fault.POWER_CUT: (2, self._cut),
            Fault.RESTART: (2, self._restart),
            Fault.SERVER_CRASH: (3, self._crash_server),
            Fault.CLOCK_JUMP: (1, self._jump_clock),
            Fault.DISK_FULL: (2, self._fill_disk),
            Fault.FADED_SLOT: (1, self._fade),
            Fault.CLONE: (int(day < 2), self._clone),
            Fault.ROLL_BACK: (1, self._roll_back),
            Fault.STALE_RESTORE: (int(day > 0), self._restore_server),
            Fault.SILENT_TILL: (int(day == 1), self._fall_silent),
            Fault.FORGED_CARD: (int(day < 2), self._forge),
            Fault.UNREADABLE_CARD: (int(day < 2), self._wear_out),
            Fault.RE_IMAGE: (2 * int(day == 1), self._re_image),
            Fault.REPLACED_CARD: (int(day < 2), self._replace),
        }
        return strikes.get(fault, (0, self._crash_server))

    def _any_till(self) -> Till:
        return self.rng.choice([*self.tills, *self.stations])

    def before_errand(self, till: Till) -> None:
        """Things that strike while somebody is served."""
        if Fault.DISK_FAULT in self.faults and self.rng.random() < 0.05:
            till.disk.fault = self.rng.choice(list(DiskFault))

    def _moment_passed(self, till: Till) -> None:
        self.checks.moment(till)
        self.went_dark(till)

    def went_dark(self, till: Till) -> None:
        """Somebody is at the switch some time after that."""
        own = till in self.tills or till in self.stations
        if own and not till.is_on and till.name not in self._repairs:
            self._repairs.add(till.name)
            wait = self.rng.choice((20_000, 40_000, 3 * MINUTE_MS, 12 * MINUTE_MS, HOUR_MS))
            self.later(wait, lambda: self._switch_on(till))

    def _switch_on(self, till: Till) -> None:
        self._repairs.discard(till.name)
        if till.is_on:
            return
        if Fault.CLOCK_LOST in self.faults and self.rng.random() < 0.6:
            self.campus.counts[Fault.CLOCK_LOST] += 1
            till.clock.lose()
            self.later(self.rng.randrange(2 * HOUR_MS), till.clock.set_right)
        if Fault.CRASH_IN_A_SALE in self.faults and self.rng.random() < 0.2:
            till.cut_power(at=self.rng.randint(1, 4))
        till.boot(program_only=self.rng.random() < 0.4)
        till.power.forget_plan()

    def _change_weather(self, till: Till) -> None:
        if not self.mended:
            till.line.weather = weather(self.rng, self.faults)

    def _part(self) -> None:
        till = self._any_till()
        self.campus.counts[Fault.PARTITION] += 1
        till.offline()
        self.later(self.rng.choice((MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS)), lambda: self.reconnect(till))

    def _restart_broker(self) -> None:
        """It has forgotten all that was on its way, and every terminal comes back when it likes."""
        self.campus.counts[Fault.BROKER_RESTART] += 1
        for till in [till for till in self.campus.all_tills if till.line.up]:
            till.offline()
            self.later(self.rng.randrange(90_000), partial(self.reconnect, till))

    def reconnect(self, till: Till) -> None:
        """The line is back, unless the till is one that falls silent."""
        if till not in self.silent or self.mended:
            till.online()

    def _cut(self) -> None:
        till = self._any_till()
        if till.is_on:
            till.cut_power()
            self._moment_passed(till)

    def _restart(self) -> None:
        till = self._any_till()
        if till.is_on:
            self.campus.counts[Fault.RESTART] += 1
            till.end()
            self.later(self.rng.choice((2_000, 20_000, 12 * MINUTE_MS)), lambda: self._start_program(till))

    def _start_program(self, till: Till) -> None:
        if not till.is_on:
            till.boot(program_only=True)

    def _crash_server(self) -> None:
        self.campus.server.crash_next(self.rng.choice(("before commit", "after commit")))

    def _jump_clock(self) -> None:
        till = self._any_till()
        self.campus.counts[Fault.CLOCK_JUMP] += 1
        jump = self.rng.choice((HOUR_MS, -HOUR_MS, 2 * DAY_MS, -3 * DAY_MS, 400 * DAY_MS, -20 * MINUTE_MS))
        till.clock.jump(jump)
        self.campus.tell(till.name, f"believes it is {jump // MINUTE_MS} minutes later")
        self.later(self.rng.randrange(8 * HOUR_MS), till.clock.set_right)

    def _fill_disk(self) -> None:
        till = self._any_till()
        self.campus.counts[Fault.DISK_FULL] += 1
        till.disk.room = self.rng.randrange(4)
        self.later(self.rng.randrange(2 * HOUR_MS), partial(self._empty_disk, till.disk))

    def _empty_disk(self, disk: Disk) -> None:
        disk.room = None

    def _fade(self) -> None:
        card = self.rng.choice([card for card in self.cards if card.technology is Technology.CLASSIC])
        if self.campus.is_at_rest(card) and card.fade():
            self.campus.counts[Fault.FADED_SLOT] += 1
            self.checks.planted.faded.add(card.key)
            self.campus.tell("nature", "lets the newest slot of a card fade", card.key)

    def _clone(self) -> None:
        card = self.rng.choice(self.cards)
        self.campus.counts[Fault.CLONE] += 1
        self.cards.append(card.clone())
        self.checks.planted.cloned.add(card.key)
        self.campus.tell("forger", "clones a card", card.key)

    def _forge(self) -> None:
        """With a stolen till's keys: value added, taken, or changed without a step (Classic value is signed)."""
        card = self.rng.choice([card for card in self.cards if card.technology is Technology.DESFIRE])
        held, planted = card.holding(), self.checks.planted
        if held is None or held.main < 1_000 or card.key in planted.tampered or not self.campus.is_at_rest(card):
            return
        cents, step, cls = self.rng.choice(_FORGERIES)
        self.campus.counts[Fault.FORGED_CARD] += 1
        self.campus.tell("forger", f"changes the card by {cents}: {cls}", card.key)
        card.forge(cents, step=step)
        planted.forged[card.key] = Forged(held.counter + step, cls, cents)

    def _wear_out(self) -> None:
        card = self.rng.choice([card for card in self.cards if card.technology is Technology.CLASSIC])
        if card.key in self.checks.planted.tampered or not self.campus.is_at_rest(card):
            return
        self.campus.counts[Fault.UNREADABLE_CARD] += 1
        self.campus.tell("nature", "makes the card unreadable", card.key)
        self.checks.planted.unreadable.add(card.key)
        card.fade_all()

    def _open_shifts(self) -> None:
        for till in (*self.tills, *self.stations):
            if till.is_on and not till.shell.derived.shift.number:
                till.open_shift(self.rng.choice((0, 10_000)))

    def _close_shifts(self) -> None:
        for till in (*self.tills, *self.stations):
            if not till.is_on:
                continue
            wrong = Fault.MISCOUNTED_DRAWER in self.faults and self.rng.random() < 0.4
            error = max(-self.campus.truth.in_drawer[till.name], self.rng.choice((-500, -1, 20, 300))) if wrong else 0
            if till.close_shift(error) and error:
                self.campus.counts[Fault.MISCOUNTED_DRAWER] += 1
                self.checks.planted.miscounted[till.name] += error

    def _roll_back(self) -> None:
        card = self.rng.choice(self.cards)
        state: CardState = card.snapshot()
        self.later(self.rng.randrange(6 * HOUR_MS), lambda: self._put_back(card, state))

    def _put_back(self, card: Plastic, state: CardState) -> None:
        if self.mended or not self.campus.is_at_rest(card) or card.snapshot() == state:
            return
        self.campus.counts[Fault.ROLL_BACK] += 1
        self.checks.planted.cloned.add(card.key)
        self.campus.tell("forger", "rolls a card back", card.key)
        card.restore(state)
        card.observe()

    def _restore_server(self) -> None:
        if self.stage.playing:
            self.later(HOUR_MS, self._restore_server)
        if self.stage.playing or self.mended:
            return
        self.campus.counts[Fault.STALE_RESTORE] += 1
        server = self.campus.server
        newest, self.restored = server.backup(), True
        server.restore(self.rng.choice(self.backups), told=self.rng.random() < 0.7)
        self.later(self.rng.randrange(HOUR_MS), self._enter_paper)
        self.backups.append(newest)

    def _enter_paper(self) -> None:
        if not self.stage.playing:
            self.campus.server.enter_paper()

    def _fall_silent(self) -> None:
        for till in self.rng.sample(self.tills, self.rng.randint(1, 2)):
            self.campus.counts[Fault.SILENT_TILL] += 1
            self.silent.append(till)
            till.offline()

    def _re_image(self) -> None:
        till = self._any_till()
        image = self.images.setdefault(till.name, till.image())
        self.later(self.rng.randrange(10 * MINUTE_MS, 5 * HOUR_MS), lambda: self._put_image(till, image))

    def _put_image(self, till: Till, image: Disk) -> None:
        if self.mended or till.card is not None or image.grant != till.disk.grant or not till.is_on:
            return
        self.campus.counts[Fault.RE_IMAGE] += 1
        till.reimage(image)
        self._sell_for_cash(till)

    def _sell_for_cash(self, till: Till) -> None:
        """Before the till hears that the server holds another history of it."""
        if not till.is_on:
            return
        if not till.shell.derived.shift.number:
            till.open_shift(0)
        till.cash_sale(CASH_CENTS)
        if self.seed % 2:
            till.close_shift()

    def _replace(self) -> None:
        card = self.rng.choice(self.cards)
        known = card.key in self.campus.server.book.cards
        if card.key in self.checks.planted.tampered or not known or not self.campus.is_at_rest(card):
            return
        self.campus.counts[Fault.REPLACED_CARD] += 1
        self.checks.planted.replaced.add(card.key)
        self.cards.remove(card)
        self.cards.append(self.campus.server.replace(card))

    def _last_visit(self, till: Till, card: Plastic) -> None:
        if self.rng.random() < 0.9:
            self.walk(self.people.buy(till, card, 1))

    # The end -----------------------------------------------------------------------------------------------------

    def mend(self) -> None:
        """No more faults; everything that is written anywhere reaches the server, and every card is tapped again."""
        self.mended, self.faults = True, frozenset()
        campus = self.campus
        campus.pass_time(HOUR_MS)
        for till in campus.all_tills:
            till.power.forget_plan()
            till.disk.room = till.disk.fault = None
            till.clock.set_right()
            till.line.weather = FAIR
            till.lift()
            if not till.is_on:
                till.boot()
        campus.pass_time(HOUR_MS)
        if self.silent:
            campus.pass_time(30 * DAY_MS)
            campus.server.nightly()
        campus.server.enter_paper()
        campus.sync()
        for till, medium in campus.old_media:
            campus.rescue(till, medium)
        campus.sync()
        for number, card in enumerate(self.cards):
            till = self.tills[number % len(self.tills)]
            self.plan(f"last visit {number}", MINUTE_MS, partial(self._last_visit, till, card))
            campus.pass_time(4 * MINUTE_MS)
        campus.pass_time(HOUR_MS)
        campus.sync()
        campus.server.nightly()
        self.checks.night()
        self.checks.second_histories()
        campus.server.nightly()
