"""Customers and cashiers: what they want, how they answer what a counter shows, and when they give up.

Each walk is a generator of waiting times, so that many of them go on at once. People are honest: a cashier hands
goods over once, and a customer who has the goods does not pay again.
"""

import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.purse import PIN_TRIES_MAX
from terminal.desk import PaidEarlier
from tests.simulation.faults import Fault, tear_of_read, tear_of_write
from tests.simulation.plastic import Plastic
from tests.simulation.till import Till
from tests.simulation.truth import Wish

if TYPE_CHECKING:
    from tests.simulation.life import Life

Walk = Generator[int, None, None]
Told = Generator[int, None, bool]
TRIES = 8
_POINTS = (
    "before sale_prepared",
    "after sale_prepared",
    "after apdu",
    "before apdu",
    "before sale_settled",
    "after sale_settled",
    "before hand over",
    "after hand over",
    "before load_settled",
    "before topup_settled",
    "card lost",
)


@dataclass
class Errand:
    """What somebody wants at a counter: `ask` brings the counter to ask for the card."""

    wish: Wish
    what: str
    receipt: object = None

    def ask(self, till: Till) -> bool:
        """Operate the counter; False where there is nothing more to ask for."""
        begun = self.wish.number in till.campus.truth.begun
        match self.what:
            case "buy":
                till.ring(self.wish.cents, wish=self.wish.number)
                till.pay()
            case "top up" if not begun:
                till.clear()
                till.topup(self.wish.cents, wish=self.wish.number)
            case "refund":
                if begun or till.shows == "off":
                    return False
                till.clear()
                return till.refund(self.receipt, self.wish.cents, wish=self.wish.number) is None  # type: ignore[arg-type]
            case "close":
                till.clear()
                till.hand_in(owed=self.wish.number % 2 == 0, wish=self.wish.number)
            case _:
                till.clear()
                till.load_mode()
        return True


