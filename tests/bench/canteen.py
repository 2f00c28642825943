"""A till with everything under it that ships, down to a real reader stack, and one customer's card on its reader."""

import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hardware.cards.issue import NewCard, personalise
from hardware.cards.open_card import open_card
from hardware.ports import CardChannel
from hardware.simulated.classic_card import ClassicState, VirtualClassic, blank_classic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, DesfireState, blank_desfire
from protocol.basket import Basket
from protocol.ids import Counter
from protocol.instants import CampusTime, MonoMs, Now, UtcMs
from protocol.journal import Sealed
from protocol.money import Cents
from protocol.purse import Purse
from terminal.card_port import CardPort
from terminal.card_thread import CardThread
from terminal.desk import BasketChanged, PayPressed
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.lists import Lists
from terminal.post import Post
from terminal.shell import Shell
from tests.bench.lunch import BALANCE, LISTS, MERCHANT, PRICES
from tests.bench.stacks import Exchange, Said, Stack
from tests.hardware.card_bench import OFFICE, SERVER, STATION, TILL, UID, WHO, Card, Kind, load
from tests.protocol.samples import NOON, TNO
from tests.terminal.journals import IDENTITY, begun

BETWEEN_CUSTOMERS_MS: Final = 60_000
CARD_WAIT_S: Final = 5.0

State = ClassicState | DesfireState


class Chance:
    """Random bytes that can be drawn once more."""

    def __init__(self) -> None:
        self._source = random.Random(0)

    def rewind(self, seed: int) -> None:
        """Begin a series, anew or for the first time."""
        self._source.seed(seed)

    def __call__(self, length: int) -> bytes:
        return self._source.randbytes(length)


class LunchClock:
    """Real time from noon on, with the pauses between customers skipped."""

    def __init__(self) -> None:
        self._noon_ms = time.monotonic_ns() // 1_000_000

    def pass_ms(self, ms: int) -> None:
        """Skip some time."""
        self._noon_ms -= ms

    def now(self) -> Now:
        """What the till takes for the time."""
        mono_ms = time.monotonic_ns() // 1_000_000 - self._noon_ms
        return Now(UtcMs(NOON + mono_ms), MonoMs(mono_ms))


@dataclass(frozen=True, slots=True)
class Sale:
    """How long a sale took, what was said to read and to write the card, the two entries, and when what was done."""

    seconds: float
    read: Said
    write: Said
    entries: Sequence[Sealed]
    began_s: float
    exchanges: Sequence[Exchange]
    prepared_s: float
    """When the first entry was durable."""


class Canteen:
    """Made by `open`."""

    def __init__(self, card: Card, stack: Stack, journal: JournalStore, thread: CardThread) -> None:
        self.card, self.journal = card, journal
        self.clock, self.chance = LunchClock(), Chance()
        self._stack, self._thread, self._cards = stack, thread, CardPort(TILL, thread.run, self.chance)
        self._channel: CardChannel
        self._read_in = 0
        self._entries: list[Sealed] = []
        self._prepared_s = self._paid_at = 0.0
        self.shell = Shell(
            Post(TNO, MERCHANT, CampusTime(), SERVER.public, NOON), journal, self._cards,
            Lists(PRICES, LISTS, as_of=NOON), self.clock.now,
            on_appended=self._appended, on_hand_over=lambda _: self._paid(),
        )  # fmt: skip

    @classmethod
    async def open(cls, stack: Stack, directory: Path, card: Card, exits: AsyncExitStack) -> "Canteen":
        """Put a blank card on the reader, make it ours, and open the till. At the end the card is taken away."""
        thread = CardThread(stack.reader)
        exits.callback(thread.close)
        journal = await begun(JournalSettings(directory / "journal.db"), IDENTITY)
        exits.push_async_callback(journal.close)
        canteen = cls(card, stack, journal, thread)
        exits.callback(stack.take_away)
        await canteen.detect()
        issue(canteen._channel)
        await canteen.shell.start()
        return canteen

    async def detect(self) -> float:
        """Put the card onto the empty reader; seconds until the program has it."""
        self.card.put_back()
        began_s = time.perf_counter()
        self._stack.put_on(self.card)
        channel = await self._thread.run(lambda: self._stack.reader.wait_for_card(CARD_WAIT_S))
        assert channel is not None
        self._channel = channel
        return time.perf_counter() - began_s

    async def take_away(self) -> None:
        """Empty the field, and let the reader notice."""
        await self._thread.run(self._stack.take_away)

    async def sell(self) -> Sale:
        """A new customer's basket, and the card arrives."""
        await self._ring()
        timed, self._entries = self._stack.recorded(self._channel), []
        started = time.perf_counter()
        self._cards.arrived(timed)
        await self.shell.card_arrived()
        seconds, said = self._paid_at - started, self._stack.said
        self._cards.left()
        await self.shell.card_left()
        assert len(self._entries) == 2 and seconds > 0, self.shell.desk.phase
        parts = (started, timed.exchanges, self._prepared_s)
        return Sale(seconds, said[: self._read_in], said[self._read_in :], self._entries, *parts)

    def send_bare(self, said: Said) -> float:
        """Send the same with nothing but the library; seconds until the last answer."""
        started = time.perf_counter()
        answers = self._stack.send_bare(said)
        seconds = time.perf_counter() - started
        assert answers == [answer for _, answer in said]
        return seconds

    async def _ring(self) -> None:
        self.clock.pass_ms(BETWEEN_CUSTOMERS_MS)
        basket = Basket(PRICES)
        for product in PRICES.products[:2]:
            added = basket.add(product.id)
            assert isinstance(added, Basket)
            basket = added
        await self.shell.handle(BasketChanged(basket))
        await self.shell.handle(PayPressed())

    def _appended(self, sealed: Sealed) -> None:
        if not self._entries:
            self._read_in, self._prepared_s = len(self._stack.said), time.perf_counter()
        self._entries.append(sealed)

    def _paid(self) -> None:
        self._paid_at = time.perf_counter()


def blank(kind: Kind, chance: Chance) -> Card:
    """A card as it comes from the factory, with this source of random bytes if it needs one."""
    if kind is Kind.CLASSIC:
        return VirtualClassic(blank_classic(UID))
    return VirtualDesfire(blank_desfire(UID, Chip.EV2 if kind is Kind.EV2 else Chip.EV1), chance)


def restore(card: Card, state: State) -> None:
    """Make the card what it was."""
    match card, state:
        case (VirtualClassic(), ClassicState()) | (VirtualDesfire(), DesfireState()):
            card.restore(state)  # type: ignore[arg-type]
        case _:
            raise AssertionError("a snapshot of another card")


def issue(channel: CardChannel) -> None:
    """Make the card on the reader ours, and load it."""
    personalise(channel, OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(0))))
    station = open_card(channel, STATION)
    station.write(load(station.read(), 1, 1, BALANCE))
