"""A till with everything under it that ships, down to a real PC/SC stack, and one customer's card on its reader."""

import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from smartcard import scard as _untyped  # pyright: ignore[reportMissingTypeStubs]

from hardware.cards.issue import NewCard, personalise
from hardware.cards.open_card import open_card
from hardware.ports import CardChannel
from hardware.readers.pcsc import PcscChannel, PcscReader
from hardware.simulated.classic_card import ClassicState, VirtualClassic, blank_classic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import DesfireState, blank_desfire
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.vpcd import VirtualSlot
from protocol.basket import Basket
from protocol.ids import Counter
from protocol.instants import CampusTime, MonoMs, Now, UtcMs
from protocol.journal import Sealed
from protocol.money import Cents
from protocol.purse import Purse, Technology
from terminal.card_port import CardPort
from terminal.card_thread import CardThread
from terminal.desk import BasketChanged, PayPressed
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.lists import Lists
from terminal.shell import Post, Shell
from tests.bench.lunch import BALANCE, LISTS, MERCHANT, PRICES
from tests.hardware.card_bench import OFFICE, SERVER, STATION, TILL, UID, WHO, Card, load
from tests.protocol.samples import NOON, TNO
from tests.terminal.journals import IDENTITY, begun

scard: Any = _untyped

BETWEEN_CUSTOMERS_MS: Final = 60_000
CARD_WAIT_S: Final = 5.0

Said = Sequence[tuple[bytes, bytes]]
"""APDUs and their answers."""
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


class Recorded:
    """A card's channel that keeps what was said."""

    def __init__(self, channel: CardChannel) -> None:
        self._channel = channel
        self.uid, self.technology = channel.uid, channel.technology
        self.said: list[tuple[bytes, bytes]] = []

    def transmit(self, apdu: bytes) -> bytes:
        """Pass it on."""
        answer = self._channel.transmit(apdu)
        self.said.append((apdu, answer))
        return answer


@dataclass(frozen=True, slots=True)
class Sale:
    """How long a sale took, what was said to read and to write the card, and the two entries."""

    seconds: float
    read: Said
    write: Said
    entries: Sequence[Sealed]


class Canteen:
    """Made by `open`."""

    def __init__(self, card: Card, channel: PcscChannel, journal: JournalStore, thread: CardThread) -> None:
        self.card, self.journal = card, journal
        self.clock, self.chance = LunchClock(), Chance()
        self._channel, self._cards = channel, CardPort(TILL, thread.run, self.chance)
        self._recorded = Recorded(channel)
        self._read_in = 0
        self._entries: list[Sealed] = []
        self._paid_at = 0.0
        self.shell = Shell(
            Post(TNO, MERCHANT, CampusTime(), SERVER.public, NOON), journal, self._cards,
            Lists(PRICES, LISTS, as_of=NOON), self.clock.now,
            on_appended=self._appended, on_hand_over=lambda _: self._paid(),
        )  # fmt: skip

    @classmethod
    async def open(cls, daemon: PrivatePcscd, directory: Path, card: Card, stack: AsyncExitStack) -> "Canteen":
        """Put a blank card on the reader, make it ours, and open the till."""
        slot = stack.enter_context(VirtualSlot(daemon.ports[0]))
        slot.insert(card)
        reader = stack.enter_context(PcscReader(daemon.reader_names[0]))
        channel = reader.wait_for_card(CARD_WAIT_S)
        assert channel is not None
        _issue(channel)
        thread = CardThread(reader)
        stack.callback(thread.close)
        journal = await begun(JournalSettings(directory / "journal.db"), IDENTITY)
        stack.push_async_callback(journal.close)
        canteen = cls(card, channel, journal, thread)
        await canteen.shell.start()
        return canteen

    async def sell(self) -> Sale:
        """A new customer's basket, and the card arrives."""
        await self._ring()
        self._recorded, self._entries = Recorded(self._channel), []
        started = time.perf_counter()
        self._cards.arrived(self._recorded)
        await self.shell.card_arrived()
        seconds, said = self._paid_at - started, self._recorded.said
        self._cards.left()
        await self.shell.card_left()
        assert len(self._entries) == 2 and seconds > 0, self.shell.desk.phase
        return Sale(seconds, said[: self._read_in], said[self._read_in :], self._entries)

    def send_bare(self, said: Said) -> float:
        """Send the same APDUs with nothing but pyscard; seconds until the last answer."""
        handle, protocol = self._channel._handle, self._channel._protocol
        messages = [list(apdu) for apdu, _ in said]
        started = time.perf_counter()
        answers = [scard.SCardTransmit(handle, protocol, message) for message in messages]
        seconds = time.perf_counter() - started
        assert [bytes(answer) for _, answer in answers] == [answer for _, answer in said]
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
            self._read_in = len(self._recorded.said)
        self._entries.append(sealed)

    def _paid(self) -> None:
        self._paid_at = time.perf_counter()


def blank(technology: Technology, chance: Chance) -> Card:
    """A card as it comes from the factory, with this source of random bytes if it needs one."""
    if technology is Technology.CLASSIC:
        return VirtualClassic(blank_classic(UID))
    return VirtualDesfire(blank_desfire(UID), chance)


def restore(card: Card, state: State) -> None:
    """Make the card what it was."""
    match card, state:
        case (VirtualClassic(), ClassicState()) | (VirtualDesfire(), DesfireState()):
            card.restore(state)  # type: ignore[arg-type]
        case _:
            raise AssertionError("a snapshot of another card")


def _issue(channel: PcscChannel) -> None:
    personalise(channel, OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(0))))
    station = open_card(channel, STATION)
    station.write(load(station.read(), 1, 1, BALANCE))