class People:
    """Everybody on the campus. Each visit draws from its own source of chance."""

    def __init__(self, life: "Life", *, torn_share: float = 0.1) -> None:
        """`torn_share`: of the taps, where cards are torn at all."""
        self._life, self._campus, self._torn_share = life, life.campus, torn_share
        self._busy: set[int] = set()
        self.lying: dict[str, Plastic] = {}
        """Cards that somebody forgot on a reader."""

    @property
    def _rng(self) -> random.Random:
        return self._life.rng

    def buy(self, till: Till, card: Plastic, cents: int) -> Walk:
        """Buy something; sometimes bring it back at once."""
        if not (yield from self.reach(till, card)):
            return
        wish = self.wish(card, cents)
        paid = yield from self._do(till, card, Errand(wish, "buy"))
        receipt = till.receipt if till.is_on else None
        if paid and receipt is not None and self._rng.random() < 0.06:
            yield from self._stay(till, card)
            back = self.wish(card, self._rng.choice((cents, max(1, cents // 3))))
            yield from self._do(till, card, Errand(back, "refund", receipt))
        yield from self.leave(till, card)

    def load(self, station: Till, card: Plastic) -> Walk:
        """Collect what waits."""
        if (yield from self.reach(station, card)):
            yield from self._do(station, card, Errand(self.wish(card, 0), "load"))
            yield from self.leave(station, card)

    def top_up(self, station: Till, card: Plastic, cents: int) -> Walk:
        """Put cash in."""
        if (yield from self.reach(station, card)):
            yield from self._do(station, card, Errand(self.wish(card, cents), "top up"))
            yield from self.leave(station, card)

    def hand_in(self, station: Till, card: Plastic) -> Walk:
        """Give a card back, for good."""
        if (yield from self.reach(station, card)):
            held = card.holding()
            wish = self.wish(card, held.cents if held else 0)
            if (yield from self._do(station, card, Errand(wish, "close"))) and card in self._life.cards:
                self._life.cards.remove(card)
                self._life.handed_in.append(card)
            yield from self.leave(station, card)

    # One errand --------------------------------------------------------------------------------------------------

    def _do(self, till: Till, card: Plastic, errand: Errand) -> Told:
        """Try until it is done, refused, or too annoying. Whether the goods went over the counter."""
        asked = False
        for _ in range(TRIES):
            if not till.is_on:
                yield 20_000
                continue
            if not asked or till.shows not in ("AwaitingCard", "TapAgain"):
                asked = errand.ask(till)
                if not asked:
                    return False
            yield self._rng.randint(500, 2_500)
            yield from self.clear_reader(till)
            if till.shows == "off":
                continue
            if till.shows == "Done" and till.card is None and errand.what == "refund":
                return True
            self._tap(till, card)
            if till.shows == "PinEntry":
                yield from self._type_pin(till, card)
            told = yield from self._answer(till, card, errand)
            if told is not None:
                return told
        return False

    def _answer(self, till: Till, card: Plastic, errand: Errand) -> Generator[int, None, bool | None]:
        """React to what the counter shows; None: try again."""
        wish = errand.wish
        match till.shows:
            case "Done":
                yield from self._take_goods(till, card)
                return True
            case "RepeatAsked":
                if self._has_goods(wish):
                    till.cancel()
                    return False
                till.confirm()
                return (yield from self._answer(till, card, errand))
            case "CloseAsked":
                till.confirm()
                return (yield from self._answer(till, card, errand))
            case "PaidEarlier":
                return (yield from self._paid_earlier(till, wish))
            case "NotDone":
                till.lift()
                till.cancel()
                return False
            case "TapAgain":
                till.lift()
                yield self._rng.randint(300, 4_000)
                if self._rng.random() < 0.2 and till.shows == "TapAgain":
                    till.cancel()
                    return False
            case _:
                till.lift()
                yield self._rng.randint(200, 3_000)
        return None

    def _paid_earlier(self, till: Till, wish: Wish) -> Generator[int, None, bool | None]:
        """The tap showed an earlier sale as paid. The cashier remembers whether its goods were handed over."""
        assert isinstance(till.phase, PaidEarlier)
        number = till.phase.receipt.number
        of = self._campus.truth.wish_of(number.tno, number.seq, till.phase.receipt.body)
        given = any((goods.tno, goods.prepared) == (number.tno, number.seq) for goods in self._campus.truth.goods)
        if given:
            till.cancel()
        else:
            till.confirm()
        till.lift()
        yield self._rng.randint(700, 3_000)
        return True if of == wish.number else None

    def _take_goods(self, till: Till, card: Plastic) -> Walk:
        yield self._rng.randint(100, 1_500)
        faults = self._life.faults
        if Fault.FLICKERING_CARD in faults and self._rng.random() < 0.1:
            self._campus.counts[Fault.FLICKERING_CARD] += 1
            for _ in range(self._rng.randint(1, 3)):
                till.lift()
                yield self._rng.randint(10, 400)
                if till.is_on and till.card is None:
                    till.tap(card)
        if Fault.LINGERING_CARD in faults and self._rng.random() < 0.1 and till.is_on:
            self._campus.counts[Fault.LINGERING_CARD] += 1
            self.lying[till.name] = card
            return
        till.lift()

    def _type_pin(self, till: Till, card: Plastic) -> Walk:
        for _ in range(PIN_TRIES_MAX):
            yield self._rng.randint(1_000, 3_000)
            if till.shows != "PinEntry":
                return
            till.pin(card.pin if self._rng.random() < 0.8 else "9999")
            if till.shows != "NotDone":
                return

    def _has_goods(self, wish: Wish) -> bool:
        return any(goods.wish == wish.number for goods in self._campus.truth.goods)

    # Coming and going --------------------------------------------------------------------------------------------

    def reach(self, till: Till, card: Plastic) -> Told:
        """Queue until counter and card are free; False where it takes too long."""
        for _ in range(6):
            if till.is_on and id(till) not in self._busy and id(card) not in self._busy:
                self._busy |= {id(till), id(card)}
                self._life.before_errand(till)
                return True
            yield self._rng.randint(5_000, 30_000)
        return False

    def _stay(self, till: Till, card: Plastic) -> Walk:
        if till.card is card:
            till.lift()
            self.lying.pop(till.name, None)
        yield self._rng.randint(2_000, 60_000)

    def leave(self, till: Till, card: Plastic) -> Walk:
        """Go, and let the next one come."""
        till.power.forget_plan()
        till.disk.fault = None
        if self.lying.get(till.name) is not card:
            till.lift()
            self._busy.discard(id(card))
        yield self._rng.randint(1_000, 9_000)
        self._busy.discard(id(till))

    def clear_reader(self, till: Till) -> Walk:
        """Pick up the card that the customer before forgot."""
        forgotten = self.lying.pop(till.name, None)
        if forgotten is not None:
            self._busy.discard(id(forgotten))
            till.lift()
            yield self._rng.randint(100, 2_000)

    def wish(self, card: Plastic, cents: int) -> Wish:
        """What somebody comes for."""
        wish = Wish(self._campus.next_wish(), card.key, cents)
        self._campus.truth.wishes[wish.number] = wish
        return wish

    def _tap(self, till: Till, card: Plastic) -> None:
        rng, faults = self._rng, self._life.faults
        tear = write_tear = None
        if Fault.TORN_CARD in faults and rng.random() < self._torn_share:
            if rng.random() < 0.25 or till.shows == "TapAgain":
                tear = tear_of_read(rng, card.technology)
            else:
                write_tear = tear_of_write(rng, card.technology)
        if Fault.CRASH_IN_A_SALE in faults and rng.random() < 0.04:
            if rng.random() < 0.5:
                till.cut_power(at=rng.randint(1, 60))
            else:
                till.cut_power(at=rng.choice(_POINTS), times=rng.randint(1, 3))
        till.tap(card, tear, write_tear=write_tear)
